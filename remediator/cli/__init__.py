"""The command line. Exit codes: 0 done, 1 failed, 2 usage or invalid configuration, 3 withheld, or not as it should be,
130 stopped by Ctrl-C.

Flags are spelled as Prometheus spells its own. A command is imported when it is called, so that `--help` and the
emergency commands are quick.
"""

import errno
import os
import sys
from typing import Any

import click
from click.shell_completion import ShellComplete, add_completion_class

from remediator import __version__
from remediator.cli.completions import BashCompletion
from remediator.cli.exits import INTERRUPTED
from remediator.cli.lazy_group import Lazy, LazyGroup
from remediator.cli.output import wants_colour

# Here, and not where a value is completed: the shell is asked for before any command is imported.
add_completion_class(BashCompletion, "bash")

UNWRITABLE = {errno.ENOSPC, errno.EIO, errno.EFBIG, errno.EDQUOT}


class Program(LazyGroup):
    """The commands, and what becomes of an answer that nobody can take."""

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run a command. A full disk behind standard output is a line and exit code 1, and no traceback."""
        try:
            return super().main(*args, **extra)
        except OSError as error:
            if error.filename is not None or error.errno not in UNWRITABLE:
                raise
            # What is left in the buffers would fail again when Python ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            click.echo(f"remediator: the answer cannot be written: {error.strerror}", err=True)
            sys.exit(1)

    def invoke(self, ctx: click.Context) -> Any:
        """Run what was called. Ctrl-C is a line and exit code 130: 1 would say that there was no answer."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("remediator: interrupted", err=True)
            sys.exit(INTERRUPTED)


COMMANDS = {
    "backtest": Lazy(
        place="remediator.cli.backtest:backtest", summary="Say what would have been done over Prometheus's history."
    ),
    "canary": Lazy(place="remediator.cli.canary:canary", summary="Set, watch, promote and roll back the canary."),
    "check": Lazy(place="remediator.cli.check:check", summary="Validate remediations.yaml."),
    "completion": Lazy(place="remediator.cli.completion:completion", summary="Print the completion script of a shell."),
    "doctor": Lazy(place="remediator.cli.doctor:doctor", summary="Check the whole chain from a gauge to the act."),
    "explain": Lazy(place="remediator.cli.explain:explain", summary="Say what an alert would lead to, and why."),
    "kill-switch": Lazy(
        place="remediator.cli.kill_switch:kill_switch", summary="Stop the workers at once, and keep them stopped."
    ),
    "pause": Lazy(place="remediator.cli.pause:pause", summary="Withhold automatic acts for a time."),
    "resume": Lazy(place="remediator.cli.pause:resume", summary="End a pause before its time."),
    "review": Lazy(place="remediator.cli.review:review", summary="Say what became of the acts of the past."),
    "serve": Lazy(place="remediator.cli.serve:serve", summary="Receive alerts from Alertmanager and act on them."),
    "test": Lazy(place="remediator.cli.test:test", summary="Run unit tests of remediations."),
    "timeline": Lazy(place="remediator.cli.timeline:timeline", summary="Put an incident into one ordered list."),
}


@click.group(
    cls=Program, lazy=COMMANDS, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, message="remediator, version %(version)s")
@click.pass_context
def main(context: click.Context) -> None:
    """The safety reflex of DENIS's canary.

    Alertmanager posts alerts; Remediator takes the canary to 0 % or gives the queue more workers, once per incident,
    and can always say why it did or did not act.
    """
    context.color = wants_colour()


def kubectl_canary() -> None:
    """`kubectl canary`, as kubectl calls a plugin."""
    main(["canary", *sys.argv[1:]], prog_name="kubectl")


def kubectl_remediator() -> None:
    """`kubectl remediator`, as kubectl calls a plugin."""
    main(prog_name="kubectl remediator")


def kubectl_complete_canary() -> None:
    """What completes `kubectl canary`, as kubectl's own completion calls it."""
    _complete(["canary", *sys.argv[1:]])


def kubectl_complete_remediator() -> None:
    """What completes `kubectl remediator`."""
    _complete(sys.argv[1:])


def _complete(words: list[str]) -> None:
    """Print what the last word can become, and what the shell may add: file names where they fit, else nothing."""
    *before, incomplete = words or [""]
    found = ShellComplete(main, {}, "kubectl", "").get_completions(before, incomplete)
    for item in found:
        if item.type == "plain":
            click.echo(f"{item.value}\t{item.help or ''}".rstrip())
    click.echo(":0" if any(item.type != "plain" for item in found) else ":4")

"""The command line.

Exit codes: 0 done, 1 failed, 2 usage or invalid configuration, 3 withheld or a check failed, 130 stopped by Ctrl-C.

Flags follow Prometheus's naming. A command's module is imported only when the command is called, which keeps `--help`
and the emergency commands fast.
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

# Registered here, because click looks up the shell class before any command is imported.
add_completion_class(BashCompletion, "bash")

UNWRITABLE = {errno.ENOSPC, errno.EIO, errno.EFBIG, errno.EDQUOT}


class Program(LazyGroup):
    """The commands, and how a failure to write their output is reported."""

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run a command. If standard output cannot be written (a full disk), print one line and exit with 1."""
        try:
            return super().main(*args, **extra)
        except OSError as error:
            if error.filename is not None or error.errno not in UNWRITABLE:
                raise
            # Flushing what is left in the buffer would fail again when Python exits.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            click.echo(f"remediator: cannot write the output: {error.strerror}", err=True)
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
        place="remediator.cli.backtest:backtest", summary="Replay Prometheus's history: what would have been done."
    ),
    "canary": Lazy(place="remediator.cli.canary:canary", summary="Set, watch, promote and roll back the canary."),
    "check": Lazy(place="remediator.cli.check:check", summary="Validate remediations.yaml."),
    "completion": Lazy(place="remediator.cli.completion:completion", summary="Print the completion script of a shell."),
    "doctor": Lazy(place="remediator.cli.doctor:doctor", summary="Check the whole chain from a gauge to the act."),
    "explain": Lazy(place="remediator.cli.explain:explain", summary="Show what an alert would lead to, and why."),
    "kill-switch": Lazy(
        place="remediator.cli.kill_switch:kill_switch", summary="Stop the workers at once, and keep them stopped."
    ),
    "pause": Lazy(place="remediator.cli.pause:pause", summary="Withhold automatic acts for a time."),
    "resume": Lazy(place="remediator.cli.pause:resume", summary="End a pause early."),
    "review": Lazy(place="remediator.cli.review:review", summary="Judge past acts by what followed them."),
    "serve": Lazy(place="remediator.cli.serve:serve", summary="Receive alerts from Alertmanager and act on them."),
    "test": Lazy(place="remediator.cli.test:test", summary="Run unit tests of remediations."),
    "timeline": Lazy(place="remediator.cli.timeline:timeline", summary="List what happened in an incident, in order."),
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
    """The completion of `kubectl canary`, called by kubectl's own completion."""
    _complete(["canary", *sys.argv[1:]])


def kubectl_complete_remediator() -> None:
    """The completion of `kubectl remediator`."""
    _complete(sys.argv[1:])


def _complete(words: list[str]) -> None:
    """Print the completions of the last word, and a directive that lets the shell add file names where they fit."""
    *before, incomplete = words or [""]
    found = ShellComplete(main, {}, "kubectl", "").get_completions(before, incomplete)
    for item in found:
        if item.type == "plain":
            click.echo(f"{item.value}\t{item.help or ''}".rstrip())
    click.echo(":0" if any(item.type != "plain" for item in found) else ":4")

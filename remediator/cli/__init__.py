"""The command line. Exit codes: 0 done, 1 failed, 2 usage or invalid configuration, 3 withheld, or not as it should be.

Flags are spelled as Prometheus spells its own. Each command imports what it needs when it runs, so that `--help`
and `check` are quick.
"""

import click

from remediator import __version__
from remediator.cli.canary import canary
from remediator.cli.check import check
from remediator.cli.completion import completion
from remediator.cli.explain import explain
from remediator.cli.kill_switch import kill_switch
from remediator.cli.pause import pause, resume
from remediator.cli.serve import serve


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message="remediator, version %(version)s")
def main() -> None:
    """The safety reflex of DENIS's canary.

    Alertmanager posts alerts; Remediator takes the canary to 0 % or gives the queue more workers, once per incident,
    and can always say why it did or did not act.
    """


main.add_command(canary)
main.add_command(check)
main.add_command(kill_switch)
main.add_command(pause)
main.add_command(resume)
main.add_command(completion)
main.add_command(explain)
main.add_command(serve)

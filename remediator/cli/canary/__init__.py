"""`remediator canary`: the canary's own operations, for people. They know what the reflex knows."""

import click

from remediator.cli.canary.history import history
from remediator.cli.canary.preflight import preflight
from remediator.cli.canary.promote import promote
from remediator.cli.canary.rollback import rollback
from remediator.cli.canary.set import set_command
from remediator.cli.canary.status import status
from remediator.cli.canary.verify import verify


@click.group()
def canary() -> None:
    """Set, watch, promote and roll back the canary."""


for command in (history, preflight, promote, rollback, set_command, status, verify):
    canary.add_command(command)

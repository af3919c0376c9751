"""`remediator canary`: the canary's own operations, for people. They know what the reflex knows."""

import click

from remediator.cli.canary.history import history
from remediator.cli.canary.promote import promote
from remediator.cli.canary.rollback import rollback
from remediator.cli.canary.set import set_command
from remediator.cli.canary.status import status


@click.group()
def canary() -> None:
    """Set, watch, promote and roll back the canary."""


for command in (history, promote, rollback, set_command, status):
    canary.add_command(command)

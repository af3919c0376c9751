"""`remediator canary`: the canary's own operations, for people. They know what the reflex knows."""

import click

from remediator.cli.canary.history import history
from remediator.cli.canary.rollback import rollback
from remediator.cli.canary.set import set_command


@click.group()
def canary() -> None:
    """Set, watch, promote and roll back the canary."""


canary.add_command(history)
canary.add_command(rollback)
canary.add_command(set_command)

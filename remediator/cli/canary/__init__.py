"""`remediator canary`: the canary's own operations, for people. They know what the reflex knows."""

import click

from remediator.cli.canary.preflight import preflight
from remediator.cli.canary.verify import verify


@click.group()
def canary() -> None:
    """Set, watch, promote and roll back the canary."""


canary.add_command(preflight)
canary.add_command(verify)

"""`remediator canary`: the canary's own operations, for people. They know what the reflex knows."""

import click


@click.group()
def canary() -> None:
    """Set, watch, promote and roll back the canary."""

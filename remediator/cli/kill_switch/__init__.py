"""`remediator kill-switch`: scale the workers to 0 and latch them there, and back."""

import click

from remediator.cli.lazy_group import Lazy, LazyGroup

COMMANDS = {
    "off": Lazy(
        place="remediator.cli.kill_switch.off:off",
        summary="Turn the switch off, and return to the replicas from before.",
    ),
    "on": Lazy(
        place="remediator.cli.kill_switch.on:on", summary="Take the workers to 0 replicas and latch them there."
    ),
}


@click.group("kill-switch", cls=LazyGroup, lazy=COMMANDS)
def kill_switch() -> None:
    """Stop the workers at once, and keep them stopped."""

"""`remediator canary`: what people do with the canary. The commands apply the same checks as the reflex."""

import click

from remediator.cli.lazy_group import Lazy, LazyGroup

COMMANDS = {
    "history": Lazy(place="remediator.cli.canary.history:history", summary="Show what was done, by whom and why."),
    "preflight": Lazy(
        place="remediator.cli.canary.preflight:preflight", summary="Check that the canary can be raised safely."
    ),
    "promote": Lazy(
        place="remediator.cli.canary.promote:promote", summary="Take the next step, if the verdict is promote."
    ),
    "rollback": Lazy(place="remediator.cli.canary.rollback:rollback", summary="Take the canary to 0 %, now."),
    "set": Lazy(
        place="remediator.cli.canary.set:set_command", summary="Give the canary 0, 1, 10, 50 or 100 % of the traffic."
    ),
    "status": Lazy(
        place="remediator.cli.canary.status:status", summary="Show where the canary is, and whether it may go on."
    ),
    "verify": Lazy(place="remediator.cli.canary.verify:verify", summary="Check that the pods run what the flags say."),
}


@click.group(cls=LazyGroup, lazy=COMMANDS)
def canary() -> None:
    """Set, watch, promote and roll back the canary."""

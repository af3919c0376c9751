"""Ctrl-C during a write: what became of it is told truly."""

from collections.abc import Iterator
from contextlib import contextmanager

from remediator.canary.steering import NotWritten, Steering
from remediator.cli.errors import Failed
from remediator.cli.output import say

INTERRUPTED = 130
"""The exit code of a program that SIGINT ended, as shells have it."""


@contextmanager
def interruptible(steering: Steering) -> Iterator[None]:
    """A write that may be interrupted. Ends the command where it is."""
    from remediator.api_errors import ClusterError
    from remediator.ledger import spell_change

    try:
        yield
    except KeyboardInterrupt:
        if not steering.sent:
            say("interrupted; nothing was written", err=True)
            raise SystemExit(INTERRUPTED) from None
        try:
            held = steering.held()
        except (ClusterError, NotWritten) as error:
            raise Failed(f"interrupted; whether the write holds cannot be told: {error}") from None
        if held:
            say(f"interrupted, but {spell_change(held.effect, held.before, held.after)} is written", err=True)
        else:
            say("interrupted during the write: it is not there, and may still come. Look again in a moment", err=True)
        raise SystemExit(INTERRUPTED) from None

"""Ctrl-C during a write: report whether it was written."""

from collections.abc import Iterator
from contextlib import contextmanager

from remediator.canary.operator import NotWritten, Steering
from remediator.cli.exits import INTERRUPTED, Failed
from remediator.cli.output import say
from remediator.kube.errors import ClusterError


@contextmanager
def interruptible(steering: Steering) -> Iterator[None]:
    """Wraps a write; on Ctrl-C, ends the command with a report."""
    try:
        yield
    except KeyboardInterrupt:
        if not steering.sent:
            say("interrupted; nothing was written", err=True)
            raise SystemExit(INTERRUPTED) from None
        try:
            held = steering.held()
        except (ClusterError, NotWritten) as error:
            raise Failed(f"interrupted; whether it was written is not known: {error}") from None
        if held:
            say(f"interrupted, but {held.change} is written", err=True)
        else:
            say("interrupted during the write: not written yet, but it may still arrive. Check again soon", err=True)
        raise SystemExit(INTERRUPTED) from None

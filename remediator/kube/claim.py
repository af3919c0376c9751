"""The only way to write to a target: read, plan, and send one patch that is valid only for the version that was read.

After a conflict the target is read and planned on again. After a lost response it is read back, and the record in the
patch shows whether the patch was applied. The caller (the reflex, or a command) decides what to plan and how long to
try.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from remediator.core.ledger import Entry
from remediator.core.workload import Workload
from remediator.kube.errors import ClusterError, Unanswered


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A patch with the read version as precondition, and the ledger entry that it writes."""

    entry: Entry
    patch: Mapping[str, Any]


class Readable(Protocol):
    """A target that was read."""

    def holds(self, action_id: str) -> bool:
        """Whether its ledger has the entry of this id."""


Found = TypeVar("Found", bound=Readable)
Other = TypeVar("Other")


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed(Generic[Found]):
    """A claim that was applied."""

    found: Found
    """The target that it was planned on, or that it was read back from."""
    entry: Entry
    answer: Workload | None = None
    """The target in the response to the patch."""
    read_back: bool = False
    """Whether the response was lost, and the entry was found by reading back."""


class Unconfirmed(Exception):
    """A patch was sent, and neither a response nor a later read shows whether it was applied."""

    def __init__(self, entry: Entry) -> None:
        super().__init__(entry.id)
        self.entry = entry


def claim(
    read: Callable[[], Found],
    plan: Callable[[Found], Claim | Other],
    send: Callable[[Claim], Workload | None],
    *,
    again: Callable[[Exception], bool],
    sent: list[Entry],
    turn: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> Claimed[Found] | Other:
    """Read, plan and write; returns the applied claim, or the plan's result if it writes nothing.

    `again` waits a moment after a failure, or returns False if it is final. `sent` gets the entry of each patch before
    it is sent, for callers that may be interrupted. Planning and sending happen while holding `turn`.

    Raises Unconfirmed, and what the callables raise.
    """
    lost: Entry | None = None
    while True:
        try:
            found = read()
            if held := next((entry for entry in reversed(sent) if found.holds(entry.id)), None):
                return Claimed(found=found, entry=held, read_back=True)
            lost = None
            with turn():
                planned = plan(found)
                if not isinstance(planned, Claim):
                    return planned
                sent.append(planned.entry)
                answer = send(planned)
            return Claimed(found=found, entry=planned.entry, answer=answer)
        except (ClusterError, TimeoutError) as error:
            if isinstance(error, Unanswered):
                lost = sent[-1]
            if not again(error):
                if lost:
                    raise Unconfirmed(lost) from error
                raise

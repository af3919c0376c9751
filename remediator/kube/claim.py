"""The one way anything is written to a target: read, plan, and send one patch that holds only for what was read.

After a conflict the target is read and planned on again. After a lost answer it is read back, and the record that is
part of the patch says whether the patch holds. What is planned, and how long it is tried, is up to the caller: the
reflex, or a person.
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
    """A patch whose precondition is the version that was read, and the ledger's entry that it writes."""

    entry: Entry
    patch: Mapping[str, Any]


class Readable(Protocol):
    """A target as it was read."""

    def holds(self, action_id: str) -> bool:
        """Whether its ledger has the entry of this id."""


Found = TypeVar("Found", bound=Readable)
Other = TypeVar("Other")


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed(Generic[Found]):
    """A claim that holds."""

    found: Found
    """What it was planned on, or what it was read back from."""
    entry: Entry
    answer: Workload | None = None
    """The target as the answer to the patch shows it."""
    read_back: bool = False
    """Whether the answer was lost, and the entry was found by reading."""


class Unconfirmed(Exception):
    """A patch was sent, and neither an answer nor a later read says whether it holds."""

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
    """The claim that holds, or what the plan is where it is to write nothing.

    `again` waits a moment after a failure, or returns False where it is final. `sent` gets the entry of each patch
    before it is sent, for callers who are interrupted. Only who has the `turn` plans and sends.

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

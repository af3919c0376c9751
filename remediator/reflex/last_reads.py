"""What each target was when it was read last: by the observer, for an alert, or in the answer to a write.

The rule of this file: nothing that may be older than the last write takes its place. What is kept may be overtaken by
others at any time, so a write on it needs its resourceVersion as a precondition.
"""

import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass

from remediator.core.policy import Target
from remediator.core.workload import TargetInvalid, TargetMissing, Workload

MAX_AGE_SECONDS = 10.0
"""Two intervals of the observer. After a restore of etcd, resourceVersions return with other content."""

Snapshot = Workload | TargetInvalid | TargetMissing


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A moment in the order of this process, and in seconds of a clock that nobody sets."""

    order: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A target as it was read; what happened before `began` is in it."""

    snapshot: Snapshot
    began: Moment

    @property
    def uid(self) -> str:
        """The target's, empty where it was not found."""
        return self.snapshot.uid if isinstance(self.snapshot, Workload) else ""

    def holds(self, action_id: str) -> bool:
        """Whether the act of this id is in the target's ledger."""
        return isinstance(self.snapshot, Workload) and self.snapshot.holds(action_id)


class LastReads:
    """The last read of each target. Safe to share between threads."""

    def __init__(self, steady: Callable[[], float]) -> None:
        self._steady = steady
        self._order = itertools.count(1)
        self._reads: dict[Target, Read] = {}
        self._written: dict[Target, int] = {}
        """When the last write was sent, in the order of this process."""
        self._lock = threading.Lock()

    def read(self, target: Target, call: Callable[[], Snapshot]) -> Read:
        """What the call reads. Raises what it raises."""
        began = self._now()
        read = Read(snapshot=call(), began=began)
        self._keep(target, read)
        return read

    def writing(self, target: Target) -> None:
        """A write is sent now, or was refused: what was read before holds no longer."""
        with self._lock:
            self._written[target] = next(self._order)
            self._reads.pop(target, None)

    def written(self, target: Target, workload: Workload) -> None:
        """The target as the answer to a write shows it."""
        self._keep(target, Read(snapshot=workload, began=self._now()))

    def last(self, target: Target) -> Read | None:
        """The last read that no write has followed, unless it is older than MAX_AGE_SECONDS."""
        with self._lock:
            read = self._reads.get(target)
        return read if read and self._steady() - read.began.seconds <= MAX_AGE_SECONDS else None

    def overtaken(self, target: Target, read: Read) -> bool:
        """Whether a write was sent, or refused, since this read began."""
        with self._lock:
            return read.began.order < self._written.get(target, 0)

    def _now(self) -> Moment:
        with self._lock:
            return Moment(order=next(self._order), seconds=self._steady())

    def _keep(self, target: Target, read: Read) -> None:
        with self._lock:
            before = self._reads.get(target)
            newest = max(self._written.get(target, 0), before.began.order if before else 0)
            if read.began.order > newest:
                self._reads[target] = read

"""The last read of each target: by the observer, for an alert, or in the response to a write.

The rule of this file: a read that may be older than the last write never replaces it. Others may change the target at
any time, so a write based on a kept read needs its resourceVersion as a precondition.
"""

import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass

from remediator.core.policy import Target
from remediator.core.workload import TargetInvalid, TargetMissing, Workload

MAX_AGE_SECONDS = 10.0
"""Two intervals of the observer. Bounded, because after a restore of etcd old resourceVersions have other content."""

Snapshot = Workload | TargetInvalid | TargetMissing


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A moment, as a sequence number within this process, and in seconds of a monotonic clock."""

    order: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A read of a target, which includes everything that happened before `began`."""

    snapshot: Snapshot
    began: Moment

    @property
    def uid(self) -> str:
        """The target's uid, or empty if it was not found."""
        return self.snapshot.uid if isinstance(self.snapshot, Workload) else ""

    def holds(self, action_id: str) -> bool:
        """Whether the act of this id is in the target's ledger."""
        return isinstance(self.snapshot, Workload) and self.snapshot.holds(action_id)


class LastReads:
    """The last read of each target. Thread-safe."""

    def __init__(self, steady: Callable[[], float]) -> None:
        self._steady = steady
        self._order = itertools.count(1)
        self._reads: dict[Target, Read] = {}
        self._written: dict[Target, int] = {}
        """When the last write was sent, as a sequence number."""
        self._lock = threading.Lock()

    def read(self, target: Target, call: Callable[[], Snapshot]) -> Read:
        """Read with this call, and keep the result. Raises what it raises."""
        began = self._now()
        read = Read(snapshot=call(), began=began)
        self._keep(target, read)
        return read

    def writing(self, target: Target) -> None:
        """Note that a write is being sent, or was refused: earlier reads are outdated."""
        with self._lock:
            self._written[target] = next(self._order)
            self._reads.pop(target, None)

    def written(self, target: Target, workload: Workload) -> None:
        """Keep the target in the response to a write."""
        self._keep(target, Read(snapshot=workload, began=self._now()))

    def last(self, target: Target) -> Read | None:
        """The last read, unless a write followed it or it is older than MAX_AGE_SECONDS."""
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

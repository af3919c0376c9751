"""The recent acts that this process has done, or has seen on a target.

`kubectl rollout undo` rewinds a Deployment's annotations, and the ledger with them. A rewound act still counts: its
cooldown keeps running, and undoing it was a revert. The age of an act is kept by a monotonic clock, so that neither a
change of the API server's clock, nor two API servers with different clocks, end a cooldown early.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from remediator.core.ledger import CLOCK_SKEW, Entry, Ledger
from remediator.core.policy import Target
from remediator.core.workload import Workload

_TOLERANCE = timedelta(seconds=2)
"""Differences in the times of records below this are ignored: the API server's clock is not known more precisely."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Steady:
    """A monotonic clock, and how far the times of records may be off because the API server's clock was set."""

    seconds: Callable[[], float]
    unsure: Callable[[], timedelta]


class Memory:
    """The last acts on each target. Thread-safe."""

    def __init__(self, steady: Steady | None = None) -> None:
        self._steady = steady
        self._ledgers: dict[Target, Ledger] = {}
        self._done_at: dict[Target, dict[str, float]] = {}
        """When each act was done, by the steady clock."""
        self._seen_at: dict[Target, float] = {}
        """When each target was last seen, by the steady clock."""
        self._lock = threading.Lock()

    def remember(self, target: Target, *entries: Entry) -> None:
        """Remember acts on a target that were just done, as many as its ledger keeps."""
        self._keep(target, entries, {entry.id: self._steady.seconds() for entry in entries} if self._steady else {})

    def _keep(self, target: Target, entries: tuple[Entry, ...], done_at: dict[str, float]) -> None:
        with self._lock:
            kept = self._ledgers[target] = self._ledgers.get(target, Ledger()).with_entries(entries)
            known = {**done_at, **self._done_at.get(target, {})}
            self._done_at[target] = {entry.id: known[entry.id] for entry in kept.entries if entry.id in known}

    def recall(self, target: Target) -> tuple[Entry, ...]:
        """The remembered acts on a target."""
        with self._lock:
            return self._ledgers.get(target, Ledger()).entries

    def complete(
        self, target: Target, workload: Workload, recalled: tuple[Entry, ...], now: datetime, read_at: float
    ) -> Workload:
        """The workload with the remembered acts added to its ledger; acts already in it are remembered from now on.

        `read_at` is when its read began, by the steady clock.
        """
        if self._steady is None:
            ledger = workload.ledger.as_of(now)
            self.remember(target, *ledger.entries)
            return replace(workload, ledger=ledger.with_entries(recalled))
        steady, unsure = self._steady.seconds(), self._steady.unsure()
        done_at = self._when_done(target, workload.ledger.entries, now, steady, unsure, read_at)

        def at(entry: Entry) -> Entry:
            """The act with its time corrected, if the API server's clock was set meanwhile."""
            if entry.id not in done_at:
                return entry
            time = now - timedelta(seconds=steady - done_at[entry.id])
            return entry if abs(time - entry.time) <= _TOLERANCE else replace(entry, time=time)

        timed = replace(workload.ledger, entries=tuple(sorted(map(at, workload.ledger.entries), key=_time)))
        ledger = timed.as_of(now)
        self._keep(target, ledger.entries, done_at)
        return replace(workload, ledger=ledger.with_entries(tuple(map(at, recalled))))

    def _when_done(
        self,
        target: Target,
        entries: tuple[Entry, ...],
        now: datetime,
        steady: float,
        unsure: timedelta,
        read_at: float,
    ) -> dict[str, float]:
        """When these and the remembered acts were done, by the steady clock, as far as known."""
        with self._lock:
            known, seen = dict(self._done_at.get(target, {})), self._seen_at.get(target)
            self._seen_at[target] = read_at if seen is None else max(seen, read_at)
        for entry in entries:
            age = now - entry.time
            if entry.id in known or -age > CLOCK_SKEW + unsure:
                continue
            done = steady - max(age, timedelta(0)).total_seconds()
            if unsure and seen is not None:
                # It was missing when the target was last seen, so it is newer than that, whatever the clocks say.
                done = max(done, min(seen, steady - max(age - unsure, timedelta(0)).total_seconds()))
            known[entry.id] = done
        return known


def _time(entry: Entry) -> datetime:
    return entry.time

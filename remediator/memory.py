"""The acts that this process has done, or has seen on a target, until it ends.

`kubectl rollout undo` rewinds a Deployment's annotations, and the ledger with them. What it rewound is still an act:
its cooldown runs on, and whoever took it back has reverted it.
"""

import threading
from dataclasses import replace
from datetime import datetime

from remediator.ledger import Entry, Ledger
from remediator.policy import Target
from remediator.workload import Workload


class Memory:
    """The last acts on each target. Safe to share between threads."""

    def __init__(self) -> None:
        self._ledgers: dict[Target, Ledger] = {}
        self._lock = threading.Lock()

    def remember(self, target: Target, *entries: Entry) -> None:
        """Keep acts on a target, as many as its ledger would."""
        with self._lock:
            self._ledgers[target] = self._ledgers.get(target, Ledger()).with_entries(entries)

    def recall(self, target: Target) -> tuple[Entry, ...]:
        """The acts on a target that are remembered at this moment."""
        with self._lock:
            return self._ledgers.get(target, Ledger()).entries

    def complete(self, target: Target, workload: Workload, recalled: tuple[Entry, ...], now: datetime) -> Workload:
        """The workload with the recalled acts in its ledger; those that it tells of are remembered from now on."""
        told = workload.ledger.as_of(now)
        self.remember(target, *told.entries)
        return replace(workload, ledger=told.with_entries(recalled))

"""Writes a person's change once: read, plan, and write on the condition that nothing has changed since the read.

One rule: a person decides on what they saw. If someone else has changed the target since, nothing is written and the
error names them; only an emergency is planned again on the new state.
"""

import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar, assert_never

from remediator.canary.changes import Change, difference
from remediator.core.ledger import PAUSE, Entry
from remediator.core.policy import Target
from remediator.core.reasons import Reason
from remediator.core.workload import TargetInvalid, TargetMissing, Workload, flags_patch, write_patch
from remediator.kube.claim import Claim, Unconfirmed, claim
from remediator.kube.errors import ClusterError, Conflict, Unavailable
from remediator.kube.targets import Cluster

TRY_SECONDS = 2.0
"""Timeout of the first requests: a retry may reach a healthier API server."""

LONGEST_TRY_SECONDS = 16.0
"""The longest timeout of one request: an API server that needs seconds for every answer must get them in the end."""


class Patience:
    """For how long, from now, requests without an answer are retried; `notice` gets each failure."""

    def __init__(self, seconds: float, notice: Callable[[ClusterError], None] = lambda error: None) -> None:
        self._ends = time.monotonic() + seconds
        self._notice = notice
        self._tries = 0

    @property
    def try_seconds(self) -> float:
        """Timeout of the next request: longer after failures, so that a slow API server gets enough time."""
        left = max(self._ends - time.monotonic(), TRY_SECONDS)
        return min(TRY_SECONDS * 2.0 ** min(self._tries // 3, 5), LONGEST_TRY_SECONDS, left)

    def again(self, error: Exception) -> bool:
        """Whether to retry, after a short wait. False for other failures, and once the time is over."""
        self._tries += 1
        left = self._ends - time.monotonic()
        if left <= 0 or not isinstance(error, Conflict | Unavailable):
            return False
        self._notice(error)
        pause = random.uniform(0, min(0.1 * 2 ** min(self._tries, 5), 1.0))  # noqa: S311 - jitter, no secret
        time.sleep(min(pause, left))
        return True

    def ask(self, question: Callable[[float], "Answer"]) -> "Answer":
        """Retry a read, which gets the timeout of each try. Raises ClusterError."""
        while True:
            try:
                return question(self.try_seconds)
            except Unavailable as error:
                if not self.again(error):
                    raise


Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What was written, and on which workload; `entry` is None if nothing had to be written."""

    workload: Workload
    entry: Entry | None
    unrecorded: str
    """Why the entry is not in the ledger, or empty."""
    seconds: float
    """From the call to the answer to the write."""


class NotWritten(Exception):
    """Nothing was written; the text says why."""


class Unusable(NotWritten):
    """The target is missing, or cannot be written safely."""


class Overtaken(NotWritten):
    """Someone else changed the target first."""


class Uncertain(NotWritten):
    """A write was sent but is unconfirmed: no response, and reading it back failed too."""


def usable(found: Workload | TargetInvalid | TargetMissing, target: Target) -> Workload:
    """The workload, if it can be changed. Raises Unusable."""
    place = f"Deployment {target.deployment} in namespace {target.namespace}"
    match found:
        case Workload():
            return found
        case TargetMissing():
            raise Unusable(f"{place} is not there; compare targets.{target.name} of the file with the cluster")
        case TargetInvalid(problem=problem):
            raise Unusable(f"{place}: {problem}; fix it, or targets.{target.name} of the file")
        case _:
            assert_never(found)


Plan = Callable[[Workload], Change | None]
"""Plans a change on what was read; None if there is nothing to write."""


class Steering:
    """Writes to one target for a person. With `unattended`, for a program: it keeps what people have set."""

    def __init__(
        self,
        cluster: Cluster,
        target: Target,
        *,
        operator: str,
        now: Callable[[], datetime],
        unattended: bool = False,
    ) -> None:
        self._cluster = cluster
        self._target = target
        self._operator = operator
        self._now = now
        self._unattended = unattended
        self._sent: list[Entry] = []

    @property
    def operator(self) -> str:
        """Who is recorded."""
        return self._operator

    def read(self, timeout: float = 3.0) -> Workload:
        """Read the target. Raises Unusable, ClusterError."""
        return usable(self._cluster.read(self._target, timeout=timeout), self._target)

    def write(
        self,
        plan: Plan,
        *,
        reason: str,
        seen: Workload | None = None,
        patience: Patience | None = None,
        dry_run: bool = False,
    ) -> Written:
        """Write the change that `plan` makes of the target.

        `seen` is the state that the person decided on; None means an emergency, which is planned on any state. Requests
        without an answer are retried for as long as `patience` allows, by default 10 s. Raises NotWritten,
        ClusterError.
        """
        began, patience = time.monotonic(), patience or Patience(10.0)

        def planned(workload: Workload) -> Claim | Workload:
            if seen and (other := difference(seen, workload)):
                raise Overtaken(f"{other}; nothing was written. Check again: remediator canary status")
            change = plan(workload)
            return workload if change is None else self._claim(workload, change, reason)

        def send(one: Claim) -> Workload | None:
            return self._cluster.apply(self._target, one.patch, dry_run=dry_run, timeout=patience.try_seconds)

        self._sent = []
        try:
            done = claim(lambda: self.read(patience.try_seconds), planned, send, again=patience.again, sent=self._sent)
        except Unconfirmed as error:
            raise Uncertain(_uncertain(error.entry, self._target)) from error
        seconds = time.monotonic() - began
        if isinstance(done, Workload):
            return Written(workload=done, entry=None, unrecorded="", seconds=seconds)
        problem = _keep(done.found, done.entry.overrode)
        return Written(workload=done.found, entry=done.entry, unrecorded=problem, seconds=seconds)

    @property
    def sent(self) -> bool:
        """Whether a write was sent: it may have been stored even if no answer came."""
        return bool(self._sent)

    def held(self) -> Entry | None:
        """What was written, after an interruption. Raises NotWritten, ClusterError."""
        ledger = self.read(TRY_SECONDS).ledger
        return next((entry for entry in reversed(self._sent) if ledger.holds(entry.id)), None)

    def _claim(self, workload: Workload, change: Change, reason: str) -> Claim:
        """The patch for a change, with its record. Raises Unusable."""
        if problem := workload.env_problem(change.flags):
            raise Unusable(f"Deployment {self._target.deployment}, container {self._target.container}: {problem}")
        now, annotations = self._now(), dict(change.annotations)
        if workload.pause and workload.pause.until <= now and not self._unattended:
            annotations.setdefault(PAUSE, None)  # A pause that has ended is removed by the next write of a person.
        entry = Entry(
            id=os.urandom(8).hex(),
            time=now,
            effect=change.effect,
            before=change.before,
            after=change.after,
            operator=self._operator,
            reason=reason,
            overrode=change.overrode,
        )
        spec = flags_patch(workload, self._target, change.flags)
        if change.replicas is not None:
            spec["replicas"] = change.replicas
        kept = _keep(workload, change.overrode)
        acts = None if kept else workload.ledger.as_of(now).with_entries((entry,))
        patch = write_patch(workload, spec, acts, annotations, resume=change.resume)
        return Claim(entry=entry, patch=patch)


def _keep(workload: Workload, overrode: tuple[str, ...]) -> str:
    """Why the ledger is left unchanged, or empty: an unreadable one may be a newer version's, with cooldowns.

    A person who overrides that replaces it.
    """
    return "" if Reason.TARGET_INVALID in overrode else workload.ledger.problem


def _uncertain(entry: Entry, target: Target) -> str:
    change = entry.change
    check = f"kubectl -n {target.namespace} get deployment {target.deployment} -o yaml"
    return f"{change} was sent but is unconfirmed: no response, and reading it back failed. Check: {check}"

"""What a person asks for, written once: read, plan, write with what was read as the condition.

One rule: a person decides on what they saw. Where somebody else has changed the target since, nothing is written and
they are told by whom; only an emergency is planned anew on whatever is there by then.
"""

import random
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from remediator.api_errors import Conflict, Unanswered, Unavailable
from remediator.canary.changes import Change, difference
from remediator.cluster import Cluster
from remediator.ledger import PAUSE, Entry, spell_change
from remediator.policy import Target
from remediator.reasons import Reason
from remediator.workload import TargetInvalid, TargetMissing, Workload, write_patch

TRY_SECONDS = 2.0
"""For one request of an emergency: a second try may meet a better API server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What was written, and on what; `entry` is None where nothing had to be."""

    workload: Workload
    entry: Entry | None
    unrecorded: str
    """Why the ledger does not have the entry, or empty."""
    seconds: float
    """From the call to the answer to the write."""


class NotWritten(Exception):
    """Nothing was written, for a reason that the text gives."""


class Unusable(NotWritten):
    """The target is missing, or cannot be written safely."""


class Overtaken(NotWritten):
    """Somebody else changed the target first."""


class Uncertain(NotWritten):
    """A write was sent and may hold: neither its answer nor a look came back."""


def usable(found: Workload | TargetInvalid | TargetMissing, target: Target) -> Workload:
    """What was read, if it can be worked on. Raises Unusable."""
    place = f"Deployment {target.deployment} in namespace {target.namespace}"
    match found:
        case Workload():
            return found
        case TargetMissing():
            raise Unusable(f"{place} is not there; compare targets.{target.name} of the file with the cluster")
        case TargetInvalid(problem=problem):
            raise Unusable(f"{place}: {problem}; mend it, or targets.{target.name} of the file")
        case _:
            assert_never(found)


Plan = Callable[[Workload], Change | None]
"""From what was read to what is to be written, or None where nothing is."""


class Steering:
    """A person at one target, or a program in their place: `unattended`, it leaves to people what people have set."""

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
        """The target as it is now. Raises Unusable, ClusterError."""
        return usable(self._cluster.read(self._target, timeout=timeout), self._target)

    def write(
        self,
        plan: Plan,
        *,
        reason: str,
        seen: Workload | None = None,
        within: float = 10.0,
        dry_run: bool = False,
    ) -> Written:
        """Write what `plan` makes of the target.

        `seen` is what the person decided on; None stands for an emergency, which is planned on whatever is there.
        What fails for want of an answer is tried again for `within` seconds. Raises NotWritten, ClusterError.
        """
        began = time.monotonic()
        ends, tries = began + within, 0
        lost: Entry | None = None
        while True:
            try:
                workload = self.read(TRY_SECONDS)
                if held := [entry for entry in self._sent if workload.ledger.holds(entry.id)]:
                    return self._written(workload, held[-1], began)
                lost = None
                if seen and (other := difference(seen, workload)):
                    raise Overtaken(f"{other}; nothing was written. Look again: remediator canary status")
                change = plan(workload)
                if change is None:
                    return self._written(workload, None, began)
                entry = self._entry(change, reason)
                self._sent.append(entry)
                self._apply(workload, change, entry, dry_run=dry_run)
                return self._written(workload, entry, began)
            except (Conflict, Unavailable) as error:
                if isinstance(error, Unanswered):
                    lost = self._sent[-1]
                tries += 1
                pause = random.uniform(0, min(0.1 * 2**tries, 1.0))  # noqa: S311 - jitter, no secret
                if time.monotonic() + pause > ends:
                    if lost:
                        raise Uncertain(_uncertain(lost, self._target)) from error
                    raise
                time.sleep(pause)

    def _written(self, workload: Workload, entry: Entry | None, began: float) -> Written:
        problem = _keep(workload, entry.overrode) if entry else ""
        return Written(workload=workload, entry=entry, unrecorded=problem, seconds=time.monotonic() - began)

    @property
    def sent(self) -> bool:
        """Whether a write was begun: it may hold, whatever became of the answer."""
        return bool(self._sent)

    def held(self) -> Entry | None:
        """What has been written, for those who were interrupted. Raises NotWritten, ClusterError."""
        ledger = self.read(TRY_SECONDS).ledger
        return next((entry for entry in reversed(self._sent) if ledger.holds(entry.id)), None)

    def _entry(self, change: Change, reason: str) -> Entry:
        return Entry(
            id=uuid.uuid4().hex[:16],
            time=self._now(),
            effect=change.effect,
            before=change.before,
            after=change.after,
            operator=self._operator,
            reason=reason,
            overrode=change.overrode,
        )

    def _apply(self, workload: Workload, change: Change, entry: Entry, *, dry_run: bool) -> None:
        annotations = dict(change.annotations)
        if workload.pause and workload.pause.until <= self._now() and not self._unattended:
            annotations.setdefault(PAUSE, None)  # One that has ended goes with the next write of a person.
        if isinstance(change.write, Mapping) and (problem := workload.env_problem(change.write)):
            raise Unusable(f"Deployment {self._target.deployment}, container {self._target.container}: {problem}")
        kept = _keep(workload, change.overrode)
        acts = None if kept else workload.ledger.as_of(self._now()).with_entries((entry,))
        patch = write_patch(workload, self._target, change.write, acts, annotations)
        self._cluster.apply(self._target, patch, dry_run=dry_run, timeout=TRY_SECONDS)


def _keep(workload: Workload, overrode: tuple[str, ...]) -> str:
    """Why the ledger is left as it is, or empty: one that cannot be read may be a newer version's, with cooldowns.

    Who has passed over that writes a new one.
    """
    return "" if Reason.TARGET_INVALID in overrode else workload.ledger.problem


def _uncertain(entry: Entry, target: Target) -> str:
    change = spell_change(entry.effect, entry.before, entry.after)
    look = f"kubectl -n {target.namespace} get deployment {target.deployment} -o yaml"
    return (
        f"{change} was sent and may hold: the API server's answer was lost, and so was every look since. Look: {look}"
    )

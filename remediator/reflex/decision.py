"""One decision, from the read of a target to the patch: read, decide, ask Prometheus, decide again, apply.

The rule of this file: the change and its record are one write, valid only for the version that was read, so the loser
of a race reads and decides again. So it is safe to act on the last read, whatever that was made for. It is safe to
withhold an alert on the last read only because of past acts, which no newer read can undo; for any other reason the
target is read again after the alert has arrived.
"""

import logging
import random
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any

from remediator.core.alerts import Alerts, format_alerts, newest, oldest
from remediator.core.confirmation import Confirmation
from remediator.core.effects import Effect
from remediator.core.incident import may_become_new
from remediator.core.ladder import Act, Skip, decide
from remediator.core.ledger import MAX_CAUSE, MAX_FINGERPRINT, Entry, cause_limits
from remediator.core.outcome import Outcome
from remediator.core.policy import Remediation, Target
from remediator.core.reasons import Reason
from remediator.core.text import recordable
from remediator.core.workload import Workload, write_patch
from remediator.kube.claim import Claim, Claimed, Unconfirmed, claim
from remediator.kube.connection import REQUEST_SECONDS
from remediator.kube.errors import ClusterError, Conflict, Unanswered
from remediator.kube.targets import Cluster
from remediator.reflex.confirmations import Allowance, Confirmations, Question
from remediator.reflex.last_reads import LastReads, Read, Snapshot
from remediator.reflex.recent_acts import Memory
from remediator.reflex.shared_read import SharedRead

log = logging.getLogger(__name__)

TIME_LIMIT = 8.0
"""Seconds for one notification: Alertmanager's shortest timeout is 10 s, and the response must arrive before that."""

TRIES = 5
"""How often a lost race is retried. Each loss is someone else's success, so more would only add load."""


@dataclass(frozen=True, slots=True)
class _Shared:
    """What all decisions about a target and an effect share: the read, and the lock for writing."""

    read: SharedRead[Read]
    write_lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass(kw_only=True, eq=False)
class Decisions:
    """Decides and acts; every decision uses its fields. Thread-safe."""

    cluster: Cluster
    memory: Memory
    reads: LastReads
    show: Callable[[Target], None]
    confirmations: Confirmations | None = None
    dry_run: bool
    now: Callable[[], datetime]
    _shared: dict[tuple[Target, Effect], _Shared] = field(default_factory=dict, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def settle(self, remediation: Remediation, alerts: Alerts, deadline: float, allowance: Allowance) -> Outcome:
        """The outcome of the alerts that this remediation answers. Never raises."""
        try:
            return _Decision(self, remediation, alerts, deadline, allowance).outcome()
        except ClusterError as error:
            reason, message = error.reason, str(error)
        except TimeoutError:
            reason = Reason.UNAVAILABLE
            message = f"no decision within {TIME_LIMIT:.0f} s: the API server is slow or cannot be reached"
        except Exception:  # A bug of ours must only affect this decision.
            log.exception("decision failed", extra={"remediation": remediation.name})
            reason, message = Reason.INTERNAL_ERROR, "an internal error; the log has the traceback"
        return Outcome(alerts=alerts, remediation=remediation, reason=reason, message=message)

    def shared(self, remediation: Remediation) -> _Shared:
        """What all decisions about the target and the effect of this remediation share."""
        key = remediation.target, remediation.action.effect
        with self._lock:
            if key not in self._shared:
                self._shared[key] = _Shared(SharedRead(partial(self._read, remediation)))
            return self._shared[key]

    def _read(self, remediation: Remediation, left: float) -> Read:
        """Read the target within `left` seconds. Raises ClusterError."""
        target, autoscalers = remediation.target, remediation.action.reads_autoscalers
        timeout = min(REQUEST_SECONDS, left)
        return self.reads.read(target, partial(self.cluster.read, target, autoscalers=autoscalers, timeout=timeout))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Basis:
    """The read that a decision is based on."""

    read: Read
    fresh: bool
    """Whether the target was read after the alerts arrived."""

    def holds(self, action_id: str) -> bool:
        """Whether the act of this id is in the target's ledger."""
        return self.read.holds(action_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Decided:
    """The ladder's result for a basis."""

    result: Act | Skip
    valid_if_stale: bool
    """Whether it is valid even if the target was read before the alerts arrived."""

    @property
    def asks(self) -> bool:
        """Whether it depends on Prometheus's answer: anything else is withheld for another reason."""
        return isinstance(self.result, Act) or self.result.reason is Reason.OBSERVING


class _Decision:
    """The alerts of one remediation, and the state of their decision.

    The steps in order: `_prepare` reads, decides and asks Prometheus; `_plan`, holding the lock, makes the final
    decision; `_send` sends the patch; `_done` returns the outcome. After a failure `_again` says whether to start over.
    """

    def __init__(
        self, decisions: Decisions, remediation: Remediation, alerts: Alerts, deadline: float, allowance: Allowance
    ) -> None:
        self._service, self._remediation, self._alerts = decisions, remediation, alerts
        self._deadline, self._allowance = deadline, allowance
        self._began, self._since = newest(alerts), oldest(alerts)
        self._target, self._shared = remediation.target, decisions.shared(remediation)
        self._basis: _Basis | None = None
        """The basis of the last plan, None before the first."""
        self._question: Question | None = None
        self._confirmation: Confirmation | None = None
        """Prometheus's answer about the alerts; it is asked only once, even if the decision is made again."""
        self._act: Act | None = None
        """The act of the last patch."""
        self._sent: list[Entry] = []
        self._lost = False
        """Whether the response to a patch was lost."""
        self._conflicts = 0

    def outcome(self) -> Outcome:
        """Raises ClusterError, TimeoutError."""
        try:
            done = claim(self._prepare, self._plan, self._send, again=self._again, sent=self._sent, turn=self._turn)
        except Unconfirmed as error:
            message = f"{error.entry.change} was sent but is unconfirmed: no response, and reading it back failed"
            return self._outcome(Reason.UNAVAILABLE, message, entry=error.entry)
        return done if isinstance(done, Outcome) else self._done(done)

    def _prepare(self) -> _Basis:
        """The basis to plan on.

        If the ladder would act on it, this also waits for Prometheus's answer: here, and not while holding the lock, so
        that no other alert is delayed.
        """
        basis = self._read()
        confirmations = self._service.confirmations
        if not confirmations or not (decided := self._unasked(basis)):
            return basis
        if recent := confirmations.recent(self._alerts):
            self._confirmation = recent
            return basis
        question = self._question or confirmations.question(self._remediation, self._alerts, self._allowance)
        self._question = question
        if not (basis.fresh or decided.valid_if_stale):
            # In parallel with the question to Prometheus.
            basis = self._read_now()
            if not self._unasked(basis):
                return basis
        self._confirmation = question.answer(_left(self._deadline))
        return basis if basis.fresh else self._last_read() or self._read_now()

    def _read(self) -> _Basis:
        """The last read, if there is one and this is the first attempt; else a new read."""
        last = None if self._basis else self._last_read()
        return last or self._read_now()

    def _last_read(self) -> _Basis | None:
        read = self._service.reads.last(self._target)
        return _Basis(read=read, fresh=False) if read else None

    def _read_now(self) -> _Basis:
        return _Basis(read=self._shared.read(_left(self._deadline)), fresh=True)

    def _unasked(self, basis: _Basis) -> _Decided | None:
        """The decision on this basis if Prometheus still has to be asked about it, else None."""
        if self._confirmation or self._lost:
            return None
        decided = self._decide(basis)
        return decided if decided.asks else None

    def _decide(self, basis: _Basis) -> _Decided:
        """The ladder's result, from what was read, what this process remembers, and what Prometheus answered."""
        memory, found = self._service.memory, basis.read.snapshot
        now, began = self._service.now(), self._began
        if isinstance(found, Workload):
            recalled = memory.recall(self._target)
            found = memory.complete(self._target, found, recalled, now, basis.read.began.seconds)
        confirmation = self._confirmation
        if self._service.dry_run and confirmation and confirmation.answer == "unknown":
            confirmation = None  # Where nothing is written, nothing waits for Prometheus.
        result = decide(self._remediation, found, now, began, confirmation, since=self._since)
        return _Decided(result=result, valid_if_stale=_valid_if_stale(result, self._remediation, found, began, now))

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._shared.write_lock.acquire(timeout=_left(self._deadline)):
            raise TimeoutError
        try:
            yield
        finally:
            self._shared.write_lock.release()

    def _plan(self, basis: _Basis) -> Claim | Outcome:
        """The patch, or the outcome if nothing is to be written. Raises Conflict if the target has to be read again."""
        self._basis = basis
        uid = basis.read.uid
        if self._lost:
            change = self._sent[-1].change
            message = f"the API server did not answer the write of {change}, and it is not in the ledger"
            return self._outcome(Reason.UNAVAILABLE, message, uid=uid)
        decided = self._decide(basis)
        result = decided.result
        if not (basis.fresh or decided.valid_if_stale):
            raise Conflict("what was read last may have changed by now")
        if isinstance(result, Skip):
            return self._outcome(result.reason, result.message, uid=uid, until=result.until)
        if self._service.confirmations and not self._confirmation:
            raise Conflict("when the target was read, there was nothing to ask Prometheus about")
        if self._service.reads.overtaken(self._target, basis.read):
            raise Conflict("the target has changed since it was read")
        self._act = result
        return self._claim(result, self._service.now())

    def _claim(self, act: Act, now: datetime) -> Claim:
        """The patch of an act, with its record."""
        because = self._confirmation.record[:MAX_CAUSE] if self._confirmation else ""
        longest, fingerprints = cause_limits(because=bool(because))
        entry = replace(
            act.entry(uuid.uuid4().hex[:16], self._remediation, now, self._began),
            reason=format_alerts(self._alerts, longest),
            because=because,
            fingerprints=tuple(
                recordable(alert.fingerprint[:MAX_FINGERPRINT]) for alert in self._alerts[:fingerprints]
            ),
        )
        acts = act.workload.ledger.with_entries((entry,))
        return Claim(entry=entry, patch=write_patch(act.workload, act.patch, acts))

    def _send(self, claim: Claim) -> Workload | None:
        """Send a patch. Raises ClusterError, TimeoutError."""
        service, target = self._service, self._target
        # The remaining time has to be enough for reading back too.
        timeout = min(REQUEST_SECONDS, _left(self._deadline) / 2)
        if not service.dry_run:
            service.reads.writing(target)
        try:
            return service.cluster.apply(target, claim.patch, dry_run=service.dry_run, timeout=timeout)
        except Conflict:
            service.reads.writing(target)
            raise

    def _again(self, error: Exception) -> bool:
        """Whether to read and decide again. Raises Conflict after too many, TimeoutError after the deadline."""
        match error:
            case Unanswered() if not self._lost:
                self._lost = True
            case Conflict() if self._basis and self._basis.fresh:
                pause = random.uniform(0, 0.05 * 2**self._conflicts)  # noqa: S311 - jitter, no secret
                self._conflicts += 1
                if self._conflicts == TRIES:
                    raise Conflict(f"the target changed {TRIES} times before it could be written") from error
                time.sleep(min(pause, _left(self._deadline)))
            case Conflict():
                pass
            case _:
                return False
        return True

    def _done(self, claimed: Claimed[_Basis]) -> Outcome:
        """The outcome of an applied patch, whose act is remembered and shown from now on."""
        service, target, entry = self._service, self._target, claimed.entry
        uid, confirmation = claimed.found.read.uid, self._confirmation
        because = f": {confirmation.text}" if confirmation else ""
        if service.dry_run:
            once = self._remediation.action.once_confirmed(confirmation) if confirmation else ""
            message = f"would have set {entry.change}{once}{because}; the API server accepted the dry run"
            return self._outcome(Reason.DRY_RUN, message, uid=uid, entry=entry)
        service.memory.remember(target, entry)
        if claimed.answer:
            service.reads.written(target, claimed.answer)
        if claimed.answer or claimed.read_back:
            service.show(target)
        message = f"set {entry.change}{because}"
        if claimed.read_back:
            message += "; the API server's response was lost, but the record is there"
        elif self._act:
            message += _unreached(self._act)
        return self._outcome(Reason.APPLIED, message, uid=uid, entry=entry, changed_at=entry.time)

    def _outcome(self, reason: Reason, message: str, *, entry: Entry | None = None, **known: Any) -> Outcome:
        """The outcome with all that is known of the alerts, and of the act that was sent."""
        if entry:
            known |= {"before": entry.before, "after": entry.after, "action_id": entry.id}
        return Outcome(
            alerts=self._alerts,
            remediation=self._remediation,
            confirmation=self._confirmation,
            reason=reason,
            message=message,
            **known,
        )


def _valid_if_stale(
    result: Act | Skip, remediation: Remediation, found: Snapshot, began: datetime | None, now: datetime
) -> bool:
    """Whether this is valid even if the target was read before the alerts arrived.

    An act is valid unless a rollout was in progress, which may have advanced since, or autoscalers matter, which are
    not part of the Deployment. A skip is valid if its reason is a past act, which a newer read could not undo.
    """
    if isinstance(result, Act):
        workload = result.workload
        return not remediation.action.reads_autoscalers and workload.rollout.converged(workload.replicas)
    if result.reason is Reason.COOLING_DOWN and isinstance(found, Workload):
        return not may_become_new(found, remediation, began, now)
    return result.reason is Reason.BUDGET_SPENT


def _unreached(act: Act) -> str:
    """A warning that the written change reaches no pod, or empty."""
    if not act.unreached:
        return ""
    if act.workload.rollout.paused:
        return ": written, but the Deployment is paused, so no pod follows"
    return f": written, but the pods may not follow: {act.unreached}"


def _left(deadline: float) -> float:
    """Seconds until the deadline. Raises TimeoutError if none are left."""
    if (left := deadline - time.monotonic()) <= 0:
        raise TimeoutError
    return left

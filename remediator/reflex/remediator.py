"""The loop: read, decide, apply, record. One notification in, one outcome for each of its alerts out.

The rule of this file: the change and its record are one write that holds only for what was read, so the loser of a
race reads and decides again. Therefore an act may rest on the last read, whatever it was made for. Only acts, which
nothing undoes, withhold an alert on it; for every other reason the target is read after the alert came.
"""

import logging
import random
import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from remediator.core.actions import Effect
from remediator.core.alerts import Alerts, Notification, format_alerts, newest, oldest
from remediator.core.confirmation import Confirmation
from remediator.core.incident import may_become_new
from remediator.core.ladder import Act, Skip, decide, screen
from remediator.core.ledger import MAX_CAUSE, MAX_FINGERPRINT, Entry, cause_limits
from remediator.core.outcome import Outcome
from remediator.core.policy import Policy, Remediation, Target
from remediator.core.reasons import Reason
from remediator.core.text import recordable
from remediator.core.workload import Workload, write_patch
from remediator.kube.claim import Claim, Claimed, Unconfirmed, claim
from remediator.kube.connection import REQUEST_SECONDS
from remediator.kube.errors import ClusterError, Conflict, Unanswered
from remediator.kube.targets import Cluster
from remediator.reflex.confirmations import Allowance, Confirmations, Question
from remediator.reflex.heartbeat import Heartbeats
from remediator.reflex.last_reads import LastReads, Read, Snapshot
from remediator.reflex.recent_acts import Memory
from remediator.reflex.recorder import Recorder
from remediator.reflex.shared_read import SharedRead

log = logging.getLogger(__name__)

TIME_LIMIT = 8.0
"""Seconds for one notification: Alertmanager's shortest deadline is 10 s, the answer has to be back before."""

TRIES = 5
"""How often a lost race is run again. Each loss is someone else's success, so more would only be a storm."""


MOST_MESSAGES = 20
"""Different messages about alerts of one notification that no target was read for; each is an audit line of its own."""


class _TargetState:
    """What this process holds for a target and an effect: the shared read and question, the right to write."""

    def __init__(self, read: Callable[[float], Read], confirmations: Confirmations | None) -> None:
        self.read = SharedRead(read)
        self.ask = SharedRead(confirmations.ask) if confirmations else None
        self.write_lock = threading.Lock()


class Remediator:
    """Turns notifications into acts. Safe to call from many threads."""

    def __init__(
        self,
        *,
        policy: Callable[[], Policy],
        cluster: Cluster,
        recorder: Recorder,
        memory: Memory,
        reads: LastReads,
        show: Callable[[Target], None],
        hear: Callable[[Remediation, Alerts], None],
        heartbeats: Heartbeats,
        confirmations: Confirmations | None = None,
        fence: str,
        dry_run: bool,
        now: Callable[[], datetime],
    ) -> None:
        self._policy = policy
        self._cluster = cluster
        self._recorder = recorder
        self._memory = memory
        self._reads = reads
        self._show = show
        self._hear = hear
        self._heartbeats = heartbeats
        self._confirmations = confirmations
        self._fence = fence
        self._dry_run = dry_run
        self._now = now
        self._states: dict[tuple[Target, Effect], _TargetState] = {}
        self._states_lock = threading.Lock()

    def handle(self, notification: Notification) -> list[Outcome]:
        """Do what the alerts ask for. Returns the outcome of each alert, in their order; never raises.

        Alerts that the same remediation answers are decided together and share one outcome.
        """
        began = time.monotonic()
        deadline, allowance = began + TIME_LIMIT, Allowance()
        policy = self._policy()
        withheld: dict[Skip, list[int]] = {}
        wanted: dict[str, tuple[Remediation, list[int]]] = {}
        for index, alert in enumerate(notification.alerts):
            screened = screen(alert, policy, self._fence)
            if isinstance(screened, Skip):
                withheld.setdefault(_told_apart(screened, withheld), []).append(index)
            else:
                wanted.setdefault(screened.name, (screened, []))[1].append(index)

        outcomes: dict[int, Outcome] = {}
        for remediation, indexes in sorted(wanted.values(), key=lambda pair: pair[0].action.urgency):
            outcome = self._settle_safely(remediation, _pick(notification, indexes), deadline, allowance)
            outcomes.update(dict.fromkeys(indexes, outcome))
            self._recorder.record(outcome, notification, took=_since(began), now=self._now())
            self._hear(remediation, outcome.alerts)
        # After the acts: nothing that is only to be written down may come before them.
        for skip, indexes in withheld.items():
            outcome = Outcome(alerts=_pick(notification, indexes), reason=skip.reason, message=skip.message)
            outcomes.update(dict.fromkeys(indexes, outcome))
            self._recorder.record(outcome, notification, took=_since(began), now=self._now())
            if skip.reason is Reason.HEARTBEAT:
                self._heartbeats.receive(outcome.alerts)
        return [outcomes[index] for index in range(len(notification.alerts))]

    def _settle_safely(
        self, remediation: Remediation, alerts: Alerts, deadline: float, allowance: Allowance
    ) -> Outcome:
        outcome = partial(Outcome, alerts=alerts, remediation=remediation)
        try:
            return self._settle(remediation, alerts, deadline, allowance)
        except ClusterError as error:
            return outcome(reason=error.reason, message=str(error))
        except TimeoutError:
            message = f"no decision within {TIME_LIMIT:.0f} s: the API server is slow or cannot be reached"
            return outcome(reason=Reason.UNAVAILABLE, message=message)
        except Exception:  # The only broad one: a fault of ours must cost this decision alone.
            log.exception("decision failed", extra={"remediation": remediation.name})
            return outcome(reason=Reason.INTERNAL_ERROR, message="a fault of Remediator's; its log has the traceback")

    def _settle(self, remediation: Remediation, alerts: Alerts, deadline: float, allowance: Allowance) -> Outcome:
        """Decide and act. Raises ClusterError, TimeoutError."""
        return _Settlement(self, remediation, alerts, deadline, allowance).outcome()

    def _state(self, remediation: Remediation) -> _TargetState:
        target, effect = remediation.target, remediation.action.effect
        with self._states_lock:
            if (target, effect) not in self._states:
                autoscalers = remediation.action.reads_autoscalers

                def read(left: float) -> Snapshot:
                    return self._cluster.read(target, autoscalers=autoscalers, timeout=min(REQUEST_SECONDS, left))

                self._states[target, effect] = _TargetState(
                    lambda left: self._reads.read(target, lambda: read(left)), self._confirmations
                )
            return self._states[target, effect]


class _Settlement:
    """The alerts that one remediation answers, on the way to their outcome."""

    def __init__(
        self, service: Remediator, remediation: Remediation, alerts: Alerts, deadline: float, allowance: Allowance
    ) -> None:
        self._service, self._remediation, self._alerts = service, remediation, alerts
        self._deadline, self._allowance = deadline, allowance
        self._target, self._state = remediation.target, service._state(remediation)
        self._outcome = partial(Outcome, alerts=alerts, remediation=remediation)
        self._last = service._reads.last(self._target)
        self._fresh = False
        """Whether what is decided on was read after the alerts came."""
        self._conflicts = 0
        self._lost = False
        """Whether the answer to a patch was lost."""
        self._question: Question | None = None
        self._confirmation: Confirmation | None = None
        """What Prometheus says of the alerts; it is asked once, when the ladder would act."""
        self._act: Act | None = None
        """What the last patch is to do."""
        self._sent: list[Entry] = []

    def outcome(self) -> Outcome:
        """Raises ClusterError, TimeoutError."""
        try:
            done = claim(self._read, self._plan, self._send, again=self._again, sent=self._sent, turn=self._turn)
        except Unconfirmed as error:
            return self._unconfirmed(error.entry)
        return done if isinstance(done, Outcome) else self._done(done)

    def _read(self) -> Read:
        """The last read, if there is one and nothing was decided on it yet; else one that begins now.

        Where the ladder would act on it, Prometheus has answered by then, or had its time. That is waited for here, and
        not in the turn, so that it holds up no other alert.
        """
        if (last := self._last) and not self._fresh:
            self._last = None
            asked = self._ask(last)
            if asked is None:
                return last
            if self._rests(asked):
                self._wait()
                if newest_read := self._service._reads.last(self._target):
                    return newest_read
        self._fresh = True
        read = self._state.read(_left(self._deadline))
        if self._ask(read):
            self._wait()
        return read

    def _ask(self, read: Read) -> Act | Skip | None:
        """What the ladder decides on this read, where that is to act and an answer of Prometheus is to come."""
        confirmations = self._service._confirmations
        if not confirmations or not self._state.ask or self._confirmation or self._lost:
            return None
        decision, _ = self._decide(read)
        if isinstance(decision, Skip) and decision.reason is not Reason.OBSERVING:
            return None
        if self._question is None:
            if recent := confirmations.recent(self._alerts):
                self._answered(recent)
                return None
            longest = self._remediation.action.longest_question
            self._question = confirmations.question(self._state.ask, self._alerts, longest, self._allowance)
        return decision

    def _wait(self) -> None:
        if self._question:
            self._answered(self._question.answer(_left(self._deadline)))

    def _answered(self, confirmation: Confirmation) -> None:
        self._confirmation = confirmation
        self._outcome = partial(self._outcome, confirmation=confirmation)

    def _rests(self, decision: Act | Skip) -> bool:
        """Whether the last read will do for this act: a rollout under way has changed by now, and autoscalers are not
        on the Deployment.
        """
        if isinstance(decision, Skip) or self._remediation.action.reads_autoscalers:
            return False
        return decision.workload.rollout.converged(decision.workload.replicas)

    def _decide(self, read: Read) -> tuple[Act | Skip, bool]:
        """The decision on what was read and on what this process remembers, and whether a cooldown of it stands."""
        service, found = self._service, read.snapshot
        now, began = service._now(), newest(self._alerts)
        another_withholds = False
        if isinstance(found, Workload):
            recalled = service._memory.recall(self._target)
            found = service._memory.complete(self._target, found, recalled, now, read.began.seconds)
            another_withholds = not may_become_new(found, self._remediation, began, now)
        since = oldest(self._alerts)
        decision = decide(self._remediation, found, now, began, self._confirmation, since=since)
        return decision, another_withholds

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._state.write_lock.acquire(timeout=_left(self._deadline)):
            raise TimeoutError
        try:
            yield
        finally:
            self._state.write_lock.release()

    def _plan(self, read: Read) -> Claim | Outcome:
        """Decide on what was read, and on what this process remembers. Raises Conflict where that settles nothing."""
        service, target = self._service, self._target
        outcome = partial(self._outcome, uid=read.uid)
        if self._lost:
            entry = self._sent[-1]
            message = f"the API server gave no answer when {entry.change} was to be set, and the record is not there"
            return outcome(reason=Reason.UNAVAILABLE, message=message)
        decision, another_withholds = self._decide(read)
        if isinstance(decision, Skip):
            reason = decision.reason
            lasting = reason is Reason.BUDGET_SPENT or (another_withholds and reason is Reason.COOLING_DOWN)
            if not (self._fresh or lasting):
                raise Conflict("what was read last may no longer be a reason to withhold")
            return outcome(reason=reason, message=decision.message, until=decision.until)
        if not (self._fresh or self._rests(decision)):
            raise Conflict("what was read last has changed by now")
        if self._state.ask and not self._confirmation:
            raise Conflict("when the target was read, there was nothing to ask Prometheus about")
        if service._reads.overtaken(target, read):
            raise Conflict("the target has changed since it was read")
        self._act = decision
        return self._claim(decision, service._now())

    def _claim(self, act: Act, now: datetime) -> Claim:
        because = self._confirmation.record[:MAX_CAUSE] if self._confirmation else ""
        longest, fingerprints = cause_limits(because=bool(because))
        entry = replace(
            act.entry(uuid.uuid4().hex[:16], self._remediation, now, newest(self._alerts)),
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
        # What is left has to do for reading back as well.
        timeout = min(REQUEST_SECONDS, _left(self._deadline) / 2)
        if not service._dry_run:
            service._reads.writing(target)
        try:
            return service._cluster.apply(target, claim.patch, dry_run=service._dry_run, timeout=timeout)
        except Conflict:
            service._reads.writing(target)
            raise

    def _again(self, error: Exception) -> bool:
        """Whether to read and decide again. Raises Conflict, TimeoutError where there is no more time for it."""
        match error:
            case Unanswered() if not self._lost:
                self._lost = True
            case Conflict() if self._fresh:
                pause = random.uniform(0, 0.05 * 2**self._conflicts)  # noqa: S311 - jitter, no secret
                self._conflicts += 1
                if self._conflicts == TRIES:
                    raise Conflict(f"the target changed {TRIES} times while it was to be written") from error
                time.sleep(min(pause, _left(self._deadline)))
            case Conflict():
                pass
            case _:
                return False
        return True

    def _done(self, claimed: Claimed[Read]) -> Outcome:
        """The outcome of a patch that holds."""
        service, target, entry, act = self._service, self._target, claimed.entry, self._act
        outcome = partial(self._outcome_of(entry), uid=claimed.found.uid)
        because = f": {self._confirmation.text}" if self._confirmation else ""
        if service._dry_run:
            message = f"would have set {entry.change}{because}; the API server accepted the dry run"
            return outcome(reason=Reason.DRY_RUN, message=message)
        service._memory.remember(target, entry)
        if claimed.answer:
            service._reads.written(target, claimed.answer)
        if claimed.answer or claimed.read_back:
            service._show(target)
        message = f"set {entry.change}{because}"
        if claimed.read_back:
            message += "; the API server's answer was lost, and the record is there"
        elif act:
            message += _unreached(act)
        return outcome(reason=Reason.APPLIED, message=message, changed_at=entry.time)

    def _unconfirmed(self, entry: Entry) -> Outcome:
        message = f"{entry.change} was sent but is unconfirmed: no response, and reading it back failed"
        return self._outcome_of(entry)(reason=Reason.UNAVAILABLE, message=message)

    def _outcome_of(self, entry: Entry) -> "partial[Outcome]":
        return partial(self._outcome, before=entry.before, after=entry.after, action_id=entry.id)


def _unreached(act: Act) -> str:
    """That what was written reaches no pod, or empty."""
    if not act.unreached:
        return ""
    if act.workload.rollout.paused:
        return ": written; the Deployment is paused, no pod follows"
    return f": written; the pods may not follow: {act.unreached}"


def _told_apart(skip: Skip, others: Collection[Skip]) -> Skip:
    """The skip, or one for all of its reason once there are many: a sender must not make many audit lines of one."""
    if skip in others or len(others) < MOST_MESSAGES:
        return skip
    return Skip(reason=skip.reason, message="as others of this notification, which are listed one by one")


def _pick(notification: Notification, indexes: list[int]) -> Alerts:
    return tuple(notification.alerts[index] for index in indexes)


def _since(began: float) -> timedelta:
    return timedelta(seconds=time.monotonic() - began)


def _left(deadline: float) -> float:
    """Seconds until the deadline. Raises TimeoutError where none are left."""
    if (left := deadline - time.monotonic()) <= 0:
        raise TimeoutError
    return left

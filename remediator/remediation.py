"""The loop: read, decide, apply, record. One notification in, one outcome for each of its alerts out.

The rule of this file: the change and its record are one write that holds only for what was read, so whoever loses a
race reads and decides again. Decisions rest on the target's ledger and on what this process remembers besides.
"""

import logging
import random
import threading
import time
import uuid
from collections.abc import Callable
from datetime import datetime
from functools import partial

from remediator.alerts import Notification
from remediator.api_errors import ClusterError, Conflict, Unanswered
from remediator.cluster import Cluster
from remediator.connection import REQUEST_SECONDS
from remediator.decision import Skip, decide, screen
from remediator.ledger import MAX_FINGERPRINT, MAX_FINGERPRINTS, Effect, Entry, spell_change
from remediator.look import Alerts, Look, Snapshot
from remediator.memory import Memory
from remediator.outcome import Outcome
from remediator.policy import Policy, Remediation, Target
from remediator.reasons import Reason
from remediator.recorder import Recorder
from remediator.single_flight import SingleFlight
from remediator.workload import Workload, write_patch

log = logging.getLogger(__name__)

TIME_LIMIT = 8.0
"""Seconds for one notification: Alertmanager's shortest deadline is 10 s, the answer has to be back before."""

TRIES = 5
"""How often a lost race is run again. Each loss is somebody else's success, so more would only be a storm."""


class _TargetState:
    """What this process holds for a target and an effect: the shared look, the right to write."""

    def __init__(self, read: Callable[[float], Snapshot], crowd: Callable[[], int]) -> None:
        self.look = SingleFlight(lambda left: Look(read(left)), crowd)
        self.write_lock = threading.Lock()
        self.stale: Look | None = None
        """The look on which a write was refused; whoever shares it need not try as well."""


class _Unconfirmed(Exception):
    """The write was sent and not answered; whether it holds has to be read back."""

    def __init__(self, entry: Entry) -> None:
        super().__init__(entry.id)
        self.entry = entry


class Remediator:
    """Turns notifications into acts. Safe to call from many threads."""

    def __init__(
        self,
        *,
        policy: Callable[[], Policy],
        cluster: Cluster,
        recorder: Recorder,
        memory: Memory,
        fence: str,
        dry_run: bool,
        now: Callable[[], datetime],
        crowd: Callable[[], int] = lambda: 0,
    ) -> None:
        self._policy = policy
        self._cluster = cluster
        self._recorder = recorder
        self._memory = memory
        self._fence = fence
        self._dry_run = dry_run
        self._now = now
        self._crowd = crowd
        self._states: dict[tuple[Target, Effect], _TargetState] = {}
        self._states_lock = threading.Lock()

    def handle(self, notification: Notification) -> list[Outcome]:
        """Do what the alerts ask for. Returns the outcome of each alert, in their order; never raises.

        Alerts that the same remediation answers are decided together and share one outcome.
        """
        began, deadline = self._now(), time.monotonic() + TIME_LIMIT
        policy = self._policy()
        withheld: dict[Skip, list[int]] = {}
        wanted: dict[str, tuple[Remediation, list[int]]] = {}
        for index, alert in enumerate(notification.alerts):
            screened = screen(alert, policy, self._fence)
            if isinstance(screened, Skip):
                withheld.setdefault(screened, []).append(index)
            else:
                wanted.setdefault(screened.name, (screened, []))[1].append(index)

        outcomes: dict[int, Outcome] = {}
        for remediation, indexes in sorted(wanted.values(), key=_rollbacks_first):
            outcome = self._settle_safely(remediation, _pick(notification, indexes), deadline)
            outcomes.update(dict.fromkeys(indexes, outcome))
            self._recorder.record(outcome, notification, began=began, ended=self._now())
        # After the acts: nothing that is only to be written down may come before them.
        for skip, indexes in withheld.items():
            outcome = Outcome(alerts=_pick(notification, indexes), reason=skip.reason, message=skip.message)
            outcomes.update(dict.fromkeys(indexes, outcome))
            self._recorder.record(outcome, notification, began=began, ended=self._now())
        return [outcomes[index] for index in range(len(notification.alerts))]

    def _settle_safely(self, remediation: Remediation, alerts: Alerts, deadline: float) -> Outcome:
        outcome = partial(Outcome, alerts=alerts, remediation=remediation)
        try:
            return self._settle(remediation, alerts, deadline)
        except ClusterError as error:
            return outcome(reason=error.reason, message=str(error))
        except TimeoutError:
            message = f"no decision within {TIME_LIMIT:.0f} s: the API server is slow or cannot be reached"
            return outcome(reason=Reason.UNAVAILABLE, message=message)
        except Exception:  # The only broad one: a fault of ours must cost this decision alone.
            log.exception("decision failed", extra={"remediation": remediation.name})
            return outcome(reason=Reason.INTERNAL_ERROR, message="a fault of Remediator's; its log has the traceback")

    def _settle(self, remediation: Remediation, alerts: Alerts, deadline: float) -> Outcome:
        """Read and decide until a decision stands. Raises ClusterError, TimeoutError."""
        state = self._state(remediation)
        for attempt in range(TRIES):
            look = state.look(_left(deadline))
            if withheld := look.withheld(remediation, alerts):
                return withheld
            if not state.write_lock.acquire(timeout=_left(deadline)):
                raise TimeoutError
            try:
                return self._decide_and_apply(remediation, alerts, look, state, deadline)
            except Conflict:
                pass
            except _Unconfirmed as error:
                return self._read_back(remediation, alerts, state, error.entry, deadline)
            finally:
                state.write_lock.release()
            time.sleep(min(random.uniform(0, 0.05 * 2**attempt), _left(deadline)))  # noqa: S311 - jitter, no secret
        raise Conflict(f"the target changed {TRIES} times while it was to be written")

    def _decide_and_apply(
        self, remediation: Remediation, alerts: Alerts, look: Look, state: _TargetState, deadline: float
    ) -> Outcome:
        """Decide on what was read and what this process remembers. Raises ClusterError, _Unconfirmed."""
        now, snapshot, target = self._now(), look.snapshot, remediation.target
        if isinstance(snapshot, Workload):
            snapshot = self._memory.complete(target, snapshot, self._memory.recall(target), now)
        decision = decide(remediation, snapshot, now)
        if isinstance(decision, Skip):
            return look.withhold(remediation, alerts, decision)
        entry = Entry(
            id=uuid.uuid4().hex[:16],
            time=now,
            effect=decision.effect,
            before=decision.before,
            after=decision.after,
            remediation=remediation.name,
            fingerprints=tuple(alert.fingerprint[:MAX_FINGERPRINT] for alert in alerts[:MAX_FINGERPRINTS]),
        )
        acts = decision.workload.ledger.with_entries((entry,))
        patch = write_patch(decision.workload, target, decision.change, acts)
        # What is left has to do for reading back as well.
        timeout = min(REQUEST_SECONDS, _left(deadline) / 2)
        if look is state.stale:
            raise Conflict("the target has changed since it was read")
        try:
            self._cluster.apply(target, patch, dry_run=self._dry_run, timeout=timeout)
        except Conflict:
            state.stale = look
            raise
        except Unanswered as error:
            raise _Unconfirmed(entry) from error
        outcome = partial(Outcome, alerts=alerts, remediation=remediation, uid=look.uid)
        done = partial(outcome, before=entry.before, after=entry.after, action_id=entry.id)
        if self._dry_run:
            message = f"would have set {decision.message}; the API server accepted the dry run"
            return done(reason=Reason.DRY_RUN, message=message)
        self._memory.remember(target, entry)
        return done(reason=Reason.APPLIED, message=f"set {decision.message}", changed_at=entry.time)

    def _read_back(
        self, remediation: Remediation, alerts: Alerts, state: _TargetState, entry: Entry, deadline: float
    ) -> Outcome:
        """The outcome of a write whose answer was lost: its entry is there, or it is not, or who knows."""
        change = spell_change(entry.effect, entry.before, entry.after)
        try:
            look = state.look(_left(deadline))
        except (ClusterError, TimeoutError):
            message = f"{change} was sent and may hold: neither the answer nor a look came back in time"
            return Outcome(
                alerts=alerts,
                remediation=remediation,
                reason=Reason.UNAVAILABLE,
                message=message,
                before=entry.before,
                after=entry.after,
                action_id=entry.id,
            )
        outcome = partial(Outcome, alerts=alerts, remediation=remediation, uid=look.uid)
        snapshot = look.snapshot
        if isinstance(snapshot, Workload) and snapshot.ledger.holds(entry.id):
            self._memory.remember(remediation.target, entry)
            return outcome(
                reason=Reason.APPLIED,
                message=f"set {change}; the API server's answer was lost, and the record is there",
                before=entry.before,
                after=entry.after,
                action_id=entry.id,
                changed_at=entry.time,
            )
        message = f"the API server gave no answer when {change} was to be set, and the record is not there"
        return outcome(reason=Reason.UNAVAILABLE, message=message)

    def _state(self, remediation: Remediation) -> _TargetState:
        target, effect = remediation.target, remediation.action.effect
        with self._states_lock:
            if (target, effect) not in self._states:
                scales = effect is Effect.SCALE
                self._states[target, effect] = _TargetState(
                    lambda left: self._cluster.read(target, autoscalers=scales, timeout=min(REQUEST_SECONDS, left)),
                    self._crowd,
                )
            return self._states[target, effect]


def _pick(notification: Notification, indexes: list[int]) -> Alerts:
    return tuple(notification.alerts[index] for index in indexes)


def _rollbacks_first(wanted: tuple[Remediation, list[int]]) -> bool:
    """A slow API server must cost the scaling before it costs the rollback."""
    return wanted[0].action.effect is not Effect.SET_PERCENTAGE


def _left(deadline: float) -> float:
    """Seconds until the deadline. Raises TimeoutError where none are left."""
    if (left := deadline - time.monotonic()) <= 0:
        raise TimeoutError
    return left

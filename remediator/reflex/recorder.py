"""Records each outcome: one metric, one audit line, and one Event if people should know.

The rule of this file: recording never undoes, repeats or delays an act. Audit lines and Events are written by threads
of their own, so that neither a blocked standard output nor a slow API server delays the next alert; what cannot be
written is counted and logged.
"""

import contextlib
import logging
import queue
import threading
import time
from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Protocol, TextIO

from remediator.core.alerts import Alert, MalformedAlert, Notification, format_alerts, newest
from remediator.core.outcome import Outcome, act_or_span, event_name
from remediator.core.policy import HEARTBEAT_ALERT, Remediation
from remediator.core.reasons import Reason
from remediator.core.times import format_time
from remediator.core.verification import Verdict, Verification
from remediator.kube.errors import ClusterError
from remediator.kube.targets import Event
from remediator.reflex.audit import AuditLog
from remediator.reflex.metrics import Metrics

log = logging.getLogger(__name__)

ALERTS_IN_AUDIT = 20
"""The most alerts that an audit line names; the others are counted."""

NAME_IN_AUDIT = 100
"""Characters of an alert's name, of its fingerprint, and of the receiver."""

VALUE_IN_AUDIT = 40
"""The most characters of the annotation `value`."""

ALERTS_IN_NOTE = 200
"""The most characters of an Event's note, which is limited to 1,024 bytes."""

HEAD_START_SECONDS = 0.02
"""A delay that lets the response go first: both need the interpreter, and only the response is urgent."""

MAX_EVENTS = 1_000
"""The most Events that wait to be written, and the most names of written ones that are remembered."""

_WITHOUT_EVENT = frozenset({Reason.COOLING_DOWN})
"""Reasons without an Event: a repetition within the cooldown is normal, and the act has an Event already."""


class EmitEvent(Protocol):
    """Writes one Event. Raises ClusterError."""

    def __call__(self, event: Event) -> None: ...


class Recorder:
    """Records outcomes as metrics, audit lines and Events."""

    def __init__(self, *, metrics: Metrics, audit: TextIO, emit_event: EmitEvent, cluster: str) -> None:
        self._metrics = metrics
        self._emit_event = emit_event
        self._cluster = cluster
        self._events: queue.Queue[Event | None] = queue.Queue(MAX_EVENTS)
        self._emitted: OrderedDict[str, None] = OrderedDict()
        self._audit = AuditLog(audit, metrics.records_dropped.labels(kind="audit").inc)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._emit_all, name="events", daemon=True)
        self._thread.start()

    def record(self, outcome: Outcome, notification: Notification, *, took: timedelta, now: datetime) -> None:
        """Record one outcome of a notification, decided now; `took` is the time since it arrived."""
        metrics, target, effect = self._metrics, outcome.target_name, outcome.effect
        metrics.outcomes.labels(outcome.remediation_name, outcome.reason).inc(len(outcome.alerts))
        if confirmation := outcome.confirmation:
            metrics.evidence.labels(outcome.remediation_name, confirmation.answer).inc()
        if outcome.reason is Reason.APPLIED:
            metrics.action_duration.labels(effect=effect).observe(took.total_seconds())
        if outcome.changed_at:
            # The ledger's time, so that every replica shows the same time for an act.
            metrics.last_action.labels(target=target, effect=effect).set(outcome.changed_at.timestamp())
        # Regular heartbeats come every minute. Any other alert with their label is most likely a mistake.
        regular = outcome.reason is Reason.HEARTBEAT and all(alert.name == HEARTBEAT_ALERT for alert in outcome.alerts)
        if not regular or log.isEnabledFor(logging.DEBUG):
            self._write_audit_line(outcome, notification, took, now)
        if outcome.remediation and outcome.uid and outcome.reason not in _WITHOUT_EVENT:
            self._enqueue(_event(outcome, outcome.remediation, now))

    def record_verification(
        self, verification: Verification, remediation: Remediation, uid: str, now: datetime
    ) -> None:
        """Record the verdict on an act. Every replica does; the Event has the same name for all of them."""
        entry, target = verification.entry, remediation.target
        counter = self._metrics.verifications
        counter.labels(target=target.name, effect=entry.effect, verdict=verification.verdict).inc()
        self._audit.write(
            {
                "audit": "verification",
                "verdict": verification.verdict,
                "message": verification.message,
                "remediation": entry.remediation,
                "target": target.name,
                "effect": entry.effect,
                "actionId": entry.id,
                "cluster": self._cluster,
            },
            now,
        )
        change = entry.change
        self._enqueue(
            Event(
                name=event_name(target, uid, entry.id, verification.verdict),
                target=target,
                uid=uid,
                type="Normal" if verification.verdict is Verdict.CONVERGED else "Warning",
                reason=verification.verdict,
                action=entry.effect,
                note=f"{entry.remediation}: after {change}: {verification.message}",
                time=now,
            )
        )

    def close(self, timeout: float) -> None:
        """Write the waiting audit lines and Events, for at most `timeout` seconds."""
        ends = time.monotonic() + timeout
        self._closing.set()
        with contextlib.suppress(queue.Full):
            self._events.put(None, timeout=timeout)
        self._thread.join(max(ends - time.monotonic(), 0))
        self._audit.flush(max(ends - time.monotonic(), 0))

    def flush(self) -> None:
        """Wait until the audit lines so far are written."""
        self._audit.flush()

    def is_alive(self) -> bool:
        """Whether the writing threads are alive."""
        return self._thread.is_alive() and self._audit.is_alive()

    def _write_audit_line(self, outcome: Outcome, notification: Notification, took: timedelta, now: datetime) -> None:
        self._audit.write(
            {
                "audit": "decision",
                "reason": outcome.reason,
                "message": outcome.message,
                "remediation": outcome.remediation_name,
                "target": outcome.target_name,
                "effect": outcome.effect,
                "from": outcome.before,
                "to": outcome.after,
                "actionId": outcome.action_id,
                "evidence": outcome.confirmation and outcome.confirmation.as_data(),
                "receiver": notification.receiver[:NAME_IN_AUDIT],
                "groupKey": notification.group_key[:200],
                "durationSeconds": round(took.total_seconds(), 4),
                "alertCount": len(outcome.alerts),
                "alerts": [_audited(alert) for alert in outcome.alerts[:ALERTS_IN_AUDIT]],
                "cluster": self._cluster,
            },
            now,
        )

    def _enqueue(self, event: Event) -> None:
        if event.name in self._emitted:
            return
        self._emitted[event.name] = None
        while len(self._emitted) > MAX_EVENTS:
            self._emitted.popitem(last=False)
        try:
            self._events.put_nowait(event)
        except queue.Full:
            self._drop(event, "too many Events are waiting")

    def _emit_all(self) -> None:
        while (event := self._events.get()) is not None:
            self._closing.wait(HEAD_START_SECONDS)
            try:
                self._emit_event(event)
            except ClusterError as error:
                self._drop(event, str(error))

    def _drop(self, event: Event, why: str) -> None:
        self._metrics.records_dropped.labels(kind="event").inc()
        self._emitted.pop(event.name, None)
        log.warning("event not written", extra={"event": event.reason, "target": event.target.name, "error": why})


def _audited(alert: Alert | MalformedAlert) -> dict[str, str]:
    """An alert's fields in an audit line. From its `startsAt` to the line's time is how long the reflex took."""
    facts = {"alertname": alert.name[:NAME_IN_AUDIT], "fingerprint": alert.fingerprint[:NAME_IN_AUDIT]}
    if isinstance(alert, Alert):
        facts |= {"value": alert.value[:VALUE_IN_AUDIT]} if alert.value else {}
        facts |= {"startsAt": format_time(began)} if (began := alert.began) else {}
    return facts


def _event(outcome: Outcome, remediation: Remediation, now: datetime) -> Event:
    """An act has its own Event; a repeated refusal has one in each slot of the cooldown."""
    span = act_or_span(outcome.action_id, remediation.cooldown, now)
    began = newest(outcome.alerts)
    since = f" since {format_time(began, 'seconds')}" if began else ""
    quiet = outcome.reason.kind == "acted" or outcome.reason is Reason.OBSERVING
    return Event(
        name=event_name(remediation.target, outcome.uid, remediation.name, outcome.reason, span),
        target=remediation.target,
        uid=outcome.uid,
        type="Normal" if quiet else "Warning",
        reason=outcome.reason,
        action=outcome.effect,
        note=f"{remediation.name}: {outcome.message} (alerts: {format_alerts(outcome.alerts, ALERTS_IN_NOTE)}{since})",
        time=now,
    )

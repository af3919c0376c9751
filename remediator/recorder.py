"""One metric, one audit line, and where it matters one Event, for each outcome.

The rule of this file: recording never undoes, repeats or delays an act. Audit lines and Events go to threads of their
own, so that neither a standard output that nobody reads nor a slow API server holds up the next alert; what cannot be
written is counted and logged.
"""

import contextlib
import hashlib
import logging
import queue
import threading
import time
from collections import OrderedDict
from datetime import datetime
from typing import Protocol, TextIO

from remediator.alerts import Notification
from remediator.api_errors import ClusterError
from remediator.audit import AuditLog
from remediator.cluster import Event
from remediator.ledger import spell_change
from remediator.metrics import Metrics
from remediator.outcome import Outcome
from remediator.policy import Remediation, Target
from remediator.reasons import Reason
from remediator.verification import Verdict, Verification

log = logging.getLogger(__name__)

ALERTS_IN_AUDIT = 20
"""How many alerts an audit line names; the rest is a number."""

HEAD_START_SECONDS = 0.02
"""For the answer to whom an Event is about: both want the interpreter, and only the answer is waited for."""

MAX_EVENTS = 1_000
"""Events that may wait to be written, and names of those that were."""

_WITHOUT_EVENT = frozenset({Reason.COOLING_DOWN})
"""A repeat within the cooldown is the normal case, and the act's own Event has said what there is to say."""


class EmitEvent(Protocol):
    """Writes one Event. Raises ClusterError."""

    def __call__(self, event: Event) -> None: ...


class Recorder:
    """Says what became of alerts, everywhere that somebody may look."""

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

    def record(self, outcome: Outcome, notification: Notification, *, began: datetime, ended: datetime) -> None:
        """Record one outcome of a notification that arrived at `began` and was decided at `ended`."""
        metrics, target, effect = self._metrics, outcome.target_name, outcome.effect
        metrics.outcomes.labels(outcome.remediation_name, outcome.reason).inc(len(outcome.alerts))
        if outcome.reason is Reason.APPLIED:
            metrics.action_duration.labels(effect=effect).observe((ended - began).total_seconds())
        if outcome.changed_at:
            # The ledger's time, which every replica shows from its next look on: one act has one time.
            metrics.last_action.labels(target=target, effect=effect).set(outcome.changed_at.timestamp())
        self._write_audit_line(outcome, notification, began, ended)
        if outcome.remediation and outcome.uid and outcome.reason not in _WITHOUT_EVENT:
            self._enqueue(_event(outcome, outcome.remediation, ended))

    def record_verification(
        self, verification: Verification, remediation: Remediation, uid: str, now: datetime
    ) -> None:
        """Record what became of an act. Every replica does; the Event has one name for all of them."""
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
        change = spell_change(entry.effect, entry.before, entry.after)
        self._enqueue(
            Event(
                name=_event_name(target, uid, entry.id, verification.verdict),
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
        """Write the audit lines and Events that wait, for at most `timeout` seconds."""
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
        """Whether what is recorded is still written."""
        return self._thread.is_alive() and self._audit.is_alive()

    def _write_audit_line(self, outcome: Outcome, notification: Notification, began: datetime, ended: datetime) -> None:
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
                "receiver": notification.receiver,
                "groupKey": notification.group_key[:200],
                "durationSeconds": round((ended - began).total_seconds(), 4),
                "alertCount": len(outcome.alerts),
                "alerts": [
                    {"alertname": alert.name, "fingerprint": alert.fingerprint}
                    for alert in outcome.alerts[:ALERTS_IN_AUDIT]
                ],
                "cluster": self._cluster,
            },
            ended,
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
            self._drop(event, "more Events wait than can be kept")

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


def _event(outcome: Outcome, remediation: Remediation, now: datetime) -> Event:
    """An act has an Event of its own; a repeated refusal has one in each span of the cooldown."""
    span = outcome.action_id or str(int(now.timestamp() // remediation.cooldown.total_seconds()))
    names = ", ".join(sorted({alert.name for alert in outcome.alerts if alert.name})[:5])
    quiet = outcome.reason.kind == "acted" or outcome.reason is Reason.OBSERVING
    return Event(
        name=_event_name(remediation.target, outcome.uid, remediation.name, outcome.reason, span),
        target=remediation.target,
        uid=outcome.uid,
        type="Normal" if quiet else "Warning",
        reason=outcome.reason,
        action=outcome.effect,
        note=f"{remediation.name}: {outcome.message} (alerts: {names})",
        time=now,
    )


def _event_name(target: Target, *identity: str) -> str:
    """The same for the same, so that replicas and repeats write one Event together."""
    return f"{target.deployment}.{hashlib.sha256(chr(0).join(identity).encode()).hexdigest()[:16]}"

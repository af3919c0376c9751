"""One metric, one audit line, and where it matters one Event, for each outcome.

The rule of this file: recording never undoes, repeats or delays an act. Audit lines and Events go to threads of their
own, so that neither a standard output that nobody reads nor a slow API server holds up the next alert; what cannot be
written is counted and logged.
"""

import contextlib
import hashlib
import json
import logging
import queue
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Protocol, TextIO

from remediator.alerts import Notification
from remediator.api_errors import ClusterError
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

_EVENT_BACKLOG = 1_000
_LINE_BACKLOG = 10_000
_REMEMBERED_EVENTS = 1_000

_WITHOUT_EVENT = frozenset({Reason.COOLING_DOWN})
"""A repeat within the cooldown is the normal case, and the act's own Event has said what there is to say."""


class EmitEvent(Protocol):
    """Writes one Event. Raises ClusterError."""

    def __call__(self, event: Event) -> None: ...


class Recorder:
    """Says what became of alerts, everywhere that somebody may look."""

    def __init__(self, *, metrics: Metrics, audit: TextIO, emit_event: EmitEvent, cluster: str) -> None:
        self._metrics = metrics
        self._audit = audit
        self._emit_event = emit_event
        self._cluster = cluster
        self._events: queue.Queue[Event | None] = queue.Queue(_EVENT_BACKLOG)
        self._emitted: OrderedDict[str, None] = OrderedDict()
        self._lines: queue.Queue[str | None] = queue.Queue(_LINE_BACKLOG)
        self._threads = [
            threading.Thread(target=self._emit_all, name="events", daemon=True),
            threading.Thread(target=self._write_all, name="audit", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def record(self, outcome: Outcome, notification: Notification, *, began: datetime, ended: datetime) -> None:
        """Record one outcome of a notification that arrived at `began` and was decided at `ended`."""
        metrics, target, effect = self._metrics, outcome.target_name, outcome.effect
        metrics.outcomes.labels(remediation=outcome.remediation_name, reason=outcome.reason).inc(len(outcome.alerts))
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
        self._write_line(
            {
                "audit": "verification",
                "verdict": verification.verdict,
                "message": verification.message,
                "remediation": entry.remediation,
                "target": target.name,
                "effect": entry.effect,
                "actionId": entry.id,
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
        for waiting in (self._events, self._lines):
            with contextlib.suppress(queue.Full):
                waiting.put(None, timeout=timeout)
        for thread in self._threads:
            thread.join(max(ends - time.monotonic(), 0))

    def flush(self) -> None:
        """Wait until the audit lines so far are written."""
        self._lines.join()

    def is_alive(self) -> bool:
        """Whether what is recorded is still written."""
        return all(thread.is_alive() for thread in self._threads)

    def _write_audit_line(self, outcome: Outcome, notification: Notification, began: datetime, ended: datetime) -> None:
        self._write_line(
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
            },
            ended,
        )

    def _write_line(self, facts: Mapping[str, Any], now: datetime) -> None:
        at = now.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = {"time": at, **facts, "cluster": self._cluster}
        text = json.dumps({key: value for key, value in line.items() if value not in ("", None)})
        try:
            self._lines.put_nowait(text)
        except queue.Full:
            self._drop_line(text, "more lines wait than can be kept")

    def _write_all(self) -> None:
        while True:
            text = self._lines.get()
            try:
                if text is None:
                    return
                self._audit.write(f"{text}\n")
                self._audit.flush()
            except (OSError, ValueError) as error:  # A closed file is a ValueError.
                self._drop_line(str(text), str(error))
            finally:
                self._lines.task_done()

    def _drop_line(self, text: str, why: str) -> None:
        self._metrics.records_dropped.labels(kind="audit").inc()
        log.error("audit line not written", extra={"error": why, "line": text})

    def _enqueue(self, event: Event) -> None:
        if event.name in self._emitted:
            return
        self._emitted[event.name] = None
        while len(self._emitted) > _REMEMBERED_EVENTS:
            self._emitted.popitem(last=False)
        try:
            self._events.put_nowait(event)
        except queue.Full:
            self._drop(event, "more Events wait than can be kept")

    def _emit_all(self) -> None:
        while (event := self._events.get()) is not None:
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

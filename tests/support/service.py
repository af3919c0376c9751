"""The service without its process: the real loop, client, recorder and metrics, wired as service.py wires them."""

import hashlib
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TextIO

from prometheus_client import CollectorRegistry

from remediator.config.loader import parse_policy
from remediator.core.alerts import Notification, parse_notification
from remediator.core.outcome import Outcome
from remediator.core.policy import Policy
from remediator.kube.clock import ApiClock
from remediator.kube.connection import Connection
from remediator.kube.targets import Cluster
from remediator.reflex.confirmations import Confirmations
from remediator.reflex.decision import Decisions
from remediator.reflex.dry_runs import DryRuns
from remediator.reflex.heartbeat import Heartbeats
from remediator.reflex.last_reads import LastReads
from remediator.reflex.metrics import Metrics
from remediator.reflex.observer import Observer
from remediator.reflex.recent_acts import Memory, Steady
from remediator.reflex.recorder import Recorder
from remediator.reflex.remediator import Remediator
from remediator.web.notifications import Notifications

SHIPPED = Path(__file__).parents[2] / "rules" / "remediations.yaml"
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def shipped_policy() -> Policy:
    """The policy of rules/remediations.yaml."""
    return parse_policy(SHIPPED.read_text(), str(SHIPPED))


class Clock:
    """A clock that stands until it is told to move."""

    def __init__(self, now: datetime = NOON) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def move(self, **by: float) -> None:
        """Move by a timedelta's arguments."""
        self.now += timedelta(**by)


class Service:
    """One replica."""

    def __init__(
        self,
        kubeconfig: Path,
        *,
        clock: Callable[[], datetime] | None = None,
        policy: Policy | None = None,
        fence: str = "",
        dry_run: bool = False,
        audit: TextIO | None = None,
        api_clock: ApiClock | None = None,
        confirmations: Confirmations | None = None,
    ) -> None:
        self.metrics = Metrics(CollectorRegistry())
        self.policy = policy or shipped_policy()
        self.metrics.preregister(self.policy)
        self.cluster = Cluster(Connection(kubeconfig, threads=16, observe=self._count, clock=api_clock))
        self._audit = io.StringIO()
        self.recorder = Recorder(
            metrics=self.metrics, audit=audit or self._audit, emit_event=self.cluster.emit_event, cluster=fence
        )
        memory, now = Memory(), clock or Clock()
        if api_clock:
            memory = Memory(Steady(seconds=api_clock.steady, unsure=lambda: api_clock.unsure))
            now = api_clock.now
        self.reads = LastReads(api_clock.steady if api_clock else lambda: now().timestamp())
        self.notifications = Notifications(now)
        self.heartbeats = Heartbeats(self.metrics, now)
        self.dry_runs = DryRuns(policy=lambda: self.policy, cluster=self.cluster, metrics=self.metrics, now=now)
        self.observer = Observer(
            policy=lambda: self.policy,
            cluster=self.cluster,
            metrics=self.metrics,
            recorder=self.recorder,
            memory=memory,
            reads=self.reads,
            heartbeats=self.heartbeats,
            dry_runs=self.dry_runs,
            unconfirmed=confirmations.unconfirmed if confirmations else lambda remediation: "",
            alert_times=lambda policy: {},
            dry_run=dry_run,
            now=now,
        )
        decisions = Decisions(
            cluster=self.cluster,
            memory=memory,
            reads=self.reads,
            show=self.observer.show,
            confirmations=confirmations,
            dry_run=dry_run,
            now=now,
        )
        self.remediator = Remediator(
            policy=lambda: self.policy,
            decisions=decisions,
            recorder=self.recorder,
            hear=self.observer.hear,
            heartbeats=self.heartbeats,
            fence=fence,
            now=now,
        )

    def _count(self, verb: str, code: str) -> None:
        self.metrics.kubernetes_requests.labels(verb=verb, code=code).inc()

    def handle(self, notification: Notification) -> list[Outcome]:
        """What the webhook calls."""
        return self.remediator.handle(notification)

    def reasons(self, *alerts: dict[str, Any]) -> list[str]:
        """Deliver a notification of these alerts; the reason of each."""
        return [outcome.reason for outcome in self.handle(notification(*alerts))]

    def audit_lines(self) -> list[dict[str, Any]]:
        """The audit lines so far."""
        self.recorder.flush()
        return [json.loads(line) for line in self._audit.getvalue().splitlines()]

    def requests(self, verb: str) -> float:
        """How many requests of this verb went to the API server."""
        return sum(
            sample.value
            for metric in self.metrics.kubernetes_requests.collect()
            for sample in metric.samples
            if sample.name.endswith("_total") and sample.labels["verb"] == verb
        )

    def value(self, name: str, **labels: str) -> float | None:
        """A sample of the service's metrics."""
        return self.metrics.registry.get_sample_value(name, labels)


def alert(remediation: str = "rollback", *, status: str = "firing", **labels: str) -> dict[str, Any]:
    """An alert in the form that Alertmanager sends."""
    names = {"rollback": "DenisErrorRateHigh", "scale": "DenisQueueDepthHigh", "heartbeat": "RemediatorHeartbeat"}
    name = labels.pop("alertname", names.get(remediation, "Other"))
    return {
        "status": status,
        "labels": {"alertname": name, "namespace": "denis", "remediation": remediation, **labels},
        "annotations": {"summary": "made up", "value": "0.061"},
        "startsAt": "2026-11-23T11:59:00.123456789Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "",
        "fingerprint": hashlib.sha256(repr((name, labels)).encode()).hexdigest()[:16],
    }


def body(*alerts: dict[str, Any], **fields: Any) -> bytes:
    """A notification's body as Alertmanager writes it."""
    whole = {
        "receiver": "remediator",
        "status": "firing",
        "alerts": list(alerts),
        "groupLabels": {},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager.example",
        "version": "4",
        "groupKey": "{}:{}",
        "truncatedAlerts": 0,
        **fields,
    }
    return json.dumps(whole).encode() + b"\n"


def notification(*alerts: dict[str, Any]) -> Notification:
    """A notification of these alerts."""
    return parse_notification(body(*alerts))

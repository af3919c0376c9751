"""The service without its process: the real loop, client, recorder and metrics, wired as server.py wires them."""

import hashlib
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TextIO

from prometheus_client import CollectorRegistry

from remediator.alerts import Notification, parse_notification
from remediator.cluster import Cluster
from remediator.connection import Connection
from remediator.memory import Memory
from remediator.metrics import Metrics
from remediator.observation import Observer
from remediator.outcome import Outcome
from remediator.policy import Policy
from remediator.policy_file import parse_policy
from remediator.recorder import Recorder
from remediator.remediation import Remediator

SHIPPED = Path(__file__).parent.parent / "rules" / "remediations.yaml"
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
    ) -> None:
        self.metrics = Metrics(CollectorRegistry())
        self.policy = policy or shipped_policy()
        self.metrics.preregister(self.policy)
        self.cluster = Cluster(Connection(kubeconfig, threads=16, observe=self._count))
        self._audit = io.StringIO()
        self.recorder = Recorder(
            metrics=self.metrics, audit=audit or self._audit, emit_event=self.cluster.emit_event, cluster=fence
        )
        memory, now = Memory(), clock or Clock()
        self.remediator = Remediator(
            policy=lambda: self.policy,
            cluster=self.cluster,
            recorder=self.recorder,
            memory=memory,
            fence=fence,
            dry_run=dry_run,
            now=now,
        )
        self.observer = Observer(
            policy=lambda: self.policy,
            cluster=self.cluster,
            metrics=self.metrics,
            recorder=self.recorder,
            memory=memory,
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
    name = {"rollback": "DenisErrorRateHigh", "scale": "DenisQueueDepthHigh"}.get(remediation, "Other")
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

"""A stand-in for a Prometheus with the shipped rules, whose series and rules can be made bad."""

import json
import time
from typing import Any

from demo.shipped import read
from remediator.core.durations import parse_duration
from tests.support.stand_in import StandIn

ALERTS = ["DenisErrorRateHigh", "DenisErrorRateSevere", "DenisMaterializerSuccessRateLow", "DenisSuccessRateSevere"]


def rule(alert: str, query: str, **changes: Any) -> dict[str, Any]:
    """A rule of an alert as Prometheus tells it."""
    labels = {"remediation": "rollback", "severity": "critical"}
    fields: dict[str, Any] = {
        "type": "alerting",
        "duration": 120,
        "health": "ok",
        "state": "inactive",
        "labels": labels,
    }
    return {"name": alert, "query": query, "annotations": {}, "alerts": [], **fields, **changes}


def shipped_alerts() -> list[dict[str, Any]]:
    """The alerts of all shipped rules as Prometheus tells them, none of which fires."""
    return [
        rule(
            one["alert"],
            one["expr"],
            duration=parse_duration(str(one.get("for", "0s"))).total_seconds(),
            labels=one.get("labels", {}),
        )
        for file in ("denis.rules.yaml", "remediator.rules.yaml")
        for group in read(file)["groups"]
        for one in group["rules"]
        if "alert" in one
    ]


class WatchingPrometheus(StandIn):
    """A Prometheus with the shipped rules; its series can be changed by the metric's name."""

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, list[float]] = {
            "materializer_success_rate": [0.99],
            "error_rate": [0.01],
            "async_queue_depth": [3],
            "materializer_latency_p99": [0.2],
            "denis:hundred_percent": [1],
            "denis:unit_contradicted": [],
        }
        self.units: dict[str, float] = {}
        """The unit of each release, by its canary; without any there is one that names none."""
        self.age = 7.0
        self.firing: list[Any] = []
        """The labels of alerts that fire."""
        self.rules: list[Any] = [rule(ALERTS[0], "denis:error_rate:avg_ratio > 0.05")]
        self.rules += [rule(name, "x < 0.9") for name in ALERTS[1:]]
        self.recording = [
            {"type": "recording", "name": one["record"], "query": one["expr"]}
            for one in read("denis.rules.yaml")["groups"][0]["rules"]
            if "record" in one
        ]
        self.alertmanagers: list[str] | None = ["http://alertmanager:9093/api/v2/alerts"]
        self.external_labels: dict[str, str] = {}
        self.answers = {
            "/api/v1/status/config": lambda fields: self._json(
                {"yaml": json.dumps({"global": {"external_labels": self.external_labels}})}
            ),
            "/api/v1/query": lambda fields: self._json(self._query(fields["query"])),
            "/api/v1/rules": lambda fields: self._json(
                {
                    "groups": [
                        {
                            "name": "denis",
                            "interval": 15,
                            "rules": self.recording if fields["type"] == "record" else self.rules,
                        }
                    ]
                }
            ),
            "/api/v1/targets": lambda fields: self._json(
                {"activeTargets": [{"labels": {"job": "denis"}, "scrapeInterval": "15s"}]}
            ),
            "/api/v1/format_query": lambda fields: self._json("".join(fields["query"].split())),
            "/api/v1/alertmanagers": lambda fields: self._json(
                {"activeAlertmanagers": [{"url": url} for url in self.alertmanagers or ()], "droppedAlertmanagers": []}
            ),
        }

    @staticmethod
    def _json(data: object) -> str:
        return json.dumps({"status": "success", "data": data})

    def _query(self, expression: str) -> dict[str, Any]:
        if "ALERTS{" in expression:
            result = [{"metric": labels, "value": [time.time(), "1"]} for labels in self.firing]
            return {"resultType": "vector", "result": result}
        if "denis:hundred_percent" in expression and self.units:
            result = [
                {"metric": {"canary": canary}, "value": [time.time(), str(unit)]} for canary, unit in self.units.items()
            ]
            return {"resultType": "vector", "result": result}
        any_signal = [1.0] if expression.startswith("denis:signal{") else []
        values = next((values for name, values in self.values.items() if name in expression), any_signal)
        if expression.startswith("time()"):
            values = [self.age] if values else []
        labels: dict[str, str] = {"job": "denis", "namespace": "denis"}
        result = [
            {"metric": labels | {"instance": f"denis-{number}"}, "value": [time.time(), str(value)]}
            for number, value in enumerate(values)
        ]
        return {"resultType": "vector", "result": result}

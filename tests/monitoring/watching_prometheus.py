"""A stand-in for a Prometheus with the shipped rules, whose series and rules can be made bad."""

import json
import time
from typing import Any

from tests.stand_in import StandIn

ALERTS = ["DenisErrorRateHigh", "DenisMaterializerSuccessRateLow"]


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
        self.age = 7.0
        self.firing: list[dict[str, str]] = []
        """The labels of alerts that fire."""
        self.rules = [rule(ALERTS[0], "denis:error_rate:avg_ratio > 0.05"), rule(ALERTS[1], "x < 0.9")]
        self.alertmanagers = ["http://alertmanager:9093/api/v2/alerts"]
        self.answers = {
            "/api/v1/query": lambda fields: self._json(self._query(fields["query"])),
            "/api/v1/rules": lambda fields: self._json({"groups": [{"name": "denis", "rules": self.rules}]}),
            "/api/v1/alertmanagers": lambda fields: self._json(
                {"activeAlertmanagers": [{"url": url} for url in self.alertmanagers], "droppedAlertmanagers": []}
            ),
        }

    @staticmethod
    def _json(data: object) -> str:
        return json.dumps({"status": "success", "data": data})

    def _query(self, expression: str) -> dict[str, Any]:
        if "ALERTS{" in expression:
            result = [{"metric": labels, "value": [time.time(), "1"]} for labels in self.firing]
            return {"resultType": "vector", "result": result}
        values = next((values for name, values in self.values.items() if name in expression), [])
        if expression.startswith("time()"):
            values = [self.age] if values else []
        labels: dict[str, str] = {"job": "denis", "namespace": "denis"}
        result = [
            {"metric": labels | {"instance": f"denis-{number}"}, "value": [time.time(), str(value)]}
            for number, value in enumerate(values)
        ]
        return {"resultType": "vector", "result": result}

"""A stand-in for a Prometheus with rules of alerts: a test sets their states and values, or lets it hang."""

import json
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from tests.support.stand_in import Answer, StandIn

ERROR_RATE = '(denis:error_rate:avg_ratio and on (cluster, namespace, job) denis:signal{canary="denis/denis"}) > 0.05'
QUEUE = 'max by (cluster, namespace, job) (denis:signal{canary="denis/denis",signal="async_queue_depth"}) > 500'

INTERVAL = 15.0


def ago(seconds: float) -> str:
    """A time as Prometheus writes it."""
    time_then = datetime.fromtimestamp(time.time() - seconds, UTC)
    return time_then.isoformat(timespec="microseconds").removesuffix("+00:00") + "123Z"


class RulingPrometheus(StandIn):
    """At first the two shipped alerts that tests send are inactive, evaluated 4 s ago, and their values are good."""

    def __init__(self) -> None:
        super().__init__()
        self.rules = {
            "DenisErrorRateHigh": self._rule("DenisErrorRateHigh", ERROR_RATE, 120, "rollback"),
            "DenisQueueDepthHigh": self._rule("DenisQueueDepthHigh", QUEUE, 300, "scale"),
        }
        self.values: dict[str, list[list[float]]] = {"error_rate": [[0.01] * 9], "async_queue_depth": [[3.0] * 21]}
        """The values of a rule's left side over its `for`, for each series, by what is in the query."""
        self.age = 3600.0
        """Seconds since the process started."""
        self.series_labels: dict[str, str] = {}
        """What all series have."""
        self.external_labels: dict[str, str] = {}
        self.warnings: list[str] = []
        self.fault: Callable[[], Answer] | None = None
        """What is answered to everything instead."""
        self.before: Callable[[], object] = lambda: None
        """Runs before each answer."""
        self._closing = threading.Event()
        self.answers = {
            "/api/v1/rules": self._if_well(
                lambda fields: {"groups": [{"name": "denis", "interval": INTERVAL, "rules": list(self.rules.values())}]}
            ),
            "/api/v1/query": self._if_well(lambda fields: {"resultType": "matrix", "result": self._series(fields)}),
            "/api/v1/status/config": self._if_well(
                lambda fields: {"yaml": json.dumps({"global": {"external_labels": self.external_labels}})}
            ),
            "/api/v1/status/runtimeinfo": self._if_well(lambda fields: {"startTime": ago(self.age)}),
        }

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        super().__exit__(kind, error, trace)

    @staticmethod
    def _rule(name: str, query: str, duration: float, remediation: str) -> dict[str, Any]:
        return {
            "type": "alerting",
            "name": name,
            "query": query,
            "duration": duration,
            "labels": {"remediation": remediation, "severity": "critical"},
            "annotations": {},
            "alerts": [],
            "state": "inactive",
            "health": "ok",
            "lastEvaluation": ago(4),
        }

    def _if_well(self, data: Callable[[Mapping[str, str]], Any]) -> Callable[[Mapping[str, str]], Answer]:
        def answer(fields: Mapping[str, str]) -> Answer:
            self.before()
            if self.fault:
                return self.fault()
            extra = {"warnings": self.warnings} if self.warnings else {}
            return json.dumps({"status": "success", "data": data(fields), **extra})

        return answer

    def _series(self, fields: Mapping[str, str]) -> list[Any]:
        query = fields["query"]
        found = next((series for name, series in self.values.items() if name in query), [])
        return [
            {
                "metric": {"instance": str(number), **self.series_labels},
                "values": [[time.time() - INTERVAL * back, str(value)] for back, value in enumerate(values)],
            }
            for number, values in enumerate(found)
        ]

    def hang(self) -> None:
        """From now on take every request, and answer none."""
        self.fault = self._never

    def _never(self) -> Answer:
        self._closing.wait()
        return b""

    def well(self) -> None:
        """Answer again as it should."""
        self.fault, self.warnings = None, []

    def fires(self, name: str, value: float, *, state: str = "firing", **labels: str) -> None:
        """Let a rule be active, with an alert of these labels."""
        rule = self.rules[name]
        labels = {"alertname": name, "namespace": "denis", **rule["labels"], **labels}
        alert = {"labels": labels, "annotations": {}, "state": state, "activeAt": ago(130), "value": f"{value:e}"}
        rule |= {"state": state, "alerts": [alert], "lastEvaluation": ago(4)}

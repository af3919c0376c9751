"""A stand-in for DENIS: its four gauges, as bad or as good as the cluster makes them.

What it exports depends on the percentage and the workers that the Kubernetes API shows at that moment, so an act
changes the gauges, and nothing else does but the scenario. State moves when it is scraped.
"""

import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Self

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from demo.loopback import get_json

SUCCESS_RATE = 0.994
ERROR_RATE = 0.004
LATENCY_SECONDS = 0.18
"""What DENIS exports while its canary is off."""

JOBS_PER_WORKER = 50.0
"""How many jobs a worker finishes in a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What is wrong, if anything. Rates are ratios, 0 to 1."""

    success_rate: float = SUCCESS_RATE
    """Of the materializations, which only the canary does."""
    canary_error_rate: float = ERROR_RATE
    """Of the requests that the canary serves; all requests together fail in proportion to its percentage."""
    cause: Literal["canary", "elsewhere"] = "canary"
    """With a cause elsewhere, the rates stay bad at 0 %."""
    settling_seconds: float = 0.0
    """The rates are means over that long, so they turn bad, and good again, gradually."""
    inflow: float = 0.0
    """Jobs per second that are added to the queue."""
    exports: bool = True
    """Whether there are any series at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """What DENIS sees of its own Deployments."""

    percentage: int = 0
    workers: int = 0


class Denis(Collector):
    """Exports the gauges at `address`/metrics until it is stopped."""

    def __init__(self, api_url: str, scenario: Scenario | None = None, *, namespace: str = "denis") -> None:
        self.api_url = api_url
        self._namespace = namespace
        self._scenario = scenario or Scenario()
        self._lock = threading.Lock()
        self._cluster = Cluster()
        self._success_rate, self._error_rate, self._queue = SUCCESS_RATE, ERROR_RATE, 0.0
        self._moved_at = time.monotonic()
        registry = CollectorRegistry()
        registry.register(self)
        self._server, self._thread = start_http_server(0, "127.0.0.1", registry)
        self.address = f"127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def becomes(self, scenario: Scenario, *, queue: float | None = None) -> None:
        """Go on with another scenario, and with so many jobs in the queue."""
        with self._lock:
            self._move()
            self._scenario = scenario
            self._queue = self._queue if queue is None else queue

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The gauges as they are now."""
        with self._lock:
            self._move()
            if not self._scenario.exports:
                return
            values = {
                "materializer_success_rate": (self._success_rate, "Share of materializations that succeed, 0 to 1."),
                "error_rate": (self._error_rate, "Share of requests that fail, 0 to 1."),
                "async_queue_depth": (float(int(self._queue)), "Jobs that wait."),
                "materializer_latency_p99": (LATENCY_SECONDS + self._error_rate, "Seconds."),
            }
        for name, (value, meaning) in values.items():
            yield GaugeMetricFamily(name, meaning, value=value)

    def describe(self) -> list[GaugeMetricFamily]:
        """Nothing: registering must not ask the cluster."""
        return []

    def _move(self) -> None:
        """Let the time pass that has passed since the last look."""
        now = time.monotonic()
        elapsed, self._moved_at = now - self._moved_at, now
        self._cluster = self._look()
        scenario = self._scenario
        share = max(self._cluster.percentage, 10 if scenario.cause == "elsewhere" else 0) / 100
        # A mean moves by a part of the whole for each part of its window.
        pace = elapsed / scenario.settling_seconds if scenario.settling_seconds else float("inf")
        bad_success = scenario.success_rate if share else SUCCESS_RATE
        bad_errors = ERROR_RATE + share * (scenario.canary_error_rate - ERROR_RATE)
        self._success_rate = _approach(self._success_rate, bad_success, pace)
        self._error_rate = _approach(self._error_rate, bad_errors, pace * max(share, 0.1))
        self._queue = max(0.0, self._queue + (scenario.inflow - self._cluster.workers * JOBS_PER_WORKER) * elapsed)

    def _look(self) -> Cluster:
        """The cluster now, or as it was last seen: pods run on without an API server."""
        deployments = f"{self.api_url}/apis/apps/v1/namespaces/{self._namespace}/deployments"
        try:
            denis, workers = get_json(f"{deployments}/denis"), get_json(f"{deployments}/denis-workers")
        except OSError:
            return self._cluster
        return Cluster(percentage=percentage(denis), workers=workers["spec"]["replicas"])


def percentage(deployment: Mapping[str, Any]) -> int:
    """The canary's share of the traffic, as Deployment denis has it."""
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    env = {entry["name"]: entry.get("value", "") for entry in container["env"]}
    return int(env["DENIS_MATERIALIZERS_PCT"]) if env["DENIS_MATERIALIZERS_ENABLED"] == "true" else 0


def _approach(value: float, goal: float, step: float) -> float:
    return min(goal, value + step) if goal > value else max(goal, value - step)

"""What Grafana would get from a Prometheus that has watched a story of known acts."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from demo.loopback import get_json
from demo.stack import Prometheus
from tests.dashboard.dashboard import Query

STEP_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """When it happened, in seconds, and the times at which each target was changed, as its ledger has them."""

    began: float
    ended: float
    acts: Mapping[str, list[datetime]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One line of a graph, or one number of a stat, which is its only sample."""

    labels: Mapping[str, str]
    samples: list[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A data source, and what the variable `cluster` is."""

    prometheus: Prometheus
    cluster: str
    story: Story

    def ask(self, query: Query, *, cluster: str | None = None) -> list[Series]:
        """What a query shows of the story: its last moment, or all of it."""
        spelled = query.spelled(cluster=self.cluster if cluster is None else cluster, since=self.story.began)
        if query.instant:
            found = self._get("query", query=spelled, time=self.story.ended)["result"]
            return [Series(labels=one["metric"], samples=[float(one["value"][1])]) for one in found]
        # Counted back from the end, so that the last moment is among the steps.
        steps = (self.story.ended - self.story.began) // STEP_SECONDS
        start = self.story.ended - steps * STEP_SECONDS
        span = {"start": start, "end": self.story.ended, "step": STEP_SECONDS}
        found = self._get("query_range", query=spelled, **span)["result"]
        return [Series(labels=one["metric"], samples=[float(value) for _, value in one["values"]]) for one in found]

    def names(self) -> set[str]:
        """All metrics that there are."""
        return set(self._get("label/__name__/values"))

    def values(self, label: str, metric: str) -> list[str]:
        """What a variable with `label_values` offers."""
        found: list[str] = self._get(f"label/{label}/values", **{"match[]": metric})
        return found

    def _get(self, path: str, **parameters: object) -> Any:
        return get_json(f"http://{self.prometheus.address}/api/v1/{path}?{urlencode(parameters)}")["data"]

"""The shipped dashboard as tests ask for it: its panels, and everything in it that Prometheus is asked."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PATH = ROOT / "helm" / "remediator" / "files" / "dashboards" / "remediator.json"
Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """An expression with what Grafana is to make of it."""

    place: str
    expr: str
    legend: str = ""
    instant: bool = False

    def spelled(self, *, cluster: str, since: float) -> str:
        """The expression as Grafana sends it: `cluster` is what the variable becomes, `since` the range's beginning."""
        values = {"$cluster": cluster, "$__rate_interval": "5s", "$__range": "5m", "$__from": f"{since * 1000:.0f}"}
        return re.sub(r"\$[a-z_]+", lambda found: values[found[0]], self.expr)

    def labels(self) -> set[str]:
        """The labels that the legend names."""
        return set(re.findall(r"{{\s*(\w+)\s*}}", self.legend))

    def metrics(self) -> set[str]:
        """The names of the metrics that it selects; each selector of the dashboard has braces."""
        return set(re.findall(r"[a-zA-Z_:][\w:]*(?={)", self.expr))


def dashboard() -> Json:
    """The file."""
    found: Json = json.loads(PATH.read_text())
    return found


def panels() -> list[Json]:
    """Its panels without the rows."""
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def panel(title: str) -> Json:
    """The panel with this title."""
    (found,) = (panel for panel in panels() if panel["title"] == title)
    return found


def annotations() -> list[Query]:
    """What marks acts in every graph."""
    return [
        Query(place=one["name"], expr=one["expr"], legend=one["titleFormat"] + one["textFormat"])
        for one in dashboard()["annotations"]["list"]
    ]


def panel_queries() -> Iterator[Query]:
    """What the panels show."""
    for one in panels():
        for target in one["targets"]:
            yield Query(
                place=f"{one['title']} {target['refId']}",
                expr=target["expr"],
                legend=target["legendFormat"],
                instant=target["instant"],
            )


QUERIES = [*panel_queries(), *annotations()]

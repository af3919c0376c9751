"""The values that the chart is tried with: one file per feature, and the two examples."""

from pathlib import Path
from typing import Any

from tests.chart.helm import CHART
from tests.support.documents import load_yaml

FILES = sorted([*CHART.glob("ci/*-values.yaml"), *CHART.glob("examples/values-*.yaml")])
CASES: dict[str, dict[str, Any]] = {path.stem: load_yaml(path.read_text()) for path in FILES}
OPERATOR_KINDS = frozenset({"ServiceMonitor", "PrometheusRule", "AlertmanagerConfig"})
"""Kinds of the Prometheus Operator, which Kubernetes itself has no schema for."""


def case(name: str) -> dict[str, Any]:
    """The values of a file by its name without the ending."""
    return CASES[name]


def shipped(name: str) -> Any:
    """A file of rules/, parsed."""
    return load_yaml((Path(CHART).parents[1] / "rules" / name).read_text())

"""The objects for the Prometheus Operator, judged by the schemas of its own kinds, in each case that has any."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.chart.cases import CASES, OPERATOR_KINDS, case
from tests.chart.helm import Helm3, Object, only
from tests.support.components import node_modules

VALIDATE = Path(__file__).parent / "operator_schemas" / "validate.mjs"
Validate = Callable[[list[Object]], list[str]]


@pytest.fixture
def validate() -> Validate:
    """What is wrong with objects: the place, and the keyword of the schema or `unknown`."""
    modules = node_modules(VALIDATE.parent, made_by="chart-tools")

    def run(objects: list[Object]) -> list[str]:
        order = json.dumps(objects)
        command = ["node", str(VALIDATE), str(modules.parent)]
        done = subprocess.run(command, input=order, capture_output=True, text=True, check=True, timeout=60)
        problems: list[str] = json.loads(done.stdout)
        return problems

    return run


def rendered(helm: Helm3, values: dict[str, Any]) -> list[Object]:
    """The objects of the operator's kinds."""
    return [one for one in helm.render(values) if one["kind"] in OPERATOR_KINDS]


def test_objects_satisfy_the_schemas_of_the_operator(helm3: Helm3, validate: Validate) -> None:
    """Every object of every case is valid and has no key that the operator does not know; each kind is among them."""
    objects = [one for values in CASES.values() for one in rendered(helm3, values)]
    assert {one["kind"] for one in objects} == OPERATOR_KINDS
    assert validate(objects) == []


def test_free_values_reach_the_schemas(helm3: Helm3, validate: Validate) -> None:
    """What the chart passes on as it is, is judged too: TLS settings and relabelings, good and bad."""
    ca: dict[str, Any] = {"ca": {"configMap": {"name": "ca", "key": "ca.crt"}}}

    def sent_over(settings: dict[str, Any]) -> list[Object]:
        config = {"enabled": True, "tlsConfig": settings}
        return rendered(helm3, {"tls": {"existingSecret": "s"}, "alertmanagerConfig": config})

    monitor = {"serviceMonitor": {"enabled": True, "relabelings": [{"action": "raze"}]}}
    found = validate([*sent_over(ca), *sent_over({**ca, "caFile": "/ca.crt"}), *rendered(helm3, monitor)])
    assert [one.rpartition("httpConfig")[2] for one in found] == [
        ".tlsConfig.caFile: unknown",
        "ServiceMonitor.spec.endpoints.0.relabelings.0.action: enum",
    ]


MISTAKES: list[tuple[str, list[str | int], Any, str]] = [
    ("PrometheusRule", ["spec", "groups", 0, "rules", 0, "expression"], "up", "unknown"),
    ("PrometheusRule", ["spec", "groups", 0, "rules", 0, "for"], "2 minutes", "pattern"),
    ("ServiceMonitor", ["spec", "endpoints", 0, "interval"], 15, "type"),
    ("ServiceMonitor", ["spec", "selectors"], {}, "unknown"),
    ("AlertmanagerConfig", ["spec", "route", "repeat_interval"], "5m", "unknown"),
    ("AlertmanagerConfig", ["spec", "receivers", 0, "webhookConfigs", 0, "maxAlerts"], -1, "minimum"),
]


def test_a_mistake_is_found(helm3: Helm3, validate: Validate) -> None:
    """The judge itself finds a wrong key, type, duration and number, and nothing else."""
    mistaken = []
    for kind, place, value, _ in MISTAKES:
        mistaken.append(only(rendered(helm3, case("operator-stack-values")), kind))
        inner: Any = mistaken[-1]
        for key in place[:-1]:
            inner = inner[key]
        inner[place[-1]] = value
    expected = [f"{'.'.join(map(str, [kind, *place]))}: {problem}" for kind, place, _, problem in MISTAKES]
    assert validate(mistaken) == expected

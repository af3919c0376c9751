"""What `kubectl get` shows: the columns of each resource, printed by the server.

One rule: a column is a name and a function of the object; `wide` ones show with `-o wide` only.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from remediator.embedded.failure import Object

NONE = "<none>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column."""

    name: str
    cell: Callable[[Object], Any]
    wide: bool = False
    type: str = "string"


def table(plural: str, items: Iterable[Object], version: str, include: str, *, header: bool = True) -> Object:
    """A `Table` of objects; `include` is what each row carries of its object."""
    columns = COLUMNS.get(plural, (NAME, AGE))
    result: Object = {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": version},
        "columnDefinitions": [
            {
                "name": column.name,
                "type": column.type,
                "format": "name" if column is NAME else "",
                "description": f"{column.name} of the object",
                "priority": int(column.wide),
            }
            for column in columns
        ]
        if header
        else None,
        "rows": [_row(columns, item, include) for item in items],
    }
    return result


def _row(columns: Iterable[Column], item: Object, include: str) -> Object:
    row: Object = {"cells": [column.cell(item) for column in columns]}
    if include == "Object":
        row["object"] = item
    elif include != "None":
        row["object"] = {
            "kind": "PartialObjectMetadata",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": item["metadata"],
        }
    return row


def duration(since: str | None) -> str:
    """How long ago a time was, as kubectl writes it: 5s, 3m10s, 2h, 4d."""
    if not since:
        return "<unknown>"
    seconds = max(0, int((datetime.now(UTC) - datetime.fromisoformat(since)).total_seconds()))
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if seconds < 120:
        return f"{seconds}s"
    if minutes < 10:
        return f"{minutes}m{seconds % 60}s" if seconds % 60 else f"{minutes}m"
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return f"{hours}h{minutes % 60}m" if minutes % 60 else f"{hours}h"
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        return f"{days}d{hours % 24}h" if hours % 24 else f"{days}d"
    return f"{days}d"


def _spec(item: Object) -> Any:
    return item.get("spec", {})


def _status(item: Object) -> Any:
    return item.get("status", {})


def _containers(field: str) -> Callable[[Object], str]:
    def cell(item: Object) -> str:
        containers = _spec(item).get("template", {}).get("spec", {}).get("containers", [])
        return ",".join(container.get(field, "") for container in containers)

    return cell


def _selector(item: Object) -> str:
    labels = (_spec(item).get("selector") or {}).get("matchLabels", {})
    return ",".join(f"{key}={value}" for key, value in labels.items()) or NONE


def _pod_status(item: Object) -> str:
    if item["metadata"].get("deletionTimestamp"):
        return "Terminating"
    for container in _status(item).get("containerStatuses", []):
        if waiting := container.get("state", {}).get("waiting"):
            return str(waiting["reason"])
    return str(_status(item).get("phase", "Unknown"))


def _pod_ready(item: Object) -> str:
    containers = _status(item).get("containerStatuses", [])
    return f"{sum(c.get('ready', False) for c in containers)}/{len(_spec(item).get('containers', []))}"


def _event_seen(item: Object) -> str:
    series = item.get("series") or {}
    return duration(series.get("lastObservedTime") or item.get("lastTimestamp") or item.get("eventTime"))


def _event_object(item: Object) -> str:
    about = item.get("involvedObject", {})
    return f"{about.get('kind', '').lower()}/{about.get('name', '')}"


def _event_source(item: Object) -> str:
    source = item.get("source", {})
    return source.get("component") or str(item.get("reportingComponent", ""))


def _target(item: Object) -> str:
    target = _spec(item).get("scaleTargetRef", {})
    return f"{target.get('kind', '')}/{target.get('name', '')}"


NAME = Column(name="Name", cell=lambda item: item["metadata"]["name"])
AGE = Column(name="Age", cell=lambda item: duration(item["metadata"].get("creationTimestamp")))
TEMPLATE = (
    Column(name="Containers", cell=_containers("name"), wide=True),
    Column(name="Images", cell=_containers("image"), wide=True),
    Column(name="Selector", cell=_selector, wide=True),
)


def _number(name: str, cell: Callable[[Object], Any]) -> Column:
    return Column(name=name, cell=cell, type="integer")


def _from_status(field: str) -> Callable[[Object], int]:
    return lambda item: int(_status(item).get(field, 0))


COLUMNS: dict[str, tuple[Column, ...]] = {
    "namespaces": (NAME, Column(name="Status", cell=lambda item: _status(item).get("phase", "")), AGE),
    "deployments": (
        NAME,
        Column(
            name="Ready",
            cell=lambda item: f"{_status(item).get('readyReplicas', 0)}/{_spec(item).get('replicas', 0)}",
        ),
        _number("Up-to-date", _from_status("updatedReplicas")),
        _number("Available", _from_status("availableReplicas")),
        AGE,
        *TEMPLATE,
    ),
    "replicasets": (
        NAME,
        _number("Desired", lambda item: _spec(item).get("replicas", 0)),
        _number("Current", _from_status("replicas")),
        _number("Ready", _from_status("readyReplicas")),
        AGE,
        *TEMPLATE,
    ),
    "pods": (
        NAME,
        Column(name="Ready", cell=_pod_ready),
        Column(name="Status", cell=_pod_status),
        Column(name="Restarts", cell=lambda item: "0"),
        AGE,
        Column(name="IP", cell=lambda item: _status(item).get("podIP") or NONE, wide=True),
        Column(name="Node", cell=lambda item: _spec(item).get("nodeName") or NONE, wide=True),
    ),
    "events": (
        Column(name="Last Seen", cell=_event_seen),
        Column(name="Type", cell=lambda item: item.get("type", "")),
        Column(name="Reason", cell=lambda item: item.get("reason", "")),
        Column(name="Object", cell=_event_object),
        Column(name="Source", cell=_event_source, wide=True),
        Column(name="Message", cell=lambda item: item.get("message", "").strip()),
        Column(name="Name", cell=NAME.cell, wide=True),
    ),
    "configmaps": (NAME, _number("Data", lambda item: len(item.get("data", {}))), AGE),
    "horizontalpodautoscalers": (
        NAME,
        Column(name="Reference", cell=_target),
        _number("MinPods", lambda item: _spec(item).get("minReplicas", 1)),
        _number("MaxPods", lambda item: _spec(item).get("maxReplicas", 0)),
        AGE,
    ),
}

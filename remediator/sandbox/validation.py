"""Validation of Deployments, ReplicaSets, Scales and Events.

One rule: every error names the field and the reason, in the API server's words and order.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from remediator.sandbox.failure import Cause, Object, invalid_value, required, too_long

ANNOTATIONS_LIMIT = 256 * 1024
MESSAGE_LIMIT = 1024


def check_metadata(metadata: Mapping[str, Any]) -> Iterator[Cause]:
    """Validate an object's name and annotations."""
    name = metadata.get("name", "")
    if not name:
        yield required("metadata.name", "name or generateName is required")
    annotations = metadata.get("annotations", {})
    if sum(_size(key) + _size(value) for key, value in annotations.items()) > ANNOTATIONS_LIMIT:
        yield too_long("metadata.annotations", ANNOTATIONS_LIMIT)


def _size(text: str) -> int:
    return len(text.encode("utf-8", "replace"))


def check_workload(item: Object) -> Iterator[Cause]:
    """Validate the spec of a Deployment or ReplicaSet."""
    spec = item.get("spec", {})
    yield from check_replicas(item)
    selected = (spec.get("selector") or {}).get("matchLabels")
    if not selected:
        yield required("spec.selector")
    template = spec.get("template", {})
    labels = template.get("metadata", {}).get("labels") or {}
    if not (selected or {}).items() <= labels.items():
        yield invalid_value("spec.template.metadata.labels", labels, "`selector` does not match template `labels`")
    containers = template.get("spec", {}).get("containers")
    if not containers:
        yield required("spec.template.spec.containers")
    for number, container in enumerate(containers or []):
        yield from _check_container(container, f"spec.template.spec.containers[{number}]")
    for name, value in spec.get("strategy", {}).get("rollingUpdate", {}).items():
        if not re.fullmatch("[0-9]+%?" if isinstance(value, int) else "[0-9]+%", str(value)):
            yield invalid_value(f"spec.strategy.rollingUpdate.{name}", value, "must be a number or a percentage")


def _check_container(container: Mapping[str, Any], field: str) -> Iterator[Cause]:
    for name in ("name", "image"):
        if not container.get(name):
            yield required(f"{field}.{name}")
    for number, entry in enumerate(container.get("env", [])):
        where = f"{field}.env[{number}]"
        if not entry.get("name"):
            yield required(f"{where}.name")
        if entry.get("valueFrom") is not None and entry.get("value"):
            yield invalid_value(f"{where}.valueFrom", "", "may not be specified when `value` is not empty")


def check_same_selector(new: Object, old: Object) -> Iterator[Cause]:
    """Validate that a selector has not changed."""
    selector = new.get("spec", {}).get("selector")
    if selector != old.get("spec", {}).get("selector"):
        yield invalid_value("spec.selector", selector, "field is immutable")


def check_replicas(item: Object) -> Iterator[Cause]:
    """What is wrong with the replicas of a Scale, or of what has them."""
    value = item.get("spec", {}).get("replicas")
    if value is not None and value < 0:
        yield invalid_value("spec.replicas", value, "must be greater than or equal to 0")


def check_core_event(item: Object) -> Iterator[Cause]:
    """Validate a core/v1 event: the old form is lenient; with `eventTime` the rules of the new one apply."""
    if (about := item["involvedObject"].get("namespace", "")) != item["metadata"]["namespace"]:
        yield invalid_value("involvedObject.namespace", about, "does not match event.namespace")
    if item.get("eventTime"):
        yield from _check_new_event(item, "reportingComponent")


def check_event(item: Object) -> Iterator[Cause]:
    """Validate an events.k8s.io/v1 event, given in its stored form."""
    if not item.get("eventTime"):
        yield required("eventTime")
    yield from _check_new_event(item, "reportingController")
    if (kind := item.get("type", "")) not in ("Normal", "Warning"):
        yield invalid_value("type", "", f"has invalid value: {kind}")


def _check_new_event(item: Object, controller: str) -> Iterator[Cause]:
    if not item.get("reportingComponent"):
        yield required(controller)
    for name in ("reportingInstance", "action", "reason"):
        if not item.get(name):
            yield required(name)
    if len(item.get("message", "")) > MESSAGE_LIMIT:
        yield invalid_value("message", "", f"can have at most {MESSAGE_LIMIT} characters")

"""What the API server refuses in a Deployment, ReplicaSet, Pod or Scale.

One rule: every check names the field and says why, in the words and the order of the API server.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from remediator.embedded.failure import Cause, Object, invalid_value, required, unsupported
from remediator.embedded.names import check_annotations, check_labels, check_name, quoted
from remediator.embedded.selectors import matches_labels

NOT_NEGATIVE = "must be greater than or equal to 0"
ENV_NAME = r"[ -<>-~]+"


def check_workload(item: Object) -> Iterator[Cause]:
    """What is wrong with the spec of a Deployment or ReplicaSet."""
    spec = item.get("spec", {})
    yield from _check_not_negative("spec.replicas", spec.get("replicas"))
    yield from _check_not_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    yield from _check_not_negative("spec.revisionHistoryLimit", spec.get("revisionHistoryLimit"))
    selector = spec.get("selector")
    if selector is None:
        yield required("spec.selector")
    elif not selector.get("matchLabels") and not selector.get("matchExpressions"):
        yield invalid_value("spec.selector", quoted(selector), "empty selector is invalid for deployment")
    else:
        yield from check_labels("spec.selector.matchLabels", selector.get("matchLabels", {}))
    template = spec.get("template", {})
    labels = template.get("metadata", {}).get("labels")
    if selector is None or not matches_labels(selector, labels or {}):
        field = "spec.template.metadata.labels"
        yield invalid_value(field, quoted(labels), "`selector` does not match template `labels`")
    yield from check_labels("spec.template.metadata.labels", labels or {})
    annotations = template.get("metadata", {}).get("annotations", {})
    yield from check_annotations("spec.template.metadata.annotations", annotations)
    yield from check_pod_spec(template.get("spec", {}), "spec.template.spec")
    policy = template.get("spec", {}).get("restartPolicy", "Always")
    if policy != "Always":
        yield unsupported("spec.template.spec.restartPolicy", quoted(policy), "Always")
    yield from _check_strategy(spec.get("strategy", {}))
    deadline = spec.get("progressDeadlineSeconds")
    yield from _check_not_negative("spec.progressDeadlineSeconds", deadline)
    if deadline is not None and deadline <= spec.get("minReadySeconds", 0):
        yield invalid_value("spec.progressDeadlineSeconds", str(deadline), "must be greater than minReadySeconds")


def _check_strategy(strategy: Mapping[str, Any]) -> Iterator[Cause]:
    kind = strategy.get("type", "RollingUpdate")
    rolling = strategy.get("rollingUpdate")
    field = "spec.strategy.rollingUpdate"
    if kind not in ("Recreate", "RollingUpdate"):
        yield unsupported("spec.strategy.type", quoted(kind), "Recreate", "RollingUpdate")
    elif kind == "Recreate" and rolling is not None:
        message = "Forbidden: may not be specified when strategy `type` is 'Recreate'"
        yield Cause(reason="FieldValueForbidden", message=message, field=field)
    elif rolling is not None:
        for name in ("maxUnavailable", "maxSurge"):
            value = rolling.get(name)
            if isinstance(value, str) and not re.fullmatch("[0-9]+%", value):
                message = "a valid percent string must be a numeric string followed by an ending '%'"
                yield invalid_value(f"{field}.{name}", quoted(value), message)
            elif isinstance(value, int):
                yield from _check_not_negative(f"{field}.{name}", value)
        if {rolling.get("maxUnavailable"), rolling.get("maxSurge")} <= {0, "0%"}:
            message = "may not be 0 when `maxSurge` is 0"
            yield invalid_value(f"{field}.maxUnavailable", "0", message)


def check_pod_spec(spec: Mapping[str, Any], where: str) -> Iterator[Cause]:
    """What is wrong with the spec of a pod."""
    if not spec.get("containers"):
        yield required(f"{where}.containers")
    names: set[str] = set()
    for kind in ("initContainers", "containers"):
        for number, container in enumerate(spec.get(kind, [])):
            field = f"{where}.{kind}[{number}]"
            yield from check_name(f"{field}.name", container.get("name", ""))
            if container.get("name") in names:
                yield _duplicate(f"{field}.name", container["name"])
            names.add(container.get("name", ""))
            yield from _check_container(container, field)


def _check_container(container: Mapping[str, Any], field: str) -> Iterator[Cause]:
    image = container.get("image", "")
    if not image:
        yield required(f"{field}.image")
    elif image != image.strip():
        message = "must not have leading or trailing whitespace"
        yield invalid_value(f"{field}.image", quoted(image), message)
    for number, port in enumerate(container.get("ports", [])):
        if not 0 < port.get("containerPort", 0) < 65536:
            message = "must be between 1 and 65535, inclusive"
            yield invalid_value(f"{field}.ports[{number}].containerPort", str(port.get("containerPort", 0)), message)
    for number, entry in enumerate(container.get("env", [])):
        yield from _check_env(entry, f"{field}.env[{number}]")
    pull = container.get("imagePullPolicy", "Always")
    if pull not in ("Always", "IfNotPresent", "Never"):
        yield unsupported(f"{field}.imagePullPolicy", quoted(pull), "Always", "IfNotPresent", "Never")


def _check_env(entry: Mapping[str, Any], field: str) -> Iterator[Cause]:
    name = entry.get("name", "")
    if not name:
        yield required(f"{field}.name")
    elif not re.fullmatch(ENV_NAME, name):
        message = "a valid environment variable name must consist only of printable ASCII characters other than '='"
        yield invalid_value(f"{field}.name", quoted(name), message)
    source = entry.get("valueFrom")
    if source is None:
        return
    if not source:
        message = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`"
        yield invalid_value(f"{field}.valueFrom", '""', message)
    elif entry.get("value"):
        yield invalid_value(f"{field}.valueFrom", '""', "may not be specified when `value` is not empty")
    elif len(source) > 1:
        message = "may not have more than one field specified at a time"
        yield invalid_value(f"{field}.valueFrom", '""', message)


def check_same_selector(new: Object, old: Object) -> Iterator[Cause]:
    """A selector stays what it was when the object was made."""
    selector = new.get("spec", {}).get("selector")
    if selector is not None and selector != old.get("spec", {}).get("selector"):
        yield invalid_value("spec.selector", quoted(selector), "field is immutable")


def check_replicas(item: Object) -> Iterator[Cause]:
    """What is wrong with a Scale."""
    yield from _check_not_negative("spec.replicas", item.get("spec", {}).get("replicas"))


def hidden_env(item: Object) -> Iterator[str]:
    """Warnings about env names that occur twice."""
    spec = item.get("spec", {}).get("template", {}).get("spec", {})
    for number, container in enumerate(spec.get("containers", [])):
        seen: set[str] = set()
        for position, entry in enumerate(container.get("env", [])):
            if (name := entry.get("name", "")) in seen:
                where = f"spec.template.spec.containers[{number}].env[{position}]"
                yield f'{where}: hides previous definition of "{name}", which may be dropped when using apply'
            seen.add(name)


def _duplicate(field: str, value: str) -> Cause:
    return Cause(reason="FieldValueDuplicate", message=f"Duplicate value: {quoted(value)}", field=field)


def _check_not_negative(field: str, value: int | None) -> Iterator[Cause]:
    if value is not None and value < 0:
        yield invalid_value(field, str(value), NOT_NEGATIVE)

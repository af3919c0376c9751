"""Label and field selectors.

One rule: a selector is parsed once into a function of an object.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from remediator.embedded.failure import Object, bad_request

Predicate = Callable[[Object], bool]

EVENT_FIELDS = frozenset(
    {
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.resourceVersion",
        "involvedObject.fieldPath",
        "reason",
        "reportingComponent",
        "source",
        "type",
    }
)
POD_FIELDS = frozenset({"spec.nodeName", "spec.restartPolicy", "status.phase", "status.podIP"})


def label_selector(text: str) -> Predicate:
    """Parse `a=b,c!=d,e in (f,g),h,!i`."""
    requirements = [_requirement(part.strip()) for part in re.split(r",(?![^()]*\))", text) if part.strip()]

    def matches(item: Object) -> bool:
        labels = item["metadata"].get("labels", {})
        return all(requirement(labels) for requirement in requirements)

    return matches


def _requirement(text: str) -> Callable[[Mapping[str, str]], bool]:
    if found := re.fullmatch(r"([^\s!=()]+)\s+(in|notin)\s+\(([^()]*)\)", text):
        key, operator, values = found[1], found[2], {value.strip() for value in found[3].split(",")}
        if operator == "in":
            return lambda labels: labels.get(key) in values
        return lambda labels: labels.get(key) not in values
    if found := re.fullmatch(r"([^\s!=()]+)\s*(==|=|!=)\s*([^\s!=()]*)", text):
        key, operator, value = found[1], found[2], found[3]
        if operator == "!=":
            return lambda labels: labels.get(key) != value
        return lambda labels: labels.get(key) == value
    if found := re.fullmatch(r"(!?)\s*([^\s!=()]+)", text):
        key, wanted = found[2], not found[1]
        return lambda labels: (key in labels) == wanted
    raise bad_request(f"unable to parse requirement: {text!r}")


def matches_labels(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a LabelSelector, as Deployments have it, matches."""
    for key, value in selector.get("matchLabels", {}).items():
        if labels.get(key) != value:
            return False
    for expression in selector.get("matchExpressions", []):
        found, values = labels.get(expression.get("key", "")), expression.get("values", [])
        match expression.get("operator"):
            case "In":
                fits = found in values
            case "NotIn":
                fits = found not in values
            case "Exists":
                fits = found is not None
            case _:
                fits = found is None
        if not fits:
            return False
    return True


def field_selector(text: str, resource: str) -> Predicate:
    """Parse `metadata.name=denis,involvedObject.kind!=Pod`."""
    known = {"metadata.name", "metadata.namespace"}
    known |= {"events": EVENT_FIELDS, "pods": POD_FIELDS}.get(resource, frozenset())
    wanted: list[tuple[list[str], bool, str]] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        found = re.fullmatch(r"([^=!]+)(==|=|!=)(.*)", part)
        if not found:
            raise bad_request(f"invalid selector: '{text}'; can't understand '{part}'")
        if found[1] not in known and resource in ("events", "pods"):
            raise bad_request(f"field label not supported: {found[1]}")
        if found[1] not in known:
            names = ", ".join(f'"{name}"' for name in sorted(known))
            raise bad_request(f'"{found[1]}" is not a known field selector: only {names}')
        path = ["source", "component"] if found[1] == "source" else found[1].split(".")
        wanted.append((path, found[2] != "!=", found[3]))

    def matches(item: Object) -> bool:
        return all((_at(item, path) == value) == equal for path, equal, value in wanted)

    return matches


def _at(item: Any, path: list[str]) -> str:
    for key in path:
        item = item.get(key, {})
    return item if isinstance(item, str) else ""

"""Label and field selectors.

One rule: a selector is parsed once into a function of an object.
"""

import re
from collections.abc import Callable
from typing import Any

from remediator.sandbox.failure import Object, bad_request

Predicate = Callable[[Object], bool]


def label_selector(text: str) -> Predicate:
    """Parse `a=b,c!=d,e in (f,g),h,!i`."""
    requirements = [_requirement(part.strip()) for part in re.split(r",(?![^()]*\))", text) if part.strip()]

    def matches(item: Object) -> bool:
        labels = item["metadata"].get("labels", {})
        return all((labels.get(key) in values) == wanted for key, values, wanted in requirements)

    return matches


def _requirement(text: str) -> tuple[str, set[str | None], bool]:
    """A label's key, the values to compare with (None: no such label), and whether it must be one of them."""
    if found := re.fullmatch(r"([^\s!=()]+)\s+(in|notin)\s+\(([^()]*)\)", text):
        return found[1], {value.strip() for value in found[3].split(",")}, found[2] == "in"
    if found := re.fullmatch(r"([^\s!=()]+)\s*(==|=|!=)\s*([^\s!=()]*)", text):
        return found[1], {found[3]}, found[2] != "!="
    if found := re.fullmatch(r"(!?)\s*([^\s!=()]+)", text):
        return found[2], {None}, bool(found[1])
    raise bad_request(f"unable to parse requirement: {text!r}")


def field_selector(text: str, resource: str) -> Predicate:
    """Parse `metadata.name=denis,involvedObject.kind!=Pod`."""
    wanted: list[tuple[list[str], bool, str]] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        found = re.fullmatch(r"([^=!]+)(==|=|!=)(.*)", part)
        if not found:
            raise bad_request(f"invalid selector: '{text}'; can't understand '{part}'")
        is_known = found[1] in ("metadata.name", "metadata.namespace")
        if not is_known and not (resource == "events" and found[1].startswith("involvedObject.")):
            raise bad_request(f"field label not supported: {found[1]}")
        wanted.append((found[1].split("."), found[2] != "!=", found[3]))

    def matches(item: Object) -> bool:
        return all((_at(item, path) == value) == equal for path, equal, value in wanted)

    return matches


def _at(item: Any, path: list[str]) -> Any:
    for key in path:
        item = item.get(key, "")
    return item

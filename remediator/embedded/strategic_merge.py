"""Strategic merge patch: maps merge by key, lists by the merge key of their type.

One rule: pure functions of (type, live value, patch); nothing that is passed in is changed.
"""

from collections.abc import Callable
from typing import Any

from remediator.embedded.failure import bad_request, internal
from remediator.embedded.schema import List, Map, Struct, Type

ORDER, DELETE_ITEMS, RETAIN, DIRECTIVE = (
    "$setElementOrder/",
    "$deleteFromPrimitiveList/",
    "$retainKeys",
    "$patch",
)


def merge(kind: Type | None, live: Any, patch: Any) -> Any:
    """What `live` becomes under `patch`; an unknown type merges like any JSON map."""
    if not isinstance(patch, dict):
        return patch
    match patch.get(DIRECTIVE):
        case "replace":
            return {key: value for key, value in patch.items() if key != DIRECTIVE}
        case "delete":
            return {}
        case None | "merge":
            pass
        case other:
            raise bad_request(f"unknown $patch directive {other!r}")
    result = dict(live) if isinstance(live, dict) else {}
    if isinstance(keep := patch.get(RETAIN), list):
        result = {key: value for key, value in result.items() if key in keep}
    for key, value in patch.items():
        if key.startswith("$"):
            continue
        inner = _field(kind, key)
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            result[key] = merge(inner, result.get(key), value)
        elif isinstance(value, list) and isinstance(inner, List) and (inner.key or inner.as_set):
            result[key] = _merge_list(inner, result.get(key) or [], value, patch.get(ORDER + key))
        else:
            result[key] = value
    for key, value in patch.items():
        if key.startswith(DELETE_ITEMS):
            name = key.removeprefix(DELETE_ITEMS)
            result[name] = [item for item in result.get(name) or [] if item not in value]
        elif key.startswith(ORDER) and (name := key.removeprefix(ORDER)) not in patch:
            inner = _field(kind, name)
            if isinstance(inner, List) and result.get(name):
                result[name] = _merge_list(inner, result[name], [], value)
    return result


def _field(kind: Type | None, key: str) -> Type | None:
    match kind:
        case Struct():
            return kind.fields.get(key)
        case Map():
            return kind.values
        case _:
            return None


def _merge_list(kind: List, live: list[Any], patch: list[Any], order: list[Any] | None) -> list[Any]:
    if not kind.key:
        merged = [*live, *(item for item in patch if item not in live)]
        return _ordered(merged, patch if order is None else order, live, lambda item: item)
    identity = _identity(kind.key)
    merged = list(live)
    added: list[Any] = []
    if any(item.get(DIRECTIVE) == "replace" for item in patch if isinstance(item, dict)):
        return [item for item in patch if item.get(DIRECTIVE) != "replace"]
    for item in patch:
        key = identity(item)
        if item.get(DIRECTIVE) == "delete":
            merged = [known for known in merged if identity(known) != key]
            continue
        at = next((i for i, known in enumerate(merged) if identity(known) == key), None)
        if at is None:
            merged.append(merge(kind.items, {}, item))
        else:
            # Only the first of several with this key: what the API server does, and what misleads people.
            merged[at] = merge(kind.items, merged[at], item)
        added.append(item)
    return _ordered(merged, added if order is None else order, live, identity)


def _identity(key: str) -> Callable[[Any], Any]:
    def identity(item: Any) -> Any:
        if not isinstance(item, dict) or key not in item:
            raise internal(f"map: {item} does not contain declared merge key: {key}")
        return item[key]

    return identity


def _ordered(merged: list[Any], patch: list[Any], live: list[Any], identity: Callable[[Any], Any]) -> list[Any]:
    """The patch's items in the patch's order, the others in the live one, interleaved by the live order."""
    wanted = [identity(item) for item in patch]
    before = [identity(item) for item in live]
    theirs = [item for item in merged if identity(item) not in wanted]
    ours = sorted((item for item in merged if identity(item) in wanted), key=lambda item: wanted.index(identity(item)))
    result: list[Any] = []
    while theirs and ours:
        left, right = identity(theirs[0]), identity(ours[0])
        first = left in before and right in before and before.index(left) < before.index(right)
        result.append((theirs if first else ours).pop(0))
    return result + theirs + ours

"""Applies JSON merge patches (RFC 7386) and strategic merge patches.

One rule: pure functions of (type, live value, patch); arguments are never modified.
"""

from collections.abc import Callable
from typing import Any

from remediator.sandbox.failure import bad_request, internal
from remediator.sandbox.schema import List, Map, Struct, Type

ORDER, DIRECTIVE = "$setElementOrder/", "$patch"


def merge(live: Any, patch: Any) -> Any:
    """Apply a JSON merge patch: null removes, lists are replaced."""
    if not isinstance(patch, dict):
        return patch
    result = dict(live) if isinstance(live, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key), value)
    return result


def strategic_merge(kind: Type | None, live: Any, patch: Any) -> Any:
    """Apply a strategic merge patch: lists merge by the key of their type."""
    if not isinstance(patch, dict):
        return patch
    match patch.get(DIRECTIVE):
        case "replace":
            return {key: value for key, value in patch.items() if key != DIRECTIVE}
        case None | "merge":
            pass
        case other:
            raise bad_request(f"unknown $patch directive {other!r}")
    result = dict(live) if isinstance(live, dict) else {}
    for key, value in patch.items():
        inner = _field(kind, key)
        if key.startswith(ORDER):
            name = key.removeprefix(ORDER)
            listed = _field(kind, name)
            if name not in patch and isinstance(listed, List) and listed.key and result.get(name):
                result[name] = _merge_list(listed, result[name], [], value)
        elif key.startswith("$"):
            continue
        elif value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            result[key] = strategic_merge(inner, result.get(key), value)
        elif isinstance(value, list) and isinstance(inner, List) and inner.key:
            result[key] = _merge_list(inner, result.get(key) or [], value, patch.get(ORDER + key))
        else:
            result[key] = value
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
    identity = _identity(kind.key)
    merged = list(live)
    added: list[Any] = []
    for item in patch:
        key = identity(item)
        if item.get(DIRECTIVE) == "delete":
            merged = [known for known in merged if identity(known) != key]
            continue
        at = next((i for i, known in enumerate(merged) if identity(known) == key), None)
        if at is None:
            merged.append(strategic_merge(kind.items, {}, item))
        else:
            # Like the API server, only the first of several items with this key, which surprises people.
            merged[at] = strategic_merge(kind.items, merged[at], item)
        added.append(item)
    return _ordered(merged, added if order is None else order, live, identity)


def _identity(key: str) -> Callable[[Any], Any]:
    def identity(item: Any) -> Any:
        if not isinstance(item, dict) or key not in item:
            raise internal(f"map: {item} does not contain declared merge key: {key}")
        return item[key]

    return identity


def _ordered(merged: list[Any], patch: list[Any], live: list[Any], identity: Callable[[Any], Any]) -> list[Any]:
    """Order the patch's items as the patch does and the others as before, interleaved by the live order."""
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

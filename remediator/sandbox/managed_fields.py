"""Who owns which field: the entries of `metadata.managedFields`.

One rule: a write owns exactly the fields whose values it changed, and takes them from every other manager.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from remediator.sandbox.failure import Object
from remediator.sandbox.schema import List, Map, Struct, Type

Path = tuple[str, ...]

# Fields that the server itself maintains have no owner.
UNOWNED = frozenset({"apiVersion", "kind"})
UNOWNED_METADATA = frozenset(
    ["name", "generateName", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "managedFields"]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """Who writes: the field manager, and through which subresource."""

    manager: str
    subresource: str = ""


def claim(kind: Struct, old: Object | None, new: Object, writer: Writer, api_version: str, now: str) -> list[Object]:
    """The entries after `writer` turned `old` into `new`."""
    before = dict(_owned(kind, old)) if old else {}
    after = dict(_owned(kind, new))
    changed = {path for path, value in after.items() if path not in before or before[path] != value}
    gone = before.keys() - after.keys()
    entries: list[Object] = []
    mine: Object | None = None
    own: set[Path] = set()
    for entry in (old or {}).get("metadata", {}).get("managedFields", []):
        fields = set(_paths(entry["fieldsV1"]))
        is_mine = (entry["manager"], entry.get("subresource", "")) == (writer.manager, writer.subresource)
        if is_mine:
            mine, own = entry, (fields - gone) | changed
            entries.append(entry)
        elif left := fields - gone - changed:
            entries.append(entry if left == fields else {**entry, "fieldsV1": _tree(left)})
    if mine is None and changed:
        mine, own = {"manager": writer.manager, "operation": "Update", "apiVersion": api_version}, changed
        entries.append(mine)
    if mine is None:
        return entries
    renewed = {**mine, "fieldsType": "FieldsV1", "fieldsV1": _tree(own)}
    if changed:
        renewed["time"] = now
    if writer.subresource:
        renewed["subresource"] = writer.subresource
    return [renewed if entry is mine else entry for entry in entries if entry is not mine or own]


def _owned(kind: Struct, document: Object) -> Iterator[tuple[Path, Any]]:
    for key, value in document.items():
        if key in UNOWNED:
            continue
        if key == "metadata":
            value = {name: item for name, item in value.items() if name not in UNOWNED_METADATA}
        if (inner := kind.fields.get(key)) is not None:
            yield from _walk(inner, value, (f"f:{key}",))


def _walk(kind: Type, value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    match kind:
        case _ if value is None:
            return
        case Struct(fields=fields, optional=optional, atomic=False):
            if optional or (not value and path[-1] not in ("f:metadata", "f:spec", "f:status")):
                yield path, None
            for key, item in value.items():
                if key in fields:
                    yield from _walk(fields[key], item, (*path, f"f:{key}"))
        case Map(values=values):
            yield path, None
            for key, item in value.items():
                yield from _walk(values, item, (*path, f"f:{key}"))
        case List(items=items, key=key, required=is_required) if key:
            if not is_required:
                yield path, None
            for item in filter(lambda item: isinstance(item, dict), value):
                where = (*path, f"k:{json.dumps({key: item.get(key)}, separators=(',', ':'))}")
                yield where, None
                if isinstance(items, Struct) and not items.atomic:
                    for name, inner in item.items():
                        if name in items.fields:
                            yield from _walk(items.fields[name], inner, (*where, f"f:{name}"))
                else:
                    yield where, item
        case _:
            yield path, value


def _paths(tree: Mapping[str, Any], path: Path = ()) -> Iterator[Path]:
    for key, inner in tree.items():
        if key == ".":
            yield path
        elif inner:
            yield from _paths(inner, (*path, key))
        else:
            yield (*path, key)


def _tree(paths: set[Path]) -> Object:
    root: Object = {}
    parents = {path[:depth] for path in paths for depth in range(1, len(path))}
    for path in sorted(paths):
        node = root
        for part in path:
            node = node.setdefault(part, {})
        if path in parents:
            node["."] = {}
    return root

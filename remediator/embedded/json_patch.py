"""JSON merge patch (RFC 7386) and JSON patch (RFC 6902).

One rule: pure functions of (document, patch); nothing that is passed in is changed.
"""

import copy
from typing import Any

from remediator.embedded.failure import bad_request, unprocessable


def merge(live: Any, patch: Any) -> Any:
    """What `live` becomes under a merge patch: null removes, lists are replaced."""
    if not isinstance(patch, dict):
        return patch
    result = dict(live) if isinstance(live, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key), value)
    return result


def apply(document: Any, operations: Any) -> Any:
    """What `document` becomes after the operations, all of them or none."""
    if not isinstance(operations, list) or not all(isinstance(item, dict) for item in operations):
        raise bad_request("error decoding patch: json: cannot unmarshal object into a list of operations")
    result = copy.deepcopy(document)
    for operation in operations:
        try:
            result = _apply(result, operation)
        except (AttributeError, KeyError, IndexError, ValueError, TypeError):
            raise unprocessable() from None
    return result


def _apply(document: Any, operation: dict[str, Any]) -> Any:
    path = _path(operation["path"])
    match operation["op"]:
        case "add":
            return _add(document, path, operation["value"])
        case "remove":
            _remove(document, path)
        case "replace":
            _get(document, path)
            if not path:
                return operation["value"]
            parent = _get(document, path[:-1])
            parent[_index(parent, path[-1])] = operation["value"]
        case "move":
            value = _remove(document, _path(operation["from"]))
            return _add(document, path, value)
        case "copy":
            return _add(document, path, copy.deepcopy(_get(document, _path(operation["from"]))))
        case "test":
            if _get(document, path) != operation["value"]:
                raise unprocessable()
        case other:
            raise ValueError(other)
    return document


def _path(pointer: str) -> list[str]:
    if pointer == "":
        return []
    if not pointer.startswith("/"):
        raise ValueError(pointer)
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer[1:].split("/")]


def _index(parent: Any, key: str) -> Any:
    return int(key) if isinstance(parent, list) else key


def _get(document: Any, path: list[str]) -> Any:
    for key in path:
        document = document[_index(document, key)]
    return document


def _add(document: Any, path: list[str], value: Any) -> Any:
    if not path:
        return value
    parent, key = _get(document, path[:-1]), path[-1]
    if not isinstance(parent, list):
        parent[key] = value
    elif key == "-":
        parent.append(value)
    elif 0 <= int(key) <= len(parent):
        parent.insert(int(key), value)
    else:
        raise IndexError(key)
    return document


def _remove(document: Any, path: list[str]) -> Any:
    parent = _get(document, path[:-1])
    return parent.pop(_index(parent, path[-1]))

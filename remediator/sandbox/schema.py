"""Schemas of objects: types with named fields, and decoding of JSON documents into them.

One rule: the schema of a kind is defined once (in `fields`); decoding, merging and field ownership all use it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

JSON_TYPES = {str: "string", bool: "bool", int: "number", float: "number", list: "array", dict: "object"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scalar:
    """A string, integer, boolean, quantity or the like; a field that holds its `zero` is left out."""

    accepts: tuple[type, ...]
    name: str
    zero: str | int | bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Struct:
    """Named fields. An `optional` struct can be absent, and is also owned as a whole; an `atomic` one has one owner."""

    fields: Mapping[str, "Type"]
    optional: bool = False
    atomic: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Map:
    """Free keys, all values of one type."""

    values: "Type"


@dataclass(frozen=True, slots=True, kw_only=True)
class List:
    """Elements in order: merged by the field `key`, or replaced as a whole."""

    items: "Type"
    key: str = ""
    required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Anything:
    """Any JSON, kept unchanged."""


Type = Scalar | Struct | Map | List | Anything

STRING = Scalar(accepts=(str,), name="string", zero="")
NAME = Scalar(accepts=(str,), name="string")
INTEGER = Scalar(accepts=(int,), name="integer")
COUNT = Scalar(accepts=(int,), name="integer", zero=0)
BOOLEAN = Scalar(accepts=(bool,), name="boolean")
FLAG = Scalar(accepts=(bool,), name="boolean", zero=False)
TIME = Scalar(accepts=(str,), name="time")
MICRO_TIME = Scalar(accepts=(str,), name="micro-time")
INT_OR_STRING = Scalar(accepts=(int, str), name="int-or-string")
ANYTHING = Anything()

# The API server requires exactly six fractional digits in an event's time.
MICRO_TIME_LAYOUT = r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[+-]\d\d:\d\d))?"


class Mismatch(ValueError):
    """A value has the wrong JSON type for its field."""

    def __init__(self, path: str, found: Any, wanted: str) -> None:
        self.path, self.found, self.wanted = path, JSON_TYPES.get(type(found), "null"), wanted
        super().__init__(f"json: cannot unmarshal {self.found} into Go struct field {path} of type {wanted}")


@dataclass(slots=True, kw_only=True)
class Decoded:
    """A decoded object, and the paths of unknown fields."""

    value: dict[str, Any] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)


def decode(kind: Struct, document: Any) -> Decoded:
    """Take the known fields of `document`; raises Mismatch for a value of the wrong type."""
    decoded = Decoded()
    decoded.value = _value(kind, document, "", decoded.unknown)
    return decoded


def _value(kind: Type, value: Any, path: str, unknown: list[str]) -> Any:
    match kind:
        case Anything():
            return value
        case Scalar():
            fits = isinstance(value, kind.accepts) and (bool in kind.accepts or not isinstance(value, bool))
            if not fits or (kind is MICRO_TIME and not re.fullmatch(MICRO_TIME_LAYOUT, value)):
                raise Mismatch(path, value, kind.name)
            return value
        case Struct():
            if not isinstance(value, dict):
                raise Mismatch(path, value, "object")
            result = {}
            for key, item in value.items():
                where = f"{path}.{key}" if path else key
                if (inner := kind.fields.get(key)) is None:
                    unknown.append(where)
                elif item is not None:
                    taken = _value(inner, item, where, unknown)
                    if not _is_left_out(inner, taken):
                        result[key] = taken
            return result
        case Map():
            if not isinstance(value, dict):
                raise Mismatch(path, value, "map")
            given = {key: "" if item is None else item for key, item in value.items()}
            return {key: _value(kind.values, item, f"{path}.{key}", unknown) for key, item in given.items()}
        case List():
            if not isinstance(value, list):
                raise Mismatch(path, value, "array")
            return [_value(kind.items, item, f"{path}[{i}]", unknown) for i, item in enumerate(value)]


def _is_left_out(kind: Type, value: Any) -> bool:
    if isinstance(kind, Scalar):
        return kind.zero is not None and bool(value == kind.zero)
    return isinstance(kind, Map | List) and not value

"""The shape of an object: types with named fields, and decoding a JSON document into such a type.

One rule: what a kind looks like is written once (in `fields`), and decoding, merging, ownership of fields
and the published OpenAPI document all read it from there.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

type_names = {str: "string", bool: "bool", int: "number", float: "number", list: "array", dict: "object"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scalar:
    """A string, integer, boolean, quantity or the like; its zero is left out of the object unless kept."""

    accepts: tuple[type, ...]
    name: str
    zero: str | int | bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Struct:
    """Named fields.

    An `optional` one can be absent as a whole, and so is owned as a whole too; an `atomic` one has one owner.
    """

    fields: Mapping[str, "Type"]
    optional: bool = False
    atomic: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Map:
    """Free keys, all values of one type."""

    values: "Type"


@dataclass(frozen=True, slots=True, kw_only=True)
class List:
    """Elements in order: merged by the field `key`, as a set, or replaced as a whole."""

    items: "Type"
    key: str = ""
    as_set: bool = False
    required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Anything:
    """Whatever JSON holds: kept as it comes."""


Type = Scalar | Struct | Map | List | Anything

STRING = Scalar(accepts=(str,), name="string", zero="")
NAME = Scalar(accepts=(str,), name="string")
INTEGER = Scalar(accepts=(int,), name="integer")
COUNT = Scalar(accepts=(int,), name="integer", zero=0)
BOOLEAN = Scalar(accepts=(bool,), name="boolean")
FLAG = Scalar(accepts=(bool,), name="boolean", zero=False)
TIME = Scalar(accepts=(str,), name="time")
MICRO_TIME = Scalar(accepts=(str,), name="micro-time")
QUANTITY = Scalar(accepts=(str, int, float), name="quantity")
INT_OR_STRING = Scalar(accepts=(int, str), name="int-or-string")
ANYTHING = Anything()


# A time of an event has exactly six digits: Go's layout for it neither takes fewer nor more.
LAYOUTS = {
    "time": r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d))?",
    "micro-time": r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[+-]\d\d:\d\d))?",
}


class Mismatch(Exception):
    """A value has the wrong JSON type for its field."""

    def __init__(self, path: str, found: str, wanted: str) -> None:
        super().__init__(f"json: cannot unmarshal {found} into Go struct field {path} of type {wanted}")
        self.path, self.found, self.wanted = path, found, wanted


@dataclass(slots=True, kw_only=True)
class Decoded:
    """An object in its type's shape, and the fields that the type does not know."""

    value: dict[str, Any]
    unknown: list[str] = field(default_factory=list)


def decode(kind: Struct, document: Mapping[str, Any]) -> Decoded:
    """Take the known fields of `document`; raises Mismatch for a value of the wrong type."""
    decoded = Decoded(value={})
    decoded.value = _struct(kind, document, "", decoded.unknown)
    return decoded


def _struct(kind: Struct, value: Any, path: str, unknown: list[str]) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise Mismatch(path, type_names.get(type(value), "null"), "object")
    result = {}
    for key, item in value.items():
        inner = kind.fields.get(key)
        where = f"{path}.{key}" if path else key
        if inner is None:
            unknown.append(where)
        elif item is not None:
            taken = _value(inner, item, where, unknown)
            if not _left_out(inner, taken):
                result[key] = taken
    return result


def _value(kind: Type, value: Any, path: str, unknown: list[str]) -> Any:
    match kind:
        case Anything():
            return value
        case Struct():
            return _struct(kind, value, path, unknown)
        case Scalar():
            fits = isinstance(value, kind.accepts) and (bool in kind.accepts or not isinstance(value, bool))
            if fits and re.fullmatch(LAYOUTS.get(kind.name, ".*"), str(value), re.DOTALL):
                return str(value) if kind.name == "quantity" else value
            raise Mismatch(path, type_names.get(type(value), "null"), kind.name)
        case Map():
            if not isinstance(value, Mapping):
                raise Mismatch(path, type_names.get(type(value), "null"), "map")
            return {
                key: _value(kind.values, "" if item is None else item, f"{path}.{key}", unknown)
                for key, item in value.items()
            }
        case List():
            if not isinstance(value, list):
                raise Mismatch(path, type_names.get(type(value), "null"), "array")
            return [_value(kind.items, item, f"{path}[{i}]", unknown) for i, item in enumerate(value)]


def _left_out(kind: Type, value: Any) -> bool:
    match kind:
        case Scalar():
            return kind.zero is not None and value == kind.zero
        case Map() | List():
            return not value
        case _:
            return False

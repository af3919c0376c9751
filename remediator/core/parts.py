"""Reads parts of unvalidated JSON: a list or a map, or an empty one if it is something else. Pure."""

from collections.abc import Mapping
from typing import Any


def as_list(value: object) -> list[Any]:
    """The list, or an empty one."""
    return value if isinstance(value, list) else []


def as_map(value: object) -> Mapping[Any, Any]:
    """The map, or an empty one."""
    return value if isinstance(value, Mapping) else {}

"""Parts of an answer whose form nobody has checked: a list or a map where it is one, else an empty one. Pure."""

from collections.abc import Mapping
from typing import Any


def as_list(value: object) -> list[Any]:
    """The list, or none."""
    return value if isinstance(value, list) else []


def as_map(value: object) -> Mapping[Any, Any]:
    """The map, or an empty one."""
    return value if isinstance(value, Mapping) else {}

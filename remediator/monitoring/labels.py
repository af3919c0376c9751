"""Parses labels in responses of other programs. Pure.

The rule of this file: null counts as missing, a number as its text, and anything else as unknown.
"""

import json
from collections.abc import Mapping


def read_labels(value: object) -> Mapping[str, str | None] | None:
    """Labels, with None for each value that cannot be parsed; None if it is not a map at all."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        return None
    return {str(name): _text(found) for name, found in value.items() if found is not None}


def _text(value: object) -> str | None:
    match value:
        case str():
            return value
        case bool() | int() | float():
            return json.dumps(value)
        case _:
            return None

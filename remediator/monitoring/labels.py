"""The labels in a foreign answer, which nobody has checked. Pure.

The rule of this file: null and absent are nothing, a number is its text, and anything else is not known.
"""

import json
from collections.abc import Mapping


def read_labels(value: object) -> Mapping[str, str | None] | None:
    """Labels with None for each value that cannot be read; None where they are no labels at all."""
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

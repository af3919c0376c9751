"""Validates a file's content against its schema, with errors that people understand.

The rule of this file: pydantic finds the problems; the messages name the line, what was found, and what is allowed.
"""

import difflib
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from remediator.config.document import Document, InvalidDocument, Problem
from remediator.config.schema import NEVER_OF_A_ROLLBACK, Strict
from remediator.core.denis_signals import LATENCY, SIGNALS

_BOUNDS = frozenset(signal.phase_key for signal in SIGNALS.values() if signal.phase_key)
_RATES = _BOUNDS - {LATENCY.phase_key}

_Model = TypeVar("_Model", bound=Strict)


def validate(document: Document, model: type[_Model]) -> _Model:
    """The validated document. Raises InvalidDocument with every problem found."""
    try:
        return model.model_validate(document.value)
    except ValidationError as error:
        raise InvalidDocument([_reword(document, model, details) for details in error.errors()]) from None


def _reword(document: Document, model: type[Strict], details: ErrorDetails) -> Problem:
    """Turn a pydantic error into a problem that says what was found, and what is allowed."""
    path = tuple(part for part in details["loc"] if part != "[key]")
    found = details["input"]
    match details["type"]:
        case "missing":
            message = "is required"
        case "extra_forbidden":
            known = _known_keys(model, path[:-1])
            close = difflib.get_close_matches(str(path[-1]), known, n=1)
            message = f"is not a known key; {f'did you mean {close[0]}' if close else 'known here'}"
            message += "?" if close else f": {', '.join(known)}"
            message = NEVER_OF_A_ROLLBACK.get(str(path[-1]), message)
        case "model_type":
            *most, last = model.model_json_schema()["required"]
            message = "must be a mapping" if path else f"must be a mapping with {', '.join(most)} and {last}"
            message += f", found {_short(found)}"
        case "value_error":
            message = str(details["ctx"]["error"])
        case "string_type":
            message = f"must be text, found {_short(found)}; put it in quotes"
        case "time_delta_type":
            message = f"must be a duration as in Prometheus (30s, 10m, 1h30m, 2d), found {_short(found)}"
        case "greater_than":
            least = f"above {details['ctx']['gt']:g}" if path[-1] in _BOUNDS else "longer than 0s"
            message = f"must be {least}, found {_short(found)}"
        case "less_than":
            message = f"must be below {details['ctx']['lt']:g}, as 0.05 for 5 %, found {_short(found)}"
        case "less_than_equal" if path[-1] in _RATES:
            message = f"must be a ratio, as 0.90 for 90 %, found {_short(found)}"
        case "less_than_equal" if path[-1] == LATENCY.phase_key:
            message = f"must be in seconds, as 0.5 for 500 ms, and at most 60, found {_short(found)}"
        case "float_type":
            message = f"must be a number, found {_short(found)}"
        case "int_type":
            message = f"must be a whole number, found {_short(found)}"
        case "bool_type":
            message = f"must be true or false, found {_short(found)}"
        case "dict_type":
            message = f"must be a mapping, found {_short(found)}"
        case "list_type":
            message = f"must be a list, found {_short(found)}"
        case "too_short":
            message = "needs at least one entry"
        case "greater_than_equal":
            message = f"must be at least {details['ctx']['ge']}, found {_short(found)}"
        case "less_than_equal":
            message = f"must be at most {details['ctx']['le']}, found {_short(found)}"
        case "literal_error":
            message = f"must be {details['ctx']['expected'].replace(chr(39), '')}, found {_short(found)}"
        case "string_pattern_mismatch":
            message = f"must be letters, digits and dashes, as Kubernetes's names are, found {_short(found)}"
        case _:
            message = f"{details['msg'][0].lower()}{details['msg'][1:]}, found {_short(found)}"
    return document.problem(path, message)


def _short(value: object) -> str:
    if isinstance(value, int) and value.bit_length() > 200:
        return "a number with too many digits"
    spelled = {None: "nothing", True: "true", False: "false"}
    text = spelled[value] if value is None or isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _known_keys(model: type[Strict], path: tuple[str | int, ...]) -> list[str]:
    """The keys that the schema has at this path."""
    schema = model.model_json_schema()
    node: dict[str, Any] = schema
    for part in path:
        if isinstance(part, int) and "items" in node:
            node = node["items"]
        else:
            named = (*node.get("patternProperties", {}).values(), node.get("additionalProperties"))
            node = node.get("properties", {}).get(part) or next(filter(None, named), {})
        for option in (node, *node.get("anyOf", [])):
            if "$ref" in option:
                node = schema["$defs"][option["$ref"].rpartition("/")[2]]
    return sorted(node.get("properties", {}))

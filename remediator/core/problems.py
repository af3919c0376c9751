"""Formats pydantic's errors in one line that shows nothing of the input."""

from pydantic_core import ValidationError


def first_problem(error: ValidationError, whole: str) -> str:
    """The first problem as `field: what is wrong`; `whole` names the input if the problem is in no single field."""
    first = error.errors(include_url=False, include_input=False)[0]
    return ": ".join([".".join(str(part)[:40] for part in first["loc"]) or whole, first["msg"]])

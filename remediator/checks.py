"""One thing that was looked at, and whether it is as it should be: what verify, preflight and the phases consist of."""

from collections.abc import Iterable
from dataclasses import dataclass

DOCS = "https://github.com/denis-run/remediator/blob/main/docs"
"""Where the pages are for those who have installed the program and no checkout."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A question with its answer. What could not be told is not passed."""

    name: str
    passed: bool | None
    """None where it could not be told."""
    found: str
    """What was found, and where it matters what was wanted."""
    remedy: str = ""
    """What to do where it has not passed."""


def all_passed(checks: Iterable[Check]) -> bool:
    """Whether every answer is known and good."""
    return all(check.passed for check in checks)

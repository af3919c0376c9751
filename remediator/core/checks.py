"""A check and its result: what doctor, preflight, verify and phases consist of.

The rule of this file: a check whose outcome is not known has a result of its own, which is never a pass.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

DOCS = "https://github.com/denis-run/remediator/blob/main/docs"
"""Where the docs are for people without a checkout."""


NOT_CHECKED = "not checked"
"""The start of `found` for a check that lacked a flag or a permission."""


class Proof(StrEnum):
    """How a result was proved."""

    DONE = "d"
    """By doing it."""
    ASKED = "a"
    """By asking a program that knows."""
    READ = "f"
    """By reading a file."""


class State(StrEnum):
    """The state of a check, as reports mark it."""

    OK = "ok"
    WARNING = "!!"
    """It works now, but there is something that a person should know."""
    BROKEN = "x"
    UNKNOWN = "?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check with its result. If the outcome is not known, it has not passed."""

    name: str
    passed: bool | None
    """None if not known."""
    found: str
    """What was found, and if it matters, what was wanted."""
    remedy: str = ""
    """What to do if it has not passed, or passed with a warning."""
    word: str = ""
    """The reason for which a raise is refused if it has not passed, recorded on override; empty if it refuses none."""
    warning: bool = False
    """Whether it has passed, but a person should read it."""
    proof: Proof | None = None

    @property
    def state(self) -> State:
        """Its state."""
        if self.passed is None:
            return State.UNKNOWN
        if not self.passed:
            return State.BROKEN
        return State.WARNING if self.warning else State.OK

    def is_excused(self, require_all: bool) -> bool:
        """Whether an unknown outcome is excused: no flag was given, or it cannot always be known."""
        if self.passed is not None:
            return False
        return self.name in OPTIONAL or (self.found.startswith(NOT_CHECKED) and not require_all)


OPTIONAL = ("webhook", "evidence", "paging")
"""Checks that cannot always be known.

Alertmanager hides a webhook's URL, the service asks Prometheus only while an alert would lead to an act, and only a
test page reaches a person.
"""

_GRAVITY = (State.BROKEN, State.UNKNOWN, State.WARNING, State.OK)


def not_checked(name: str, flag: str) -> Check:
    """The result of a check that lacks a flag."""
    return Check(name=name, passed=None, found=NOT_CHECKED, remedy=f"give {flag}")


def proved(proof: Proof, checks: Iterable[Check]) -> list[Check]:
    """The checks, with this proof for each known one that has none yet."""
    return [one if one.passed is None or one.proof else replace(one, proof=proof) for one in checks]


def worst_of(several: Sequence[tuple[str, Sequence[Check]]]) -> list[Check]:
    """Merge the checks of several programs into one per name: the worst result, with the program that it is from.

    If all have passed, the first result is shown.
    """
    if len(several) == 1:
        return list(several[0][1])
    found: dict[str, Check] = {}
    for who, checks in several:
        for check in checks:
            named = check if check.state is State.OK else replace(check, found=f"{who}: {check.found}")
            other = found.setdefault(check.name, named)
            if _GRAVITY.index(named.state) < _GRAVITY.index(other.state):
                found[check.name] = named
    return list(found.values())


def all_passed(checks: Iterable[Check]) -> bool:
    """Whether every check is known and has passed."""
    return all(check.passed for check in checks)

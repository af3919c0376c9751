"""One thing that was checked, and whether it is as it should be: what doctor, preflight, verify and phases consist of.

The rule of this file: what could not be found out is an answer of its own, and never a pass.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

DOCS = "https://github.com/denis-run/remediator/blob/main/docs"
"""Where the pages are for those who have installed the program and no checkout."""


NOT_CHECKED = "not looked at"
"""How what is found begins where no flag says whom to ask, or a right is missing to ask."""


class Proof(StrEnum):
    """How an answer was proved."""

    DONE = "d"
    """By doing it."""
    ASKED = "a"
    """By asking a program that knows."""
    READ = "f"
    """By reading a file."""


class State(StrEnum):
    """What an answer comes to, as reports mark it."""

    OK = "ok"
    WARNING = "!!"
    """It works now, but there is something that a person should know."""
    BROKEN = "x"
    UNKNOWN = "?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A question with its answer. What could not be found out is not passed."""

    name: str
    passed: bool | None
    """None where it could not be found out."""
    found: str
    """What was found, and where it matters what was wanted."""
    remedy: str = ""
    """What to do where it has not passed, or has passed with a warning."""
    word: str = ""
    """Why a raise is refused where it has not passed, as it is recorded of who overrides it; empty if none is."""
    warning: bool = False
    """Whether it has passed, but with something that a person should know first."""
    proof: Proof | None = None

    @property
    def state(self) -> State:
        """What the answer comes to."""
        if self.passed is None:
            return State.UNKNOWN
        if not self.passed:
            return State.BROKEN
        return State.WARNING if self.warning else State.OK

    def is_excused(self, require_all: bool) -> bool:
        """Whether not knowing it does not count: no flag was given, or it is of a kind that cannot always be known."""
        if self.passed is not None:
            return False
        return self.name in OPTIONAL or (self.found.startswith(NOT_CHECKED) and not require_all)


OPTIONAL = ("webhook", "evidence", "paging")
"""Checks of what cannot always be known: Alertmanager hides a webhook's URL, the service asks Prometheus only while an
alert would lead to an act, and only a test wakes a person."""

_GRAVITY = (State.BROKEN, State.UNKNOWN, State.WARNING, State.OK)


def not_checked(name: str, flag: str) -> Check:
    """The answer where no flag says whom to ask."""
    return Check(name=name, passed=None, found=NOT_CHECKED, remedy=f"give {flag}")


def proved(proof: Proof, checks: Iterable[Check]) -> list[Check]:
    """The checks, each known one with how it was proved, if it does not say so already."""
    return [one if one.passed is None or one.proof else replace(one, proof=proof) for one in checks]


def worst_of(several: Sequence[tuple[str, Sequence[Check]]]) -> list[Check]:
    """One check for each name out of those that several were asked for, by who was asked: the gravest, with who it is.

    Of several that are fine, the first one's answer stands for all.
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
    """Whether every answer is known and good."""
    return all(check.passed for check in checks)

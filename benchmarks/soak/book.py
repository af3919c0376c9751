"""What clients of the webhook did and were told, to be held against what the service counted and wrote."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks.clients.wire import Answer

Told = tuple[str, str]
"""A remediation, empty where none was asked, and a reason."""

LATE_SECONDS = 10.0
"""Alertmanager's shortest group_interval: an answer after that reaches nobody."""


@dataclass(slots=True, kw_only=True)
class Book:
    """Kept by the clients, on one thread."""

    sent: Counter[str] = field(default_factory=Counter)
    """Requests by kind, as the clients began them."""
    answered: Counter[int] = field(default_factory=Counter)
    """Answers by code."""
    outcomes: Counter[Told] = field(default_factory=Counter)
    """Alerts by what the answers say became of them."""
    decisions: int = 0
    """How many decisions the answers tell of: each is one audit line."""
    gone: int = 0
    """Whole notifications whose clients left before the end of the answer."""
    gone_alerts: int = 0
    """Those in them, all for the remediation `gone`."""
    cut: int = 0
    """Requests that ended before they were whole."""
    unanswered: Counter[str] = field(default_factory=Counter)
    """Whole ones whose connection the service closed without an answer, by kind."""
    unexpected: Counter[str] = field(default_factory=Counter)
    """Answers with a code that requests of their kind never get, by kind and code."""
    late: int = 0
    """Answers after LATE_SECONDS."""
    slowest: float = 0.0

    def enter(self, kind: str, expected: frozenset[int], answer: Answer, seconds: float) -> None:
        """One answer."""
        self.answered[answer.code] += 1
        self.late += seconds > LATE_SECONDS
        self.slowest = max(self.slowest, seconds)
        if answer.code not in expected:
            self.unexpected[f"{kind} {answer.code}"] += 1
        if answer.code in (200, 503):
            told = json.loads(answer.body).get("outcomes", [])
            self.outcomes.update((outcome["remediation"], outcome["reason"]) for outcome in told)
            self.decisions += len(set(_decisions(told)))

    def leave(self, alerts: int) -> None:
        """One client that will not know what became of its alerts."""
        self.gone += 1
        self.gone_alerts += alerts

    @property
    def whole(self) -> int:
        """All that were sent and could be answered."""
        return self.answered.total() + self.gone + self.unanswered.total()


def _decisions(told: list[Mapping[str, Any]]) -> Iterator[tuple[str, ...]]:
    """Alerts that one remediation answers are decided together; those that none does, where they are told the same."""
    for outcome in told:
        remediation = outcome["remediation"]
        yield (remediation,) if remediation else ("", outcome["reason"], outcome["message"])

"""Prometheus's answer about the alerts that ask for an act: confirmed, refuted, or unknown.

Pure. One rule: unknown is an answer of its own, with a reason.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from remediator.core.denis_signals import SIGNALS, Signal
from remediator.core.durations import format_duration
from remediator.core.text import printable, recordable
from remediator.core.times import format_time

SECOND = timedelta(seconds=1)

Answer = Literal["confirmed", "refuted", "unknown"]

ANSWERS: tuple[Answer, ...] = ("confirmed", "refuted", "unknown")


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """The answer for one decision."""

    answer: Answer
    message: str
    """One line of text: the value behind the act, or why there is none."""
    rule: str = ""
    value: float | None = None
    threshold: float | None = None
    since: datetime | None = None
    """When the condition began to hold."""
    evaluated: datetime | None = None
    """When the rule was last evaluated; both times are by Prometheus's clock."""
    age: timedelta | None = None
    """How long before the decision the evaluation was."""

    @property
    def text(self) -> str:
        """The text for the act as it happens."""
        return self._phrase("ago")

    @property
    def record(self) -> str:
        """The text for the ledger, which is read later."""
        return recordable(self._phrase("before"))

    def _phrase(self, ago: str) -> str:
        if self.answer != "confirmed":
            return f"unconfirmed: {self.message}"
        age = f" {format_age(self.age)} {ago}" if self.age is not None else ""
        return f"{self.message}, confirmed{age}"

    def as_data(self) -> dict[str, Any]:
        """Plain data, without unknown fields."""
        known: dict[str, Any] = {"answer": self.answer, "rule": self.rule, "value": self.value}
        known |= {"threshold": self.threshold, "since": self.since, "evaluated": self.evaluated}
        if self.answer != "confirmed":
            known["why"] = self.message
        times = {key: format_time(value) if isinstance(value, datetime) else value for key, value in known.items()}
        return {key: value for key, value in times.items() if value not in (None, "")}


def unknown(why: str, rule: str = "") -> Confirmation:
    """An unknown answer, for this reason."""
    return Confirmation(answer="unknown", message=printable(why), rule=rule)


def format_comparison(rule: str, left: str, threshold: float, value: float) -> tuple[str, str, str]:
    """Format a comparison: the name, the value and the threshold, as in `error rate`, `8.3 %` and `5 %`.

    `left` is the compared expression. If it is about a signal of DENIS, that names it, else the rule's name does.
    """
    signal = _signal(left)
    ratio = signal is not None and signal.unit == "rate" and 0 <= threshold < 1
    unit = " s" if signal is not None and signal.unit == "s" else ""

    def number(amount: float) -> str:
        if ratio:
            return f"{100 * amount:.3g} %"
        return (f"{amount:.6g}" if abs(amount) < 1_000_000 else f"{amount:.0f}") + unit

    return signal.title if signal else printable(rule), number(value), number(threshold)


def format_since(since: datetime, now: datetime) -> str:
    """Format a time as `since 03:10:05Z`, with its date if it is more than a day ago."""
    form = "%H:%M:%SZ" if now - since < timedelta(days=1) else "%Y-%m-%d %H:%M:%SZ"
    return f"since {since.astimezone(UTC):{form}}"


def format_age(age: timedelta) -> str:
    """Format an age, as in `4 s` or `2m5s`."""
    seconds = max(age, timedelta(0)) // SECOND
    return f"{seconds} s" if seconds < 60 else format_duration(seconds * SECOND)


def _signal(expression: str) -> Signal | None:
    """The signal of DENIS that an expression names first."""
    found = [
        (place.start(), signal)
        for signal in SIGNALS.values()
        for name in signal.names
        if (place := re.search(rf"(?<![a-zA-Z0-9_]){name}(?![a-zA-Z0-9_])", expression))
    ]
    return min(found, key=lambda pair: pair[0])[1] if found else None

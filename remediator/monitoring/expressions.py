"""Builds the PromQL of queries: which series count, and what is computed from them. Pure."""

import json
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Literal

from remediator.core.durations import format_duration, parse_duration
from remediator.monitoring.evidence import RECENT

POINTS = 100
"""The number of points at which a window is checked for samples, so that the cost does not depend on its length."""

EVALUATION = timedelta(seconds=15)
"""The step at which an expression over several series is evaluated, for windows short enough."""

FRESH = timedelta(minutes=1)
"""The oldest sample that counts at such a point. The rules are evaluated every 15 s."""

SECOND = timedelta(seconds=1)


def select(name: str, labels: Mapping[str, str], ours: Mapping[str, str]) -> str:
    """The series of this name with these labels.

    A series that has one of the labels of `ours` must have its value, unless that is empty. Most series have no
    `cluster`: Prometheus does not put its external_labels on its own series.
    """
    matchers = [f"{label}={json.dumps(value)}" for label, value in labels.items()]
    matchers += [f"{label}=~{_or_none(value)}" for label, value in ours.items() if value]
    return f"{name}{{{', '.join(matchers)}}}"


def rate_expressions(
    series: str, window: timedelta, worst: Literal["min", "max"], *, computed: bool = False
) -> dict[str, str]:
    """The expression for each value of a Rate; `window` is in whole seconds.

    `series` is a selector, or if `computed`, an expression that is evaluated as often as the rules are.
    """
    recent = min(RECENT, window)
    average = f"avg_over_time({series}{_range(recent, computed)})"
    # Averages over RECENT within the window. With steps of at most RECENT they cover every moment.
    rest = window - recent
    step = min(max(whole(rest / POINTS), SECOND), RECENT)
    return {
        "current": f"last_over_time({series}{_range(FRESH, computed)})",
        "recent": average,
        "average": f"avg_over_time({series}{_range(window, computed)})",
        "worst": f"{worst}_over_time({average}[{spell(rest)}:{spell(step)}])" if rest else average,
        "coverage": _coverage(series, window, computed),
        "recent_coverage": _coverage(series, recent, computed),
    }


def _range(length: timedelta, computed: bool) -> str:
    """The range of a selector, or the subquery of an expression."""
    step = f":{spell(max(whole(length / POINTS), min(EVALUATION, length)))}" if computed else ""
    return f"[{spell(length)}{step}]"


def _coverage(series: str, window: timedelta, computed: bool) -> str:
    """The share of a window's points that have a sample."""
    step = max(whole(window / POINTS), SECOND)
    # Prometheus 2 also counts the point at the window's start.
    found = f"count_over_time(last_over_time({series}{_range(FRESH, computed)})[{spell(window)}:{spell(step)}])"
    return f"clamp_max({found} / {window // step}, 1)"


def _or_none(value: str) -> str:
    """A regular expression for this value or a missing label."""
    return json.dumps(re.escape(value).replace(r"\-", "-") + "|", ensure_ascii=False)


def whole(duration: timedelta) -> timedelta:
    """A duration in whole seconds, rounded up."""
    return -(-duration // SECOND) * SECOND


def spell(duration: timedelta) -> str:
    """Format a duration in whole seconds for PromQL."""
    text = format_duration(duration)
    return text if parse_duration(text) == duration else f"{duration // SECOND}s"

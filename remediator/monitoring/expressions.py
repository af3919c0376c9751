"""PromQL as it is asked: which series count, and what is asked about one. Pure."""

import json
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Literal

from remediator.core.durations import format_duration, parse_duration
from remediator.monitoring.evidence import RECENT

POINTS = 100
"""In how many points of its time a series is looked for, so that the cost does not depend on the time."""

EVALUATION = timedelta(seconds=15)
"""How often what is computed from several series is evaluated, as far as it is looked at so closely."""

FRESH = timedelta(minutes=1)
"""How old a sample may be at such a point. The rules are evaluated every 15 s."""

SECOND = timedelta(seconds=1)


def select(name: str, labels: Mapping[str, str], ours: Mapping[str, str]) -> str:
    """The series of this name with these labels.

    Those of `ours` that are not empty have to be so where a series has them. Mostly there is no `cluster`: a Prometheus
    does not put its external_labels on its own series.
    """
    matchers = [f"{label}={json.dumps(value)}" for label, value in labels.items()]
    matchers += [f"{label}=~{_or_none(value)}" for label, value in ours.items() if value]
    return f"{name}{{{', '.join(matchers)}}}"


def rate_expressions(
    series: str, window: timedelta, worst: Literal["min", "max"], *, computed: bool = False
) -> dict[str, str]:
    """The expression for each value of a Rate; `window` is in whole seconds.

    `series` selects one, or is an expression where it is `computed`, which is evaluated as often as the rules are.
    """
    recent = min(RECENT, window)
    average = f"avg_over_time({series}{_range(recent, computed)})"
    # Averages over RECENT that lie within the window. At steps of RECENT or less no moment is in none of them.
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
    """What makes a range of a selector, or of an expression."""
    step = f":{spell(max(whole(length / POINTS), min(EVALUATION, length)))}" if computed else ""
    return f"[{spell(length)}{step}]"


def _coverage(series: str, window: timedelta, computed: bool) -> str:
    """The share of the points of a time at which there was a sample."""
    step = max(whole(window / POINTS), SECOND)
    # Prometheus 2 counts the point at the window's start too.
    found = f"count_over_time(last_over_time({series}{_range(FRESH, computed)})[{spell(window)}:{spell(step)}])"
    return f"clamp_max({found} / {window // step}, 1)"


def _or_none(value: str) -> str:
    """A matcher's text for this value, or for a label that is not there."""
    return json.dumps(re.escape(value).replace(r"\-", "-") + "|", ensure_ascii=False)


def whole(duration: timedelta) -> timedelta:
    """In whole seconds, rounded up."""
    return -(-duration // SECOND) * SECOND


def spell(duration: timedelta) -> str:
    """A duration in whole seconds as PromQL has it."""
    text = format_duration(duration)
    return text if parse_duration(text) == duration else f"{duration // SECOND}s"

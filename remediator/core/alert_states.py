"""When an alert would have fired: a simulation of Prometheus's rule manager over a history. Pure.

The rule of this file: states change as in Prometheus. An evaluation without a result ends a pending alert, whatever the
cause: recovery, a gap, or a Prometheus that was down.
"""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from remediator.core.sampled_series import Grid, SampledSeries, spans

_SWAPPED: Mapping[str, Callable[[float, float], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.gt,
    ">": operator.lt,
    "<=": operator.ge,
    ">=": operator.le,
}
"""The same comparison with its sides swapped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """The comparison of an alert's value with a number."""

    operator: str
    value: float

    def __str__(self) -> str:
        return f"{self.operator} {self.value:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    """One firing of an alert; times are indices of evaluations on the grid."""

    active: int
    """The first evaluation of the breach."""
    fired: int
    resolved: int | None
    """None if it still fires at the end."""


def breaches(series: SampledSeries, threshold: Threshold | None) -> bytes:
    """1 for each evaluation with a result, else 0. Without a threshold every sample is a result."""
    if threshold is None:
        return bytes(series.present)
    # For NaN only != holds. It also holds where there is no sample, so presence is checked too.
    found = bytes(map(partial(_SWAPPED[threshold.operator], threshold.value), series.values))
    return bytes(map(min, found, series.present)) if threshold.operator == "!=" else found


def firings(results: bytes, grid: Grid, duration: timedelta, keep_firing_for: timedelta) -> list[Firing]:
    """The firings of an alert, from the evaluations at which it had a result."""
    step = timedelta(seconds=grid.step)
    hold, keep = -(-duration // step), -(-keep_firing_for // step)
    found: list[Firing] = []
    for span in spans(results):
        resolved = span.after + keep if span.after + keep < grid.count else None
        last = found[-1] if found else None
        if last and keep and (last.resolved is None or span.first <= last.resolved):
            # It never stopped firing, so `for` does not start again.
            found[-1] = Firing(active=last.active, fired=last.fired, resolved=resolved)
        elif span.moments > hold:
            found.append(Firing(active=span.first, fired=span.first + hold, resolved=resolved))
    return found

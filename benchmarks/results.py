"""Results: what Remediator takes, what a baseline takes in the same run, and the ratio of the two.

Machines are noisy, so a result is never compared with another run. Both sides run alternately, each turn gives a ratio,
and the result is their median with the quartiles.
"""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How much to measure. A quick run only shows that a benchmark works."""

    quick: bool = False

    def of(self, full: int, quick: int) -> int:
        """The number of rounds, requests or seconds."""
        return quick if self.quick else full


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """Remediator to the baseline: the median of the turns, and the quartiles."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{digits(self.median)} ({digits(self.low)}–{digits(self.high)})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A row of the table. Texts include their units."""

    name: str
    ours: str
    baseline: str = ""
    """What ours is compared with, and its value."""
    ratio: Ratio | None = None
    goal: str = ""
    reached: bool | None = None
    """None without a goal."""
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """The values of both sides in each turn, in the same unit."""

    ours: Sequence[float]
    baseline: Sequence[float]

    @property
    def ratio(self) -> Ratio:
        """Ours to the baseline."""
        return ratio_of([mine / other for mine, other in zip(self.ours, self.baseline, strict=True)])


def alternate(ours: Callable[[], float], baseline: Callable[[], float], turns: int) -> Compared:
    """Run both sides alternately, each first in every other turn, after one turn that does not count."""
    ours(), baseline()
    mine, others = list[float](), list[float]()
    for turn in range(turns):
        sides = [(ours, mine), (baseline, others)]
        for measure, into in sides if turn % 2 else reversed(sides):
            into.append(measure())
    return Compared(ours=mine, baseline=others)


def ratio_of(ratios: Sequence[float]) -> Ratio:
    """Median and quartiles of the ratios of single turns."""
    return Ratio(median=statistics.median(ratios), low=percentile(ratios, 25), high=percentile(ratios, 75))


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least this percentage of the values do not exceed."""
    return sorted(values)[max(math.ceil(len(values) * percent / 100) - 1, 0)]


def digits(value: float) -> str:
    """A number with two or three significant digits."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def duration(seconds: float) -> str:
    """A duration in the unit that fits it."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{digits(seconds / size)} {unit}"
    return f"{digits(seconds * 1e6)} µs"

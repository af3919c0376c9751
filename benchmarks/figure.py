"""A figure: what Remediator costs, what the baseline costs in the same run, and the ratio between the two.

The rule of this package: machines are noisy, so nothing is compared with a number from another run or another machine.
The two sides take turns, a ratio is made of each turn, and what is shown is the median with the spread of the turns.
"""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How much to measure. A quick run shows that a benchmark works; its figures mean little."""

    quick: bool = False

    def of(self, full: int, quick: int) -> int:
        """How many rounds, requests or seconds."""
        return quick if self.quick else full


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """Ours to the baseline, over the turns of one run: the median, and the quartiles as its spread."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{spell(self.median)} ({spell(self.low)}–{spell(self.high)})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the table; texts carry their units."""

    name: str
    ours: str
    baseline: str = ""
    """What ours is compared with, and what that came to."""
    ratio: Ratio | None = None
    goal: str = ""
    reached: bool | None = None
    """None where there is no goal."""
    notes: Sequence[str] = ()
    """What a reader has to know to believe it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What both sides came to in each turn, in the same unit."""

    ours: Sequence[float]
    baseline: Sequence[float]
    _ratios: Sequence[float] = field(init=False)

    def __post_init__(self) -> None:
        ratios = [mine / other for mine, other in zip(self.ours, self.baseline, strict=True)]
        object.__setattr__(self, "_ratios", ratios)

    @property
    def ratio(self) -> Ratio:
        """Ours to the baseline."""
        return ratio_of(self._ratios)


def alternate(ours: Callable[[], float], baseline: Callable[[], float], turns: int) -> Compared:
    """Let both sides take turns, each first in every other one, after one turn that does not count."""
    ours(), baseline()
    mine, others = list[float](), list[float]()
    for turn in range(turns):
        sides = [(ours, mine), (baseline, others)]
        for measure, into in sides if turn % 2 else reversed(sides):
            into.append(measure())
    return Compared(ours=mine, baseline=others)


def ratio_of(ratios: Sequence[float]) -> Ratio:
    """The ratio that those of the turns come to."""
    return Ratio(median=statistics.median(ratios), low=percentile(ratios, 25), high=percentile(ratios, 75))


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that is not below this share of them."""
    ranked = sorted(values)
    return ranked[max(math.ceil(len(ranked) * percent / 100) - 1, 0)]


def spell(value: float) -> str:
    """A number with as many digits as a noisy machine is good for."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def spell_seconds(seconds: float) -> str:
    """A time in the unit that fits it."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{spell(seconds / size)} {unit}"
    return f"{seconds * 1e9:.0f} ns"

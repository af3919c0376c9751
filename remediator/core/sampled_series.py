"""A series over a stretch of history, at evenly spaced moments. Pure.

The rule of this file: no sample is a state of its own. It is neither 0 nor NaN, and a value is read only after
asking whether there is one.
"""

import math
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Evenly spaced moments. All are multiples of the step since 1970, as the steps of PromQL's subqueries are."""

    start: int
    """The first moment, in seconds since 1970."""
    step: int
    """Seconds."""
    count: int

    @staticmethod
    def between(start: datetime, end: datetime, step: int) -> "Grid":
        """The moments from `start` to `end`. Raises ValueError where there are fewer than two."""
        first, last = -(-int(start.timestamp()) // step), int(end.timestamp()) // step
        if last <= first:
            raise ValueError(f"there are no two evaluations, {step} s apart, in the time that is asked for")
        return Grid(start=first * step, step=step, count=last - first + 1)

    def finer(self, step: int) -> "Grid":
        """The same time at a smaller step, which divides that of this grid."""
        return Grid(start=self.start, step=step, count=(self.count - 1) * self.step // step + 1)

    def seconds(self, index: int) -> int:
        """A moment in seconds since 1970."""
        return self.start + index * self.step

    def moment(self, index: int) -> datetime:
        """A moment, in UTC."""
        return datetime.fromtimestamp(self.seconds(index), UTC)

    def index(self, moment: datetime) -> int:
        """The index of the last moment that is not after this one; negative before the first."""
        return (int(moment.timestamp()) - self.start) // self.step

    def length(self, moments: int) -> timedelta:
        """How long so many moments are."""
        return timedelta(seconds=moments * self.step)


@dataclass(frozen=True, slots=True, kw_only=True)
class SampledSeries:
    """The samples of one series on a grid."""

    labels: Mapping[str, str]
    values: "array[float]"
    """NaN where there is no sample; `present` tells that from a NaN that was sampled."""
    present: bytearray
    """1 where there is a sample, else 0."""

    @staticmethod
    def empty(labels: Mapping[str, str], count: int) -> "SampledSeries":
        """A series without samples."""
        return SampledSeries(labels=labels, values=array("d", [math.nan]) * count, present=bytearray(count))

    def value(self, index: int) -> float | None:
        """The number at a moment; None where there is no sample, or none that is a number."""
        if not 0 <= index < len(self.values):
            return None
        found = self.values[index]
        return found if math.isfinite(found) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A stretch of moments, from the first to before the last."""

    first: int
    after: int

    @property
    def moments(self) -> int:
        """How many there are."""
        return self.after - self.first


def spans(flags: bytes | bytearray, flag: int = 1) -> Iterator[Span]:
    """The longest stretches in which every byte is `flag`."""
    wanted, other, first = bytes([flag]), bytes([1 - flag]), 0
    while (first := flags.find(wanted, first)) >= 0:
        after = flags.find(other, first)
        after = len(flags) if after < 0 else after
        yield Span(first=first, after=after)
        first = after

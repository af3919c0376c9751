"""A time series sampled at evenly spaced moments. Pure.

The rule of this file: a missing sample is neither 0 nor NaN, and its absence is checked before a value is read.
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
        """The moments from `start` to `end`. Raises ValueError if there are fewer than two."""
        first, last = -(-int(start.timestamp()) // step), int(end.timestamp()) // step
        if last <= first:
            raise ValueError(f"the period has fewer than two evaluations, {step} s apart")
        return Grid(start=first * step, step=step, count=last - first + 1)

    def finer(self, step: int) -> "Grid":
        """The same period with a smaller step, which must divide this grid's step."""
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
        """The duration of this many moments."""
        return timedelta(seconds=moments * self.step)


@dataclass(frozen=True, slots=True, kw_only=True)
class SampledSeries:
    """The samples of one series on a grid."""

    labels: Mapping[str, str]
    values: "array[float]"
    """NaN where there is no sample; `present` distinguishes that from a sampled NaN."""
    present: bytearray
    """1 where there is a sample, else 0."""

    @staticmethod
    def empty(labels: Mapping[str, str], count: int) -> "SampledSeries":
        """A series without samples."""
        return SampledSeries(labels=labels, values=array("d", [math.nan]) * count, present=bytearray(count))

    def value(self, index: int) -> float | None:
        """The value at a moment; None if there is no sample, or it is NaN."""
        if not 0 <= index < len(self.values):
            return None
        found = self.values[index]
        return found if math.isfinite(found) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A range of moments, from `first` to just before `after`."""

    first: int
    after: int

    @property
    def moments(self) -> int:
        """The number of moments."""
        return self.after - self.first


def spans(flags: bytes | bytearray, flag: int = 1) -> Iterator[Span]:
    """The maximal ranges in which every byte is `flag`."""
    wanted, other, first = bytes([flag]), bytes([1 - flag]), 0
    while (first := flags.find(wanted, first)) >= 0:
        after = flags.find(other, first)
        after = len(flags) if after < 0 else after
        yield Span(first=first, after=after)
        first = after

"""Fetches the history of expressions from Prometheus, in chunks that it accepts, one at a time.

The rule of this file: chunks are joined before they are returned, and if one has no answer there is no history at all.
"""

import math
from array import array
from collections.abc import Iterable

from remediator.core.sampled_series import Grid, SampledSeries
from remediator.monitoring.http_json import NoAnswer
from remediator.monitoring.prometheus import Prometheus
from remediator.monitoring.promql import Inlined, Part

MAX_POINTS = 11_000
"""Prometheus's limit of points per series in one query."""


class Ranges:
    """Queries Prometheus at the moments of a grid."""

    def __init__(self, prometheus: Prometheus, grid: Grid, *, lookback: int = 0) -> None:
        self._prometheus, self._grid, self._lookback = prometheus, grid, lookback
        self._absent: dict[tuple[str, int], bool] = {}

    def fetch(self, expression: Inlined) -> tuple[SampledSeries, ...]:
        """The series of an expression, by their labels. Raises NoAnswer."""
        found: dict[frozenset[tuple[str, str]], SampledSeries] = {}
        grid = self._grid.finer(expression.step or self._grid.step)
        for first in range(0, grid.count, MAX_POINTS):
            last = min(first + MAX_POINTS, grid.count) - 1
            start, end = grid.seconds(first), grid.seconds(last)
            absent = [part for part in expression.parts if self._is_absent(part, start, end)]
            for series in self._prometheus.query_range(expression.without(absent), start, end, grid.step):
                key = frozenset(series.labels.items())
                if key not in found:
                    found[key] = SampledSeries.empty(series.labels, grid.count)
                _fill(found[key], series.values, grid, first, last)
        return tuple(sorted(found.values(), key=lambda one: sorted(one.labels.items())))

    def _is_absent(self, part: Part, start: int, end: int) -> bool:
        """Whether a part of an expression has no sample that could matter in these seconds. Raises NoAnswer."""
        size = MAX_POINTS * (part.step or self._grid.step)
        pieces = range((start - self._lookback) // size, end // size + 1)
        return any(
            text and all(self._has_none(text, piece, size) for piece in pieces) for text in (part.bound, part.text)
        )

    def _has_none(self, text: str, piece: int, size: int) -> bool:
        """Whether an expression has no sample in a fixed slot of time; slots are counted from 1970."""
        if (text, piece) not in self._absent:
            step = size // MAX_POINTS
            start = max(piece * size, (self._grid.start - self._lookback) // step * step)
            end = min((piece + 1) * size - step, self._grid.seconds(self._grid.count - 1))
            found = self._prometheus.query_range(f"count({text})", start, end, step) if start <= end else ()
            self._absent[text, piece] = not found
        return self._absent[text, piece]


def _fill(series: SampledSeries, values: list[tuple[float, float]], grid: Grid, first: int, last: int) -> None:
    if [seconds for seconds, _ in values] == [*range(grid.seconds(first), grid.seconds(last) + 1, grid.step)]:
        # The usual case: no gap.
        series.values[first : last + 1] = array("d", [value for _, value in values])
        series.present[first : last + 1] = b"\1" * len(values)
        return
    for seconds, value in values:
        index = round((seconds - grid.start) / grid.step) if math.isfinite(seconds) else -1
        if not first <= index <= last or grid.seconds(index) != seconds:
            raise NoAnswer(
                f"Prometheus answered with a sample of the second {seconds}, which was not requested; "
                "check that Prometheus itself listens at this URL"
            )
        series.values[index], series.present[index] = value, 1


def most_questions(grid: Grid, expressions: Iterable[Inlined]) -> int:
    """The most queries that the history of these expressions takes."""
    known: set[str] = set()
    asked = 0
    for expression in expressions:
        asked += -(-grid.finer(expression.step or grid.step).count // MAX_POINTS)
        for part in expression.parts:
            texts = {part.bound, part.text} - known - {""}
            # One more at each end, because slots are not aligned with the history.
            asked += len(texts) * (grid.count * grid.step // (part.step or grid.step) // MAX_POINTS + 2)
            known |= texts
    return asked

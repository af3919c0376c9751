"""Fetched history: cached for further queries, saved to a file, and loaded from one.

The rule of this file: a saved history only answers the queries it was saved for. Any other query is an error, never an
empty result.
"""

import gzip
import json
import math
from array import array
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from remediator.core.sampled_series import Grid, SampledSeries
from remediator.monitoring.promql import Inlined

FORMAT = "remediator-history"
VERSION = 1

NOT_OURS = "is not a history written by --save"

MOST_MOMENTS = 10_000_000
"""The most moments, over a year at 5 s: a file must not use all memory."""


class InvalidArchive(ValueError):
    """The file cannot be used; the text says why, and what to do."""


class Archive:
    """Series by expression. A missing one is fetched, if there is a Prometheus to fetch it from."""

    def __init__(
        self, grid: Grid, fetch: Callable[[Inlined], Sequence[SampledSeries]] | None, source: str = ""
    ) -> None:
        self.grid, self._fetch, self._source = grid, fetch, source
        self._series: dict[tuple[str, int], Sequence[SampledSeries]] = {}

    def __call__(self, expression: Inlined) -> Sequence[SampledSeries]:
        """The series of an expression. Raises NoAnswer, InvalidArchive."""
        key = (expression.text, expression.step or self.grid.step)
        if key not in self._series:
            if self._fetch is None:
                raise InvalidArchive(
                    f"{self._source} was not saved for this: it has no history of {expression.text[:200]}; "
                    "load it with the same rules and remediations, or fetch and save it again with these"
                )
            self._series[key] = self._fetch(expression)
        return self._series[key]

    def save(self, path: Path) -> None:
        """Write everything that was fetched. Raises OSError."""
        head = {"format": FORMAT, "version": VERSION}
        head |= {"start": self.grid.start, "step": self.grid.step, "count": self.grid.count}
        # Without a timestamp, so that the same history gives the same file.
        with path.open("wb") as raw, gzip.GzipFile("", "wb", mtime=0, fileobj=raw) as file:
            file.write(json.dumps(head).encode() + b"\n")
            for (expression, step), found in self._series.items():
                file.write(json.dumps({"expression": expression, "step": step, "series": len(found)}).encode() + b"\n")
                for series in found:
                    line = {"labels": dict(series.labels), "values": [*_write(series)]}
                    file.write(json.dumps(line, separators=(",", ":")).encode() + b"\n")

    @staticmethod
    def load(path: Path) -> "Archive":
        """The history in a file. Raises InvalidArchive."""
        try:
            with gzip.open(path, "rb") as file:
                lines = (json.loads(line) for line in file)
                archive = Archive(_head(next(lines, None), path), None, str(path))
                for line in lines:
                    grid = archive.grid.finer(int(line["step"]))
                    found = [_read(next(lines), grid) for _ in range(line["series"])]
                    archive._series[line["expression"], grid.step] = found
                return archive
        except OSError as error:
            why = f"cannot be read: {error.strerror}" if error.strerror else NOT_OURS
            raise InvalidArchive(f"{path}: {why}") from error
        except (EOFError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, ZeroDivisionError) as error:
            if isinstance(error, InvalidArchive):
                raise
            raise InvalidArchive(
                f"{path}: is not a complete history written by --save; fetch and save it again"
            ) from error


def _head(head: Any, path: Path) -> Grid:
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        raise InvalidArchive(f"{path}: {NOT_OURS}")
    if head.get("version") != VERSION:
        raise InvalidArchive(
            f"{path}: is of version {head.get('version')!r:.20}; this program reads {VERSION}; fetch and save it again"
        )
    grid = Grid(start=int(head["start"]), step=int(head["step"]), count=int(head["count"]))
    if grid.step < 1 or not 1 < grid.count <= MOST_MOMENTS:
        raise InvalidArchive(f"{path}: has {grid.count} moments, {grid.step} s apart, which is impossible")
    return grid


def _write(series: SampledSeries) -> Iterator[float | str | None]:
    for value, present in zip(series.values, series.present, strict=True):
        yield (value if math.isfinite(value) else repr(value)) if present else None


def _read(line: Any, grid: Grid) -> SampledSeries:
    values = [None if value is None else float(value) for value in line["values"]]
    if len(values) != grid.count:
        raise ValueError(f"a series of {len(values)} moments, not {grid.count}")
    return SampledSeries(
        labels={str(name): str(value) for name, value in line["labels"].items()},
        values=array("d", (math.nan if value is None else value for value in values)),
        present=bytearray(value is not None for value in values),
    )

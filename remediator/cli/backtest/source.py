"""Where the history of a back-test comes from: a Prometheus, or a saved file."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from remediator.canary.backtest.setup import CannotTest, Setup, questions_of
from remediator.cli.canary.monitoring import open_prometheus
from remediator.cli.endpoints import Endpoint
from remediator.cli.period import Period
from remediator.core.sampled_series import Grid
from remediator.monitoring.archive import Archive
from remediator.monitoring.prometheus import Prometheus
from remediator.monitoring.ranges import Ranges, most_questions

TIMEOUT = 120.0
"""Timeout of one query in seconds: a range takes longer than an instant."""


def read_grid(period: Period, step: int) -> Grid:
    """The evaluation moments of the requested period. Raises UsageError."""
    first, last = period.between(datetime.now(UTC))
    try:
        return Grid.between(first, last, step)
    except (ValueError, OverflowError) as error:
        raise click.UsageError(str(error)) from error


def load_archive(path: Path, setup: Setup) -> Archive:
    """A saved history. Raises InvalidArchive, CannotTest."""
    archive = Archive.load(path)
    if archive.grid.step != setup.step:
        raise CannotTest(
            f"{path} has a moment every {archive.grid.step} s, the rules are evaluated every {setup.step} s"
        )
    return archive


def fetch_history(
    endpoint: Endpoint, setups: Sequence[Setup], grid: Grid, max_queries: int
) -> tuple[Archive, Prometheus]:
    """A history that is fetched on demand, and the client that fetches it. Raises click's errors."""
    lookback = max(one.lookback for one in setups)
    most = most_questions(grid, (question for one in setups for question in questions_of(one)))
    if most > max_queries:
        raise click.UsageError(
            f"this needs up to {most} queries, and --max-queries is {max_queries}; give a shorter period, or allow more"
        )
    prometheus = open_prometheus(endpoint, timeout=TIMEOUT)
    return Archive(grid, Ranges(prometheus, grid, lookback=lookback).fetch), prometheus

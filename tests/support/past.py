"""A history that a test makes up, in a file that `remediator backtest --load` takes."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from remediator.canary.backtest.recorded import load_recorded
from remediator.canary.backtest.setup import read_setup
from remediator.core.sampled_series import Grid, SampledSeries
from remediator.monitoring.archive import Archive
from remediator.monitoring.promql import Inlined
from tests.support.alert_rules import RULES

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
LABELS = {"job": "denis", "namespace": "denis"}
QUIET = {"materializer_success_rate": 0.98, "error_rate": 0.01, "async_queue_depth": 80.0}

Value = Callable[[int], float | None]
"""A value by the evaluation since noon; None is no sample."""


def spike(quiet: float, bad: float, first: int, after: int) -> Value:
    """Another value for some evaluations."""
    return lambda index: bad if first <= index < after else quiet


def save_past(
    path: Path,
    *,
    minutes: int = 240,
    percentage: Value | None = lambda index: 10,
    replicas: Value | None = lambda index: 4,
    rules: Sequence[Path] = (RULES / "denis.rules.yaml",),
    labels: Sequence[Mapping[str, str]] = (LABELS,),
    **signals: Value,
) -> Path:
    """Save a history of the shipped alerts: quiet, but for these signals, or alerts by their name."""
    grid = Grid(start=int(NOON.timestamp()), step=15, count=minutes * 4 + 1)
    setup = read_setup(RULES / "remediations.yaml", rules, RULES / "alertmanager.yaml", None)
    known: dict[str, list[SampledSeries]] = {}
    for alert in setup.alerts:
        quiet = spike(QUIET[alert.signal], 0, 0, 0)
        value = signals.get(alert.name, quiet if alert.name.endswith("Severe") else signals.get(alert.signal, quiet))
        own = grid.finer(alert.inlined.step)
        known[alert.inlined.text] = known[alert.presence.text] = [_series(own, one, value) for one in labels]

    def fetch(expression: Inlined) -> list[SampledSeries]:
        if expression.text in known:
            return [one for one in known[expression.text] if any(one.present)]
        gauges = {"remediator_canary_percentage": percentage, "remediator_replicas": replicas}
        value = next((value for name, value in gauges.items() if name in expression.text), None)
        return [_series(grid, {"job": "remediator", "namespace": "denis"}, value)] if value else []

    archive = Archive(grid, fetch)
    for alert in setup.alerts:
        archive(alert.inlined)
        archive(alert.presence)
    load_recorded(setup.policy, archive, grid, "", 10, [])
    archive.save(path)
    return path


def _series(grid: Grid, labels: Mapping[str, str], value: Value) -> SampledSeries:
    series = SampledSeries.empty(labels, grid.count)
    for index in range(grid.count):
        found = value(index)
        if found is not None:
            series.values[index], series.present[index] = found, 1
    return series

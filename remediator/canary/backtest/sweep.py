"""A sweep: the same history with other thresholds and `for` durations than those of the rules."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from remediator.canary.backtest.alert_history import AlertHistory
from remediator.canary.backtest.report import Past, run
from remediator.canary.backtest.setup import CannotTest, Setup, TestedAlert
from remediator.core.durations import parse_duration
from remediator.core.judgement import Judgement


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """The number of acts of one alert, and how many were not needed, by threshold and `for`."""

    alert: TestedAlert
    thresholds: tuple[float, ...]
    durations: tuple[timedelta, ...]
    cells: Mapping[tuple[float, timedelta], tuple[int, int]]


SWEPT_DURATIONS = tuple(parse_duration(text) for text in ("15s", "30s", "1m", "2m", "5m", "10m"))
SWEPT_FACTORS = (0.6, 1.0, 1.6, 2.0, 5.0)


def sweep(setup: Setup, history: AlertHistory, past: Past) -> Sweep:
    """The acts that this alert would cause with other thresholds and `for` durations. Raises CannotTest."""
    alert = history.alert
    if alert.threshold is None:
        raise CannotTest(f"{alert.name} is not compared with a number, so there is nothing to sweep")
    now, cells = alert.threshold.value, {}
    # A rate that should be high is swept by its distance from 100 %.
    falls = alert.threshold.operator in ("<", "<=") and 0 < now < 1
    thresholds = tuple(
        float(f"{1 - (1 - now) * factor if falls else now * factor:.4g}")
        for factor in SWEPT_FACTORS
        if not falls or (1 - now) * factor < 1
    )
    effects = {one.action.effect for one in setup.policy.remediations}
    durations = tuple(sorted({*SWEPT_DURATIONS, alert.alarm.duration}))
    for value in thresholds:
        judged = history.judged_by(replace(alert.threshold, value=value))
        for duration in durations:
            other = replace(judged.alert, alarm=replace(alert.alarm, duration=duration))
            only = replace(setup, alerts=(other,))
            report = run(only, [replace(judged, alert=other)], past)
            cells[value, duration] = (
                sum(report.acts(effect) for effect in effects),
                sum(report.count(effect, Judgement.NOT_NEEDED) for effect in effects),
            )
    return Sweep(alert=alert, thresholds=thresholds, durations=durations, cells=cells)

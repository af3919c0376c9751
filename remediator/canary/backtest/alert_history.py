"""Alerts over history: their values, when they were in breach, when they fired, and where samples are missing."""

import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from remediator.canary.backtest.setup import CannotTest, Setup, TestedAlert
from remediator.core.alert_states import Firing, Threshold, breaches, firings
from remediator.core.durations import format_duration
from remediator.core.judgement import Health
from remediator.core.sampled_series import Grid, SampledSeries, Span, spans
from remediator.core.simulation import PastAlert
from remediator.monitoring.http_json import NoAnswer
from remediator.monitoring.promql import Inlined

Fetch = Callable[[Inlined], Sequence[SampledSeries]]


LATE = timedelta(minutes=5)
"""How much may be missing at the start without a warning: the rules' windows, and one scrape."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertHistory:
    """An alert over the history."""

    alert: TestedAlert
    grid: Grid
    """The moments at which it is evaluated; they may be denser than those of the report."""
    series: tuple[SampledSeries, ...]
    known: bytes
    """1 for each moment at which it had a value to judge, else 0."""
    breached: tuple[bytes, ...]
    """For each series, 1 at each moment of a breach, else 0."""

    @property
    def results(self) -> bytes:
        """1 for each moment at which any of its series was in breach, else 0."""
        return _merge(max, self.breached) if self.breached else bytes(len(self.known))

    @property
    def firings(self) -> list[tuple[SampledSeries, Firing]]:
        """The times that it fired, and for which series."""
        alarm = self.alert.alarm
        return [
            (series, firing)
            for series, breached in zip(self.series, self.breached, strict=True)
            for firing in firings(breached, self.grid, alarm.duration, alarm.keep_firing_for)
        ]

    def at(self, grid: Grid) -> Health:
        """Its health at the moments of the report."""
        every = grid.step // self.grid.step
        return Health(
            bad=self.results[::every], known=self.known[::every], value=lambda index: self.worst(index * every)
        )

    def worst(self, index: int) -> float | None:
        """The worst of its values at a moment, or None if there is none."""
        found = [value for series in self.series if (value := series.value(index)) is not None]
        threshold = self.alert.threshold
        return (min if threshold and threshold.operator in ("<", "<=") else max)(found, default=None)

    def judged_by(self, threshold: Threshold) -> "AlertHistory":
        """The same history with another threshold."""
        alert = replace(self.alert, threshold=threshold)
        return replace(self, alert=alert, breached=tuple(breaches(series, threshold) for series in self.series))


def _merge(choose: Callable[..., int], flags: Sequence[bytes]) -> bytes:
    """Combine the flags of several series into one."""
    return flags[0] if len(flags) == 1 else bytes(map(choose, *flags))


def merge_health(found: Sequence[Health]) -> Health:
    """The health by several alerts: bad if any is in breach, known if all are, with the value of the first."""
    bad, known = (_merge(max, [one.bad for one in found]), _merge(min, [one.known for one in found]))
    return Health(bad=bad, known=known, value=found[0].value)


def fetch_fenced(fetch: Fetch, expression: Inlined, cluster: str) -> list[SampledSeries]:
    """The series of an expression that belong to this cluster, or carry no cluster label."""
    return [one for one in fetch(expression) if one.labels.get("cluster", "") in ("", cluster) or not cluster]


def load_history(setup: Setup, fetch: Fetch, grid: Grid, cluster: str) -> tuple[AlertHistory, ...]:
    """The alerts' values. Raises NoAnswer, and CannotTest if it is not clear which cluster they are from."""
    found = []
    clusters: set[str] = set()
    for alert in setup.alerts:
        try:
            series = fetch_fenced(fetch, alert.inlined, cluster)
            present = fetch_fenced(fetch, alert.presence, cluster)
        except NoAnswer as error:
            raise NoAnswer(f"{alert.name}: {error}", error.problem) from error
        clusters |= {one.labels.get("cluster", "") for one in present}
        breached = tuple(breaches(one, alert.threshold) for one in series)
        own = grid.finer(alert.inlined.step)
        known = _known(present, own)
        found.append(AlertHistory(alert=alert, grid=own, series=tuple(series), known=known, breached=breached))
    if len(clusters) > 1:
        names = ", ".join(repr(name) for name in sorted(clusters))
        raise CannotTest(f"the history has series of several clusters ({names}); choose one with --cluster")
    return tuple(found)


def _known(series: Sequence[SampledSeries], grid: Grid) -> bytes:
    # Only NaN differs from itself.
    numbers = [bytes(map(operator.eq, one.values, one.values)) for one in series]
    return _merge(max, numbers) if numbers else bytes(grid.count)


def past_alerts(history: AlertHistory, cluster: str) -> list[PastAlert]:
    """The times that the alerts of a rule fired."""
    grid, found = history.grid, []
    for series, firing in history.firings:
        own = {name: value for name, value in series.labels.items() if name != "__name__"}
        found.append(
            PastAlert(
                labels={**({"cluster": cluster} if cluster else {}), **own, **history.alert.alarm.all_labels},
                active=grid.moment(firing.active),
                fired=grid.moment(firing.fired),
                resolved=None if firing.resolved is None else grid.moment(firing.resolved),
            )
        )
    return found


def describe_gaps(histories: Sequence[AlertHistory]) -> list[str]:
    """Where the history has no samples, in sentences; none if it is complete."""
    lines: dict[str, list[AlertHistory]] = {}
    for history in histories:
        holes = [*spans(history.known, 0)]
        if not any(history.known):
            text = "no sample in the whole period"
        elif not holes:
            continue
        else:
            parts = []
            early = holes.pop(0) if holes[0].first == 0 else None
            if early and history.grid.length(early.moments) > LATE:
                begins = history.grid.moment(early.after)
                parts.append(f"none before {begins:%d %b %H:%M}: nothing is known of {_length(history.grid, early)}")
            if holes:
                total = history.grid.length(sum(hole.moments for hole in holes))
                parts.append(f"none for {format_duration(total)} in {len(holes)} gap{'s' if len(holes) > 1 else ''}")
            if not parts:
                continue
            text = "; ".join(parts)
        lines.setdefault(text, []).append(history)
    return [f"{', '.join(dict.fromkeys(_names(found, histories)))}: {text}" for text, found in lines.items()]


def _names(found: Sequence[AlertHistory], histories: Sequence[AlertHistory]) -> Iterator[str]:
    """The names of these histories: the signal if these are all of its alerts, else the alert."""
    for history in found:
        signal = history.alert.signal
        whole = signal and all(one in found for one in histories if one.alert.signal == signal)
        yield signal if whole else history.alert.name


def _length(grid: Grid, span: Span) -> str:
    return format_duration(grid.length(span.moments))

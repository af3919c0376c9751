"""What was recorded at the time: the targets by Remediator, and the firings of the same rules by Prometheus."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from remediator.canary.backtest.alert_history import AlertHistory, Fetch, fetch_fenced
from remediator.config.rule_files import Alarm
from remediator.core.effects import AUTOMATIC, Effect
from remediator.core.policy import Policy, Target
from remediator.core.recorded_value import RecordedValue, read_recorded
from remediator.core.sampled_series import Grid, SampledSeries, Span, spans
from remediator.monitoring.evidence import Unknown
from remediator.monitoring.expressions import select
from remediator.monitoring.prometheus import AlertRule
from remediator.monitoring.promql import Inlined, canonical

TOLERANCE = 2
"""Tolerance, in evaluations, between a recorded and a simulated firing: their evaluations fall between our moments."""

NOT_COMPARED = Unknown(why="not compared with the firings that Prometheus recorded: a saved history does not have them")


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How the simulation compares with the firings of the same rules that Prometheus itself recorded."""

    firings: int
    recorded: int
    agreeing: int


def load_recorded(
    policy: Policy, fetch: Fetch, grid: Grid, cluster: str, percentage: int, notes: list[str]
) -> Mapping[tuple[Target, Effect], RecordedValue]:
    """The recorded values of the targets. Raises NoAnswer."""
    found: dict[tuple[Target, Effect], RecordedValue] = {}
    for remediation in policy.remediations:
        target, effect = remediation.target, remediation.action.effect
        if (target, effect) in found:
            continue
        assumed, other = percentage, None
        if remediation.action.most_replicas:
            assumed = remediation.action.least_replicas
            labels = {"namespace": target.namespace, "deployment": target.deployment}
            other = f"max(last_over_time({select('kube_deployment_spec_replicas', labels, {})}[5m]))"
        series = _one(fetch, _gauge(AUTOMATIC[effect].gauge, target=target.name), target, cluster, notes)
        acts = _one(fetch, _gauge(LAST_ACTION, target=target.name, effect=effect), target, cluster, notes)
        if series is None and other:
            series = _one(fetch, Inlined(text=other), target, cluster, notes)
        rises = remediation.action.rises
        found[target, effect] = read_recorded(series, grid, assumed, _times(acts, grid), rises=rises)
    return found


LAST_ACTION = "remediator_last_action_timestamp_seconds"


def _gauge(name: str, **labels: str) -> Inlined:
    return Inlined(text=f"max by (cluster, namespace, job) (last_over_time({select(name, labels, {})}[2m]))")


def _one(fetch: Fetch, expression: Inlined, target: Target, cluster: str, notes: list[str]) -> SampledSeries | None:
    """The series of the Remediator that handles this target, or None if there is none, or several candidates."""
    return next(iter(own_series(fetch, expression, target, cluster, notes)), None)


def own_series(
    fetch: Fetch, expression: Inlined, target: Target, cluster: str, notes: list[str]
) -> list[SampledSeries]:
    """The series of all replicas of this target's Remediator; none if several Remediators are candidates."""
    found = fetch_fenced(fetch, expression, cluster)
    if len({*map(_who, found)}) > 1:
        found = [one for one in found if one.labels.get("namespace", "") in ("", target.namespace)]
        if len({*map(_who, found)}) != 1:
            notes.append(f"Several Remediators record {target.name}; what they recorded is not used.")
            return []
    return found


def _who(series: SampledSeries) -> tuple[str | None, ...]:
    return tuple(map(series.labels.get, ("cluster", "namespace", "job")))


def _times(acts: SampledSeries | None, grid: Grid) -> list[datetime]:
    if acts is None:
        return []
    seconds = {value for value in acts.values if value == value and grid.start <= value <= grid.seconds(grid.count)}
    return [grid.moment(0) + timedelta(seconds=value - grid.start) for value in sorted(seconds)]


def compare_recorded(
    histories: Sequence[AlertHistory], rules: Sequence[AlertRule], fetch: Fetch
) -> Agreement | Unknown:
    """Compare the simulation with what Prometheus recorded for rules with the same text."""
    simulated = recorded = agreeing = 0
    for history in histories:
        alarm = history.alert.alarm
        if not any(rule.name == alarm.name and _same(rule, alarm) for rule in rules):
            continue
        selector = select("ALERTS", {"alertname": alarm.name, "alertstate": "firing"}, {})
        grid = history.grid
        found = fetch(Inlined(text=f"max({selector})", step=grid.step))
        theirs = [span for series in found for span in spans(series.present)]
        ours = [
            Span(first=firing.fired, after=grid.count if firing.resolved is None else firing.resolved)
            for _, firing in history.firings
        ]
        simulated += len(ours)
        recorded += len(theirs)
        agreeing += sum(any(_near(one, other) for other in ours) for one in theirs)
    if not recorded:
        return Unknown(why="Prometheus recorded no firing of these very rules, so there is nothing to compare with")
    return Agreement(firings=simulated, recorded=recorded, agreeing=agreeing)


def _same(rule: AlertRule, alarm: Alarm) -> bool:
    try:
        same = canonical(rule.query) == canonical(alarm.expression)
    except ValueError:
        return False
    return same and rule.duration == alarm.duration.total_seconds()


def _near(one: Span, other: Span) -> bool:
    return abs(one.first - other.first) <= TOLERANCE and abs(one.after - other.after) <= TOLERANCE

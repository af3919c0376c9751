"""What Prometheus recorded around the acts of a review: which alerts ask for them, when those fired, what followed.

The rule of this file: nothing is judged here. What is not recorded is noted.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from remediator.canary.backtest.alert_history import AlertHistory, Fetch, describe_gaps, fetch_fenced, load_history
from remediator.canary.backtest.recorded import load_recorded, own_series
from remediator.canary.backtest.setup import Setup, TestedAlert, as_tested, asked_by
from remediator.config.rule_files import ZERO, Alarm
from remediator.core.effects import Effect
from remediator.core.policy import Policy, Remediation, Target
from remediator.core.recorded_value import NEAR, RecordedValue
from remediator.core.sampled_series import Grid, SampledSeries, spans
from remediator.core.verification import Verdict
from remediator.monitoring.expressions import select
from remediator.monitoring.prometheus import AlertRule
from remediator.monitoring.promql import Inlined

STEP = 30
"""Seconds between two moments of the history. No limit of a judgement is shorter than 2 minutes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What Prometheus recorded."""

    grid: Grid
    fetch: Fetch
    cluster: str
    histories: Mapping[str, Sequence[AlertHistory]]
    """By the remediation's name."""
    fired: Mapping[str, Sequence[tuple[str, datetime, datetime]]]
    """By the remediation's name, the alerts that fired, each with its start and end."""
    recorded: Mapping[tuple[Target, Effect], RecordedValue]


def load_past(
    policy: Policy,
    rules: Sequence[AlertRule],
    fetch: Fetch,
    grid: Grid,
    cluster: str,
    asked: Collection[str],
    notes: list[str],
) -> Past:
    """What is recorded for these remediations, by the loaded rules. Raises NoAnswer, CannotTest."""
    alerts = {name: found for name, found in _alerts(policy, rules, notes).items() if name in asked}
    histories: dict[str, list[AlertHistory]] = defaultdict(list)
    tested = [alert for found in alerts.values() for alert in found]
    if tested:
        setup = Setup(name="", policy=policy, alerts=tuple(tested), step=STEP)
        loaded = load_history(setup, fetch, grid, cluster)
        owner = {id(alert): name for name, found in alerts.items() for alert in found}
        for history in loaded:
            histories[owner[id(history.alert)]].append(history)
        notes += (f"History: {gap}." for gap in describe_gaps(loaded))
    return Past(
        grid=grid,
        fetch=fetch,
        cluster=cluster,
        histories=histories,
        fired=_fired(policy, tested, fetch, grid, cluster),
        recorded=load_recorded(policy, fetch, grid, cluster, 0, notes),
    )


def _alerts(policy: Policy, rules: Sequence[AlertRule], notes: list[str]) -> Mapping[str, list[TestedAlert]]:
    """The loaded alerts that ask for each remediation."""
    found: dict[str, list[TestedAlert]] = defaultdict(list)
    for rule in {(rule.name, rule.query): rule for rule in rules}.values():
        alarm = Alarm(
            name=rule.name,
            expression=rule.query,
            duration=timedelta(seconds=rule.duration),
            keep_firing_for=ZERO,
            labels=rule.static_labels,
            place="Prometheus",
        )
        remediation = asked_by(alarm, policy)
        if remediation is None:
            continue
        try:
            found[remediation.name].append(as_tested(alarm, Inlined(text=rule.query, step=STEP), None))
        except ValueError as error:
            notes.append(f"{rule.name}: its expression cannot be parsed, so no act is judged by it: {error}.")
    return found


def _fired(
    policy: Policy, alerts: Sequence[TestedAlert], fetch: Fetch, grid: Grid, cluster: str
) -> Mapping[str, Sequence[tuple[str, datetime, datetime]]]:
    """When alerts fired, as Prometheus recorded it."""
    fired: dict[str, list[tuple[str, datetime, datetime]]] = defaultdict(list)
    if not alerts:
        return fired
    names = json.dumps("|".join(dict.fromkeys(alert.name for alert in alerts)))
    expression = Inlined(text=f'ALERTS{{alertstate="firing", alertname=~{names}}}')
    for series in fetch_fenced(fetch, expression, cluster):
        own = {name: value for name, value in series.labels.items() if name not in ("__name__", "alertstate")}
        # Stored series do not have the external labels.
        labels = {**({"cluster": cluster} if cluster else {}), **own}
        if remediation := policy.match(labels):
            times = ((grid.moment(span.first), grid.moment(span.after)) for span in spans(series.present))
            fired[remediation.name] += ((labels["alertname"], *one) for one in times)
    return fired


def concerned(remediation: Remediation, moment: datetime, reason: str, past: Past) -> Sequence[AlertHistory]:
    """The alerts behind an act: those that the ledger names, else those that fired, else all that ask for it."""
    histories = past.histories.get(remediation.name, ())
    words = reason.replace(",", " ").split()
    named = {history.alert.name for history in histories if history.alert.name in words}
    fired = {name for name, start, end in past.fired.get(remediation.name, ()) if start - NEAR <= moment <= end + NEAR}
    names = named or fired
    return [history for history in histories if history.alert.name in names] or histories


def followed(target: Target, effect: Effect, past: Past, notes: list[str]) -> list[datetime]:
    """When the service saw that all pods followed an act."""
    labels = {"target": target.name, "effect": effect, "verdict": Verdict.CONVERGED}
    expression = Inlined(text=select("remediator_verifications_total", labels, {}))
    return increases(own_series(past.fetch, expression, target, past.cluster, notes), past.grid)


def increases(counters: Sequence[SampledSeries], grid: Grid) -> list[datetime]:
    """When any of these counters rose. The first sample of a series does not count: the value may be older."""
    found: set[int] = set()
    for series in counters:
        last: float | None = None
        for index in range(grid.count):
            value = series.value(index)
            if value is None:
                continue
            if last is not None and (value > last or 0 < value < last):
                found.add(index)
            last = value
    return [grid.moment(index) for index in sorted(found)]

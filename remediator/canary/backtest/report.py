"""What the alerts and remediations would have done over a history, and how each incident is judged."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from remediator.canary.backtest.alert_history import AlertHistory, merge_health, past_alerts
from remediator.canary.backtest.recorded import NOT_COMPARED, Agreement
from remediator.canary.backtest.setup import Setup
from remediator.core.alert_groups import notifications
from remediator.core.effects import Effect
from remediator.core.judgement import Judged, Judgement, Truth, judge, missed
from remediator.core.policy import Policy, Remediation, Target
from remediator.core.recorded_value import RecordedValue
from remediator.core.routes import ALL_LABELS
from remediator.core.sampled_series import Grid
from remediator.core.simulation import Arrival, Incident, PastAlert, simulate
from remediator.monitoring.evidence import Unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedIncident:
    """An incident, what was bad, and how it is judged."""

    incident: Incident
    because: tuple[tuple[str, float], ...]
    """The alerts and the worst values that they had."""
    active: datetime
    """When the breach began."""
    ended: datetime | None
    """When its last alert was resolved, or None if one still fires at the end."""
    judged: Judged | None
    """None if nothing would have been done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MissedIncident:
    """What people did, or say was an incident, while no alert that asks for it fired."""

    time: datetime
    effect: Effect
    judged: Judged


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a back-test has found."""

    setup: Setup
    grid: Grid
    histories: tuple[AlertHistory, ...]
    incidents: tuple[JudgedIncident, ...]
    missed: tuple[MissedIncident, ...]
    recorded: Mapping[tuple[Target, Effect], RecordedValue]
    notes: tuple[str, ...]
    agreement: Agreement | Unknown

    @property
    def absent(self) -> list[str]:
        """The alerts that have no sample in the whole period."""
        return [one.alert.name for one in self.histories if not any(one.known)]

    def judgements(self, effect: Effect) -> list[Judged]:
        """The judgements on incidents that would have led to an act of this effect."""
        return [one.judged for one in self.incidents if one.judged and one.incident.remediation.action.effect is effect]

    def count(self, effect: Effect, judgement: Judgement) -> int:
        """How many incidents of this effect have this judgement."""
        missed = [one.judged for one in self.missed if one.effect is effect]
        return sum(judged.judgement is judgement for judged in (*self.judgements(effect), *missed))

    def acts(self, effect: Effect) -> int:
        """How many acts there would have been."""
        of_effect = (one.incident for one in self.incidents if one.incident.remediation.action.effect is effect)
        return sum(len(incident.acts) for incident in of_effect)

    def delays(self, effect: Effect) -> list[timedelta]:
        """For each incident, how long after the start of the breach the first act would have come."""
        return sorted(
            one.incident.acts[0][0] - one.active
            for one in self.incidents
            if one.incident.acts and one.incident.remediation.action.effect is effect
        )

    def saved(self, effect: Effect) -> timedelta:
        """The sum of the times by which people acted later than Remediator would have."""
        return sum((judged.saved for judged in self.judgements(effect)), timedelta(0))


SHOWN = 3
"""How many incidents outside of the history are named; the others are only counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What is known about the period apart from its alerts."""

    grid: Grid
    cluster: str
    recorded: Mapping[tuple[Target, Effect], RecordedValue]
    truths: Sequence[Truth] | None
    """The real incidents, or None if no list of them was given."""

    def outside(self) -> list[Truth]:
        """The incidents outside of the history."""
        first, last = self.grid.moment(0), self.grid.moment(self.grid.count - 1)
        return [truth for truth in self.truths or () if truth.end < first or truth.start > last]

    def inside(self) -> "Past":
        """The same, without the incidents outside of the history."""
        if self.truths is None:
            return self
        outside = self.outside()
        return replace(self, truths=[truth for truth in self.truths if truth not in outside])


def run(
    setup: Setup,
    histories: Sequence[AlertHistory],
    past: Past,
    notes: Sequence[str] = (),
    agreement: Agreement | Unknown = NOT_COMPARED,
) -> Report:
    """What these alerts and remediations would have done over a history."""
    if outside := past.outside():
        named = ", ".join(f"{truth.name} ({truth.start:%d %b %Y %H:%M})" for truth in outside[:SHOWN])
        many = f"{len(outside)} of {len(past.truths or ())}"
        notes = [*notes, f"Incidents: {many} are outside of this period, and do not count: {named}."]
        past = past.inside()
    alerts = [(history.alert, one) for history in histories for one in past_alerts(history, past.cluster)]
    groups: dict[object, list[PastAlert]] = defaultdict(list)
    for alert, one in alerts:
        names = sorted(one.labels) if alert.group_by == (ALL_LABELS,) else alert.group_by
        groups[alert.timing, tuple((name, one.labels.get(name, "")) for name in names)].append(one)
    timings = {alert.name: alert.timing for alert in setup.alerts}
    end = past.grid.moment(past.grid.count - 1)
    arrivals = [
        Arrival(time=sent.time, alerts=sent.firing)
        for group in groups.values()
        for sent in notifications(group, timings[group[0].name], end)
        if sent.firing
    ]
    incidents = simulate(setup.policy, arrivals, past.recorded, past.cluster)
    by_name = {history.alert.name: history for history in histories}
    return Report(
        setup=setup,
        grid=past.grid,
        histories=tuple(histories),
        incidents=tuple(_judge(one, by_name, past) for one in incidents),
        missed=tuple(_missed(setup.policy, [one for _, one in alerts], past, end)),
        recorded=past.recorded,
        notes=(*setup.notes, *notes),
        agreement=agreement,
    )


def _judge(incident: Incident, histories: Mapping[str, AlertHistory], past: Past) -> JudgedIncident:
    alerts, acts = incident.alerts, incident.acts
    ends = [alert.resolved for alert in alerts]
    ended = None if None in ends else max(filter(None, ends))
    because = tuple(
        (name, _worst(histories[name], [one for one in alerts if one.name == name]))
        for name in dict.fromkeys(alert.name for alert in alerts)
    )
    judged = None
    if acts:
        names = {alert.name for one in incident.decisions if one.time == acts[0][0] for alert in one.alerts}
        found = [histories[name].at(past.grid) for name in names]
        health = merge_health(found)
        action = incident.remediation.action
        value = past.recorded[incident.remediation.target, action.effect]
        active = min(alert.active for alert in alerts)
        cooldown = incident.remediation.cooldown
        judged = judge(acts[0][0], action.rises, active, health, value, past.truths, cooldown=cooldown)
    return JudgedIncident(
        incident=incident,
        because=because,
        active=min(alert.active for alert in incident.decisions[0].alerts),
        ended=ended,
        judged=judged,
    )


def _worst(history: AlertHistory, alerts: Sequence[PastAlert]) -> float:
    threshold, grid = history.alert.threshold, history.grid
    values = [
        value
        for alert in alerts
        for series in history.series
        for index in range(grid.index(alert.active), grid.index(alert.resolved) if alert.resolved else grid.count)
        if (value := series.value(index)) is not None
    ]
    lowest = threshold is not None and threshold.operator in ("<", "<=")
    return (min if lowest else max)(values, default=float("nan"))


def _missed(policy: Policy, alerts: Sequence[PastAlert], past: Past, end: datetime) -> Iterable[MissedIncident]:
    rollbacks = {one.target: one for one in policy.remediations if one.action.takes_back}
    for target, remediation in rollbacks.items():
        times = [(alert.fired, alert.resolved or end) for alert in alerts if _rolls_back(policy, alert, target)]
        # The only percentage that a file can have for a rollback.
        effect = remediation.action.effect
        for time, judged in missed(past.recorded[target, effect], times, 0, past.truths):
            yield MissedIncident(time=time, effect=effect, judged=judged)


def _rolls_back(policy: Policy, alert: PastAlert, target: Target) -> bool:
    found: Remediation | None = policy.match(alert.labels)
    return found is not None and found.target == target and found.action.takes_back

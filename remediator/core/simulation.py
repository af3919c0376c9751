"""What Remediator would have done: past notifications, decided by the ladder.

Pure. The rule of this file: it repeats nothing of the ladder, and does not guess what an act would have changed. After
an act its target stays as the act left it until the incident is over: no alert fires and the cooldown has ended, or
people have raised the canary. After that, the target is as it was recorded.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from remediator.core.alerts import Alert
from remediator.core.effects import Effect
from remediator.core.ladder import Act, Skip, decide, screen, screen_all
from remediator.core.ledger import Entry, Ledger
from remediator.core.policy import Policy, Remediation, Target
from remediator.core.reasons import Reason
from remediator.core.recorded_value import RecordedValue
from remediator.core.workload import Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class PastAlert:
    """One firing of an alert."""

    labels: Mapping[str, str]
    active: datetime
    """When the breach began."""
    fired: datetime
    resolved: datetime | None

    @property
    def identity(self) -> frozenset[tuple[str, str]]:
        """The identity of the alert, the same for all its firings."""
        return frozenset(self.labels.items())

    @property
    def name(self) -> str:
        """The name of its rule."""
        return self.labels["alertname"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What one notification would have led to for a remediation."""

    time: datetime
    remediation: Remediation
    alerts: tuple[PastAlert, ...]
    result: Act | Skip


@dataclass(slots=True, kw_only=True)
class Incident:
    """An incident: the decisions of one remediation until no alert fires and no cooldown runs."""

    remediation: Remediation
    decisions: list[Decision] = field(default_factory=list)

    @property
    def acts(self) -> list[tuple[datetime, Act]]:
        """The acts and their times."""
        return [(one.time, one.result) for one in self.decisions if isinstance(one.result, Act)]

    @property
    def alerts(self) -> tuple[PastAlert, ...]:
        """The alerts that it is about, in the order in which they fired."""
        alerts = {(alert.identity, alert.fired): alert for one in self.decisions for alert in one.alerts}
        return tuple(sorted(alerts.values(), key=lambda alert: alert.fired))

    @property
    def withheld(self) -> list[Reason]:
        """Why nothing more was done, each reason once."""
        return list(dict.fromkeys(one.result.reason for one in self.decisions if isinstance(one.result, Skip)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A notification at the webhook, with the alerts in it that fire."""

    time: datetime
    alerts: tuple[PastAlert, ...]


@dataclass(slots=True, kw_only=True)
class _TargetState:
    ledger: Ledger = field(default_factory=Ledger)
    left: int | None = None
    """The value that the last act set, valid while its incident lasts."""


def simulate(
    policy: Policy, arrivals: Iterable[Arrival], recorded: Mapping[tuple[Target, Effect], RecordedValue], cluster: str
) -> list[Incident]:
    """The incidents, in the order in which they began. `cluster` is the fence."""
    ordered = sorted(arrivals, key=lambda arrival: arrival.time)
    firing = _firing(policy, ordered, cluster)
    states: dict[tuple[Target, Effect], _TargetState] = {}
    open_incidents: dict[str, Incident] = {}
    incidents: list[Incident] = []
    for arrival in ordered:
        _, wanted = screen_all([_as_sent(alert) for alert in arrival.alerts], policy, cluster)
        for remediation, indexes in wanted:
            key = (remediation.target, remediation.action.effect)
            state = states.setdefault(key, _TargetState())
            incident = open_incidents.get(remediation.name)
            if incident and _is_over(incident, state, firing[remediation.name], arrival.time, recorded[key]):
                incident, state.left = None, None
            if incident is None:
                incident = open_incidents[remediation.name] = Incident(remediation=remediation)
                incidents.append(incident)
            alerts = [arrival.alerts[index] for index in indexes]
            incident.decisions.append(_decide(policy, remediation, alerts, state, recorded[key], arrival.time))
    return incidents


def _as_sent(alert: PastAlert) -> Alert:
    return Alert(status="firing", labels=dict(alert.labels))


def _decide(
    policy: Policy,
    remediation: Remediation,
    alerts: Sequence[PastAlert],
    state: _TargetState,
    recorded: RecordedValue,
    now: datetime,
) -> Decision:
    value = recorded.at(now)
    if state.left is not None:
        value = max(state.left, value) if remediation.action.rises else state.left
    people = tuple(
        Entry(
            id=f"people-{number}",
            time=change.time,
            effect=remediation.action.effect,
            before=change.before,
            after=change.after,
            operator="people",
        )
        for number, change in enumerate(recorded.by_people)
        if change.time <= now
    )
    workload = past_workload(policy, remediation, value, state.ledger.with_entries(people))
    began, since = max(alert.fired for alert in alerts), min(alert.fired for alert in alerts)
    # In mode observe, too, the question is what it would do.
    result = decide(replace(remediation, mode="act"), workload, now, began, since=since)
    if isinstance(result, Act):
        entry = result.entry(f"act-{len(state.ledger.entries)}-{now.timestamp():.0f}", remediation, now, began)
        state.ledger, state.left = state.ledger.with_entries((entry,)), result.after
    return Decision(time=now, remediation=remediation, alerts=tuple(alerts), result=result)


def past_workload(policy: Policy, remediation: Remediation, value: int, ledger: Ledger) -> Workload:
    """The target with this percentage, or this many replicas."""
    return replace(remediation.action.past(value, policy.profiles), ledger=ledger)


def _is_over(
    incident: Incident,
    state: _TargetState,
    firing: Sequence[tuple[datetime, datetime]],
    now: datetime,
    recorded: RecordedValue,
) -> bool:
    """Whether the incident had ended before this moment, at which another alert fires."""
    acts = incident.acts
    quiet = acts[-1][0] + incident.remediation.cooldown if acts else incident.decisions[-1].time
    if acts and incident.remediation.action.takes_back:
        last, act = acts[-1]
        if any(last < change.time <= now and change.after > act.after for change in recorded.by_people):
            return True
    for start, end in firing:
        if start <= quiet < end:
            quiet = end
    return quiet <= now


def _firing(policy: Policy, arrivals: Iterable[Arrival], cluster: str) -> dict[str, list[tuple[datetime, datetime]]]:
    """For each remediation, the periods in which any alert that asks for it fires, without overlaps."""
    alerts = {(alert.identity, alert.fired): alert for arrival in arrivals for alert in arrival.alerts}
    found: dict[str, list[tuple[datetime, datetime]]] = {}
    for alert in sorted(alerts.values(), key=lambda one: one.fired):
        screened = screen(_as_sent(alert), policy, cluster)
        if isinstance(screened, Skip):
            continue
        times = found.setdefault(screened.name, [])
        end = alert.resolved or datetime.max.replace(tzinfo=alert.fired.tzinfo)
        if times and alert.fired <= times[-1][1]:
            times[-1] = (times[-1][0], max(times[-1][1], end))
        else:
            times.append((alert.fired, end))
    return found

"""The ladder: may this alert change production now, and if not, why not.

Pure: no clock, no I/O. LADDER is the one list of guards: screen() and decide() return the first Skip, explanation.py
shows what every rung found. The order is part of the contract. A rollback needs little evidence, so an unreadable
record does not stop it; adding workers needs complete evidence.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from remediator.core import ledger
from remediator.core.alerts import Alert, MalformedAlert
from remediator.core.confirmation import Confirmation
from remediator.core.durations import format_duration
from remediator.core.effects import Effect
from remediator.core.incident import last_raise
from remediator.core.policy import Policy, Remediation, is_heartbeat
from remediator.core.reasons import Reason
from remediator.core.workload import TargetInvalid, TargetMissing, Workload

Snapshot = Workload | TargetInvalid | TargetMissing

_LONGEST_VALUE = 60
_MOST_LABELS = 5
"""The most labels shown in a message, so that a sender cannot make it long."""

_T = TypeVar("_T")


Found = Callable[[], str]
"""The rung lets the alert pass. Calling this says what it found, which only explain() does, so decisions stay fast."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Skip:
    """The alert is withheld, for this reason."""

    reason: Reason
    message: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """The act: what to write, planned on the workload that was read."""

    workload: Workload
    effect: Effect
    patch: Mapping[str, Any]
    """The part of the Deployment's spec that it writes."""
    before: int | None
    after: int
    unreached: str = ""
    """Why it would reach no pod, or empty."""

    @property
    def message(self) -> str:
        """The change in words."""
        return self.effect.format_change(self.before, self.after)

    def entry(self, action_id: str, remediation: Remediation, now: datetime, began: datetime | None) -> ledger.Entry:
        """Its ledger entry; `began` is when the newest of its alerts began, stored to the second."""
        return ledger.Entry(
            id=action_id,
            time=now,
            effect=self.effect,
            before=self.before,
            after=self.after,
            remediation=remediation.name,
            starts_at=began and began.replace(microsecond=0),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertFacts:
    """The facts of the rungs that need no read of the target."""

    alert: Alert | MalformedAlert
    policy: Policy
    fence: str | None
    """The cluster whose alerts count; empty for every cluster, None if the fence is not known."""
    remediation: Remediation | None
    """The first remediation whose matchers match the alert's labels."""

    @property
    def answering(self) -> Remediation:
        """The remediation; only valid below the rung that requires one."""
        return _narrow(self.remediation, Remediation)


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetFacts:
    """The facts of the rungs after the target was read. They need no alert."""

    remediation: Remediation
    snapshot: Snapshot
    """The target as of this moment, without acts in the ledger that are later."""
    now: datetime
    began: datetime | None = None
    """When the newest of the alerts decided together began, or None if not known."""
    confirmation: Confirmation | None = None
    """Prometheus's answer about these alerts, or None if it was not asked."""
    since: datetime | None = None
    """When the oldest of them began, or None if not known."""

    @property
    def workload(self) -> Workload:
        """The target; only valid below the rung that requires a Deployment."""
        return _narrow(self.snapshot, Workload)

    @property
    def cooling_until(self) -> datetime | None:
        """When the cooldown of the last act ends, or None if it is over."""
        return self.workload.ledger.cooling_until(self.remediation.action.effect, self.remediation.cooldown, self.now)

    @property
    def planned(self) -> Act:
        """The act of an alert that passes every rung."""
        return self.remediation.action.plan(self.workload, self.remediation.target)


Facts = TypeVar("Facts", AlertFacts, TargetFacts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung(Generic[Facts]):
    """One guard of the ladder."""

    reason: Reason
    """The reason of each Skip that `check` returns."""
    check: Callable[[Facts], Found | Skip]
    ends: str = ""
    """What ends it, if time alone does not."""
    own: bool = False
    """Whether it applies only to actions that have a guard for it."""

    def applies_to(self, remediation: Remediation | None) -> bool:
        """Whether this rung applies to the remediation."""
        return not self.own or remediation is None or self.reason in remediation.action.guards


Guard = Callable[[Any, TargetFacts], Found | Skip]
"""The check of an action's own rung, a method of the action."""


def _rung(reason: Reason, *, ends: str = "") -> Callable[[Callable[[Facts], Found | Skip]], Rung[Facts]]:
    """Turns a check into a rung."""
    return lambda check: Rung(reason=reason, check=check, ends=ends)


def _own(reason: Reason, *, ends: str) -> Rung[TargetFacts]:
    """A rung whose check is a guard in the action's own file."""

    def check(facts: TargetFacts) -> Found | Skip:
        action = facts.remediation.action
        return action.guards[reason](action, facts)

    return Rung(reason=reason, check=check, ends=ends, own=True)


def screen(alert: Alert | MalformedAlert, policy: Policy, cluster: str) -> Remediation | Skip:
    """Climb the rungs that need no read of the target. `cluster` is the fence, or empty for none."""
    facts = alert_facts(alert, policy, cluster)
    return first_skip(climb(SCREENING, facts)) or facts.answering


def screen_all(
    alerts: Sequence[Alert | MalformedAlert], policy: Policy, cluster: str
) -> tuple[dict[int, Skip], list[tuple[Remediation, list[int]]]]:
    """The alerts of a notification, by their places: those that need no read, and those that each remediation answers.

    The most urgent remediation comes first.
    """
    skipped: dict[int, Skip] = {}
    wanted: dict[str, tuple[Remediation, list[int]]] = {}
    for index, alert in enumerate(alerts):
        screened = screen(alert, policy, cluster)
        if isinstance(screened, Skip):
            skipped[index] = screened
        else:
            wanted.setdefault(screened.name, (screened, []))[1].append(index)
    return skipped, sorted(wanted.values(), key=lambda pair: pair[0].action.urgency)


def alert_facts(alert: Alert | MalformedAlert, policy: Policy, fence: str | None) -> AlertFacts:
    """The facts of this alert under this policy."""
    remediation = policy.match(alert.labels) if isinstance(alert, Alert) else None
    return AlertFacts(alert=alert, policy=policy, fence=fence, remediation=remediation)


def target_facts(
    remediation: Remediation,
    snapshot: Snapshot,
    now: datetime,
    began: datetime | None,
    confirmation: Confirmation | None = None,
    *,
    since: datetime | None = None,
) -> TargetFacts:
    """The facts of this remediation's alerts at this moment."""
    return TargetFacts(
        remediation=remediation,
        snapshot=snapshot.as_of(now) if isinstance(snapshot, Workload) else snapshot,
        now=now,
        began=began,
        confirmation=confirmation,
        since=since,
    )


def decide(
    remediation: Remediation,
    workload: Snapshot,
    now: datetime,
    began: datetime | None = None,
    confirmation: Confirmation | None = None,
    *,
    since: datetime | None = None,
) -> Act | Skip:
    """Decide what a firing alert of this remediation leads to, on this workload, at this time.

    `began` and `since` are when the newest and the oldest of the alerts decided together began, None if not known;
    `confirmation` is Prometheus's answer about them, None if it was not asked.
    """
    facts = target_facts(remediation, workload, now, began, confirmation, since=since)
    return first_skip(climb(ON_TARGET, facts)) or facts.planned


def climb(rungs: Iterable[Rung[Facts]], facts: Facts) -> Iterator[tuple[Reason, Found | Skip]]:
    """The result of each rung that applies, up to and including the first Skip."""
    for rung in rungs:
        if rung.applies_to(facts.remediation):
            result = rung.check(facts)
            yield rung.reason, result
            if isinstance(result, Skip):
                return


def first_skip(results: Iterable[tuple[Reason, Found | Skip]]) -> Skip | None:
    """The Skip, or None if every rung was passed."""
    return next((result for _, result in results if isinstance(result, Skip)), None)


@_rung(Reason.MALFORMED_ALERT, ends="once its sender writes it as Alertmanager does")
def _malformed_alert(facts: AlertFacts) -> Found | Skip:
    alert = facts.alert
    if isinstance(alert, MalformedAlert):
        return Skip(reason=Reason.MALFORMED_ALERT, message=f"the alert cannot be read: {alert.problem}")
    if not alert.firing and not alert.resolved:
        message = f"the alert's status {alert.status[:_LONGEST_VALUE]!r} is neither 'firing' nor 'resolved'"
        return Skip(reason=Reason.MALFORMED_ALERT, message=message)
    return lambda: "the alert can be read"


@_rung(Reason.NOT_FIRING, ends="once it fires")
def _not_firing(facts: AlertFacts) -> Found | Skip:
    if _narrow(facts.alert, Alert).resolved:
        message = "a resolved alert can be a silence or a dead exporter, so it undoes nothing"
        return Skip(reason=Reason.NOT_FIRING, message=message)
    return lambda: "it fires"


@_rung(Reason.NO_REMEDIATION, ends="once a remediation's matchers match its labels")
def _no_remediation(facts: AlertFacts) -> Found | Skip:
    alert = _narrow(facts.alert, Alert)
    if sign := alert.without_data:
        # Under any policy: it has the labels of the rule that could not be evaluated, so matchers cannot tell it apart.
        message = f"the alert says that a query brought no data ({sign}), which is no evidence that anything is bad"
        return Skip(reason=Reason.NO_REMEDIATION, message=message)
    if is_heartbeat(alert.labels):
        return lambda: "a heartbeat, which no remediation answers"
    if (found := facts.remediation) is None:
        message = f"no remediation's matchers match the alert's labels: {_asked_for(facts.policy, alert)}"
        return Skip(reason=Reason.NO_REMEDIATION, message=message)
    return lambda: f"{found.name}: {', '.join(map(str, found.matchers))}"


def _asked_for(policy: Policy, alert: Alert) -> str:
    """The values of the labels that matchers use, which helps to find a typo."""
    names = dict.fromkeys(matcher.name for remediation in policy.remediations for matcher in remediation.matchers)
    found = [
        f"{name} is {alert.labels[name][:_LONGEST_VALUE]!r}" if name in alert.labels else f"{name} is not there"
        for name in (*names,)[:_MOST_LABELS]
    ]
    return ", ".join(found)


@_rung(Reason.FOREIGN_CLUSTER, ends="once its label cluster is that of the fence")
def _foreign_cluster(facts: AlertFacts) -> Found | Skip:
    if facts.fence is None:
        return lambda: "not known: the service may have a cluster filter (the fence)"
    if not facts.fence:
        return lambda: "no cluster filter (the fence): every cluster's alerts count"
    cluster = _narrow(facts.alert, Alert).labels.get("cluster", "")
    if cluster == facts.fence:
        return lambda: f"its cluster is {facts.fence!r}"
    found = f"is of cluster {cluster[:_LONGEST_VALUE]!r}" if cluster else "has no label cluster"
    here = f"{facts.remediation.name} would answer it" if facts.remediation else "it would be a heartbeat"
    message = f"the alert {found}, this is {facts.fence!r}; here {here}"
    return Skip(reason=Reason.FOREIGN_CLUSTER, message=message)


@_rung(Reason.HEARTBEAT, ends="once its label remediation has a value that a remediation answers")
def _heartbeat(facts: AlertFacts) -> Found | Skip:
    if is_heartbeat(_narrow(facts.alert, Alert).labels):
        return Skip(
            reason=Reason.HEARTBEAT, message="a heartbeat, which proves that alerts arrive and asks for nothing"
        )
    return lambda: "it is no heartbeat"


@_rung(Reason.TARGET_NOT_FOUND, ends="once the Deployment is there; Alertmanager delivers again until then")
def _target_not_found(facts: TargetFacts) -> Found | Skip:
    target = facts.remediation.target
    if isinstance(facts.snapshot, TargetMissing):
        message = f"there is no Deployment {target.deployment} in namespace {target.namespace}"
        return Skip(reason=Reason.TARGET_NOT_FOUND, message=message)
    return lambda: f"Deployment {target.deployment} in namespace {target.namespace}"


@_rung(Reason.TARGET_INVALID, ends="once that is fixed; Alertmanager delivers again until then")
def _target_invalid(facts: TargetFacts) -> Found | Skip:
    target = facts.remediation.target
    if isinstance(facts.snapshot, TargetInvalid):
        message = f"Deployment {target.deployment}: {facts.snapshot.problem}"
        return Skip(reason=Reason.TARGET_INVALID, message=message)
    action = facts.remediation.action
    if problem := action.unusable(facts.workload, target, facts.now):
        return Skip(reason=Reason.TARGET_INVALID, message=problem)
    return lambda: action.usable(target)


@_rung(Reason.PAUSED)
def _paused(facts: TargetFacts) -> Found | Skip:
    workload, now = facts.workload, facts.now
    if held := workload.held_by(now):
        message = f"paused by {held.author} for another {format_duration(held.until - now)}: {held.reason}"
        return Skip(reason=Reason.PAUSED, message=message, until=held.until)
    if (pause := workload.pause) is None:
        return lambda: next((problem for problem in workload.problems if ledger.PAUSE in problem), "no pause")
    if pause.until <= now:
        return lambda: f"the pause of {pause.author} ended {_ago(pause.until, now)} ago"
    return lambda: f"not believed: {workload.unbelievable(now)}"


_kill_switch_on = _own(
    Reason.KILL_SWITCH_ON, ends="once the kill switch is taken off and there is a replica to start from"
)
_already_safe = _own(Reason.ALREADY_SAFE, ends="once someone has raised the canary again")
_at_limit = _own(Reason.AT_LIMIT, ends="once there are fewer replicas, or max is raised")
_autoscaler_owned = _own(Reason.AUTOSCALER_OWNED, ends="once no autoscaler owns the replicas")


@_rung(Reason.COOLING_DOWN)
def _cooling_down(facts: TargetFacts) -> Found | Skip:
    remediation, now = facts.remediation, facts.now
    if not (acts := facts.workload.ledger.automatic(remediation.action.effect)):
        return lambda: f"no act yet, cooldown {format_duration(remediation.cooldown)}"
    last = acts[-1]

    def found() -> str:
        return f"last act {_ago(last.time, now)} ago, cooldown {format_duration(remediation.cooldown)}"

    if not (until := facts.cooling_until):
        return found
    raised = last_raise(facts.workload, remediation, now)
    if raised and raised.precedes(facts.began, now):
        return lambda: f"{found()}; it does not apply, because the alert began after {raised}"
    message = f"{last.remediation} set {last.change} {_ago(last.time, now)} ago"
    message += f", cooling down for another {format_duration(until - now)}"
    if raised:
        message += f". The cooldown does not apply to alerts that began after {raised}"
    elif (value := last.effect.read(facts.workload)) is not None and not last.effect.stands(last.after, facts.workload):
        message += f"; someone has set {last.effect.format_value(value)} since"
    return Skip(reason=Reason.COOLING_DOWN, message=message, until=until)


_ineffective = _own(Reason.INEFFECTIVE, ends="once the alert is resolved, or someone else sets the replicas")


@_rung(Reason.BUDGET_SPENT)
def _budget_spent(facts: TargetFacts) -> Found | Skip:
    budget, effect, now = facts.remediation.budget, facts.remediation.action.effect, facts.now
    if until := facts.workload.ledger.budget_spent_until(effect, budget.acts, budget.window, now):
        message = f"{budget.acts} acts in {format_duration(budget.window)}, which is the budget; a human must look. "
        message += f"Another is allowed in {format_duration(until - now)}"
        return Skip(reason=Reason.BUDGET_SPENT, message=message, until=until)
    spent = facts.workload.ledger.spent
    return lambda: f"{len(spent(effect, budget.window, now))} of {budget.acts} acts in {format_duration(budget.window)}"


@_rung(Reason.RECOVERED, ends="once its rule fires in Prometheus")
def _recovered(facts: TargetFacts) -> Found | Skip:
    confirmation = facts.confirmation
    if confirmation is None:
        return lambda: "Prometheus is asked when an alert comes, if the service has one to ask"
    if confirmation.answer == "refuted":
        return Skip(reason=Reason.RECOVERED, message=confirmation.message)
    return lambda: confirmation.text


@_rung(Reason.OBSERVING, ends="once its mode is act")
def _observing(facts: TargetFacts) -> Found | Skip:
    remediation, confirmation = facts.remediation, facts.confirmation
    if remediation.mode == "observe":
        because = f"{remediation.action.once_confirmed(confirmation)} ({confirmation.text})" if confirmation else ""
        message = f"would have set {facts.planned.message}{because}, but mode is observe"
        return Skip(reason=Reason.OBSERVING, message=message)
    return lambda: f"mode is {remediation.mode}"


# After mode observe, so that an alert that is only observed never fails because a confirmation is missing.
_unconfirmed = _own(Reason.UNCONFIRMED, ends="once Prometheus confirms it; Alertmanager delivers again until then")


def _ago(time: datetime, now: datetime) -> str:
    return format_duration(timedelta(seconds=max(now - time, timedelta(0)) // timedelta(seconds=1)))


def _narrow(value: object, kind: type[_T]) -> _T:
    """The value, which an earlier rung guarantees to be of this kind."""
    if not isinstance(value, kind):
        raise TypeError(f"a rung was reached with {value!r}, and needs a {kind.__name__}")
    return value


SCREENING: tuple[Rung[AlertFacts], ...] = (
    _malformed_alert,
    _not_firing,
    _no_remediation,
    _foreign_cluster,
    _heartbeat,
)
"""The rungs that need no read of the target."""

ON_TARGET: tuple[Rung[TargetFacts], ...] = (
    _target_not_found,
    _target_invalid,
    _paused,
    _kill_switch_on,
    _already_safe,
    _at_limit,
    _autoscaler_owned,
    _cooling_down,
    _ineffective,
    _budget_spent,
    _recovered,
    _observing,
    _unconfirmed,
)
"""The rungs that need the target, as it was read."""

LADDER: tuple[Rung[AlertFacts] | Rung[TargetFacts], ...] = (*SCREENING, *ON_TARGET)
"""Every rung, from the first that is tried to the last."""

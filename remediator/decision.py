"""The ladder: may this alert change production now, and if not, why not.

Pure: no clock, no I/O. Each rung is one guard with one reason, and the first that matches wins; the order is part of
the contract. A rollback needs little evidence, so nothing unreadable stops it; adding workers needs all of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import assert_never

from remediator.alerts import Alert, MalformedAlert
from remediator.durations import format_duration
from remediator.ledger import Effect, spell_change
from remediator.policy import Policy, Remediation, Scale, SetPercentage
from remediator.reasons import Reason
from remediator.workload import TargetInvalid, TargetMissing, Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class Skip:
    """Nothing is to be written, for this reason."""

    reason: Reason
    message: str
    until: datetime | None = None


_NOT_FIRING = Skip(
    reason=Reason.NOT_FIRING,
    message="a resolved alert can be a silence or a dead exporter, so it undoes nothing",
)
_NO_REMEDIATION = Skip(
    reason=Reason.NO_REMEDIATION,
    message="no remediation's matchers match the alert's labels",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """What is to be written: the flags of a profile, or a number of replicas, on the workload as it was read."""

    workload: Workload
    effect: Effect
    change: Mapping[str, str] | int
    before: int | None
    after: int

    @property
    def message(self) -> str:
        """The change in words."""
        return spell_change(self.effect, self.before, self.after)


def screen(alert: Alert | MalformedAlert, policy: Policy, cluster: str) -> Remediation | Skip:
    """The rungs that need no look at the target. `cluster` is the fence; empty means that there is none."""
    if isinstance(alert, MalformedAlert):
        return Skip(reason=Reason.MALFORMED_ALERT, message=f"the alert cannot be read: {alert.problem}")
    if not alert.firing:
        return _NOT_FIRING
    remediation = policy.match(alert.labels)
    if remediation is None:
        return _NO_REMEDIATION
    if cluster and alert.labels.get("cluster") != cluster:
        theirs = alert.labels.get("cluster")
        found = f"is of cluster {theirs!r}" if theirs else "has no label cluster"
        return Skip(reason=Reason.FOREIGN_CLUSTER, message=f"the alert {found}, this is {cluster!r}")
    return remediation


def decide(remediation: Remediation, workload: Workload | TargetInvalid | TargetMissing, now: datetime) -> Act | Skip:
    """What a firing alert of this remediation leads to, on this workload, at this moment."""
    target = remediation.target
    if isinstance(workload, TargetMissing):
        message = f"there is no Deployment {target.deployment} in namespace {target.namespace}"
        return Skip(reason=Reason.TARGET_NOT_FOUND, message=message)
    if isinstance(workload, TargetInvalid):
        return Skip(reason=Reason.TARGET_INVALID, message=f"Deployment {target.deployment}: {workload.problem}")
    if problem := unusable(remediation, workload, now):
        return Skip(reason=Reason.TARGET_INVALID, message=problem)
    if pause := workload.held_by(now):
        message = f"paused by {pause.author} for another {format_duration(pause.until - now)}: {pause.reason}"
        return Skip(reason=Reason.PAUSED, message=message, until=pause.until)
    match remediation.action:
        case SetPercentage() as action:
            step = _lower(remediation, action, workload, now)
        case Scale() as action:
            step = _raise(remediation, action, workload, now)
        case _:
            assert_never(remediation.action)
    if isinstance(step, Skip):
        return step
    return _allowed(remediation, step, workload, now)


def unusable(remediation: Remediation, workload: Workload, now: datetime) -> str:
    """Why this act, and perhaps no other, cannot be done on the workload, or empty."""
    if isinstance(remediation.action, SetPercentage):
        problem = workload.env_problem(remediation.action.profile)
        return problem and f"container {remediation.target.container}: {problem}"
    problem = workload.unbelievable(now)
    return problem and f"adding replicas needs a readable record: {problem}"


def _lower(remediation: Remediation, action: SetPercentage, workload: Workload, now: datetime) -> Act | Skip:
    # Right after our own rollback the alert is expected to fire on; that is a cooldown, not a riddle.
    if workload.at_or_below(action.percentage, action.profile) and not _cooling(remediation, workload, now):
        message = f"already at {workload.percentage()} %, and the alert still fires: the cause is elsewhere"
        return Skip(reason=Reason.ALREADY_SAFE, message=message)
    return Act(
        workload=workload,
        effect=action.effect,
        change=action.profile,
        before=workload.percentage(),
        after=action.percentage,
    )


def _raise(remediation: Remediation, action: Scale, workload: Workload, now: datetime) -> Act | Skip:
    if switch := workload.kill_switch:
        by = f" by {switch.author}" if switch.author else ""
        return Skip(reason=Reason.KILL_SWITCH_ON, message=f"latched at 0{by}: {switch.reason or 'no reason given'}")
    if workload.replicas == 0:
        message = "at 0 replicas by hand, which counts as a kill switch; scale to 1 or more to release it"
        return Skip(reason=Reason.KILL_SWITCH_ON, message=message)
    if workload.replicas >= action.max:
        message = f"already {workload.replicas} replicas, and max is {action.max}; a human must look"
        return Skip(reason=Reason.AT_LIMIT, message=message)
    if workload.autoscaler:
        message = f"replicas are owned by {workload.autoscaler}, which would revert any change; raise its maximum"
        return Skip(reason=Reason.AUTOSCALER_OWNED, message=message)
    replicas = min(max(workload.replicas + action.step, action.min), action.max)
    return Act(workload=workload, effect=action.effect, change=replicas, before=workload.replicas, after=replicas)


def _allowed(remediation: Remediation, act: Act, workload: Workload, now: datetime) -> Act | Skip:
    """The last rungs, the same for every effect: cooldown, budget, mode."""
    ledger = workload.ledger.as_of(now)
    if until := _cooling(remediation, workload, now):
        last = ledger.automatic(act.effect)[-1]
        change = spell_change(last.effect, last.before, last.after)
        elapsed = timedelta(seconds=max(now - last.time, timedelta(0)) // timedelta(seconds=1))
        message = f"{last.remediation} set {change} {format_duration(elapsed)} ago"
        message += f", cooling down for another {format_duration(until - now)}"
        if act.before is not None and act.before > last.after and act.effect is Effect.SET_PERCENTAGE:
            message += f"; somebody has set {act.before} % since"
        return Skip(reason=Reason.COOLING_DOWN, message=message, until=until)
    budget = remediation.budget
    if until := ledger.budget_spent_until(act.effect, budget.acts, budget.window, now):
        message = f"{budget.acts} acts in {format_duration(budget.window)}, which is the budget; a human must look. "
        message += f"Another is allowed in {format_duration(until - now)}"
        return Skip(reason=Reason.BUDGET_SPENT, message=message, until=until)
    if remediation.mode == "observe":
        return Skip(reason=Reason.OBSERVING, message=f"would have set {act.message}, but mode is observe")
    return act


def _cooling(remediation: Remediation, workload: Workload, now: datetime) -> datetime | None:
    ledger = workload.ledger.as_of(now)
    return ledger.cooling_until(remediation.action.effect, remediation.cooldown, now)

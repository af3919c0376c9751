"""Why an alert does or does not become an act: the ladder rung by rung, and when the same alert would get further.

The rule of this file: the verdict is that of screen() and decide(). Here is only told what each rung looked at. Pure.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from remediator import ledger
from remediator.alerts import Alert, MalformedAlert
from remediator.decision import Act, Skip, decide, screen
from remediator.durations import format_duration
from remediator.ledger import Effect
from remediator.policy import Policy, Remediation, Scale, SetPercentage
from remediator.reasons import Kind, Reason
from remediator.workload import TargetInvalid, TargetMissing, Workload

LADDER = tuple(Reason)[: tuple(Reason).index(Reason.OBSERVING) + 1]
"""The rungs, from the first that is tried to the last."""

_ONLY_FOR: Mapping[Reason, Effect] = {
    Reason.KILL_SWITCH_ON: Effect.SCALE,
    Reason.ALREADY_SAFE: Effect.SET_PERCENTAGE,
    Reason.AT_LIMIT: Effect.SCALE,
    Reason.AUTOSCALER_OWNED: Effect.SCALE,
}

_ENDS: Mapping[Reason, str] = {
    Reason.MALFORMED_ALERT: "once its sender writes it as Alertmanager does",
    Reason.NOT_FIRING: "once it fires",
    Reason.NO_REMEDIATION: "once a remediation's matchers match its labels",
    Reason.FOREIGN_CLUSTER: "once its label cluster is that of the fence",
    Reason.TARGET_NOT_FOUND: "once the Deployment is there; Alertmanager delivers again until then",
    Reason.TARGET_INVALID: "once that is mended; Alertmanager delivers again until then",
    Reason.KILL_SWITCH_ON: "once the kill switch is taken off and there is a replica to start from",
    Reason.ALREADY_SAFE: "once somebody has raised the canary again",
    Reason.AT_LIMIT: "once there are fewer replicas, or max is raised",
    Reason.AUTOSCALER_OWNED: "once no autoscaler owns the replicas",
    Reason.OBSERVING: "once its mode is act",
}
"""What ends a reason that no time ends."""


class Step(StrEnum):
    """What became of an alert on one rung."""

    PASSED = "passed"
    STOPPED = "stopped here"
    NOT_REACHED = "not reached"
    DOES_NOT_APPLY = "does not apply"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """One rung of the ladder, by the reason that it would give, and what was looked at."""

    reason: Reason
    step: Step
    found: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What an alert would lead to, and why."""

    alert: Alert | MalformedAlert
    remediation: Remediation | None
    decision: Act | Skip
    rungs: tuple[Rung, ...]
    at: datetime
    """The moment that the decision is about."""
    later: Act | Skip
    """What the same alert would lead to once all that time alone can end has ended."""
    later_at: datetime

    @property
    def reason(self) -> Reason | None:
        """The rung that stopped it, or None where it would act."""
        return self.decision.reason if isinstance(self.decision, Skip) else None

    @property
    def kind(self) -> Kind:
        """Whether it would act, be withheld, be nothing to act on, or fail."""
        return self.reason.kind if self.reason else "acted"

    @property
    def acts_at(self) -> datetime | None:
        """When it would act if nothing but time passes, or None where time alone does not do."""
        return self.later_at if isinstance(self.later, Act) else None

    @property
    def answer(self) -> str:
        """What it would lead to, in one sentence."""
        if isinstance(self.decision, Act):
            return f"It would act: set {self.decision.message}."
        verdict = {"ignored": "Nothing would be done", "failed": "It could not act", "withheld": "It would not act"}
        return f"{verdict[self.kind]} ({self.decision.reason}): {self.decision.message}."

    @property
    def again(self) -> str:
        """When it would act, where it would not now; or empty."""
        if isinstance(self.decision, Act):
            return ""
        moment = f"At {spell_time(self.later_at)}, in {format_duration(self.later_at - self.at)},"
        if isinstance(self.later, Act):
            return f"{moment} it would act again, if it is delivered then: set {self.later.message}."
        if self.later_at == self.at:
            return f"It would act {_ENDS[self.later.reason]}."
        return f"{moment} it would be {self.later.reason}, and act {_ENDS[self.later.reason]}."


def explain(
    alert: Alert | MalformedAlert,
    policy: Policy,
    fence: str,
    look: Callable[[Remediation], Workload | TargetInvalid | TargetMissing],
    now: datetime,
) -> Explanation:
    """What this alert would lead to at this moment. `look` is asked for the remediation's target, if it gets so far."""
    screened = screen(alert, policy, fence)
    if isinstance(screened, Skip):
        # The fence comes after the match, so one who stops there has a remediation.
        matched = policy.match(alert.labels) if isinstance(alert, Alert) and alert.firing else None
        rungs = _rungs(screened, lambda reason: _screened(reason, matched, fence), matched)
        return Explanation(
            alert=alert, remediation=matched, decision=screened, rungs=rungs, at=now, later=screened, later_at=now
        )
    snapshot = look(screened)
    decision = decide(screened, snapshot, now)

    def found(reason: Reason) -> str:
        if text := _screened(reason, screened, fence):
            return text
        return _looked_at(reason, screened, snapshot, now) if isinstance(snapshot, Workload) else _place(screened)

    at, later = now, decision
    while isinstance(later, Skip) and later.until:
        at = later.until
        later = decide(screened, snapshot, at)
    return Explanation(
        alert=alert,
        remediation=screened,
        decision=decision,
        rungs=_rungs(decision, found, screened),
        at=now,
        later=later,
        later_at=at,
    )


def _rungs(decision: Act | Skip, found: Callable[[Reason], str], remediation: Remediation | None) -> tuple[Rung, ...]:
    stopped_at = LADDER.index(decision.reason) if isinstance(decision, Skip) else len(LADDER)
    rungs = []
    for index, reason in enumerate(LADDER):
        only_for = _ONLY_FOR.get(reason)
        if isinstance(decision, Skip) and index == stopped_at:
            rung = Rung(reason=reason, step=Step.STOPPED, found=decision.message)
        elif remediation and only_for not in (None, remediation.action.effect):
            rung = Rung(reason=reason, step=Step.DOES_NOT_APPLY, found=f"only for {only_for}")
        elif index > stopped_at:
            rung = Rung(reason=reason, step=Step.NOT_REACHED, found="")
        else:
            rung = Rung(reason=reason, step=Step.PASSED, found=found(reason))
        rungs.append(rung)
    return tuple(rungs)


def _screened(reason: Reason, remediation: Remediation | None, fence: str) -> str:
    """What a passed rung that needs no look at the target looked at; empty for the others."""
    match reason:
        case Reason.MALFORMED_ALERT:
            return "the alert can be read"
        case Reason.NOT_FIRING:
            return "it fires"
        case Reason.NO_REMEDIATION if remediation:
            return f"{remediation.name}: {', '.join(map(str, remediation.matchers))}"
        case Reason.FOREIGN_CLUSTER:
            return f"its cluster is {fence!r}" if fence else "no fence: alerts of every cluster count"
        case _:
            return ""


def _looked_at(reason: Reason, remediation: Remediation, workload: Workload, now: datetime) -> str:
    """What a passed rung looked at on the target."""
    action, target = remediation.action, remediation.target
    match reason:
        case Reason.TARGET_NOT_FOUND:
            return _place(remediation)
        case Reason.TARGET_INVALID:
            usable = f"container {target.container} and its flags can be written"
            return usable if isinstance(action, SetPercentage) else "what is recorded on it can be read"
        case Reason.PAUSED:
            return _pause(workload, now)
        case Reason.KILL_SWITCH_ON:
            return f"the kill switch is off, {workload.replicas} replicas"
        case Reason.ALREADY_SAFE if isinstance(action, SetPercentage):
            return _share(action, workload)
        case Reason.AT_LIMIT if isinstance(action, Scale):
            return f"{workload.replicas} replicas, max is {action.max}"
        case Reason.AUTOSCALER_OWNED:
            return "no autoscaler owns the replicas"
        case Reason.COOLING_DOWN:
            acts = workload.ledger.as_of(now).automatic(action.effect)
            last = f"last act {_ago(acts[-1].time, now)} ago" if acts else "no act yet"
            return f"{last}, cooldown {format_duration(remediation.cooldown)}"
        case Reason.BUDGET_SPENT:
            budget = remediation.budget
            acts = workload.ledger.as_of(now).automatic(action.effect)
            spent = sum(act.time + budget.window > now for act in acts)
            return f"{spent} of {budget.acts} acts in {format_duration(budget.window)}"
        case _:
            return f"mode is {remediation.mode}"


def _pause(workload: Workload, now: datetime) -> str:
    if workload.pause is None:
        return next((problem for problem in workload.problems if ledger.PAUSE in problem), "no pause")
    if workload.pause.until <= now:
        return f"the pause of {workload.pause.author} ended {_ago(workload.pause.until, now)} ago"
    return f"not believed: {workload.unbelievable(now)}"


def _share(action: SetPercentage, workload: Workload) -> str:
    percentage = workload.percentage()
    if percentage is None:
        return "the percentage cannot be told, so it may be high"
    if workload.at_or_below(action.percentage, action.profile):
        return f"at {percentage} % by an act that is still cooling down"
    if percentage > action.percentage:
        return f"at {percentage} %, wanted is {action.percentage} %"
    return f"at {percentage} %, but other flags differ from its profile"


def _place(remediation: Remediation) -> str:
    return f"Deployment {remediation.target.deployment} in namespace {remediation.target.namespace}"


def _ago(time: datetime, now: datetime) -> str:
    return format_duration(timedelta(seconds=max(now - time, timedelta(0)) // timedelta(seconds=1)))


def spell_time(time: datetime) -> str:
    """A time to the second, in UTC, as RFC 3339 has it."""
    return time.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")

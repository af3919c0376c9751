"""The checks before the canary gets more traffic, each defined once.

`canary set` refuses if a check with a `word` has not passed; `status` and `promote` judge by the checks, and
`preflight` shows them. Only a person may override a refusal, and that is recorded. The words are the reflex's reasons
where it has one. Whether the reflex would act is decided by decide() itself.

Pure: no clock, no I/O.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import assert_never

from remediator.canary.flags import read_setting
from remediator.core.checks import DOCS, Check
from remediator.core.durations import format_duration
from remediator.core.ladder import Act, Skip, decide
from remediator.core.ledger import MAX_OPERATOR, MAX_REASON
from remediator.core.policy import Policy, Remediation, Target
from remediator.core.reasons import Reason
from remediator.core.workload import TargetInvalid, TargetMissing, Workload
from remediator.monitoring.evidence import FoundAlerts, Unknown

ALERT_FIRING = "AlertFiring"
ALERTS_UNKNOWN = "AlertsUnknown"
ROLLOUT_PAUSED = "RolloutPaused"
ROLLOUT_STUCK = "RolloutStuck"

Rollbacks = Sequence[tuple[Remediation, Act | Skip]]
"""The remediations that take the canary back, with what each would decide from a profile."""


def rollbacks_from(
    canary: Workload, target: Target, policy: Policy, profile: Mapping[str, str], now: datetime
) -> Rollbacks:
    """What each rollback alert would lead to, were the canary at this profile already."""
    present = {name for name, _ in canary.env}
    env = [(name, profile.get(name, value) if value is not None else None) for name, value in canary.env]
    env += [(name, value) for name, value in profile.items() if name not in present]
    raised = replace(canary, env=tuple(env))
    return [(remediation, decide(remediation, raised, now)) for remediation in policy.rollbacks(target)]


def refusals(
    canary: Workload,
    workers: Sequence[Workload],
    target: Target,
    policy: Policy,
    profile: Mapping[str, str],
    alarm: FoundAlerts | None,
    now: datetime,
) -> tuple[Check, ...]:
    """The failed checks that forbid a raise to this profile now. `alarm` is None if no monitoring was queried."""
    checks = (
        pause(canary, now),
        rollout(canary, target),
        kill_switch(canary, "the Deployment is "),
        *(kill_switch(one, "the workers are ") for one in workers),
        record(canary, now),
        _taken_back(rollbacks_from(replace(canary, pause=None), target, policy, profile, now), now),
        *(() if alarm is None else (alerts("alerts", alarm, "fires, and would take the canary back"),)),
    )
    return tuple(check for check in checks if check.word and not check.passed)


def check_canary(workload: Workload, target: Target, wanted: int | None, policy: Policy, now: datetime) -> list[Check]:
    """Whether the canary is healthy, can be raised to `wanted`, and would be rolled back from there."""
    profile = {} if wanted is None else policy.profiles.get(wanted, {})
    rollbacks = rollbacks_from(workload, target, policy, profile, now)
    guarded = guard(workload, target, policy, profile, rollbacks, now)
    if guarded.warning and not any(isinstance(one, Act) for _, one in rollbacks):
        guarded = replace(guarded, passed=False, warning=False)
    return [
        replace(rollout(workload, target), name="deployment"),
        flags(workload, policy),
        _step(workload, wanted, policy),
        pause(workload, now),
        kill_switch(workload),
        record(workload, now),
        guarded,
    ]


def check_workers(found: Mapping[Target, Workload | TargetInvalid | TargetMissing]) -> Iterator[Check]:
    """Whether the worker Deployments can be used, and are not switched off."""
    for target, read in found.items():
        match read:
            case TargetMissing():
                text = f"there is no Deployment {target.deployment} in namespace {target.namespace}"
                yield Check(name=target.name, passed=False, found=text, remedy="compare targets with the cluster")
            case TargetInvalid(problem=problem):
                yield Check(name=target.name, passed=False, found=problem, remedy="fix the Deployment")
            case Workload():
                yield replace(kill_switch(read), name=target.name)
            case _:
                assert_never(read)


def pause(target: Workload, now: datetime) -> Check:
    """Whether the target is not paused: the person who paused it does not want it to change."""
    if not (held := target.held_by(now)):
        return Check(name="pause", passed=True, found="no pause")
    left = format_duration(held.until - now)
    found = f"paused by {held.author[:MAX_OPERATOR]} for another {left}: {held.reason[:MAX_REASON]}"
    return Check(name="pause", passed=False, word=Reason.PAUSED, found=found, remedy="remediator resume")


def rollout(canary: Workload, target: Target) -> Check:
    """Whether all pods follow the Deployment. A raise is refused only if they would never follow it, or a rollback."""
    name, kubectl, place = "rollout", f"kubectl -n {target.namespace}", f"deployment/{target.deployment}"
    if canary.rollout.paused:
        found = "the Deployment is paused, so neither this nor a rollback would reach a pod"
        remedy = f"{kubectl} rollout resume {place}"
        return Check(name=name, passed=False, word=ROLLOUT_PAUSED, found=found, remedy=remedy)
    if stuck := canary.rollout.stuck:
        found = f"the last change does not reach the pods, so a rollback may not either: {stuck}"
        remedy = f"{kubectl} describe {place}"
        return Check(name=name, passed=False, word=ROLLOUT_STUCK, found=found, remedy=remedy)
    remedy = f"{kubectl} rollout status {place}"
    if canary.replicas == 0:
        return Check(name=name, passed=False, found="0 replicas are wanted, so nothing runs", remedy=remedy)
    passed, found = canary.rollout.converged(canary.replicas), canary.rollout.spell(canary.replicas)
    return Check(name=name, passed=passed, found=found, remedy=remedy)


def flags(canary: Workload, policy: Policy) -> Check:
    """Whether the flags are exactly those of a step, and can be written."""
    name, setting = "flags", read_setting(canary, policy.profiles)
    if setting.percentage is None:
        return Check(name=name, passed=False, found=str(setting), remedy="remediator canary set 0")
    problem = canary.env_problem(policy.profiles[setting.percentage])
    found = problem or (f"{setting}, with all flags of its profile" if setting.is_profile else str(setting))
    passed = setting.is_profile and not problem
    return Check(name=name, passed=passed, found=found, remedy=f"remediator canary set {setting.percentage}")


def kill_switch(target: Workload, subject: str = "") -> Check:
    """Whether the target is neither latched nor at 0 replicas; `subject` names it in messages about several."""
    name, remedy = "kill switch", "remediator kill-switch off, when you are sure"
    if not target.switched_off:
        return Check(name=name, passed=True, found=f"the kill switch is off, {target.replicas} replicas")
    found = f"{subject}at 0 replicas, which counts as a kill switch"
    if switch := target.kill_switch:
        by = f" by {switch.author[:MAX_OPERATOR]}" if switch.author else ""
        found = f"{subject}latched at 0{by}: {switch.reason[:MAX_REASON] or 'no reason given'}"
    return Check(name=name, passed=False, word=Reason.KILL_SWITCH_ON, found=found, remedy=remedy)


def record(target: Workload, now: datetime) -> Check:
    """Whether the record (ledger, pause, kill switch) can be read. A raise is refused without it, a rollback is not."""
    name, problem = "record", target.unbelievable(now)
    if not problem:
        return Check(name=name, passed=True, found="what is recorded on the Deployment can be read")
    remedy = f"fix or remove the annotation: {DOCS}/reasons.md"
    return Check(name=name, passed=False, word=Reason.TARGET_INVALID, found=problem, remedy=remedy)


def _taken_back(rollbacks: Rollbacks, now: datetime) -> Check:
    """Whether every rollback alert would roll the canary back, apart from a pause and mode `observe`.

    `rollbacks` are decided as if there were no pause, which has a check of its own; with `observe`, people have chosen
    to roll back by hand.
    """
    name = "reflex"
    if not rollbacks:
        found, remedy = "no remediation takes the canary back", "add one to remediations.yaml"
        return Check(name=name, passed=False, word=Reason.NO_REMEDIATION, found=found, remedy=remedy)
    for remediation, decision in rollbacks:
        if isinstance(decision, Skip) and decision.reason is not Reason.OBSERVING:
            why = decision.message
            if decision.reason is Reason.COOLING_DOWN and decision.until:
                left = format_duration(decision.until - now)
                why = f"its last act cools down for another {left}, except for alerts that begin after the raise"
            found = f"{remediation.name} would not take the canary back: {why}"
            remedy = "find out why it acted, and wait"
            return Check(name=name, passed=False, word=decision.reason, found=found, remedy=remedy)
    return Check(name=name, passed=True, found="nothing keeps an alert from taking it back")


def acts_alone(rollbacks: Rollbacks) -> Check:
    """Whether every rollback alert would roll the canary back without a person: not if paused, or in `observe`."""
    name = "reflex acts"
    if not rollbacks:
        found = "no alert would take it back: there is no remediation for that"
        return Check(name=name, passed=False, found=found, remedy="add one to remediations.yaml")
    for remediation, decision in rollbacks:
        if isinstance(decision, Skip):
            found = f"{remediation.name} would be withheld ({decision.reason}): {decision.message}"
            return Check(name=name, passed=False, found=found, remedy=_remedy(decision.reason, remediation))
    return Check(name=name, passed=True, found="an alert would take it back")


def guard(
    canary: Workload,
    target: Target,
    policy: Policy,
    profile: Mapping[str, str],
    rollbacks: Rollbacks,
    now: datetime,
) -> Check:
    """Whether an alert would roll back canary and pods from this profile; a warning if paused or in `observe`."""
    let = rollbacks_from(replace(canary, pause=None), target, policy, profile, now) if canary.pause else rollbacks
    for check in (_taken_back(let, now), rollout(canary, target)):
        if check.word and not check.passed:
            return replace(check, name="reflex")
    act = next((f"a rollback alert would set {one.message}" for _, one in rollbacks if isinstance(one, Act)), "")
    alone = acts_alone(rollbacks)
    if alone.passed:
        return Check(name="reflex", passed=True, found=act)
    found = f"{act}, but {alone.found}" if act else alone.found
    return Check(name="reflex", passed=True, warning=True, found=found, remedy=alone.remedy)


def alerts(name: str, found: FoundAlerts, when: str) -> Check:
    """Whether no alert asks for a rollback; `when` names the period in messages."""
    if isinstance(found, Unknown):
        remedy = "nothing is promoted without knowing the alerts: fix that first"
        return Check(name=name, passed=None, word=ALERTS_UNKNOWN, found=found.why, remedy=remedy)
    if not found:
        return Check(name=name, passed=True, found=f"none that ask for a rollback {when}")
    text, remedy = f"{alert_names(found)} {when}", f"find the cause: {DOCS}/runbooks"
    return Check(name=name, passed=False, word=ALERT_FIRING, found=text, remedy=remedy)


def alert_names(found: Iterable[Mapping[str, str]]) -> str:
    """Names of alerts, made printable and cut: anyone who may post alerts can choose them."""
    names = {labels.get("alertname") or "an alert without a name" for labels in found}
    return ", ".join(sorted((name if name.isprintable() else ascii(name))[:100] for name in names))


def _remedy(reason: Reason, remediation: Remediation) -> str:
    match reason:
        case Reason.OBSERVING:
            return f"set mode: act for {remediation.name} in remediations.yaml"
        case Reason.PAUSED:
            return f"remediator resume {remediation.target.name}"
        case _:
            return "remediator explain shows when it would act again"


def _step(workload: Workload, wanted: int | None, policy: Policy) -> Check:
    name, percentage = "step", workload.percentage()
    if wanted is None:
        found = "there is no step to take" if percentage is not None else "the next step is not known"
        return Check(name=name, passed=False, found=found, remedy="give the PERCENTAGE")
    if percentage is None or percentage >= wanted:
        at = "unknown" if percentage is None else f"{percentage} %"
        return Check(name=name, passed=percentage is not None, found=f"{wanted} %, from {at}", remedy="see flags")
    found = f"{percentage} % -> {wanted} %"
    if left_out := policy.steps_between(percentage, wanted):
        found += f", skips {', '.join(f'{step} %' for step in left_out)}"
        remedy = f"the next step is {left_out[0]} %: remediator canary set {left_out[0]}"
        return Check(name=name, passed=True, found=found, remedy=remedy, warning=True)
    return Check(name=name, passed=True, found=found)

"""What must be true of the Deployments before the canary is raised, and whether the reflex would take it back.

Pure: no clock, no I/O. Whether the reflex would act is not guessed: decide() is asked about the canary as it would be.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime

from remediator.checks import Check
from remediator.decision import Act, decide
from remediator.durations import format_duration
from remediator.ledger import MAX_OPERATOR
from remediator.policy import Policy, Remediation, SetPercentage, Target
from remediator.running import check_rollout, differences
from remediator.workload import TargetInvalid, TargetMissing, Workload

Look = Workload | TargetInvalid | TargetMissing


def rollback_of(policy: Policy, target: Target) -> Remediation | None:
    """The remediation that takes a target back, or None."""
    answers = (answer for answer in policy.remediations if answer.target == target)
    return next((answer for answer in answers if isinstance(answer.action, SetPercentage)), None)


def check_canary(workload: Workload, target: Target, wanted: int | None, policy: Policy, now: datetime) -> list[Check]:
    """Whether the canary is in order, can be raised to `wanted`, and would be taken back from there."""
    return [
        replace(check_rollout(workload, target), name="deployment"),
        _flags(workload, policy),
        _step(workload, wanted, policy),
        _pause(workload, now),
        _kill_switch("kill switch", workload),
        _record(workload, now),
        _cooldown(workload, target, policy, now),
        _reflex(workload, target, wanted, policy, now),
    ]


def check_workers(found: Mapping[Target, Look]) -> Iterator[Check]:
    """Whether the Deployments that are scaled can be used, and are not switched off."""
    for target, look in found.items():
        match look:
            case TargetMissing():
                text = f"there is no Deployment {target.deployment} in namespace {target.namespace}"
                yield Check(name=target.name, passed=False, found=text, remedy="compare targets with the cluster")
            case TargetInvalid(problem=problem):
                yield Check(name=target.name, passed=False, found=problem, remedy="mend the Deployment")
            case Workload():
                yield _kill_switch(target.name, look)


def _flags(workload: Workload, policy: Policy) -> Check:
    percentage = workload.percentage()
    profile = None if percentage is None else policy.profiles.get(percentage)
    if profile is None:
        said = "do not tell the percentage" if percentage is None else f"say {percentage} %, which is no profile"
        return Check(name="flags", passed=False, found=f"the flags {said}", remedy="remediator canary set 0")
    problem = workload.env_problem(profile) or "; ".join(differences(workload.flags(), profile))
    found = f"at {percentage} %, but {problem}" if problem else f"at {percentage} %, with all flags of its profile"
    return Check(name="flags", passed=not problem, found=found, remedy=f"remediator canary set {percentage}")


def _step(workload: Workload, wanted: int | None, policy: Policy) -> Check:
    percentage = workload.percentage()
    if wanted is None:
        found = "there is no step to take" if percentage is not None else "the next step cannot be told"
        return Check(name="step", passed=False, found=found, remedy="give the PERCENTAGE")
    if percentage is None or percentage >= wanted:
        at = "nobody knows what" if percentage is None else f"{percentage} %"
        return Check(name="step", passed=percentage is not None, found=f"{wanted} %, from {at}", remedy="see flags")
    skipped = [step for step in sorted(policy.profiles) if percentage < step < wanted]
    found = f"{percentage} % -> {wanted} %" + (f", passing over {', '.join(map(str, skipped))} %" if skipped else "")
    return Check(name="step", passed=True, found=found)


def _pause(workload: Workload, now: datetime) -> Check:
    if pause := workload.held_by(now):
        left = format_duration(pause.until - now)
        found = f"paused by {pause.author[:MAX_OPERATOR]} for another {left}: {pause.reason[:200]}"
        return Check(name="pause", passed=False, found=found, remedy="remediator resume")
    return Check(name="pause", passed=True, found="no pause")


def _kill_switch(name: str, workload: Workload) -> Check:
    if switch := workload.kill_switch:
        by = f" by {switch.author[:MAX_OPERATOR]}" if switch.author else ""
        found = f"latched at 0{by}: {switch.reason[:200] or 'no reason given'}"
    elif workload.replicas == 0:
        found = "at 0 replicas, which counts as a kill switch"
    else:
        return Check(name=name, passed=True, found=f"the kill switch is off, {workload.replicas} replicas")
    return Check(name=name, passed=False, found=found, remedy="remediator kill-switch off, when you are sure")


def _record(workload: Workload, now: datetime) -> Check:
    """A rollback passes over a record that cannot be read; who raises the canary would not know what came before."""
    problem = workload.unbelievable(now)
    remedy = "kubectl describe the Deployment, and mend or remove the annotation"
    found = problem or "what is recorded on the Deployment can be read"
    return Check(name="record", passed=not problem, found=found, remedy=remedy)


def _cooldown(workload: Workload, target: Target, policy: Policy, now: datetime) -> Check:
    acts = workload.ledger.as_of(now)
    for answer in policy.remediations:
        if answer.target != target:
            continue
        if until := acts.cooling_until(answer.action.effect, answer.cooldown, now):
            last = acts.automatic(answer.action.effect)[-1]
            found = f"{last.remediation} acted at {last.time:%H:%M} UTC, cooling down for another "
            found += format_duration(until - now)
            remedy = "find out why it was taken back; until then no bad canary would be"
            return Check(name="cooldown", passed=False, found=found, remedy=remedy)
    return Check(name="cooldown", passed=True, found="no act is cooling down")


def _reflex(workload: Workload, target: Target, wanted: int | None, policy: Policy, now: datetime) -> Check:
    """What a rollback alert would lead to, were the canary at the percentage already."""
    name, remediation = "reflex", rollback_of(policy, target)
    if remediation is None:
        found = f"no remediation takes {target.name} back"
        return Check(name=name, passed=False, found=found, remedy="add one to remediations.yaml")
    profile = {} if wanted is None else policy.profiles.get(wanted, {})
    present = {variable for variable, _ in workload.env}
    env = [(variable, profile.get(variable, value) if value is not None else None) for variable, value in workload.env]
    env += [(variable, value) for variable, value in profile.items() if variable not in present]
    decision = decide(remediation, replace(workload, env=tuple(env)), now)
    if isinstance(decision, Act):
        return Check(name=name, passed=True, found=f"a rollback alert would set {decision.message}")
    found = f"a rollback alert would be withheld ({decision.reason}): {decision.message}"
    return Check(name=name, passed=False, found=found, remedy="remediator explain says when it would act again")

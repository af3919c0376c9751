"""What must be true of the Deployments before the canary is raised, and whether the reflex would take it back.

Pure: no clock, no I/O. Whether the reflex would act is not guessed: decide() is asked about the canary as it would be.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from remediator.canary.obstacles import cleared, kill_switch, pause, raised, record, reflex
from remediator.canary.running import check_rollout
from remediator.canary.setting import read_setting
from remediator.checks import Check
from remediator.decision import Act, decide
from remediator.policy import Policy, Remediation, Target
from remediator.workload import TargetInvalid, TargetMissing, Workload

Look = Workload | TargetInvalid | TargetMissing


def check_canary(workload: Workload, target: Target, wanted: int | None, policy: Policy, now: datetime) -> list[Check]:
    """Whether the canary is in order, can be raised to `wanted`, and would be taken back from there."""
    rollbacks = policy.rollbacks(target)
    return [
        replace(check_rollout(workload, target), name="deployment"),
        _flags(workload, policy),
        _step(workload, wanted, policy),
        cleared("pause", pause(workload, now), "no pause"),
        _kill_switch("kill switch", workload),
        cleared("record", record(workload, now), "what is recorded on the Deployment can be read"),
        _reflex(workload, rollbacks, wanted, policy, now),
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
    setting = read_setting(workload, policy.profiles)
    if setting.percentage is None:
        return Check(name="flags", passed=False, found=str(setting), remedy="remediator canary set 0")
    problem = workload.env_problem(policy.profiles[setting.percentage])
    found = problem or (f"{setting}, with all flags of its profile" if setting.is_profile else str(setting))
    passed = setting.is_profile and not problem
    return Check(name="flags", passed=passed, found=found, remedy=f"remediator canary set {setting.percentage}")


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


def _kill_switch(name: str, workload: Workload) -> Check:
    return cleared(name, kill_switch(workload), f"the kill switch is off, {workload.replicas} replicas")


def _reflex(
    workload: Workload, rollbacks: Sequence[Remediation], wanted: int | None, policy: Policy, now: datetime
) -> Check:
    """What a rollback alert would lead to, were the canary at the percentage already."""
    name = "reflex"
    profile = {} if wanted is None else policy.profiles.get(wanted, {})
    if obstacle := reflex(workload, rollbacks, profile, now):
        return cleared(name, obstacle, "")
    decision = decide(rollbacks[0], raised(workload, profile), now)
    if isinstance(decision, Act):
        return Check(name=name, passed=True, found=f"a rollback alert would set {decision.message}")
    found = f"a rollback alert would be withheld ({decision.reason}): {decision.message}"
    return Check(name=name, passed=False, found=found, remedy="remediator explain says when it would act again")

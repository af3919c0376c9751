"""The verdict on the canary: take its next step, hold, or roll back.

Pure. All checks are made, even after one has failed, so that one call shows everything. Anything unknown holds the
canary: it leads neither to a promotion nor to a rollback.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from remediator.canary import thresholds
from remediator.canary.checks import (
    acts_alone,
    alerts,
    flags,
    guard,
    kill_switch,
    pause,
    record,
    rollbacks_from,
    rollout,
)
from remediator.canary.phases import Stay, yardstick
from remediator.core.checks import Check, all_passed
from remediator.core.durations import format_duration
from remediator.core.policy import Phase, Policy, Target
from remediator.core.workload import Workload
from remediator.monitoring.evidence import Evidence, Unknown


class Verdict(StrEnum):
    """What the canary is ready for."""

    PROMOTE = "promote"
    HOLD = "hold"
    ROLLBACK = "rollback"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A verdict with its evidence."""

    verdict: Verdict
    checks: tuple[Check, ...]
    """The checks of a promotion; all have to pass."""
    steady: tuple[Check, ...]
    """Further checks of an unattended promotion: that the canary was this good all the time."""
    next: int | None
    """The percentage of the next step, or None if there is none."""

    @property
    def missing(self) -> tuple[Check, ...]:
        """The checks that block a promotion."""
        return tuple(check for check in self.checks if not check.passed)

    @property
    def unattended(self) -> bool:
        """Whether the canary may be promoted without a person."""
        return self.verdict is Verdict.PROMOTE and all_passed(self.steady)


def judge(
    *,
    canary: Workload,
    workers: Sequence[Workload] | Unknown,
    target: Target,
    policy: Policy,
    stay: Stay,
    evidence: Evidence,
    now: datetime,
) -> Judgement:
    """Judge a canary; `stay` is its time in the phase."""
    percentage = stay.percentage
    step = None if percentage is None else policy.next_percentage(percentage)
    measure = yardstick(percentage, policy)
    profile = None if step is None else policy.profiles[step]
    rollbacks = rollbacks_from(canary, target, policy, profile, now) if profile else ()
    checks = (
        _phase(stay, step, policy),
        _time(stay),
        rollout(canary, target),
        flags(canary, policy),
        _pause(canary, now),
        _kill_switch(canary, workers),
        *((guard(canary, target, policy, profile, rollbacks, now),) if profile else ()),
        _acts(canary, max(evidence.window, measure.hold if measure else evidence.window), now),
        alerts("alerts", evidence.firing, "fire"),
        *(thresholds.met(evidence, measure) if measure else ()),
    )
    steady = (
        *((acts_alone(rollbacks),) if profile else ()),
        alerts("no alerts before", evidence.fired, f"fired in the last {format_duration(evidence.window)}"),
        *(thresholds.met_before(evidence, measure) if measure else ()),
    )
    if percentage != 0 and _bad(evidence, measure):
        verdict = Verdict.ROLLBACK
    elif step is not None and all_passed(checks):
        verdict = Verdict.PROMOTE
    else:
        verdict = Verdict.HOLD
    return Judgement(verdict=verdict, checks=_each_reason_once(checks), steady=_each_reason_once(steady), next=step)


def _each_reason_once(checks: Iterable[Check]) -> tuple[Check, ...]:
    """The checks, with each cause of an unknown value explained once: a Prometheus that is down is reported once."""
    reported: set[str] = set()
    said: list[Check] = []
    for check in checks:
        again = check.passed is None and check.found in reported
        said.append(replace(check, found="unknown, for the same reason", remedy="") if again else check)
        reported.add(check.found)
    return tuple(said)


def _bad(evidence: Evidence, measure: Phase | None) -> bool:
    """Whether the canary is known to be bad now."""
    firing = not isinstance(evidence.firing, Unknown) and bool(evidence.firing)
    return firing or (measure is not None and thresholds.broken(evidence, measure))


def _phase(stay: Stay, step: int | None, policy: Policy) -> Check:
    name = "phase"
    match stay.percentage:
        case None:
            remedy = "set it to a step, for example: remediator canary set 0"
            return Check(name=name, passed=None, found="unknown", remedy=remedy)
        case other if other not in policy.profiles:
            lower = max((known for known in policy.profiles if known < other), default=0)
            remedy = f"remediator canary set {lower}, or remediator canary rollback"
            return Check(name=name, passed=False, found=f"{other} % is no step of the canary", remedy=remedy)
        case 0:
            remedy = "a person starts it: remediator canary set 1"
            return Check(name=name, passed=False, found="0 %: not started", remedy=remedy)
        case _ if step is None:
            return Check(name=name, passed=False, found=f"{stay.percentage} %: nothing to promote to")
        case _ if stay.phase is None:
            remedy = f"add {{percentage: {stay.percentage}, ...}} to phases"
            return Check(name=name, passed=False, found=f"{stay.percentage} % is not among the phases", remedy=remedy)
        case _:
            return Check(name=name, passed=True, found=f"{stay.percentage} %, next is {step} %")


def _time(stay: Stay) -> Check:
    name = "time"
    if stay.since is None:
        return Check(name=name, passed=None, found=f"not running: {stay.stopped}", remedy="fix that first")
    hold = f" of {format_duration(stay.phase.hold)}" if stay.phase else ""
    found = f"{format_duration(stay.counted)}{hold} since {stay.origin}"
    if stay.stopped:
        found += f"; the clock is stopped: {stay.stopped}"
    left = stay.left or timedelta(0)
    return Check(name=name, passed=not left, found=found, remedy=f"wait for another {format_duration(left)}")


def _pause(canary: Workload, now: datetime) -> Check:
    recorded = record(canary, now)
    return pause(canary, now) if recorded.passed else replace(recorded, name="pause", passed=None)


def _kill_switch(canary: Workload, workers: Sequence[Workload] | Unknown) -> Check:
    if isinstance(workers, Unknown):
        return Check(name="kill switch", passed=None, found=workers.why, remedy="fix that first")
    found = [kill_switch(canary, "the Deployment is "), *(kill_switch(one, "the workers are ") for one in workers)]
    # Without the replicas, which would be those of one Deployment of several.
    return next((one for one in found if not one.passed), replace(found[0], found="the kill switch is off"))


def _acts(canary: Workload, window: timedelta, now: datetime) -> Check:
    name, span = "acts", format_duration(window)
    if problem := canary.unbelievable(now):
        return Check(name=name, passed=None, found=problem, remedy="fix or remove the annotation")
    acts = [entry for entry in canary.ledger.entries if entry.remediation and entry.time > now - window]
    if not acts:
        return Check(name=name, passed=True, found=f"none in the last {span}")
    ago = format_duration(max(now - acts[-1].time, timedelta(0)))
    found = f"{acts[-1].remediation} acted {ago} ago"
    return Check(name=name, passed=False, found=found, remedy="find the cause, then wait")

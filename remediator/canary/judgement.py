"""May the canary take its next step, has it to wait, or has it to go back?

Pure. Each question is a check of its own, and all of them are answered, so that nobody has to ask twice. What is not
known holds the canary: it never promotes it, and never takes it back.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from remediator.canary import thresholds
from remediator.canary.obstacles import alert_names, cleared, kill_switch, pause, raised, record, reflex
from remediator.canary.phases import Stay, mixture, yardstick
from remediator.checks import DOCS, Check, all_passed
from remediator.decision import Skip, decide
from remediator.durations import format_duration
from remediator.monitoring.evidence import Alerts, Evidence, Unknown
from remediator.policy import Phase, Policy, Remediation
from remediator.workload import Workload


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
    """What a promotion asks for; all have to pass."""
    steady: tuple[Check, ...]
    """What a promotion without a person asks for besides: that it was this good all the time."""
    next: int | None
    """The percentage of the next step, or None where there is none."""

    @property
    def missing(self) -> tuple[Check, ...]:
        """The checks that stand against a promotion."""
        return tuple(check for check in self.checks if not check.passed)

    @property
    def unattended(self) -> bool:
        """Whether the canary may be promoted without a person."""
        return self.verdict is Verdict.PROMOTE and all_passed(self.steady)


def judge(
    *,
    canary: Workload,
    workers: Sequence[Workload] | Unknown,
    rollbacks: Sequence[Remediation],
    policy: Policy,
    stay: Stay,
    evidence: Evidence,
    now: datetime,
) -> Judgement:
    """The judgement on a canary whose time is `stay`; `rollbacks` are the remediations that take it back."""
    percentage = stay.percentage
    step = None if percentage is None else policy.next_percentage(percentage)
    measure = yardstick(percentage, policy)
    checks = (
        _phase(stay, step),
        _time(stay),
        _rollout(canary),
        _flags(canary, policy),
        _pause(canary, now),
        _kill_switch(canary, workers),
        *((_reflex(canary, rollbacks, policy.profiles[step], now),) if step is not None else ()),
        _acts(canary, max(evidence.window, measure.hold if measure else evidence.window), now),
        _alerts("alerts", evidence.firing, "fire"),
        *(thresholds.met(evidence, measure) if measure else ()),
    )
    steady = (
        *((_guarded(canary, rollbacks, policy.profiles[step], now),) if step is not None else ()),
        _alerts("no alerts before", evidence.fired, f"fired in the last {format_duration(evidence.window)}"),
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
    """The checks, without saying again why nothing is known: a Prometheus that is down is told once."""
    told: set[str] = set()
    said: list[Check] = []
    for check in checks:
        again = check.passed is None and check.found in told
        said.append(replace(check, found="unknown, for the same reason", remedy="") if again else check)
        told.add(check.found)
    return tuple(said)


def _bad(evidence: Evidence, measure: Phase | None) -> bool:
    """Whether it is known that the canary is bad now."""
    firing = not isinstance(evidence.firing, Unknown) and bool(evidence.firing)
    return firing or (measure is not None and thresholds.broken(evidence, measure))


def _phase(stay: Stay, step: int | None) -> Check:
    name = "phase"
    match stay.percentage:
        case None:
            return Check(name=name, passed=None, found="unknown", remedy="set it to a step: remediator canary set")
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
        return Check(name=name, passed=None, found=f"not running: {stay.stopped}", remedy="mend that first")
    hold = f" of {format_duration(stay.phase.hold)}" if stay.phase else ""
    found = f"{format_duration(stay.counted)}{hold} since {stay.origin}"
    if stay.stopped:
        found += f"; it stands still: {stay.stopped}"
    left = stay.left or timedelta(0)
    return Check(name=name, passed=not left, found=found, remedy=f"wait for another {format_duration(left)}")


def _rollout(canary: Workload) -> Check:
    replicas = canary.replicas
    return Check(
        name="rollout",
        passed=replicas > 0 and canary.rollout.converged(replicas),
        found=canary.rollout.spell(replicas),
        remedy="wait until all pods follow",
    )


def _flags(canary: Workload, policy: Policy) -> Check:
    problem = mixture(canary, policy)
    found = problem or f"the profile {canary.percentage()}"
    return Check(name="flags", passed=not problem, found=found, remedy="write a whole profile: remediator canary set")


def _pause(canary: Workload, now: datetime) -> Check:
    name = "pause"
    if unreadable := record(canary, now):
        return Check(name=name, passed=None, found=unreadable.message, remedy=unreadable.remedy)
    return cleared(name, pause(canary, now), "none")


def _kill_switch(canary: Workload, workers: Sequence[Workload] | Unknown) -> Check:
    name = "kill switch"
    if isinstance(workers, Unknown):
        return Check(name=name, passed=None, found=workers.why, remedy="mend that first")
    found = [kill_switch(canary, "the Deployment is "), *(kill_switch(one, "the workers are ") for one in workers)]
    return cleared(name, next(filter(None, found), None), "off")


def _reflex(canary: Workload, rollbacks: Sequence[Remediation], profile: Mapping[str, str], now: datetime) -> Check:
    """Whether an alert would take the canary back after the step."""
    return cleared("reflex", reflex(canary, rollbacks, profile, now), "nothing keeps an alert from taking it back")


def _guarded(canary: Workload, rollbacks: Sequence[Remediation], profile: Mapping[str, str], now: datetime) -> Check:
    """Whether it would do so without a person, who may watch a canary in `observe`."""
    name, after = "reflex acts", raised(canary, profile)
    decisions = [decide(remediation, after, now) for remediation in rollbacks]
    held = next((decision for decision in decisions if isinstance(decision, Skip)), None)
    if decisions and held is None:
        return Check(name=name, passed=True, found="an alert would take it back")
    found = f"no alert would take it back: {held.message if held else 'there is no remediation for that'}"
    return Check(name=name, passed=False, found=found, remedy="remediator explain says when one would")


def _acts(canary: Workload, window: timedelta, now: datetime) -> Check:
    name, span = "acts", format_duration(window)
    if problem := canary.unbelievable(now):
        return Check(name=name, passed=None, found=problem, remedy="mend or remove the annotation")
    acts = [entry for entry in canary.ledger.entries if entry.remediation and entry.time > now - window]
    if not acts:
        return Check(name=name, passed=True, found=f"none in the last {span}")
    ago = format_duration(max(now - acts[-1].time, timedelta(0)))
    found = f"{acts[-1].remediation} acted {ago} ago"
    return Check(name=name, passed=False, found=found, remedy="find the cause, then wait")


def _alerts(name: str, alerts: Alerts, when: str) -> Check:
    if isinstance(alerts, Unknown):
        return Check(
            name=name, passed=None, found=alerts.why, remedy="nothing is promoted in the dark: mend that first"
        )
    if not alerts:
        return Check(name=name, passed=True, found=f"none that ask for a rollback {when}")
    return Check(
        name=name, passed=False, found=f"{alert_names(alerts)} {when}", remedy=f"find the cause: {DOCS}/runbooks"
    )

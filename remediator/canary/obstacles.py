"""What stands against giving the canary more traffic. Only a person may pass over it, and that is recorded.

Pure: no clock, no I/O. The words are those of the reflex's ladder where it has one.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from remediator.checks import DOCS, Check
from remediator.decision import Skip, decide
from remediator.durations import format_duration
from remediator.ledger import MAX_OPERATOR, MAX_REASON
from remediator.policy import Remediation
from remediator.reasons import Reason
from remediator.workload import Workload

ALERT_FIRING = "AlertFiring"
ALERTS_UNKNOWN = "AlertsUnknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """The rollback alerts that fire, or why that could not be told."""

    firing: str = ""
    """Their names, or empty."""
    unknown: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """One thing that stands against raising the canary."""

    word: str
    message: str
    remedy: str


def obstacles(
    canary: Workload,
    workers: Sequence[Workload],
    rollbacks: Sequence[Remediation],
    profile: Mapping[str, str],
    alarm: Alarm | None,
    now: datetime,
) -> tuple[Obstacle, ...]:
    """All that stands against giving the canary this profile now.

    `rollbacks` are the remediations that take it back. `alarm` is None where nobody was asked.
    """
    return tuple(
        obstacle
        for obstacle in (
            pause(canary, now),
            kill_switch(canary, "the Deployment is "),
            *(kill_switch(one, "the workers are ") for one in workers),
            record(canary, now),
            reflex(canary, rollbacks, profile, now),
            *(_alarm(alarm) if alarm else ()),
        )
        if obstacle
    )


def cleared(name: str, obstacle: Obstacle | None, otherwise: str) -> Check:
    """The check that an obstacle is not there."""
    if obstacle:
        return Check(name=name, passed=False, found=obstacle.message, remedy=obstacle.remedy)
    return Check(name=name, passed=True, found=otherwise)


def pause(target: Workload, now: datetime) -> Obstacle | None:
    """A pause that holds: whoever set it did not want the target to change."""
    if not (held := target.held_by(now)):
        return None
    left = format_duration(held.until - now)
    message = f"paused by {held.author[:MAX_OPERATOR]} for another {left}: {held.reason[:MAX_REASON]}"
    return Obstacle(word=Reason.PAUSED, message=message, remedy="remediator resume")


def kill_switch(target: Workload, subject: str = "") -> Obstacle | None:
    """The latch, or 0 replicas by hand; `subject` says of whom, where that is not clear."""
    remedy = "remediator kill-switch off, when you are sure"
    if switch := target.kill_switch:
        by = f" by {switch.author[:MAX_OPERATOR]}" if switch.author else ""
        message = f"{subject}latched at 0{by}: {switch.reason[:MAX_REASON] or 'no reason given'}"
        return Obstacle(word=Reason.KILL_SWITCH_ON, message=message, remedy=remedy)
    if target.replicas == 0:
        message = f"{subject}at 0 replicas, which counts as a kill switch"
        return Obstacle(word=Reason.KILL_SWITCH_ON, message=message, remedy=remedy)
    return None


def record(target: Workload, now: datetime) -> Obstacle | None:
    """A rollback passes over a record that cannot be read; who raises the canary would not know what came before."""
    problem = target.unbelievable(now)
    remedy = "kubectl describe the Deployment, and mend or remove the annotation"
    return Obstacle(word=Reason.TARGET_INVALID, message=problem, remedy=remedy) if problem else None


def reflex(
    canary: Workload, rollbacks: Sequence[Remediation], profile: Mapping[str, str], now: datetime
) -> Obstacle | None:
    """Why no alert would take the canary back, were it at this profile already: decide() itself is asked.

    A pause is an obstacle of its own. In `observe`, people have said that they are the reflex.
    """
    if not rollbacks:
        message = "no remediation takes the canary back"
        return Obstacle(word=Reason.NO_REMEDIATION, message=message, remedy="add one to remediations.yaml")
    for remediation in rollbacks:
        decision = decide(remediation, replace(raised(canary, profile), pause=None), now)
        if isinstance(decision, Skip) and decision.reason is not Reason.OBSERVING:
            why = decision.message
            if decision.reason is Reason.COOLING_DOWN and decision.until:
                why = f"its last act cools down for another {format_duration(decision.until - now)}"
            message = f"{remediation.name} would not take the canary back: {why}"
            remedy = "find out why it acted, and wait"
            return Obstacle(word=decision.reason, message=message, remedy=remedy)
    return None


def raised(canary: Workload, profile: Mapping[str, str]) -> Workload:
    """The canary as it would be with a profile."""
    present = {name for name, _ in canary.env}
    env = [(name, profile.get(name, value) if value is not None else None) for name, value in canary.env]
    return replace(canary, env=(*env, *((name, value) for name, value in profile.items() if name not in present)))


def alert_names(alerts: Iterable[Mapping[str, str]]) -> str:
    """Names of alerts as they can be shown: whoever may post alerts can call one as they like."""
    names = {labels.get("alertname") or "an alert without a name" for labels in alerts}
    return ", ".join(sorted((name if name.isprintable() else ascii(name))[:100] for name in names))


def _alarm(alarm: Alarm) -> Iterator[Obstacle]:
    if alarm.firing:
        message = f"{alarm.firing} fires, and would take the canary back"
        yield Obstacle(word=ALERT_FIRING, message=message, remedy=f"find the cause: {DOCS}/runbooks")
    if alarm.unknown:
        message = f"whether a rollback alert fires cannot be told: {alarm.unknown}"
        yield Obstacle(word=ALERTS_UNKNOWN, message=message, remedy="mend that first")

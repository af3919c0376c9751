"""What stands against giving the canary more traffic. Only a person may pass over it, and that is recorded.

Pure: no clock, no I/O. The words are those of the reflex's ladder where it has one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from remediator.checks import Check
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

    firing: tuple[str, ...] = ()
    unknown: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """One thing that stands against raising the canary."""

    word: str
    message: str
    remedy: str


def obstacles(
    canary: Workload, workers: Workload | None, remediation: Remediation | None, alarm: Alarm | None, now: datetime
) -> tuple[Obstacle, ...]:
    """All that stands against raising the canary now.

    `workers` is None where the file has none, `alarm` where nobody was asked. `remediation` takes the canary back.
    """
    return tuple(
        obstacle
        for obstacle in (
            pause(canary, now),
            kill_switch(canary, "the Deployment is "),
            kill_switch(workers, "the workers are ") if workers else None,
            record(canary, now),
            cooldown(canary, remediation, now) if remediation else None,
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


def cooldown(target: Workload, remediation: Remediation, now: datetime) -> Obstacle | None:
    """An act of the reflex that is cooling down: until that ends, it would not take the canary back again."""
    acts, effect = target.ledger.as_of(now), remediation.action.effect
    until = acts.cooling_until(effect, remediation.cooldown, now)
    if until is None:
        return None
    last, left = acts.automatic(effect)[-1], format_duration(until - now)
    message = f"{last.remediation} acted at {last.time:%H:%M} UTC, cooling down for another {left}"
    remedy = "find out why it acted; until the cooldown ends nothing would take a bad canary back"
    return Obstacle(word=Reason.COOLING_DOWN, message=message, remedy=remedy)


def _alarm(alarm: Alarm) -> Iterator[Obstacle]:
    if alarm.firing:
        message = f"{', '.join(alarm.firing)} fires, and would take the canary back"
        yield Obstacle(word=ALERT_FIRING, message=message, remedy="find the cause: docs/runbooks")
    if alarm.unknown:
        message = f"whether a rollback alert fires cannot be told: {alarm.unknown}"
        yield Obstacle(word=ALERTS_UNKNOWN, message=message, remedy="mend that first")

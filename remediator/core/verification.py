"""Verifies an act afterwards: whether the pods follow it, and whether someone has changed the value since.

Pure, and computed from the act and the Deployment alone, so every replica reaches the same verdicts, even one started
after the act. The checks are those of `kubectl rollout status`, in its order, and the first match wins.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial

from remediator.core.durations import format_duration
from remediator.core.ledger import Entry
from remediator.core.policy import Remediation
from remediator.core.workload import Workload

WATCHED = timedelta(minutes=30)
"""How long an act is watched: longer than progressDeadlineSeconds (10 min) and a GitOps sync interval (3 min)."""

LAST_LOOKS = timedelta(minutes=5)
"""How long after that one more read may still give a verdict on an act without one."""


class Verdict(StrEnum):
    """The verdict on an act. `Converged` is good; any other needs a human."""

    CONVERGED = "Converged"
    REVERTED = "Reverted"
    ROLLOUT_PAUSED = "RolloutPaused"
    REPLICA_FAILURE = "ReplicaFailure"
    PROGRESS_DEADLINE_EXCEEDED = "ProgressDeadlineExceeded"
    NOT_CONVERGED = "NotConverged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """A verdict on one act, with a message."""

    entry: Entry
    verdict: Verdict
    message: str


def last_act(workload: Workload, remediation: Remediation, now: datetime) -> Entry | None:
    """The act of this remediation to watch, or None: there is none, it is too old, or a person has acted since."""
    sets = remediation.action.effect.field or remediation.action.effect
    same = [entry for entry in workload.ledger.as_of(now).entries if entry.sets == sets]
    if not same or not same[-1].remediation or now - same[-1].time > WATCHED + LAST_LOOKS:
        return None
    return same[-1]


def verify(entry: Entry, workload: Workload, now: datetime) -> Verification | None:
    """The verdict on an act, or None while its rollout is in progress."""
    verdict, rollout = partial(Verification, entry=entry), workload.rollout
    after = f"{format_duration(now - entry.time)} after the act"
    if message := _reverted(entry, workload):
        return verdict(verdict=Verdict.REVERTED, message=message)
    if rollout.paused and not rollout.converged(workload.replicas):
        return verdict(verdict=Verdict.ROLLOUT_PAUSED, message=rollout.spell(workload.replicas))
    if rollout.seen:
        if rollout.failure:
            return verdict(verdict=Verdict.REPLICA_FAILURE, message=rollout.failure)
        if rollout.deadline_exceeded:
            return verdict(verdict=Verdict.PROGRESS_DEADLINE_EXCEEDED, message=rollout.spell(workload.replicas))
        if rollout.converged(workload.replicas):
            return verdict(verdict=Verdict.CONVERGED, message=f"all {workload.replicas} pods follow, {after}")
    if now - entry.time <= WATCHED:
        return None
    unseen = "the Deployment controller has not seen the change: is kube-controller-manager running?"
    message = f"{rollout.spell(workload.replicas) if rollout.seen else unseen} ({after})"
    return verdict(verdict=Verdict.NOT_CONVERGED, message=message)


def _reverted(entry: Entry, workload: Workload) -> str:
    """Who reverted what the act wrote, or empty if that, or a safer value, is still there."""
    effect = entry.effect
    if effect.stands(entry.after, workload):
        return ""
    by = workload.writers.get(effect.field, "someone")
    return f"set to {effect.format_value(effect.read(workload))} by {by}; it is not written again in the cooldown"

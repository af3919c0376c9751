"""The progress of a Deployment's rollout, by its status.

Pure. The checks are those of `kubectl rollout status`, in its order.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from remediator.core.times import parse_time


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """The status of a Deployment."""

    seen: bool = False
    """Whether the controller has seen this spec; before that, all other numbers are about the previous one."""
    paused: bool = False
    """Whether it is paused (`kubectl rollout pause`): a new template reaches no pod, but replicas still change."""
    updated: int = 0
    total: int = 0
    available: int = 0
    terminating: int | None = None
    """Pods that are being deleted and may still serve, or None if Kubernetes is too old to count them."""
    grace: timedelta = timedelta(seconds=30)
    """The termination grace period of a pod."""
    deadline_exceeded: bool = False
    failure: str = ""
    """Why pods could not even be created (a quota, an admission policy), or empty."""
    settled: datetime | None = None
    """When the last rollout completed, or the pods became available again, whichever is later."""
    min_ready: timedelta = timedelta()
    """How long a new pod has to be ready before it counts as available."""
    deadline: timedelta = timedelta(seconds=600)
    """How long a rollout may go on without progress."""
    surge: int | str = "25%"
    """The strategy's maxSurge, a number or a share such as `25%`."""
    unavailable: int | str = "25%"
    """The strategy's maxUnavailable, likewise."""

    @property
    def old(self) -> int:
        """Pods of an older spec."""
        return max(self.total - self.updated, 0) if self.seen else self.total

    def converged(self, replicas: int) -> bool:
        """Whether all pods are of this spec and available, and no others are left, as kubectl defines it."""
        return self.seen and self.updated >= replicas and self.total <= self.updated <= self.available

    def reached(self, replicas: int) -> bool:
        """Whether every pod is of this spec, available or not; pods that are being deleted do not count."""
        return self.seen and not self.old and self.updated >= replicas

    def ending(self, now: datetime) -> str:
        """Why pods that are being deleted may still serve, or empty.

        If Kubernetes does not count them, their grace period decides.
        """
        if self.terminating:
            return f"{self.terminating} old ones are still being deleted"
        if self.terminating is None and self.settled and now < self.settled + self.grace:
            return f"old ones have {self.grace.total_seconds():.0f} s to end"
        return ""

    @property
    def stuck(self) -> str:
        """Why a change of the template would reach no pod, or empty; only people or the cluster can fix that."""
        if self.paused:
            return "the Deployment is paused"
        if self.seen and self.failure:
            return f"pods cannot be created: {self.failure}"
        if self.seen and self.deadline_exceeded:
            return "new pods do not become available in time"
        return ""

    def batches(self, replicas: int) -> int:
        """The number of batches that replace all pods; as in Kubernetes, surge is rounded up, unavailability down."""
        at_once = _count(self.surge, replicas, up=True) + _count(self.unavailable, replicas, up=False)
        return -(-replicas // max(at_once, 1))

    def spell(self, replicas: int) -> str:
        """The progress in words."""
        if self.paused and not self.converged(replicas):
            return "the Deployment is paused (kubectl rollout pause), so no pod follows"
        if not self.seen:
            return "the Deployment controller has not seen it yet"
        if self.failure:
            return f"pods cannot be created: {self.failure}"
        text = f"{self.updated} of {replicas} pods updated, {self.available} available"
        if self.old:
            text += f", {self.old} old ones left"
        if self.paused:
            text += "; the Deployment is paused, so the next change reaches no pod"
        return f"{text}, past the progress deadline" if self.deadline_exceeded else text


def read_rollout(manifest: Mapping[str, Any]) -> Rollout:
    """The status in a Deployment's JSON."""
    metadata, spec, status = manifest.get("metadata") or {}, manifest.get("spec") or {}, manifest.get("status") or {}
    conditions = {condition.get("type"): condition for condition in status.get("conditions") or []}
    pods = (spec.get("template") or {}).get("spec") or {}
    failure, progress = conditions.get("ReplicaFailure", {}), conditions.get("Progressing", {})
    complete = (
        parse_time(progress.get("lastUpdateTime")) if progress.get("reason") == "NewReplicaSetAvailable" else None
    )
    strategy = spec.get("strategy") or {}
    at_once = {"maxUnavailable": "100%"} if strategy.get("type") == "Recreate" else strategy.get("rollingUpdate") or {}
    available = parse_time(conditions.get("Available", {}).get("lastTransitionTime"))
    return Rollout(
        seen=status.get("observedGeneration", 0) >= metadata.get("generation", 0),
        paused=bool(spec.get("paused")),
        updated=status.get("updatedReplicas", 0),
        total=status.get("replicas", 0),
        available=status.get("availableReplicas", 0),
        terminating=status.get("terminatingReplicas"),
        grace=timedelta(seconds=pods.get("terminationGracePeriodSeconds", 30)),
        deadline_exceeded=progress.get("reason") == "ProgressDeadlineExceeded",
        failure=str(failure.get("message", "")) if failure.get("status") == "True" else "",
        settled=complete and max(complete, available or complete),
        min_ready=timedelta(seconds=spec.get("minReadySeconds", 0)),
        deadline=timedelta(seconds=spec.get("progressDeadlineSeconds", 600)),
        surge=at_once.get("maxSurge", "25%"),
        unavailable=at_once.get("maxUnavailable", "25%"),
    )


def _count(share: int | str, replicas: int, *, up: bool) -> int:
    if isinstance(share, int):
        return share
    percent = int(share.rstrip("%")) * replicas
    return -(-percent // 100) if up else percent // 100

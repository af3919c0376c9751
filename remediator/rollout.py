"""How far the pods are behind a Deployment's specification, as the Deployment controller says.

Pure. The order of the questions is that of `kubectl rollout status`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """The status of a Deployment."""

    seen: bool = False
    """Whether the controller has seen this specification; before that all other numbers are about the last one."""
    paused: bool = False
    updated: int = 0
    total: int = 0
    available: int = 0
    deadline_exceeded: bool = False
    failure: str = ""
    """Why pods could not even be created (a quota, an admission policy), or empty."""
    settled: datetime | None = None
    """When the last rollout was complete, or the pods became available again, whichever is later."""

    def converged(self, replicas: int) -> bool:
        """Whether all pods are of this specification and available, and no others are left."""
        return (
            self.seen and not self.paused and self.updated >= replicas and self.total <= self.updated <= self.available
        )

    def spell(self, replicas: int) -> str:
        """How far it is, in words."""
        if self.paused:
            return "the Deployment is paused, so no pod follows: kubectl rollout resume"
        if not self.seen:
            return "the Deployment controller has not seen it yet"
        if self.failure:
            return f"pods cannot be created: {self.failure}"
        text = f"{self.updated} of {replicas} pods updated, {self.available} available"
        if self.total > self.updated:
            text += f", {self.total - self.updated} old ones left"
        return f"{text}, past the progress deadline" if self.deadline_exceeded else text


def read_rollout(manifest: Mapping[str, Any]) -> Rollout:
    """The status in a Deployment's JSON."""
    metadata, spec, status = manifest.get("metadata") or {}, manifest.get("spec") or {}, manifest.get("status") or {}
    conditions = {condition.get("type"): condition for condition in status.get("conditions") or []}
    failure, progress = conditions.get("ReplicaFailure", {}), conditions.get("Progressing", {})
    complete = read_time(progress.get("lastUpdateTime")) if progress.get("reason") == "NewReplicaSetAvailable" else None
    available = read_time(conditions.get("Available", {}).get("lastTransitionTime"))
    return Rollout(
        seen=status.get("observedGeneration", 0) >= metadata.get("generation", 0),
        paused=bool(spec.get("paused")),
        updated=status.get("updatedReplicas", 0),
        total=status.get("replicas", 0),
        available=status.get("availableReplicas", 0),
        deadline_exceeded=progress.get("reason") == "ProgressDeadlineExceeded",
        failure=str(failure.get("message", "")) if failure.get("status") == "True" else "",
        settled=complete and max(complete, available or complete),
    )


def read_time(text: object) -> datetime | None:
    """A time as the API server writes it, or None where there is none."""
    try:
        time = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return time if time.tzinfo else None

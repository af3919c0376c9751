"""The status of a Deployment, as `kubectl rollout status` reads it.

One rule: a pure function of the Deployment, its ReplicaSets and the time.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from remediator.embedded.failure import Object
from remediator.embedded.revisions import bounds


def status_of(deployment: Object, current: Object | None, replica_sets: Sequence[Object], now: str) -> Object:
    """What the status has to be."""
    total = sum(item["spec"]["replicas"] for item in replica_sets)
    available = _sum(replica_sets, "availableReplicas")
    counts = {
        "observedGeneration": deployment["metadata"]["generation"],
        "replicas": _sum(replica_sets, "replicas"),
        "updatedReplicas": _sum([current] if current else [], "replicas"),
        "readyReplicas": _sum(replica_sets, "readyReplicas"),
        "availableReplicas": available,
        "unavailableReplicas": max(0, total - available),
    }
    status: Object = {key: value for key, value in counts.items() if value}
    status["terminatingReplicas"] = 0
    old = deployment.get("status", {})
    known = {item["type"]: item for item in old.get("conditions", [])}
    conditions = [
        _renewed(known.get("Available"), _availability(deployment, available), now),
        _renewed(known.get("Progressing"), _progress(deployment, current, status, now), now),
    ]
    # The one that changed goes last, as conditions that are set anew are appended.
    conditions.sort(key=lambda item: item["lastUpdateTime"])
    return {**status, "conditions": conditions}


def is_complete(deployment: Object, status: Object) -> bool:
    """Whether all pods are of the current template, available, and no others are left."""
    wanted = deployment["spec"]["replicas"]
    names = ("updatedReplicas", "replicas", "availableReplicas")
    return all(status.get(name, 0) == wanted for name in names)


def _sum(replica_sets: Sequence[Object], field: str) -> int:
    return sum(item.get("status", {}).get(field, 0) for item in replica_sets)


def _availability(deployment: Object, available: int) -> Object:
    if available >= deployment["spec"]["replicas"] - bounds(deployment)[1]:
        message = "Deployment has minimum availability."
        return _condition("Available", "True", "MinimumReplicasAvailable", message)
    message = "Deployment does not have minimum availability."
    return _condition("Available", "False", "MinimumReplicasUnavailable", message)


def _progress(deployment: Object, current: Object | None, status: Object, now: str) -> Object:
    old = deployment.get("status", {})
    known = next((item for item in old.get("conditions", []) if item["type"] == "Progressing"), None)
    reason = known["reason"] if known else ""
    if deployment["spec"].get("paused"):
        return _condition("Progressing", "Unknown", "DeploymentPaused", "Deployment is paused")
    if reason == "DeploymentPaused":
        return _condition("Progressing", "Unknown", "DeploymentResumed", "Deployment is resumed")
    name = current["metadata"]["name"] if current else ""
    if known and reason == "NewReplicaSetAvailable":
        if status.get("replicas") == status.get("updatedReplicas"):
            return {**known}
    elif is_complete(deployment, status):
        message = f'ReplicaSet "{name}" has successfully progressed.'
        return _condition("Progressing", "True", "NewReplicaSetAvailable", message)
    if known is None:
        message = f'Created new replica set "{name}"'
        return _condition("Progressing", "True", "NewReplicaSetCreated", message)
    moved = any(
        status.get(field, 0) > old.get(field, 0) for field in ("updatedReplicas", "readyReplicas", "availableReplicas")
    ) or _outdated(status) < _outdated(old)
    if moved or reason == "NewReplicaSetAvailable":
        message = f'ReplicaSet "{name}" is progressing.'
        return {**_condition("Progressing", "True", "ReplicaSetUpdated", message), "lastUpdateTime": now}
    patience = timedelta(seconds=deployment["spec"]["progressDeadlineSeconds"])
    late = datetime.fromisoformat(now) - datetime.fromisoformat(known["lastUpdateTime"]) > patience
    if late and reason != "ProgressDeadlineExceeded":
        message = f'ReplicaSet "{name}" has timed out progressing.'
        return _condition("Progressing", "False", "ProgressDeadlineExceeded", message)
    return {**known}


def _outdated(status: Object) -> int:
    return int(status.get("replicas", 0)) - int(status.get("updatedReplicas", 0))


def _condition(kind: str, state: str, reason: str, message: str) -> Object:
    return {"type": kind, "status": state, "reason": reason, "message": message}


def _renewed(known: Object | None, wanted: Object, now: str) -> Object:
    if known and (known["status"], known["reason"]) == (wanted["status"], wanted["reason"]):
        return {**known, "lastUpdateTime": wanted.get("lastUpdateTime", known["lastUpdateTime"])}
    turned = now
    if known and known["status"] == wanted["status"]:
        turned = known["lastTransitionTime"]
    return {
        "type": wanted["type"],
        "status": wanted["status"],
        "lastUpdateTime": now,
        "lastTransitionTime": turned,
        "reason": wanted["reason"],
        "message": wanted["message"],
    }

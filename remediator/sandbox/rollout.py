"""Deployments: the part of the deployment controller, and the status that `kubectl rollout status` reads.

One rule: each round makes one step from the stored objects, scaling the new ReplicaSet up before the old ones down.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from remediator.sandbox.failure import Object
from remediator.sandbox.pods import CONTROLLER, CONTROLLER_STATUS
from remediator.sandbox.registry import Registry, random_suffix
from remediator.sandbox.resources import CORE_EVENTS, DEPLOYMENTS, REPLICA_SETS
from remediator.sandbox.revisions import (
    DESIRED,
    REVISION,
    annotations,
    bounds,
    current_of,
    new_replica_set,
    replica_annotations,
    revision,
)
from remediator.sandbox.store import timestamp

COMPONENT = "deployment-controller"


class Rollout:
    """Creates and scales the ReplicaSets of Deployments."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def sync(self, deployment: Object, owned: list[Object]) -> None:
        """Make one move for a Deployment with these ReplicaSets, and write its status."""
        paused = deployment["spec"].get("paused", False)
        current = current_of(deployment, owned)
        others = [item for item in owned if item is not current]
        if current is None and not paused:
            current = self._create(deployment, others)
            owned = [*owned, current]
        elif current is not None and current["metadata"].get("annotations", {}) != (
            wanted := annotations(deployment, current, others)
        ):
            current = self._write(current, current["spec"]["replicas"], wanted)
            owned = [current, *others]
        if paused:
            self._scale_paused(deployment, owned)
        elif current is not None:
            self._roll(deployment, current, others)
        self._store_status(deployment, current, owned)

    def _create(self, deployment: Object, others: list[Object]) -> Object:
        replicas = _room(deployment, 0, others)
        made = new_replica_set(deployment, replicas)
        made["metadata"]["annotations"] = annotations(deployment, made, others)
        created = self._registry.create(REPLICA_SETS, deployment["metadata"]["namespace"], made, CONTROLLER)
        if replicas:
            self._announce(deployment, created, 0, replicas)
        return created

    def _roll(self, deployment: Object, current: Object, others: list[Object]) -> None:
        present = current["spec"]["replicas"]
        wanted = deployment["spec"]["replicas"]
        target = wanted if present > wanted else _room(deployment, present, others)
        self._scale(deployment, current, target)
        if target == present:
            self._retire(deployment, current, others)

    def _retire(self, deployment: Object, current: Object, others: list[Object]) -> None:
        """Scale old ReplicaSets down as far as enough pods stay available: failing ones first, then the oldest."""
        everyone = [current, *others]
        least = deployment["spec"]["replicas"] - bounds(deployment)[1]
        total = sum(item["spec"]["replicas"] for item in everyone)
        spare = total - least - (current["spec"]["replicas"] - _count(current, "availableReplicas"))
        by_age = sorted(others, key=revision)
        sizes = [item["spec"]["replicas"] for item in by_age]
        for at, item in enumerate(by_age):
            drop = max(0, min(spare, sizes[at] - _count(item, "availableReplicas")))
            sizes[at] -= drop
            spare -= drop
        spare = min(spare, _sum(everyone, "availableReplicas") - least)
        for at, item in enumerate(by_age):
            drop = max(0, min(spare, sizes[at]))
            spare -= drop
            if sizes[at] - drop != item["spec"]["replicas"]:
                self._scale(deployment, item, sizes[at] - drop)

    def _scale_paused(self, deployment: Object, owned: list[Object]) -> None:
        """A paused Deployment still scales: its newest ReplicaSet with pods gets the difference."""
        active = [item for item in owned if item["spec"]["replicas"]] or owned
        if (newest := max(active, key=revision, default=None)) is not None:
            rest = sum(item["spec"]["replicas"] for item in active if item is not newest)
            self._scale(deployment, newest, max(0, deployment["spec"]["replicas"] - rest))

    def _scale(self, deployment: Object, replica_set: Object, replicas: int) -> None:
        before = replica_set["spec"]["replicas"]
        wanted = replica_annotations(deployment)
        noted = replica_set["metadata"].get("annotations", {})
        if before == replicas and noted.get(DESIRED) == wanted[DESIRED]:
            return
        self._write(replica_set, replicas, {**noted, **wanted})
        if before != replicas:
            self._announce(deployment, replica_set, before, replicas)

    def _write(self, replica_set: Object, replicas: int, noted: dict[str, str]) -> Object:
        def change(old: Object) -> Object:
            metadata = {**old["metadata"], "annotations": noted}
            return {**old, "metadata": metadata, "spec": {**old["spec"], "replicas": replicas}}

        metadata = replica_set["metadata"]
        return self._registry.update(REPLICA_SETS, metadata["namespace"], metadata["name"], change, CONTROLLER)

    def _announce(self, deployment: Object, replica_set: Object, before: int, after: int) -> None:
        metadata, now = deployment["metadata"], timestamp()
        direction = "up" if after > before else "down"
        name = replica_set["metadata"]["name"]
        event = {
            "kind": CORE_EVENTS.kind,
            "apiVersion": CORE_EVENTS.api_version,
            "metadata": {"name": f"{metadata['name']}.{random_suffix()}{random_suffix()}"},
            "involvedObject": {
                "kind": DEPLOYMENTS.kind,
                "apiVersion": DEPLOYMENTS.api_version,
                **{key: metadata[key] for key in ("namespace", "name", "uid", "resourceVersion")},
            },
            "reason": "ScalingReplicaSet",
            "message": f"Scaled {direction} replica set {name} from {before} to {after}",
            "source": {"component": COMPONENT},
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
            "type": "Normal",
            "reportingComponent": COMPONENT,
        }
        self._registry.create(CORE_EVENTS, metadata["namespace"], event, CONTROLLER)

    def _store_status(self, deployment: Object, current: Object | None, owned: list[Object]) -> None:
        status = _status_of(deployment, current, owned, timestamp())
        number = str(revision(current)) if current else ""
        noted = deployment["metadata"].get("annotations", {}).get(REVISION, "")
        if status == deployment.get("status") and number in ("", noted):
            return

        def change(old: Object) -> Object:
            metadata = dict(old["metadata"])
            if number:
                metadata["annotations"] = {**metadata.get("annotations", {}), REVISION: number}
            return {**old, "metadata": metadata, "status": status}

        metadata = deployment["metadata"]
        self._registry.update(DEPLOYMENTS, metadata["namespace"], metadata["name"], change, CONTROLLER_STATUS)


def _room(deployment: Object, current: int, others: list[Object]) -> int:
    """How many replicas the new ReplicaSet may have now."""
    wanted = int(deployment["spec"]["replicas"])
    total: int = current + sum(item["spec"]["replicas"] for item in others)
    return current + max(0, min(wanted + bounds(deployment)[0] - total, wanted - current))


def _count(replica_set: Object, field: str) -> int:
    return int(replica_set.get("status", {}).get(field, 0))


def _status_of(deployment: Object, current: Object | None, replica_sets: Sequence[Object], now: str) -> Object:
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
    # The changed one goes last, because setting a condition appends it.
    conditions.sort(key=lambda item: item["lastUpdateTime"])
    return {**status, "conditions": conditions}


def _is_complete(deployment: Object, status: Object) -> bool:
    wanted = deployment["spec"]["replicas"]
    names = ("updatedReplicas", "replicas", "availableReplicas")
    return all(status.get(name, 0) == wanted for name in names)


def _sum(replica_sets: Sequence[Object], field: str) -> int:
    return sum(_count(item, field) for item in replica_sets)


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
    elif _is_complete(deployment, status):
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

"""Deployments: the part of the deployment controller.

One rule: each round looks at what is there and makes one move, scaling the new ReplicaSet up before old ones down.
"""

from remediator.embedded.failure import Object
from remediator.embedded.pods import CONTROLLER, CONTROLLER_STATUS
from remediator.embedded.registry import Preconditions, Registry, random_suffix
from remediator.embedded.resources import CORE_EVENTS, DEPLOYMENTS, REPLICA_SETS
from remediator.embedded.revisions import (
    DESIRED,
    REVISION,
    annotations,
    bounds,
    current_of,
    new_replica_set,
    replica_annotations,
    revision,
)
from remediator.embedded.rollout_status import is_complete, status_of
from remediator.embedded.store import timestamp

COMPONENT = "deployment-controller"


class Rollout:
    """Makes ReplicaSets what their Deployments want."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def sync(self, deployment: Object, owned: list[Object]) -> None:
        """Make one move for a Deployment with these ReplicaSets, and tell its status."""
        paused = deployment["spec"].get("paused", False)
        current = current_of(deployment, owned)
        others = [item for item in owned if item is not current]
        if current is None and not paused and self._may_create(deployment, others):
            current = self._create(deployment, others)
            owned = [*owned, current]
        elif current is not None and current["metadata"].get("annotations", {}) != (
            wanted := annotations(deployment, current, others)
        ):
            current = self._annotate(current, wanted)
            owned = [current, *others]
        if paused:
            self._scale_paused(deployment, owned)
        else:
            self._roll(deployment, current, others)
        self._tell(deployment, current, owned)

    def _may_create(self, deployment: Object, others: list[Object]) -> bool:
        """To recreate is to wait until the old pods are gone."""
        return not (_recreates(deployment) and any(item["spec"]["replicas"] or _pods(item) for item in others))

    def _create(self, deployment: Object, others: list[Object]) -> Object:
        replicas = self._room(deployment, 0, others)
        made = new_replica_set(deployment, replicas)
        made["metadata"]["annotations"] = annotations(deployment, made, others)
        created = self._registry.create(REPLICA_SETS, deployment["metadata"]["namespace"], made, CONTROLLER)
        if replicas:
            self._announce(deployment, created, 0, replicas)
        return created

    def _annotate(self, replica_set: Object, wanted: dict[str, str]) -> Object:
        def change(old: Object) -> Object:
            return {**old, "metadata": {**old["metadata"], "annotations": wanted}}

        metadata = replica_set["metadata"]
        return self._registry.update(REPLICA_SETS, metadata["namespace"], metadata["name"], change, CONTROLLER)

    def _room(self, deployment: Object, current: int, others: list[Object]) -> int:
        """How many replicas the new ReplicaSet may have now."""
        wanted = int(deployment["spec"]["replicas"])
        if _recreates(deployment):
            return wanted
        surge, _ = bounds(deployment)
        total: int = current + sum(item["spec"]["replicas"] for item in others)
        return current + max(0, min(wanted + surge - total, wanted - current))

    def _roll(self, deployment: Object, current: Object | None, others: list[Object]) -> None:
        if _recreates(deployment):
            for item in others:
                if item["spec"]["replicas"]:
                    self._scale(deployment, item, 0)
            if any(map(_pods, others)):
                return
        if current is None:
            return
        present = current["spec"]["replicas"]
        wanted = deployment["spec"]["replicas"]
        target = wanted if present > wanted else self._room(deployment, present, others)
        self._scale(deployment, current, target)
        if target != present:
            return
        self._retire(deployment, current, others)
        self._forget(deployment, others)

    def _retire(self, deployment: Object, current: Object, others: list[Object]) -> None:
        """Scale old ReplicaSets down as far as enough pods stay available: failing ones first, then the oldest."""
        everyone = [current, *others]
        least = deployment["spec"]["replicas"] - bounds(deployment)[1]
        total = sum(item["spec"]["replicas"] for item in everyone)
        spare = total - least - (current["spec"]["replicas"] - _available(current))
        sizes = {item["metadata"]["name"]: item["spec"]["replicas"] for item in others}
        by_age = sorted(others, key=revision)
        for item in by_age:
            failing = item["spec"]["replicas"] - _available(item)
            drop = max(0, min(spare, failing))
            sizes[item["metadata"]["name"]] -= drop
            spare -= drop
        spare = min(spare, sum(map(_available, everyone)) - least)
        for item in by_age:
            drop = max(0, min(spare, sizes[item["metadata"]["name"]]))
            sizes[item["metadata"]["name"]] -= drop
            spare -= drop
        for item in by_age:
            if (size := sizes[item["metadata"]["name"]]) != item["spec"]["replicas"]:
                self._scale(deployment, item, size)

    def _forget(self, deployment: Object, others: list[Object]) -> None:
        """Delete old ReplicaSets beyond the history limit, once the rollout is complete."""
        if not is_complete(deployment, deployment.get("status", {})):
            return
        idle = sorted((item for item in others if not item["spec"]["replicas"] and not _pods(item)), key=revision)
        for item in idle[: max(0, len(idle) - deployment["spec"]["revisionHistoryLimit"])]:
            metadata = item["metadata"]
            self._registry.delete(REPLICA_SETS, metadata["namespace"], metadata["name"], Preconditions())

    def _scale_paused(self, deployment: Object, owned: list[Object]) -> None:
        """A paused Deployment still scales: its newest ReplicaSet that has pods takes the difference."""
        active = [item for item in owned if item["spec"]["replicas"]] or owned
        newest = max(active, key=revision, default=None)
        if newest is None:
            return
        rest = sum(item["spec"]["replicas"] for item in active if item is not newest)
        self._scale(deployment, newest, max(0, deployment["spec"]["replicas"] - rest))

    def _scale(self, deployment: Object, replica_set: Object, replicas: int) -> None:
        before = replica_set["spec"]["replicas"]
        wanted = replica_annotations(deployment)
        noted = replica_set["metadata"].get("annotations", {})
        if before == replicas and noted.get(DESIRED) == wanted[DESIRED]:
            return

        def change(old: Object) -> Object:
            metadata = {**old["metadata"], "annotations": {**noted, **wanted}}
            return {**old, "metadata": metadata, "spec": {**old["spec"], "replicas": replicas}}

        metadata = replica_set["metadata"]
        self._registry.update(REPLICA_SETS, metadata["namespace"], metadata["name"], change, CONTROLLER)
        if before != replicas:
            self._announce(deployment, replica_set, before, replicas)

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

    def _tell(self, deployment: Object, current: Object | None, owned: list[Object]) -> None:
        status = status_of(deployment, current, owned, timestamp())
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


def _recreates(deployment: Object) -> bool:
    return bool(deployment["spec"]["strategy"]["type"] == "Recreate")


def _available(replica_set: Object) -> int:
    return int(replica_set.get("status", {}).get("availableReplicas", 0))


def _pods(replica_set: Object) -> int:
    return int(replica_set.get("status", {}).get("replicas", 0))

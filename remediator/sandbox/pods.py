"""ReplicaSets and pods: the part of the ReplicaSet controller, the scheduler and the kubelet.

One rule: each round makes one step from the stored objects, so that a rollout can be watched.

An image from a registry below `.invalid` can never be pulled, which simulates a stuck rollout.
"""

import re
from datetime import UTC, datetime

from remediator.sandbox.failure import Object
from remediator.sandbox.managed_fields import Writer
from remediator.sandbox.registry import Registry
from remediator.sandbox.resources import PODS, REPLICA_SETS
from remediator.sandbox.store import timestamp

CONTROLLER = Writer(manager="kube-controller-manager")
CONTROLLER_STATUS = Writer(manager="kube-controller-manager", subresource="status")
KUBELET_STATUS = Writer(manager="kubelet", subresource="status")


def owner_uid(item: Object) -> str:
    """The uid of the controller that an object belongs to."""
    owners = item["metadata"].get("ownerReferences", [])
    return next((owner.get("uid", "") for owner in owners if owner.get("controller")), "")


def owner_reference(item: Object) -> Object:
    """A reference that makes `item` the controller of another object."""
    about = {"apiVersion": item["apiVersion"], "kind": item["kind"], "controller": True, "blockOwnerDeletion": True}
    return about | {key: item["metadata"][key] for key in ("name", "uid")}


def _is_ready(pod: Object) -> bool:
    conditions = pod.get("status", {}).get("conditions", [])
    return any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)


def _is_available(pod: Object, seconds: int) -> bool:
    if not _is_ready(pod):
        return False
    started = datetime.fromisoformat(pod["status"]["startTime"])
    return (datetime.now(UTC) - started).total_seconds() >= seconds


class Pods:
    """Creates and deletes the pods of ReplicaSets."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def run(self, pod: Object) -> None:
        """Play the scheduler and the kubelet for one pod: start it, if it is new."""
        if pod.get("status", {}).get("conditions"):
            return
        containers = pod["spec"]["containers"]
        ready = not any(re.match(r"[^/]*\.invalid[:/]", item["image"]) for item in containers)
        conditions = [_condition("PodScheduled", ready=True), _condition("Initialized", ready=True)]
        conditions += [_condition("ContainersReady", ready=ready), _condition("Ready", ready=ready)]
        status = {
            "phase": "Running" if ready else "Pending",
            "hostIP": "127.0.0.1",
            "podIP": "127.0.0.1",
            "startTime": timestamp(),
            "conditions": conditions,
            "containerStatuses": [_container_status(item, ready=ready) for item in containers],
        }
        self._store_status(pod, status, KUBELET_STATUS)

    def sync(self, replica_set: Object, pods: list[Object]) -> None:
        """Create or delete pods, and write the ReplicaSet's status."""
        wanted = replica_set["spec"]["replicas"]
        for _ in range(wanted - len(pods)):
            self._create(replica_set)
        surplus = max(0, len(pods) - wanted)
        leaving = sorted(pods, key=lambda pod: (_is_ready(pod), -int(pod["metadata"]["resourceVersion"])))[:surplus]
        for pod in leaving:
            self._registry.delete(PODS, pod["metadata"]["namespace"], pod["metadata"]["name"])
        left = [pod for pod in pods if pod not in leaving]
        patience = replica_set["spec"].get("minReadySeconds", 0)
        counts = {
            "fullyLabeledReplicas": len(left),
            "readyReplicas": sum(map(_is_ready, left)),
            "availableReplicas": sum(_is_available(pod, patience) for pod in left),
            "observedGeneration": replica_set["metadata"]["generation"],
        }
        status = {"replicas": len(left), "terminatingReplicas": 0}
        status |= {key: value for key, value in counts.items() if value}
        if status != replica_set.get("status"):
            self._store_status(replica_set, status, CONTROLLER_STATUS)

    def _store_status(self, item: Object, status: Object, writer: Writer) -> None:
        resource = PODS if item["kind"] == PODS.kind else REPLICA_SETS
        metadata = item["metadata"]
        self._registry.update(
            resource, metadata["namespace"], metadata["name"], lambda old: {**old, "status": status}, writer
        )

    def _create(self, replica_set: Object) -> None:
        template, metadata = replica_set["spec"]["template"], replica_set["metadata"]
        copied = {key: value for key, value in template["metadata"].items() if key in ("labels", "annotations")}
        owners = {"generateName": f"{metadata['name']}-", "ownerReferences": [owner_reference(replica_set)]}
        pod = {
            "kind": PODS.kind,
            "apiVersion": PODS.api_version,
            "metadata": {**copied, **owners},
            "spec": {**template["spec"], "nodeName": "embedded"},
        }
        self._registry.create(PODS, metadata["namespace"], pod, CONTROLLER)


def _condition(kind: str, *, ready: bool) -> Object:
    return {"type": kind, "status": "True" if ready else "False", "lastTransitionTime": timestamp()}


def _container_status(container: Object, *, ready: bool) -> Object:
    state: Object = {"running": {"startedAt": timestamp()}}
    if not ready:
        message = f'Back-off pulling image "{container["image"]}"'
        state = {"waiting": {"reason": "ImagePullBackOff", "message": message}}
    status = {key: container[key] for key in ("name", "image")}
    return {**status, "imageID": "", "ready": ready, "started": ready, "restartCount": 0, "state": state}

"""ReplicaSets and pods: the part of the ReplicaSet controller, the scheduler and the kubelet.

One rule: each round looks at what is there and makes one move, so that a rollout can be watched.

An image from a registry below `.invalid` can never be pulled: that is how to see a rollout that hangs.
"""

import re
from datetime import UTC, datetime

from remediator.embedded.failure import Object
from remediator.embedded.managed_fields import Writer
from remediator.embedded.registry import Preconditions, Registry
from remediator.embedded.resources import PODS, REPLICA_SETS
from remediator.embedded.store import timestamp

CONTROLLER = Writer(manager="kube-controller-manager")
CONTROLLER_STATUS = Writer(manager="kube-controller-manager", subresource="status")
KUBELET_STATUS = Writer(manager="kubelet", subresource="status")
NODE = "embedded"


def owner_uid(item: Object) -> str:
    """The uid of the controller that an object belongs to."""
    for owner in item["metadata"].get("ownerReferences", []):
        if owner.get("controller"):
            return str(owner.get("uid", ""))
    return ""


def owner_reference(api_version: str, kind: str, item: Object) -> Object:
    """A reference that makes `item` the controller of another object."""
    return {
        "apiVersion": api_version,
        "kind": kind,
        "name": item["metadata"]["name"],
        "uid": item["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def is_ready(pod: Object) -> bool:
    """Whether a pod is Ready."""
    conditions = pod.get("status", {}).get("conditions", [])
    return any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)


def _is_available(pod: Object, seconds: int) -> bool:
    if not is_ready(pod):
        return False
    started = datetime.fromisoformat(pod["status"]["startTime"])
    return (datetime.now(UTC) - started).total_seconds() >= seconds


class Pods:
    """Makes pods what their ReplicaSets want."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def run(self, pod: Object) -> None:
        """Play the scheduler and the kubelet for one pod."""
        metadata = pod["metadata"]
        if metadata.get("deletionTimestamp"):
            self._registry.delete(PODS, metadata["namespace"], metadata["name"], Preconditions(), grace_seconds=0)
        elif not pod.get("status", {}).get("conditions"):
            self._start(pod)

    def _start(self, pod: Object) -> None:
        containers = pod["spec"]["containers"]
        failing = [item["name"] for item in containers if re.match(r"[^/]*\.invalid[:/]", item["image"])]
        status = {
            "phase": "Pending" if failing else "Running",
            "hostIP": "127.0.0.1",
            "podIP": "127.0.0.1",
            "startTime": timestamp(),
            "qosClass": "BestEffort",
            "conditions": [
                _condition("PodScheduled", ready=True),
                _condition("Initialized", ready=True),
                _condition("ContainersReady", ready=not failing),
                _condition("Ready", ready=not failing),
            ],
            "containerStatuses": [_container_status(item, ready=not failing) for item in containers],
        }
        self._registry.update(
            PODS,
            pod["metadata"]["namespace"],
            pod["metadata"]["name"],
            lambda old: {**old, "status": status},
            KUBELET_STATUS,
        )

    def sync(self, replica_set: Object, pods: list[Object]) -> None:
        """Create or delete pods, and tell the ReplicaSet's status."""
        active = [pod for pod in pods if not pod["metadata"].get("deletionTimestamp")]
        wanted = replica_set["spec"]["replicas"]
        for _ in range(wanted - len(active)):
            self._create(replica_set)
        leaving = sorted(active, key=lambda pod: (is_ready(pod), -int(pod["metadata"]["resourceVersion"])))
        for pod in leaving[: max(0, len(active) - wanted)]:
            self._registry.delete(PODS, pod["metadata"]["namespace"], pod["metadata"]["name"], Preconditions())
        self._tell(replica_set, [pod for pod in active if pod not in leaving[: max(0, len(active) - wanted)]])

    def _tell(self, replica_set: Object, pods: list[Object]) -> None:
        patience = replica_set["spec"].get("minReadySeconds", 0)
        status = {
            "replicas": len(pods),
            "fullyLabeledReplicas": len(pods),
            "readyReplicas": sum(map(is_ready, pods)),
            "availableReplicas": sum(_is_available(pod, patience) for pod in pods),
            "terminatingReplicas": 0,
            "observedGeneration": replica_set["metadata"]["generation"],
        }
        kept = ("replicas", "terminatingReplicas")
        status = {key: value for key, value in status.items() if value or key in kept}
        if status != replica_set.get("status"):
            self._registry.update(
                REPLICA_SETS,
                replica_set["metadata"]["namespace"],
                replica_set["metadata"]["name"],
                lambda old: {**old, "status": status},
                CONTROLLER_STATUS,
            )

    def _create(self, replica_set: Object) -> None:
        template = replica_set["spec"]["template"]
        metadata = replica_set["metadata"]
        owned = {key: value for key, value in template["metadata"].items() if key in ("labels", "annotations")}
        pod = {
            "kind": PODS.kind,
            "apiVersion": PODS.api_version,
            "metadata": {
                "generateName": f"{metadata['name']}-",
                **owned,
                "ownerReferences": [owner_reference("apps/v1", "ReplicaSet", replica_set)],
            },
            "spec": {**template["spec"], "nodeName": NODE},
        }
        self._registry.create(PODS, metadata["namespace"], pod, CONTROLLER)


def _condition(kind: str, *, ready: bool) -> Object:
    return {"type": kind, "status": "True" if ready else "False", "lastTransitionTime": timestamp()}


def _container_status(container: Object, *, ready: bool) -> Object:
    state: Object = {"running": {"startedAt": timestamp()}}
    if not ready:
        message = f'Back-off pulling image "{container["image"]}"'
        state = {"waiting": {"reason": "ImagePullBackOff", "message": message}}
    return {
        "name": container["name"],
        "image": container["image"],
        "imageID": "",
        "ready": ready,
        "started": ready,
        "restartCount": 0,
        "state": state,
        "lastState": {},
    }

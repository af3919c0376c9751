"""The ReplicaSets of a Deployment: the current one, its revision, and what is copied from the Deployment.

One rule: pure functions; they produce what `kubectl rollout history` and `undo` read.
"""

import hashlib
import json
from collections.abc import Iterable

from remediator.sandbox.failure import Object
from remediator.sandbox.pods import owner_reference
from remediator.sandbox.registry import SUFFIX
from remediator.sandbox.resources import REPLICA_SETS

HASH_LABEL = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MAXIMUM = "deployment.kubernetes.io/max-replicas"
NOT_COPIED = {"kubectl.kubernetes.io/last-applied-configuration", REVISION, HISTORY, DESIRED, MAXIMUM}


def _template_hash(template: Object) -> str:
    canonical = json.dumps(template, sort_keys=True, separators=(",", ":"))
    number = int.from_bytes(hashlib.sha256(canonical.encode()).digest()[:4], "big")
    return "".join(SUFFIX[ord(digit) % len(SUFFIX)] for digit in str(number))


def current_of(deployment: Object, replica_sets: Iterable[Object]) -> Object | None:
    """The ReplicaSet that has the Deployment's pod template, the oldest if there are several."""
    wanted = deployment["spec"]["template"]
    same = [item for item in replica_sets if _without_hash(item["spec"]["template"]) == wanted]
    return min(same, key=lambda item: (item["metadata"]["creationTimestamp"], revision(item)), default=None)


def _without_hash(template: Object) -> Object:
    labels = {key: value for key, value in template["metadata"].get("labels", {}).items() if key != HASH_LABEL}
    return {**template, "metadata": {**template["metadata"], "labels": labels}}


def revision(item: Object) -> int:
    """The revision of a ReplicaSet or Deployment; 0 if it has none."""
    text = item["metadata"].get("annotations", {}).get(REVISION, "")
    return int(text) if text.isdecimal() else 0


def new_replica_set(deployment: Object, replicas: int) -> Object:
    """A ReplicaSet for the Deployment's current template, without annotations."""
    spec = deployment["spec"]
    template = spec["template"]
    code = _template_hash(template)
    labels = {**template["metadata"].get("labels", {}), HASH_LABEL: code}
    made: Object = {
        "kind": REPLICA_SETS.kind,
        "apiVersion": REPLICA_SETS.api_version,
        "metadata": {
            "name": f"{deployment['metadata']['name']}-{code}",
            "labels": labels,
            "ownerReferences": [owner_reference(deployment)],
        },
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {**spec["selector"]["matchLabels"], HASH_LABEL: code}},
            "template": {**template, "metadata": {**template["metadata"], "labels": labels}},
        },
    }
    if "minReadySeconds" in spec:
        made["spec"]["minReadySeconds"] = spec["minReadySeconds"]
    return made


def annotations(deployment: Object, current: Object, others: Iterable[Object]) -> dict[str, str]:
    """The annotations of the current ReplicaSet: a copy of the Deployment's, and its revision.

    The desired number of replicas is recorded when it is created and whenever it is scaled.
    """
    result = dict(current["metadata"].get("annotations", {}))
    for key, value in deployment["metadata"].get("annotations", {}).items():
        if key not in NOT_COPIED:
            result[key] = value
    number = max((revision(item) for item in others), default=0) + 1
    known = revision(current)
    if known < number:
        result[REVISION] = str(number)
        if known:
            result[HISTORY] = ",".join(filter(None, [result.get(HISTORY, ""), str(known)]))
    return replica_annotations(deployment) | result


def replica_annotations(deployment: Object) -> dict[str, str]:
    """The desired number of replicas, and the maximum during a rollout."""
    spec = deployment["spec"]
    surge, _ = bounds(deployment)
    return {DESIRED: str(spec["replicas"]), MAXIMUM: str(spec["replicas"] + surge)}


def bounds(deployment: Object) -> tuple[int, int]:
    """How many pods a rolling update may add (rounded up) and miss (rounded down)."""
    rolling, replicas = deployment["spec"]["strategy"]["rollingUpdate"], deployment["spec"]["replicas"]

    def share(value: int | str, *, up: bool) -> int:
        if isinstance(value, int):
            return value
        percent: int = int(value.rstrip("%")) * replicas
        return -(-percent // 100) if up else percent // 100

    surge, missing = share(rolling["maxSurge"], up=True), share(rolling["maxUnavailable"], up=False)
    return surge, missing if surge or missing else 1

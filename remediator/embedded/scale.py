"""The scale subresource of Deployments and ReplicaSets.

One rule: only `spec.replicas` and the version go from a Scale to its object; annotations are dropped in silence.
"""

from remediator.embedded.failure import Object, Subject, invalid
from remediator.embedded.fields import SCALE
from remediator.embedded.schema import decode
from remediator.embedded.validation import check_replicas

KIND, API_VERSION = "Scale", "autoscaling/v1"
KEPT = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def scale_of(item: Object) -> Object:
    """The Scale of a stored object."""
    labels = item["spec"].get("selector", {}).get("matchLabels", {})
    return {
        "kind": KIND,
        "apiVersion": API_VERSION,
        "metadata": {key: item["metadata"][key] for key in KEPT if key in item["metadata"]},
        "spec": {"replicas": item["spec"]["replicas"]} if item["spec"]["replicas"] else {},
        "status": {
            "replicas": item.get("status", {}).get("replicas", 0),
            "selector": ",".join(f"{key}={value}" for key, value in labels.items()),
        },
    }


def scaled(item: Object, scale: Object) -> Object:
    """`item` with the replicas and the version of a Scale."""
    wanted = decode(SCALE, scale).value
    if causes := list(check_replicas(wanted)):
        name = item["metadata"]["name"]
        raise invalid(Subject(group="autoscaling", resource="scales", kind=KIND, name=name), causes)
    metadata = dict(item["metadata"])
    sent = wanted.get("metadata", {})
    metadata["resourceVersion"] = sent.get("resourceVersion", "")
    if "uid" in sent:
        metadata["uid"] = sent["uid"]
    replicas = wanted.get("spec", {}).get("replicas", 0)
    return {**item, "metadata": metadata, "spec": {**item["spec"], "replicas": replicas}}

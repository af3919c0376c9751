"""The scale subresource of Deployments.

One rule: only `spec.replicas` and the preconditions go from a Scale to its object; annotations are silently dropped.
"""

from remediator.sandbox.failure import Object, Subject, invalid
from remediator.sandbox.validation import check_replicas

KIND, API_VERSION = "Scale", "autoscaling/v1"
KEPT = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def scale_of(item: Object) -> Object:
    """The Scale of a stored object."""
    labels = item["spec"]["selector"]["matchLabels"]
    return {
        "kind": KIND,
        "apiVersion": API_VERSION,
        "metadata": {key: item["metadata"][key] for key in KEPT},
        "spec": {"replicas": item["spec"]["replicas"]} if item["spec"]["replicas"] else {},
        "status": {
            "replicas": item["status"].get("replicas", 0),
            "selector": ",".join(f"{key}={value}" for key, value in labels.items()),
        },
    }


def scaled(item: Object, scale: Object) -> Object:
    """`item`, with the replicas, the version and the uid of a Scale."""
    if causes := list(check_replicas(scale)):
        name = item["metadata"]["name"]
        raise invalid(Subject(group="autoscaling", resource="scales", kind=KIND, name=name), causes)
    sent = scale.get("metadata", {})
    preconditions = {key: sent.get(key, "") for key in ("resourceVersion", "uid")}
    replicas = scale.get("spec", {}).get("replicas", 0)
    return {**item, "metadata": item["metadata"] | preconditions, "spec": {**item["spec"], "replicas": replicas}}

"""The values that the API server fills in where an object leaves them out.

One rule: these change the object that they are given, which is a fresh one from decoding.
"""

from typing import Any

from remediator.embedded.failure import Object


def default_deployment(item: Object) -> None:
    """Fill in a Deployment."""
    spec = item.setdefault("spec", {})
    spec.setdefault("replicas", 1)
    default_template(spec)
    strategy = spec.setdefault("strategy", {})
    strategy.setdefault("type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", "25%")
        rolling.setdefault("maxSurge", "25%")
    spec.setdefault("revisionHistoryLimit", 10)
    spec.setdefault("progressDeadlineSeconds", 600)
    item.setdefault("status", {})


def default_replica_set(item: Object) -> None:
    """Fill in a ReplicaSet."""
    spec = item.setdefault("spec", {})
    spec.setdefault("replicas", 1)
    default_template(spec)
    item.setdefault("status", {}).setdefault("replicas", 0)


def default_pod(item: Object) -> None:
    """Fill in a Pod."""
    default_pod_spec(item.setdefault("spec", {}))
    item.setdefault("status", {}).setdefault("phase", "Pending")


def default_template(spec: Object) -> None:
    """Fill in the pod template of a workload."""
    template = spec.setdefault("template", {})
    template.setdefault("metadata", {})
    default_pod_spec(template.setdefault("spec", {}))


def default_pod_spec(spec: Object) -> None:
    """Fill in what a pod runs."""
    for container in [*spec.get("initContainers", []), *spec.get("containers", [])]:
        _default_container(container)
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("dnsPolicy", "ClusterFirst")
    if "serviceAccountName" in spec:
        spec.setdefault("serviceAccount", spec["serviceAccountName"])
    spec.setdefault("securityContext", {})
    spec.setdefault("schedulerName", "default-scheduler")


def _default_container(container: Object) -> None:
    image = container.get("image", "")
    tag = image.rpartition("/")[2].partition(":")[2]
    container.setdefault("resources", {})
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")
    container.setdefault("imagePullPolicy", "Always" if tag in ("", "latest") and "@" not in image else "IfNotPresent")
    for port in container.get("ports", []):
        port.setdefault("protocol", "TCP")
    for entry in container.get("env", []):
        source: Any = entry.get("valueFrom", {}).get("fieldRef")
        if source is not None:
            source.setdefault("apiVersion", "v1")
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if (probe := container.get(name)) is not None:
            _default_probe(probe)


def _default_probe(probe: Object) -> None:
    probe.setdefault("timeoutSeconds", 1)
    probe.setdefault("periodSeconds", 10)
    probe.setdefault("successThreshold", 1)
    probe.setdefault("failureThreshold", 3)
    if "httpGet" in probe:
        probe["httpGet"].setdefault("path", "/")
        probe["httpGet"].setdefault("scheme", "HTTP")

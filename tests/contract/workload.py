"""A Deployment in a namespace of its own, and the words that the contract's tests use for it."""

from dataclasses import dataclass
from typing import Any

from tests.contract.client import STRATEGIC, Answer, Client, Object

FLAG = "DENIS_MATERIALIZERS_PCT"


def manifest(name: str = "denis", **spec: Any) -> Object:
    """A Deployment without pods: it needs no kubelet to be complete."""
    env = [
        {"name": FLAG, "value": "10"},
        {"name": "OTHER", "value": "kept"},
        {"name": "EMPTY", "value": ""},
        {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
    ]
    containers = [
        {"name": "denis", "image": "denis:1", "env": env},
        {"name": "sidecar", "image": "sidecar:1", "env": [{"name": FLAG, "value": "sidecar's own"}]},
    ]
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": containers}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"replicas": 0, "selector": {"matchLabels": {"app": name}}, "template": template, **spec},
    }


def env_patch(*entries: Object, container: str = "denis", **metadata: Any) -> Object:
    """A patch of env entries, with metadata such as resourceVersion."""
    spec = {"template": {"spec": {"containers": [{"name": container, "env": list(entries)}]}}}
    return {"metadata": metadata, "spec": spec}


def flag(value: Any, **metadata: Any) -> Object:
    """A patch that sets the flag."""
    return env_patch({"name": FLAG, "value": value}, **metadata)


def annotation(key: str, value: str | None, **metadata: Any) -> Object:
    """A patch that sets or removes an annotation."""
    return {"metadata": {"annotations": {key: value}, **metadata}}


def env_of(body: Object, container: int = 0) -> list[Object]:
    """The env entries of a container."""
    entries: list[Object] = body["spec"]["template"]["spec"]["containers"][container].get("env", [])
    return entries


def names_of(body: Object) -> list[str]:
    """The names of the first container's env entries, in order."""
    return [entry["name"] for entry in env_of(body)]


def value_of(body: Object, name: str = FLAG, container: int = 0) -> str | None:
    """The value of an env entry."""
    return next(entry.get("value") for entry in env_of(body, container) if entry["name"] == name)


def is_settled(body: Object) -> bool:
    """Whether the controllers are done with a Deployment, so that its version stays as it is."""
    status = body.get("status", {})
    reasons = [condition["reason"] for condition in status.get("conditions", [])]
    return status.get("observedGeneration") == body["metadata"]["generation"] and "NewReplicaSetAvailable" in reasons


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """One Deployment of the test's own namespace."""

    api: Client
    namespace: str
    name: str = "denis"

    @property
    def deployments(self) -> str:
        """The path of the namespace's Deployments."""
        return f"/apis/apps/v1/namespaces/{self.namespace}/deployments"

    @property
    def replica_sets(self) -> str:
        """The path of the namespace's ReplicaSets."""
        return f"/apis/apps/v1/namespaces/{self.namespace}/replicasets"

    @property
    def path(self) -> str:
        """The path of the Deployment."""
        return f"{self.deployments}/{self.name}"

    def get(self) -> Answer:
        """The Deployment as it is now."""
        return self.api.get(self.path)

    def patch(self, body: Any, kind: str = STRATEGIC, **query: str) -> Answer:
        """PATCH the Deployment."""
        return self.api.patch(self.path, body, kind, **query)

    def settled(self) -> Answer:
        """The Deployment once the controllers are done with it."""
        return self.api.await_object(self.path, is_settled)

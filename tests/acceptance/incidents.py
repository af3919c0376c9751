"""Canaries on a real control plane, one for each incident, and what the API server knows about each afterwards."""

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from demo.waiting import until
from remediator.core.ledger import LEDGER
from tests.contract.client import Client
from tests.contract.workload import is_settled
from tests.support.control_plane import ControlPlane
from tests.support.documents import dump_yaml, load_yaml
from tests.support.service import SHIPPED

ROLE = """
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: remediator}
rules:
- {apiGroups: [apps], resources: [deployments], verbs: [get, patch]}
- {apiGroups: [autoscaling], resources: [horizontalpodautoscalers], verbs: [list]}
- {apiGroups: [events.k8s.io], resources: [events], verbs: [create]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: remediator}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: remediator}
subjects: [{kind: ServiceAccount, name: remediator}]
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: remediator}
"""

END = "seen-until"


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """A canary that goes bad: a Deployment with the name of the remediation that answers its alerts."""

    name: str
    namespace: str
    api: Client

    @property
    def path(self) -> str:
        """Where its Deployment is."""
        return f"/apis/apps/v1/namespaces/{self.namespace}/deployments/{self.name}"

    def deployment(self) -> dict[str, Any]:
        """The Deployment as it is now."""
        answer = self.api.get(self.path)
        assert answer.code == 200, answer
        found: dict[str, Any] = answer.body
        return found

    def flags(self) -> dict[str, str]:
        """The canary's environment."""
        return env_of(self.deployment())

    def acts(self) -> list[dict[str, Any]]:
        """What the ledger holds."""
        return acts_of(self.deployment())

    def generation(self) -> int:
        """How often the specification or an annotation was changed, from 1."""
        return int(self.deployment()["metadata"]["generation"])

    def history(self, since: Mapping[str, Any]) -> list[tuple[int, int]]:
        """The generation, and the number of acts in the ledger, of every version that was stored since another one."""
        found, version = [_summary(since)], since["metadata"]["resourceVersion"]
        assert self.api.patch(self.path, {"metadata": {"labels": {END: version}}}).code == 200
        collection, _, name = self.path.rpartition("/")
        for event in self.api.watch(collection, resourceVersion=version, fieldSelector=f"metadata.name={name}"):
            assert event["type"] == "MODIFIED", event
            found.append(_summary(event["object"]))
            if event["object"]["metadata"].get("labels", {}).get(END) == version:
                break
        return [summary for summary, _ in itertools.groupby(found)]

    def assert_one_act(self) -> None:
        """One act, and nothing else that ever changed the Deployment."""
        deployment = self.deployment()
        assert [(act["from"], act["to"]) for act in acts_of(deployment)] == [(10, 0)]
        assert env_of(deployment)["DENIS_MATERIALIZERS_PCT"] == "0"
        assert deployment["metadata"]["generation"] == 2


class Place:
    """A namespace with a canary for each incident, and the policy and the identity of a service for all of them."""

    def __init__(self, control_plane: ControlPlane, directory: Path, names: Sequence[str]) -> None:
        self._api = control_plane.api
        self.namespace = control_plane.namespace("incidents")
        self.token = grant(control_plane, self.namespace)
        self.kubeconfig = control_plane.service_account_kubeconfig(self.namespace, "remediator")
        self.config = directory / "remediations.yaml"
        self.config.write_text(dump_yaml(policy(self.namespace, names)))
        for name in names:
            made = self._api.post(f"/apis/apps/v1/namespaces/{self.namespace}/deployments", canary(name))
            assert made.code == 201, made

    def incident(self, name: str) -> Incident:
        """The canary of this name, at 10 %, once the controllers are done with it, so that its version stays."""
        incident = Incident(name=name, namespace=self.namespace, api=self._api)
        self._api.await_object(incident.path, is_settled)
        return incident


def grant(control_plane: ControlPlane, namespace: str) -> str:
    """Make the service's account with its rights, wait until the API server knows of them, and return a token."""
    control_plane.apply(ROLE, namespace)
    token = control_plane.token(namespace, "remediator")
    account = replace(control_plane.api, token=token)
    wanted = {"namespace": namespace, "verb": "patch", "group": "apps", "resource": "deployments"}
    review = {"kind": "SelfSubjectAccessReview", "spec": {"resourceAttributes": wanted}}
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    until("the account has its rights", lambda: account.post(path, review).body["status"]["allowed"], 60)
    return token


def policy(namespace: str, names: Sequence[str]) -> Mapping[str, Any]:
    """The shipped policy, with a target and a remediation for each name."""
    shipped = load_yaml(SHIPPED.read_text())
    rollback, *_ = shipped["remediations"]
    return {
        "targets": {name: {"namespace": namespace, "deployment": name, "container": "denis"} for name in names},
        "profiles": shipped["profiles"],
        "remediations": [
            {**rollback, "name": name, "matchers": [f'remediation="{name}"'], "target": name} for name in names
        ],
    }


def canary(name: str) -> dict[str, Any]:
    """A Deployment as DENIS's, at 10 %."""
    flags = load_yaml(SHIPPED.read_text())["profiles"][10]
    env = [{"name": key, "value": value} for key, value in {**flags, "LOG_LEVEL": "info"}.items()]
    containers = [{"name": "denis", "image": "denis:1", "env": env}]
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": containers}}
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def _summary(deployment: Mapping[str, Any]) -> tuple[int, int]:
    return deployment["metadata"]["generation"], len(acts_of(deployment))


def env_of(deployment: Mapping[str, Any]) -> dict[str, str]:
    """The environment of the canary in a Deployment."""
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return {entry["name"]: entry["value"] for entry in container["env"]}


def acts_of(deployment: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The acts in the ledger of a Deployment."""
    annotations = deployment["metadata"].get("annotations", {})
    acts: list[dict[str, Any]] = json.loads(annotations.get(LEDGER, '{"acts": []}'))["acts"]
    return acts

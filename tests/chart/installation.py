"""The chart on the real API server with DENIS beside it, as each of its service accounts sees it."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from demo.waiting import until
from remediator.core.policy import Target
from tests.chart.deployments import Site
from tests.contract.client import Answer, Client, Object
from tests.support.control_plane import ControlPlane

SECONDS = 60.0
RELEASE = "remediator"
REVISION = "deployment.kubernetes.io/revision"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A service account of the chart, and an act on the canary that it may do."""

    name: str
    manager: str
    before: int
    after: int


SERVICE = Account(name=RELEASE, manager="remediator", before=10, after=0)
PROMOTER = Account(name=f"{RELEASE}-promoter", manager="remediator-cli", before=10, after=50)
ACCOUNTS = (SERVICE, PROMOTER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """A release, and the API server as the administrator and as one of its service accounts sees it."""

    plane: ControlPlane
    namespace: str
    who: Account
    kubeconfig: Path
    account: Client

    @classmethod
    def seen_by(cls, who: Account, plane: ControlPlane, namespace: str) -> Self:
        """The release in a namespace, with a real token of the account."""
        kubeconfig = plane.service_account_kubeconfig(namespace, who.name)
        client = Client.from_kubeconfig(kubeconfig)
        return cls(plane=plane, namespace=namespace, who=who, kubeconfig=kubeconfig, account=client)

    def site(self, deployment: str, client: Client | None = None) -> Site:
        """A target, as the service account or somebody else sees it."""
        flagged = not deployment.endswith("workers")
        target = Target(
            name=deployment, namespace=self.namespace, deployment=deployment, container="denis" if flagged else ""
        )
        return Site(client or self.account, target, self.who.manager)

    def reset(self, deployment: str, manifest: Object) -> None:
        """The Deployment without a trace of what was done to it: what is still as this made it stays."""
        site = self.site(deployment, self.plane.api)
        found = site.client.get(site.path)
        if found.code == 200 and _made.get(site.path) == (manifest, _without_status(found.body)):
            return
        if found.code == 200:
            site.client.delete(site.path, {"propagationPolicy": "Background"})
        until(f"{deployment} is gone", lambda: site.client.get(site.path).code == 404, SECONDS)
        made = site.client.post(site.path.rpartition("/")[0], manifest, fieldManager="deployer")
        assert made.code == 201, made
        _made[site.path] = (copy.deepcopy(manifest), _without_status(made.body))

    def await_policy(self) -> None:
        """Wait until a write that no rule allows is refused by the policy of this account."""
        site = self.site("denis")

        def is_in_force() -> bool:
            return is_refused_by_policy(site.send({"metadata": {"labels": {"tried": "yes"}}}, dryRun="All"))

        until(f"the policy of {self.who.name} is in force", is_in_force, SECONDS)


_made: dict[str, tuple[Object, Object]] = {}
"""By path, the manifest of each Deployment and what the API server made of it. A namespace is never used twice."""


def _without_status(found: Object) -> Object:
    """What people and programs write, and who did; not what the controllers add to a Deployment by themselves."""
    metadata = found["metadata"]
    annotations = {key: text for key, text in metadata["annotations"].items() if key != REVISION}
    managers = {entry["manager"] for entry in metadata["managedFields"]} - {"kube-controller-manager"}
    more = {key: metadata.get(key) for key in ("uid", "labels", "ownerReferences", "finalizers", "deletionTimestamp")}
    return {"spec": found["spec"], "annotations": annotations, "managers": managers, **more}


Release = Mapping[Account, Installation]
"""A release as each of its service accounts sees it."""


def is_refused_by_policy(answer: Answer) -> bool:
    """Whether the admission policy refused, and nothing else did."""
    return answer.code == 403 and "ValidatingAdmissionPolicy" in answer.message


def values_for(namespace: str, **more: Any) -> dict[str, Any]:
    """Values with both targets in the release's own namespace, a promoter, and a service account for people."""
    place = {"namespace": namespace}
    return {
        "targets": {"denis": place, "denis-workers": place},
        "promotion": {"enabled": True, "prometheusUrl": "http://prometheus:9090"},
        "operator": {"create": True, "serviceAccount": {"create": True}},
        **more,
    }

"""A release of the chart on the cluster: the files of its ConfigMap, and how its Deployment runs the service.

For commands that run without a file. A release is found by the labels that the chart sets; without the right to list
ConfigMaps, its ConfigMap is read by the release's name, which the person has to give.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from remediator.kube.connection import REQUEST_SECONDS, Connection
from remediator.kube.errors import Forbidden, NotFound
from remediator.kube.request import Request, path_of

KEY = "remediations.yaml"
CHART = "remediator"
ACCOUNT = "system:serviceaccount:"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseFile:
    """The ConfigMap of a release."""

    namespace: str
    name: str
    """The name of its Deployment too."""
    texts: Mapping[str, str]
    """File contents by file name; remediations.yaml is one of them."""

    @property
    def text(self) -> str:
        """Its remediations.yaml."""
        return self.texts[KEY]

    def __str__(self) -> str:
        return f"ConfigMap {self.name} in namespace {self.namespace}"


def find_release_files(connection: Connection, namespace: str, release: str, timeout: float) -> list[ReleaseFile]:
    """The files of the releases in a namespace, or in all namespaces if it is empty.

    With `release`, only of that one. Raises ClusterError.
    """
    ends = time.monotonic() + timeout
    try:
        found = list(_list(connection, namespace, _selector(release), ends))
        if not found and namespace and not release:
            # nameOverride may have changed the chart's name.
            found = list(_list(connection, namespace, "helm.sh/chart", ends))
        return found
    except Forbidden:
        if not namespace:
            raise
        names = (release, f"{release}-{CHART}") if release else (CHART,)
        found = [one for name in names for one in _get(connection, namespace, name, ends)]
        if not found:
            raise
        return found


def _selector(release: str) -> str:
    return f"app.kubernetes.io/instance={release}" if release else f"app.kubernetes.io/name={CHART}"


def _list(connection: Connection, namespace: str, selector: str, ends: float) -> Iterator[ReleaseFile]:
    path = path_of("v1", namespace=namespace, resource="configmaps")
    listed = connection.request(Request(verb="list", path=path, query={"labelSelector": selector}, ends=ends))
    for item in listed.get("items") or ():
        yield from _read(item)


def _get(connection: Connection, namespace: str, name: str, ends: float) -> Iterator[ReleaseFile]:
    path = path_of("v1", namespace=namespace, resource="configmaps", name=name)
    try:
        yield from _read(connection.request(Request(verb="get", path=path, ends=ends)))
    except (NotFound, Forbidden):
        return


def _read(item: Mapping[str, Any]) -> Iterator[ReleaseFile]:
    metadata, texts = item["metadata"], item.get("data") or {}
    if KEY in texts:
        yield ReleaseFile(namespace=metadata["namespace"], name=metadata["name"], texts=texts)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceDeployment:
    """How the Deployment of a release runs the service."""

    account: str
    """The user name of its service account."""
    fence: str | None
    """Its cluster filter, empty for none; None if the Deployment does not show it."""


def find_service(connection: Connection, namespace: str, name: str = "") -> ServiceDeployment | None:
    """The service of that release, or of the only release in a namespace; else None. Raises ClusterError."""
    path = path_of("apps/v1", namespace=namespace, resource="deployments", name=name)
    ends = time.monotonic() + REQUEST_SECONDS
    if name:
        return _service(connection.request(Request(verb="get", path=path, ends=ends)))
    query = {"labelSelector": _selector("")}
    listed = connection.request(Request(verb="list", path=path, query=query, ends=ends)).get("items") or []
    found = {_service({"metadata": {"namespace": namespace}, **one}) for one in listed}
    return found.pop() if len(found) == 1 else None


def _service(deployment: Mapping[str, Any]) -> ServiceDeployment:
    pod = deployment["spec"]["template"]["spec"]
    commands = [[*(one.get("command") or ()), *(one.get("args") or ())] for one in pod["containers"]]
    serving = [command for command in commands if "serve" in command]
    account = f"{ACCOUNT}{deployment['metadata']['namespace']}:{pod.get('serviceAccountName') or 'default'}"
    return ServiceDeployment(account=account, fence=_fence(serving[0]) if len(serving) == 1 else None)


def _fence(command: Sequence[str]) -> str | None:
    """The value of --cluster, empty if not given; None if it comes from a variable."""
    given = [value for flag, _, value in (one.partition("=") for one in command) if flag == "--cluster" and value]
    given += [value for flag, value in pairwise(command) if flag == "--cluster"]
    return None if any("$(" in value for value in given) else next(reversed(given), "")

"""The pods of a target: which there are, and their metrics through the API server's proxy. Reads only.

The rule of this file: what a pod answers is not trusted. It is bounded in size and time, and is never taken for an
answer of the API server's.
"""

import time
from typing import Any

from remediator.api_request import Request, Stranger, path_of
from remediator.canary.running import Running, read_running
from remediator.cluster import deployment_path
from remediator.connection import Connection
from remediator.policy import Target

LOOK_SECONDS = 10.0
"""For a Deployment, its ReplicaSets and its pods together."""

SCRAPE_SECONDS = 5.0
MAX_METRICS_BYTES = 4 * 1024 * 1024


class Pods:
    """The pods on one API server."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def running(self, target: Target) -> Running:
        """What runs of a target now. Raises ClusterError."""
        ends = time.monotonic() + LOOK_SECONDS
        found = self._connection.request(Request(verb="get", path=deployment_path(target), ends=ends))
        labels = (found["spec"].get("selector") or {}).get("matchLabels") or {}
        selector = ",".join(f"{name}={value}" for name, value in sorted(labels.items()))
        sets = self._list("apps/v1", "replicasets", target, selector, ends)
        listed = self._list("v1", "pods", target, selector, ends)
        return read_running(found, sets, listed, target)

    def _list(self, group_version: str, resource: str, target: Target, selector: str, ends: float) -> list[Any]:
        path = path_of(group_version, namespace=target.namespace, resource=resource)
        request = Request(verb="list", path=path, query={"labelSelector": selector}, ends=ends)
        return self._connection.request(request).get("items") or []

    def metrics(self, target: Target, pod: str, port: int, *, timeout: float = SCRAPE_SECONDS) -> str:
        """What a pod exports at /metrics on a port, through the API server's proxy. Raises ClusterError.

        It needs the right `get` on `pods/proxy`.
        """
        path = path_of("v1", namespace=target.namespace, resource="pods", name=f"{pod}:{port}", rest="proxy/metrics")
        stranger = Stranger(name="the pod", most_bytes=MAX_METRICS_BYTES)
        request = Request(verb="get", path=path, ends=time.monotonic() + timeout, stranger=stranger)
        return self._connection.send(request).decode(errors="replace")

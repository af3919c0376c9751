"""The pods of a target: which there are, and their metrics through the API server's proxy. Reads only.

The rule of this file: what a pod answers is not trusted. It is bounded in size and time, and is never taken for an
answer of the API server's.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from remediator.api_errors import Rejected, Unavailable
from remediator.canary.running import Running, read_running
from remediator.connection import Apis, Connection, limits
from remediator.policy import Target

LOOK_SECONDS = 10.0
"""For a Deployment, its ReplicaSets and its pods together."""

SCRAPE_SECONDS = 5.0
MAX_METRICS_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class _Body:
    """What was read of an answer."""

    status: int
    reason: str
    data: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    """None: they may be the pod's, which knows nothing of the API server's clock."""


class Pods:
    """The pods on one API server."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def running(self, target: Target) -> Running:
        """What runs of a target now. Raises ClusterError."""
        ends = time.monotonic() + LOOK_SECONDS

        def deployment(apis: Apis) -> Any:
            return apis.apps.read_namespaced_deployment(
                target.deployment, target.namespace, _preload_content=False, _request_timeout=limits(ends)
            )

        found = self._connection.request("get", deployment)
        labels = (found["spec"].get("selector") or {}).get("matchLabels") or {}
        selector = ",".join(f"{name}={value}" for name, value in sorted(labels.items()))

        def replica_sets(apis: Apis) -> Any:
            return apis.apps.list_namespaced_replica_set(
                target.namespace, label_selector=selector, _preload_content=False, _request_timeout=limits(ends)
            )

        def pods(apis: Apis) -> Any:
            return apis.core.list_namespaced_pod(
                target.namespace, label_selector=selector, _preload_content=False, _request_timeout=limits(ends)
            )

        sets, listed = self._connection.request("list", replica_sets), self._connection.request("list", pods)
        return read_running(found, sets.get("items") or [], listed.get("items") or [], target)

    def metrics(self, target: Target, pod: str, port: int, *, timeout: float = SCRAPE_SECONDS) -> str:
        """What a pod exports at /metrics on a port, through the API server's proxy. Raises ClusterError.

        It needs the right `get` on `pods/proxy`.
        """
        ends = time.monotonic() + timeout

        pod_port, namespace = quote(f"{pod}:{port}"), quote(target.namespace)
        path = f"/api/v1/namespaces/{namespace}/pods/{pod_port}/proxy/metrics"

        def send(apis: Apis) -> Any:
            return _bounded(apis.open(path, limits(ends)), ends)

        return self._connection.send("get", send).decode(errors="replace")


def _bounded(answer: Any, ends: float) -> _Body:
    """An answer's body, whatever its status, as long as it is short and comes in time."""
    body = bytearray()
    try:
        while chunk := answer.read1(65_536):
            body += chunk
            if len(body) > MAX_METRICS_BYTES:
                raise Rejected(f"get: the pod's answer is over {MAX_METRICS_BYTES >> 20} MiB")
            if time.monotonic() > ends:
                raise Unavailable("get: the pod gave no complete answer in time")
    finally:
        # A connection with unread data is closed; one without is already back in the pool.
        answer.close()
    return _Body(status=answer.status, reason=answer.reason, data=bytes(body))

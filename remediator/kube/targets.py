"""Access to Kubernetes: read a target, apply a patch, emit an Event."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from remediator.core.field_owners import KEDA, autoscaler_of
from remediator.core.policy import Target
from remediator.core.workload import TargetInvalid, TargetMissing, Workload, read_workload
from remediator.kube.connection import REQUEST_SECONDS, Connection
from remediator.kube.errors import Conflict, NotFound, Rejected, Unavailable
from remediator.kube.request import Request, path_of

FIELD_MANAGER = "remediator"
"""The field manager of this service's writes, by which GitOps tools can ignore them."""

SENSELESS = (AttributeError, KeyError, TypeError, ValueError)
"""What JSON raises whose fields are not of the types that Kubernetes gives them, as from something between."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A Kubernetes Event about a target. Each name is written once, however many replicas try."""

    name: str
    target: Target
    uid: str
    type: str
    reason: str
    action: str
    note: str
    time: datetime


class Cluster:
    """The targets on one API server. Thread-safe."""

    def __init__(self, connection: Connection, *, field_manager: str = FIELD_MANAGER) -> None:
        self._connection = connection
        self._field_manager = field_manager

    def read(
        self, target: Target, *, autoscalers: bool = False, timeout: float = REQUEST_SECONDS
    ) -> Workload | TargetInvalid | TargetMissing:
        """Read the target from the API server. Raises ClusterError.

        With `autoscalers`, a second request finds an autoscaler that owns the replicas; without, only writes of an
        autoscaler on the target itself are seen.
        """
        ends = time.monotonic() + timeout
        try:
            manifest = self._connection.request(Request(verb="get", path=deployment_path(target), ends=ends))
        except NotFound:
            return TargetMissing()
        try:
            workload = read_workload(manifest, target)
        except SENSELESS as error:
            raise Unavailable(f"the API server's response is not a Deployment: {error!r}") from error
        if autoscalers and isinstance(workload, Workload):
            # The list is authoritative: an autoscaler's write on the target outlives the autoscaler. KEDA can hold
            # replicas without an autoscaler.
            left = workload.autoscaler if workload.autoscaler == KEDA else ""
            return replace(workload, autoscaler=self._find_autoscaler(target, ends) or left)
        return workload

    def _find_autoscaler(self, target: Target, ends: float) -> str:
        path = path_of("autoscaling/v2", namespace=target.namespace, resource="horizontalpodautoscalers")
        try:
            return autoscaler_of(target, self._connection.request(Request(verb="list", path=path, ends=ends)))
        except NotFound:
            return ""  # The API server does not serve autoscalers.
        except SENSELESS as error:
            raise Unavailable(f"the API server's response is not a list of autoscalers: {error!r}") from error

    def apply(
        self, target: Target, patch: Mapping[str, Any], *, dry_run: bool, timeout: float = REQUEST_SECONDS
    ) -> Workload | None:
        """Send one strategic-merge patch, whose resourceVersion is its precondition. Raises ClusterError.

        Returns the target in the response, or None if there is none in it: the write is done anyway.
        """
        ends = time.monotonic() + timeout
        query = {"fieldManager": self._field_manager, "fieldValidation": "Strict"}
        if dry_run:
            query["dryRun"] = "All"
        request = Request(verb="patch", path=deployment_path(target), query=query, body=patch, ends=ends)
        try:
            manifest = self._connection.request(request)
        except NotFound as error:
            raise Conflict(str(error)) from error
        try:
            workload = read_workload(manifest, target)
        except SENSELESS:
            return None
        return workload if isinstance(workload, Workload) else None

    def emit_event(self, event: Event) -> None:
        """Write an Event, unless one with its name exists. Raises ClusterError."""
        path = path_of("events.k8s.io/v1", namespace=event.target.namespace, resource="events")
        ends = time.monotonic() + REQUEST_SECONDS
        try:
            self._connection.request(Request(verb="create", path=path, body=_manifest(event), ends=ends))
        except Conflict:
            return  # Another replica, or an earlier delivery, has written it already.
        except NotFound as error:
            raise Rejected(str(error)) from error


def deployment_path(target: Target) -> str:
    """The path of a target on the API server."""
    return path_of("apps/v1", namespace=target.namespace, resource="deployments", name=target.deployment)


def _manifest(event: Event) -> dict[str, Any]:
    target = event.target
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": event.name, "namespace": target.namespace},
        # The API server requires exactly six fractional digits.
        "eventTime": event.time.isoformat(timespec="microseconds"),
        "type": event.type,
        "reason": event.reason,
        "action": event.action,
        "note": event.note.encode()[:1024].decode(errors="ignore"),
        "regarding": {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "name": target.deployment,
            "namespace": target.namespace,
            "uid": event.uid,
        },
        "reportingController": "remediator.denis.run/remediator",
        "reportingInstance": os.uname().nodename[:128],
    }

"""Access to Kubernetes: read a target, apply a patch, emit an Event."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import kubernetes.client

from remediator.api_errors import Conflict, NotFound, Rejected
from remediator.connection import REQUEST_SECONDS, Apis, Connection, limits
from remediator.ownership import KEDA, autoscaler_of
from remediator.policy import Target
from remediator.workload import TargetInvalid, TargetMissing, Workload, read_workload

FIELD_MANAGER = "remediator"
"""The name in managedFields by which others see, and GitOps tools can ignore, what this service wrote."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A Kubernetes Event about a target. The same name is written once, however many replicas try."""

    name: str
    target: Target
    uid: str
    type: str
    reason: str
    action: str
    note: str
    time: datetime


class Cluster:
    """The targets on one API server. Safe to share between threads."""

    def __init__(self, connection: Connection, *, field_manager: str = FIELD_MANAGER) -> None:
        self._connection = connection
        self._field_manager = field_manager

    def read(
        self, target: Target, *, autoscalers: bool = False, timeout: float = REQUEST_SECONDS
    ) -> Workload | TargetInvalid | TargetMissing:
        """The target as the API server has it now. Raises ClusterError.

        With `autoscalers`, a second request asks whether one owns the replicas; without, only what an autoscaler has
        written on the target itself tells.
        """
        ends = time.monotonic() + timeout

        def send(apis: Apis) -> Any:
            return apis.apps.read_namespaced_deployment(
                target.deployment,
                target.namespace,
                _preload_content=False,
                _request_timeout=limits(ends),
            )

        try:
            manifest = self._connection.request("get", send)
        except NotFound:
            return TargetMissing()
        workload = read_workload(manifest, target)
        if autoscalers and isinstance(workload, Workload):
            # The list is the truth; what an autoscaler once wrote on the target outlives it. KEDA can hold replicas
            # without an autoscaler.
            left = workload.autoscaler if workload.autoscaler == KEDA else ""
            return replace(workload, autoscaler=self._find_autoscaler(target, ends) or left)
        return workload

    def _find_autoscaler(self, target: Target, ends: float) -> str:
        def send(apis: Apis) -> Any:
            return apis.autoscaling.list_namespaced_horizontal_pod_autoscaler(
                target.namespace, _preload_content=False, _request_timeout=limits(ends)
            )

        try:
            return autoscaler_of(target, self._connection.request("list", send))
        except NotFound:
            return ""  # The API server has no autoscalers at all.

    def apply(
        self, target: Target, patch: Mapping[str, Any], *, dry_run: bool, timeout: float = REQUEST_SECONDS
    ) -> None:
        """Send one strategic-merge patch, whose resourceVersion is its precondition. Raises ClusterError."""
        ends = time.monotonic() + timeout

        def send(apis: Apis) -> Any:
            return apis.apps.patch_namespaced_deployment(
                target.deployment,
                target.namespace,
                dict(patch),
                field_manager=self._field_manager,
                field_validation="Strict",
                dry_run="All" if dry_run else None,
                _preload_content=False,
                _request_timeout=limits(ends),
            )

        try:
            self._connection.request("patch", send)
        except NotFound as error:
            raise Conflict(str(error)) from error

    def emit_event(self, event: Event) -> None:
        """Write an Event, unless one of its name is there. Raises ClusterError."""
        target = event.target
        body = kubernetes.client.EventsV1Event(
            metadata=kubernetes.client.V1ObjectMeta(name=event.name, namespace=target.namespace),
            # The API server takes a time without a fraction for one of another format.
            event_time=event.time.replace(microsecond=event.time.microsecond or 1),
            type=event.type,
            reason=event.reason,
            action=event.action,
            note=event.note.encode()[:1024].decode(errors="ignore"),
            regarding=kubernetes.client.V1ObjectReference(
                api_version="apps/v1",
                kind="Deployment",
                name=target.deployment,
                namespace=target.namespace,
                uid=event.uid,
            ),
            reporting_controller="remediator.denis.run/remediator",
            reporting_instance=os.uname().nodename[:128],
        )
        ends = time.monotonic() + REQUEST_SECONDS

        def send(apis: Apis) -> Any:
            return apis.events.create_namespaced_event(
                target.namespace,
                body,
                _preload_content=False,
                _request_timeout=limits(ends),
            )

        try:
            self._connection.request("create", send)
        except Conflict:
            return  # Another replica, or an earlier delivery, has written it.
        except NotFound as error:
            raise Rejected(str(error)) from error

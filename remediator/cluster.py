"""Access to Kubernetes: read a target, apply a patch, emit an Event.

Raw JSON goes in and out, for that survives every rewrite of the client's models. Each request has a timeout and is
sent once; who retries is decided by those who know what for. What can go wrong is in api_errors.py.
"""

import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

import kubernetes.client
import urllib3.exceptions
from kubernetes.client.exceptions import ApiException

from remediator import __version__
from remediator.api_errors import (
    ClusterError,
    Conflict,
    Forbidden,
    NotFound,
    Rejected,
    certificate_problem,
    from_connection,
    from_status,
    unanswered,
)
from remediator.kubeconfig import NoCluster, find_configuration
from remediator.policy import Target
from remediator.workload import KEDA, TargetInvalid, TargetMissing, Workload, autoscaler_of, read_workload

FIELD_MANAGER = "remediator"
"""The name in managedFields by which others see, and GitOps tools can ignore, what this service wrote."""

REQUEST_SECONDS = 3.0
"""For one read or write, however many requests it takes. With a read-back, three fit into a notification's 8 s."""


_ANONYMOUS = 'User "system:anonymous"'
"""Whom the API server takes for the sender of a request without a token, as from a token file that is empty."""


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
    """One API server, reached as one identity. Safe to share between threads.

    It opens no connection before the first request, so it may be made before a fork.

    `observe` is told of every request: its verb, and the HTTP status or `error` where there was none.
    """

    def __init__(
        self,
        kubeconfig: Path | None,
        *,
        threads: int,
        observe: Callable[[str, str], None] = lambda verb, code: None,
    ) -> None:
        self._kubeconfig = kubeconfig
        self._threads = threads
        self._observe = observe
        self._connect()

    def _connect(self) -> None:
        configuration = find_configuration(self._kubeconfig)
        # Hidden retries would stretch one timeout of 3 s to more than the time that a notification has.
        configuration.retries = False
        configuration.connection_pool_maxsize = self._threads
        client = kubernetes.client.ApiClient(configuration)
        client.user_agent = f"remediator/{__version__}"
        self._apps = kubernetes.client.AppsV1Api(client)
        self._events = kubernetes.client.EventsV1Api(client)
        self._autoscaling = kubernetes.client.AutoscalingV2Api(client)

    def read(
        self, target: Target, *, autoscalers: bool = False, timeout: float = REQUEST_SECONDS
    ) -> Workload | TargetInvalid | TargetMissing:
        """The target as the API server has it now. Raises ClusterError.

        With `autoscalers`, a second request asks whether one owns the replicas; without, only what an autoscaler has
        written on the target itself tells.
        """
        ends = time.monotonic() + timeout

        def send() -> Any:
            return self._apps.read_namespaced_deployment(
                target.deployment,
                target.namespace,
                _preload_content=False,
                _request_timeout=_limits(ends),
            )

        try:
            manifest = self._request("get", send)
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
        def send() -> Any:
            return self._autoscaling.list_namespaced_horizontal_pod_autoscaler(
                target.namespace, _preload_content=False, _request_timeout=_limits(ends)
            )

        try:
            return autoscaler_of(target, self._request("list", send))
        except NotFound:
            return ""  # The API server has no autoscalers at all.

    def apply(
        self, target: Target, patch: Mapping[str, Any], *, dry_run: bool, timeout: float = REQUEST_SECONDS
    ) -> None:
        """Send one strategic-merge patch, whose resourceVersion is its precondition. Raises ClusterError."""
        ends = time.monotonic() + timeout

        def send() -> Any:
            return self._apps.patch_namespaced_deployment(
                target.deployment,
                target.namespace,
                dict(patch),
                field_manager=FIELD_MANAGER,
                field_validation="Strict",
                dry_run="All" if dry_run else None,
                _preload_content=False,
                _request_timeout=_limits(ends),
            )

        try:
            self._request("patch", send)
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

        def send() -> Any:
            return self._events.create_namespaced_event(
                target.namespace,
                body,
                _preload_content=False,
                _request_timeout=_limits(ends),
            )

        try:
            self._request("create", send)
        except Conflict:
            return  # Another replica, or an earlier delivery, has written it.
        except NotFound as error:
            raise Rejected(str(error)) from error

    def _request(self, verb: str, send: Callable[[], Any], *, reconnected: bool = False) -> Any:
        try:
            response = _unmasked(send)
            body = response.data
        except ApiException as error:
            status = error.status or 0
            self._observe(verb, str(status) if status else "error")
            failure = from_status(verb, status, error.body, error.reason)
            refused = status == HTTPStatus.UNAUTHORIZED or _ANONYMOUS in str(failure)
            if refused and not reconnected:
                self._reconnect(failure)
                return self._request(verb, send, reconnected=True)
            raise failure from error
        except urllib3.exceptions.HTTPError as error:
            self._observe(verb, "error")
            failure = from_connection(verb, error)
            if certificate_problem(error) and not reconnected:
                self._reconnect(failure)
                return self._request(verb, send, reconnected=True)
            raise failure from error
        self._observe(verb, str(response.status))
        try:
            return json.loads(body)
        except ValueError as error:
            raise unanswered(verb, f"{verb}: the API server's answer is not JSON") from error

    def _reconnect(self, failure: ClusterError) -> None:
        """Read token and certificate authority anew, for the client reads most files once. Raises Forbidden."""
        try:
            self._connect()
        except NoCluster as problem:
            raise Forbidden(f"{failure}, and the credentials cannot be read again: {problem}") from failure


def _unmasked(send: Callable[[], Any]) -> Any:
    """The answer. Raises ApiException for one that says no, and urllib3's HTTPError where there was none."""
    try:
        return send()
    except ApiException as error:
        # The client makes an answer out of what goes wrong with TLS.
        if isinstance(error.__context__, urllib3.exceptions.SSLError):
            raise error.__context__ from None
        raise


def _limits(ends: float) -> tuple[float, float]:
    """Seconds to connect and seconds to wait, together what is left until `ends`."""
    left = max(ends - time.monotonic(), 0.05)
    return left / 3, left * 2 / 3

"""The pods of a target: what they really run, whether that matches the canary's flags, and their metrics. Reads only.

A pod belongs to a Deployment by its ownerReferences, never by a name or a label. What a pod answers is not trusted: it
is limited in size and time, and never taken for an answer of the API server.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from remediator.core.checks import Check
from remediator.core.policy import Target
from remediator.core.workload import Workload
from remediator.kube.connection import Connection
from remediator.kube.request import Request, Stranger, path_of
from remediator.kube.targets import deployment_path

HASH_LABEL = "pod-template-hash"
MAX_NAMES = 3
"""The most pods that a message names."""

READ_SECONDS = 10.0
"""Timeout for reading a Deployment, its ReplicaSets and its pods together."""

SCRAPE_SECONDS = 5.0
MAX_METRICS_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """A pod that is not being deleted, and the environment of its container."""

    name: str
    template_hash: str
    ready: bool
    env: Mapping[str, str | None] = field(default_factory=dict)
    """None stands for a value from elsewhere (valueFrom)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """The pods of a Deployment, except those that are being deleted or have ended."""

    replica_set: str = ""
    """The ReplicaSet of the Deployment's current template, or empty if there is none yet."""
    template_hash: str = ""
    pods: tuple[Pod, ...] = ()

    def current(self) -> tuple[Pod, ...]:
        """The pods of the current template."""
        return tuple(pod for pod in self.pods if pod.template_hash == self.template_hash and self.replica_set)


class Pods:
    """The pods on one API server."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def running(self, target: Target) -> Running:
        """The pods that a target runs now. Raises ClusterError."""
        ends = time.monotonic() + READ_SECONDS
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


def read_running(
    deployment: Mapping[str, Any],
    replica_sets: Iterable[Mapping[str, Any]],
    pods: Iterable[Mapping[str, Any]],
    target: Target,
) -> Running:
    """The running pods, from a Deployment and the ReplicaSets and pods in its namespace."""
    owned = [item for item in replica_sets if _controller(item) == deployment["metadata"]["uid"]]
    uids = {item["metadata"]["uid"] for item in owned}
    wanted = deployment["spec"]["template"]
    same = [item for item in owned if _without_hash(item["spec"]["template"]) == _without_hash(wanted)]
    current = min(same, key=lambda item: str(item["metadata"].get("creationTimestamp")), default=None)
    return Running(
        replica_set=current["metadata"]["name"] if current else "",
        template_hash=_hash(current) if current else "",
        pods=tuple(
            Pod(name=pod["metadata"]["name"], template_hash=_hash(pod), ready=_is_ready(pod), env=_env(pod, target))
            for pod in pods
            if _controller(pod) in uids and _is_active(pod)
        ),
    )


def _controller(item: Mapping[str, Any]) -> str:
    owners = item["metadata"].get("ownerReferences") or []
    return next((str(owner.get("uid")) for owner in owners if owner.get("controller")), "")


def _hash(item: Mapping[str, Any]) -> str:
    return str((item["metadata"].get("labels") or {}).get(HASH_LABEL, ""))


def _without_hash(template: Mapping[str, Any]) -> Mapping[str, Any]:
    metadata = template.get("metadata") or {}
    labels = {key: value for key, value in (metadata.get("labels") or {}).items() if key != HASH_LABEL}
    return {**template, "metadata": {**metadata, "labels": labels}}


def _is_active(pod: Mapping[str, Any]) -> bool:
    ended = (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
    return not ended and not pod["metadata"].get("deletionTimestamp")


def _is_ready(pod: Mapping[str, Any]) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)


def _env(pod: Mapping[str, Any], target: Target) -> dict[str, str | None]:
    containers = (pod.get("spec") or {}).get("containers") or []
    variables = next((one.get("env") or [] for one in containers if one.get("name") == target.container), [])
    # If a name is duplicated, the kubelet uses the last.
    return {one["name"]: None if one.get("valueFrom") else one.get("value", "") for one in variables}


def differences(flags: Mapping[str, str | None], profile: Mapping[str, str]) -> list[str]:
    """The flags that differ from a profile, each in words."""
    return [_differs(flags, name, value) for name, value in profile.items() if flags.get(name) != value]


def _differs(flags: Mapping[str, str | None], name: str, wanted: str) -> str:
    if name not in flags:
        return f"{name} is not set, wanted is {wanted}"
    found = flags[name]
    return f"{name} is {'from elsewhere (valueFrom)' if found is None else found or 'empty'}, wanted is {wanted}"


def check_flags(workload: Workload, percentage: int, profile: Mapping[str, str]) -> Check:
    """Whether the Deployment's flags are those of this percentage, and who wrote the wrong ones."""
    wrong = differences(workload.flags(), profile)
    if problem := workload.env_problem(profile):
        return Check(name="flags", passed=False, found=problem, remedy="fix the Deployment at its source")
    if not wrong:
        return Check(name="flags", passed=True, found=f"the Deployment has all {len(profile)} flags of {percentage} %")
    writers = {str(workload.writers[name]) for name in profile if name in workload.writers and _is_in(name, wrong)}
    by = f" (written by {', '.join(sorted(writers))})" if writers else ""
    return Check(name="flags", passed=False, found="; ".join(wrong) + by, remedy=f"remediator canary set {percentage}")


def _is_in(name: str, wrong: Sequence[str]) -> bool:
    return any(text.startswith(f"{name} ") for text in wrong)


def check_pods(running: Running, percentage: int, profile: Mapping[str, str], target: Target) -> tuple[Check, Check]:
    """Whether every pod is of the current template, and carries the flags of this percentage."""
    look = f"kubectl get pods -n {target.namespace} -L {HASH_LABEL}"
    old = [pod.name for pod in running.pods if pod not in running.current()]
    if not running.replica_set:
        found = "there is no ReplicaSet of the Deployment's template yet"
    elif not running.pods:
        found = f"{running.replica_set} has no pod"
    elif old:
        found = f"{len(old)} of {len(running.pods)} are of another template: {_names(old)}"
    else:
        found = f"every pod is of {running.replica_set} ({len(running.pods)})"
    template = Check(
        name="template", passed=bool(running.pods and running.replica_set and not old), found=found, remedy=look
    )
    wrong: dict[str, list[str]] = {}
    for pod in running.pods:
        if texts := differences(pod.env, profile):
            wrong.setdefault("; ".join(texts), []).append(pod.name)
    if not running.pods:
        found = "no pod runs"
    elif wrong:
        found = " / ".join(f"{text} ({_names(names)})" for text, names in wrong.items())
    else:
        found = f"every pod carries the flags of {percentage} % ({len(running.pods)})"
    return template, Check(name="pods", passed=bool(running.pods and not wrong), found=found, remedy=look)


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    return ", ".join(names[:MAX_NAMES]) + more

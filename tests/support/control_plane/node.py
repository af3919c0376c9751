"""A node of the control plane whose kubelet is real in what the tests need: it runs what the Pods say, as processes.

Pods get there by the scheduler, through a node selector and a toleration; the rest of the cluster is kwok's. Ready is
who answers the readiness probe, so that rollouts, `helm --wait` and the endpoints of a Service follow real processes.
Probes and volumes are looked at more often than a real kubelet does; liveness probes are not.
"""

import os
import threading
import uuid
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from demo.waiting import until
from tests.contract.client import STRATEGIC, Client
from tests.support.control_plane.container import Container
from tests.support.control_plane.plane import NODE, ControlPlane
from tests.support.control_plane.volumes import Volumes

PASS_SECONDS = 0.2
SECONDS = 60.0
HOSTNAME = "kubernetes.io/hostname"


class Node:
    """The node, while it is entered. `containers` are all that it has run, by the names of their Pods."""

    def __init__(self, plane: ControlPlane, directory: Path) -> None:
        self.name = f"processes-{uuid.uuid4().hex[:8]}"
        self.containers: dict[str, Container] = {}
        self._api: Client = plane.api
        self._server = plane.server.address
        self._directory = directory
        self._pods: dict[str, dict[str, Any]] = {}
        self._volumes: dict[str, Volumes] = {}
        self._ready: dict[str, bool] = {}
        self._endings: dict[str, Future[None]] = {}
        self._pool = ThreadPoolExecutor(8)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name=f"kubelet of {self.name}")
        self._problem: BaseException | None = None

    @property
    def scheduling(self) -> dict[str, Any]:
        """The fields of a Pod's specification that bring it here; nothing else comes."""
        return {
            "nodeSelector": {HOSTNAME: self.name},
            "tolerations": [{"key": self.name, "operator": "Exists", "effect": "NoSchedule"}],
        }

    def __enter__(self) -> Self:
        metadata = {"name": self.name, "labels": {**NODE["metadata"]["labels"], HOSTNAME: self.name}}
        taint = {"key": self.name, "effect": "NoSchedule"}
        made = self._api.post("/api/v1/nodes", {**NODE, "metadata": metadata, "spec": {"taints": [taint]}})
        assert made.code == HTTPStatus.CREATED, made
        path = f"/api/v1/nodes/{self.name}"
        ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "", **_times()}
        self._api.patch(f"{path}/status", {"status": {"conditions": [ready]}}, STRATEGIC)
        until("the node takes Pods", lambda: self._api.get(path).body["spec"]["taints"] == [taint], SECONDS)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._pool.shutdown()
        for name, container in self.containers.items():
            container.kill()
            self._delete(self._pods[name])
        self._api.delete(f"/api/v1/nodes/{self.name}")
        if self._problem and not error:
            raise self._problem
        if self._problem and error:
            error.add_note(f"the kubelet of {self.name} ended: {self._problem!r}")

    def running(self) -> list[Container]:
        """The containers that have not ended, nor begun to."""
        names = set(self.containers) - set(self._endings)
        return [self.containers[name] for name in sorted(names)]

    def _work(self) -> None:
        try:
            while not self._stop.wait(PASS_SECONDS):
                listed = self._api.get("/api/v1/pods", fieldSelector=f"spec.nodeName={self.name}")
                for pod in listed.body["items"]:
                    self._attend(pod)
        except BaseException as error:  # noqa: BLE001 - it is raised where the node is left
            self._problem = error

    def _attend(self, pod: dict[str, Any]) -> None:
        name = pod["metadata"]["name"]
        if "deletionTimestamp" in pod["metadata"]:
            if name not in self._endings:
                self._endings[name] = self._pool.submit(self._end, pod)
            elif self._endings[name].done():
                self._endings[name].result()
            return
        if name not in self.containers:
            self._start(pod)
        container = self.containers[name]
        assert container.exit_code is None, f"{name} ended by itself:\n{container.last_words()}"
        self._volumes[name].bring()
        ready = container.is_ready()
        if self._ready.get(name) is not ready:
            self._ready[name] = ready
            self._report(pod, ready)

    def _start(self, pod: dict[str, Any]) -> None:
        name = pod["metadata"]["name"]
        directory = self._directory / name
        self._pods[name] = pod
        self._volumes[name] = Volumes(self._api, pod, directory / "volumes")
        address = next(_addresses)
        self.containers[name] = Container(pod, self._volumes[name], directory, address=address, api=self._server)

    def _end(self, pod: dict[str, Any]) -> None:
        metadata = pod["metadata"]
        if container := self.containers.get(metadata["name"]):
            container.end(metadata["deletionGracePeriodSeconds"])
        self._delete(pod)

    def _delete(self, pod: dict[str, Any]) -> None:
        metadata = pod["metadata"]
        path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
        self._api.delete(path, {"gracePeriodSeconds": 0, "preconditions": {"uid": metadata["uid"]}})

    def _report(self, pod: dict[str, Any], ready: bool) -> None:
        metadata, address = pod["metadata"], pod_ip(self.containers[pod["metadata"]["name"]].address)
        (spec,) = pod["spec"]["containers"]
        now = _times()["lastTransitionTime"]
        state = {"running": {"startedAt": now}}
        container = {"name": spec["name"], "image": spec["image"], "imageID": "", "restartCount": 0, "ready": ready}
        met = {"Initialized": True, "ContainersReady": ready, "Ready": ready}
        status = {
            "phase": "Running",
            "podIP": address,
            "podIPs": [{"ip": address}],
            "containerStatuses": [{**container, "state": state}],
            "conditions": [{"type": kind, "status": str(value), **_times()} for kind, value in met.items()],
        }
        path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}/status"
        answer = self._api.patch(path, {"metadata": {"uid": metadata["uid"]}, "status": status}, STRATEGIC)
        assert answer.code in (HTTPStatus.OK, HTTPStatus.NOT_FOUND), answer


def pod_ip(address: str) -> str:
    """What the API server is told instead of an address of loopback, which it does not accept for a Pod's endpoint."""
    return f"10.{address.removeprefix('127.')}"


def loopback(ip: str) -> str:
    """The address of loopback where the Pod with this IP listens."""
    return f"127.{ip.removeprefix('10.')}"


# Of one process alone, so that tests beside each other do not meet.
_addresses = (f"127.{64 + os.getpid() // 256 % 64}.{os.getpid() % 256}.{number}" for number in range(1, 255))


def _times() -> dict[str, str]:
    return {"lastTransitionTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}

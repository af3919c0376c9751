"""An embedded cluster: objects, controllers and a server on loopback, started and stopped together.

One rule: each instance has its own state and its own port, and leaves nothing behind.
"""

import tempfile
import time
from pathlib import Path
from typing import Self

from remediator.sandbox.api import Api
from remediator.sandbox.controllers import Controllers
from remediator.sandbox.failure import Object
from remediator.sandbox.kubeconfig import kubeconfig, write_kubeconfig
from remediator.sandbox.managed_fields import Writer
from remediator.sandbox.registry import Registry
from remediator.sandbox.resources import DEPLOYMENTS, RESOURCES
from remediator.sandbox.schema import decode
from remediator.sandbox.seed import NAMESPACE, objects
from remediator.sandbox.server import Served, Server
from remediator.sandbox.store import Store

SEEDER = Writer(manager="helm")
STEP_SECONDS = 0.02
HOST = "127.0.0.1"


class EmbeddedCluster:
    """A small Kubernetes-like API for trials and tests.

    It starts with Deployment `denis` (canary at 10 %) and `denis-workers` (4 replicas) in namespace `denis`, rolled
    out, and with the `extra` manifests. Every client without a token is the administrator; every token is unknown.
    `step` is the pace of rollouts in seconds.

    `requests` records every answered request as (verb, path, code); clear it to count from there.
    """

    def __init__(
        self,
        *extra: Object,
        port: int = 0,
        step: float = STEP_SECONDS,
    ) -> None:
        self.requests: list[Served] = []
        self._port = port
        self._store = Store()
        self._registry = Registry(self._store)
        self._controllers = Controllers(self._registry, step)
        self._server: Server | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self.add(*objects(), *extra)
        self._controllers.settle()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Start listening. After `stop` it is the same cluster at the same address again."""
        self._server = Server((HOST, self._port), Api(self._registry), self.requests)
        self._port = self._server.server_address[1]
        self._store.reopen()
        self._server.start()
        self._controllers.start()

    def stop(self) -> None:
        """Close all connections and stop listening; the objects stay."""
        self._store.close()
        self._controllers.stop()
        if self._server is not None:
            self._server.stop()
            self._server = None

    def close(self) -> None:
        """Stop, and remove the kubeconfig that `kubeconfig` made."""
        self.stop()
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    @property
    def url(self) -> str:
        """The URL of the API."""
        return f"http://{HOST}:{self._port}"

    @property
    def kubeconfig(self) -> Path:
        """A kubeconfig for this cluster; it is removed with the cluster."""
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="embedded-cluster-")
        path = Path(self._folder.name) / "kubeconfig"
        if not path.exists():
            self.write_kubeconfig(path)
        return path

    def write_kubeconfig(self, path: Path) -> None:
        """Write a kubeconfig for this cluster, readable by its owner only."""
        write_kubeconfig(path, kubeconfig(self.url))

    def add(self, *manifests: Object) -> None:
        """Create objects from manifests, as `helm` would; namespace `denis` unless they say otherwise."""
        served = {(item.api_version, item.kind): item for item in RESOURCES}
        for manifest in manifests:
            resource = served[manifest["apiVersion"], manifest["kind"]]
            namespace = manifest["metadata"].get("namespace", NAMESPACE) if resource.namespaced else ""
            decoded = decode(resource.shape, manifest).value
            self._registry.create(resource, namespace, decoded, SEEDER)

    def deployment(self, name: str = "denis", namespace: str = NAMESPACE) -> Object:
        """The current Deployment, without a request; it must not be modified."""
        return self._registry.get(DEPLOYMENTS, namespace, name)

    def await_settled(self, timeout: float = 60.0) -> None:
        """Wait until no rollout is in progress, so that resourceVersions stay the same until the next write."""
        deadline = time.monotonic() + timeout
        while not all(map(_is_settled, self._store.all(DEPLOYMENTS.stored_as))):
            if (left := deadline - time.monotonic()) <= 0:
                raise TimeoutError("a rollout is still under way")
            self._store.wait(self._store.version, min(left, 0.1))


def _is_settled(deployment: Object) -> bool:
    status, wanted = deployment.get("status", {}), deployment["spec"]["replicas"]
    if status.get("observedGeneration") != deployment["metadata"]["generation"]:
        return False
    counts = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
    return bool(deployment["spec"].get("paused")) or (
        all(status.get(name, 0) == wanted for name in counts)
        and any(item["reason"] == "NewReplicaSetAvailable" for item in status.get("conditions", []))
    )

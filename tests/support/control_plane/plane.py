"""The whole control plane, and what tests do with it."""

import json
import subprocess
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from demo.waiting import until
from tests.contract.client import Client
from tests.support.components import component
from tests.support.control_plane.api_server import ApiServer
from tests.support.control_plane.daemon import Daemon
from tests.support.control_plane.programs import find_program

NODE_NAME = "node-1"
NODE: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Node",
    "metadata": {"name": NODE_NAME, "labels": {"kubernetes.io/hostname": NODE_NAME, "kubernetes.io/os": "linux"}},
    "status": {
        "allocatable": {"cpu": "6400", "memory": "25600Gi", "ephemeral-storage": "256Gi", "pods": "100000"},
        "capacity": {"cpu": "6400", "memory": "25600Gi", "ephemeral-storage": "256Gi", "pods": "100000"},
    },
}
GROUPS = {
    "apps/v1": ("deployments", "replicasets"),
    "batch/v1": ("cronjobs",),
    "networking.k8s.io/v1": ("networkpolicies",),
    "policy/v1": ("poddisruptionbudgets",),
    "rbac.authorization.k8s.io/v1": ("roles", "rolebindings", "clusterroles"),
    "admissionregistration.k8s.io/v1": ("validatingadmissionpolicies", "validatingadmissionpolicybindings"),
}
"""The resources that are listed by name; all others are of the core group."""
TOKEN_SECONDS = 3600
SECONDS = 60.0
NAMESPACE_SECONDS = 180.0
"""How long an emptied namespace may take to go: its controllers come back half a minute after the API server does."""


class CommandFailed(Exception):
    """A command ended with another exit code than 0; the text is what it wrote to standard error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundToken:
    """A token that lives no longer than the Secret that it is bound to."""

    text: str
    api: Client
    path: str

    def revoke(self) -> None:
        """Delete the Secret; the API server takes the token for some seconds more."""
        assert self.api.delete(self.path).code == 200


class ControlPlane:
    """etcd, kube-apiserver, kube-controller-manager, kube-scheduler and kwok with one node.

    `kubeconfig` and `api` are the administrator's. Tests share it and make a namespace each.
    """

    def __init__(self, directory: Path) -> None:
        names = ("kube-controller-manager", "kube-scheduler", "kwok", "kwok-stages.yaml")
        self._programs = {name: find_program(name) for name in names}
        self._kubectl = component("kubectl", "kubectl")
        self._directory = directory
        self.server = ApiServer(directory)
        self.url = self.server.url
        self.kubeconfig = directory / "admin.kubeconfig"
        self._daemons: list[Daemon] = []

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def stop_api_server(self) -> None:
        """Kill the API server; what it has stored stays."""
        self.server.kill()

    def start_api_server(self) -> None:
        """Start the API server again, at the same address, and wait until it is ready.

        The controllers are started anew too: by themselves they would come back after half a minute. All of them live
        as long as the thread that calls this; let it be the main one.
        """
        self.server.start_again()
        self.start_controllers()

    def namespace(self, prefix: str = "test", labels: Mapping[str, str] | None = None) -> str:
        """A new namespace in which pods can be made; its name."""
        name = f"{prefix}-{uuid.uuid4().hex[:10]}"
        made = self.api.post("/api/v1/namespaces", {"metadata": {"name": name, "labels": dict(labels or {})}})
        assert made.code == 201, made
        account = f"/api/v1/namespaces/{name}/serviceaccounts/default"
        until(f"{name} has a service account", lambda: self.api.get(account).code == 200, SECONDS)
        return name

    def namespace_named(self, name: str) -> str:
        """A new namespace of exactly this name, once one of an earlier test has ended; its name."""

        def made() -> bool:
            if self.api.post("/api/v1/namespaces", {"metadata": {"name": name}}).code == 201:
                return True
            # One of an earlier test is Terminating. One that is Active is ours: the answer to the first POST was lost.
            found = self.api.get(f"/api/v1/namespaces/{name}")
            return found.code == 200 and bool(found.body["status"]["phase"] == "Active")

        until(f"the namespace {name} of an earlier test has ended", made, NAMESPACE_SECONDS)
        return name

    def leave_namespace(self, name: str) -> None:
        """Leave a namespace that no test needs any more as it is, but for what keeps controllers busy.

        It goes with the cluster: to delete it costs as much as to make and fill it did.
        """
        self.api.delete(f"/apis/autoscaling/v2/namespaces/{name}/horizontalpodautoscalers")

    def delete_namespace(self, name: str) -> None:
        """Delete a namespace whose name is needed again, and do not wait for its end."""
        self.api.delete(f"/api/v1/namespaces/{name}")

    def apply(self, manifest: Mapping[str, Any] | str, namespace: str = "default") -> str:
        """`kubectl apply` of an object or of YAML text with any number of them; what kubectl says."""
        text = manifest if isinstance(manifest, str) else json.dumps(manifest)
        return self.kubectl("apply", "--namespace", namespace, "--filename", "-", stdin=text)

    def kubectl(self, *arguments: str | Path, stdin: str = "", kubeconfig: Path | None = None) -> str:
        """Run kubectl as the administrator, or as somebody else; its standard output. Raises CommandFailed."""
        command: list[str | Path] = [self._kubectl, f"--kubeconfig={kubeconfig or self.kubeconfig}", *arguments]
        environment = {"HOME": str(self._directory), "PATH": "/usr/bin:/bin"}
        ended = subprocess.run(
            command, input=stdin, capture_output=True, text=True, env=environment, check=False, timeout=120
        )
        if ended.returncode:
            raise CommandFailed(f"kubectl {' '.join(map(str, arguments))}: {ended.stderr}")
        return ended.stdout

    def get(self, kind: str, name: str, namespace: str = "default") -> Any:
        """One object of a kind that is named as kubectl names it."""
        answer = self.api.get(f"{_collection(f'{kind}s', namespace)}/{name}")
        assert answer.code == 200, answer.body
        return answer.body

    def objects(self, resources: str, namespace: str = "") -> Iterator[Any]:
        """The objects of some resources, in a namespace or of the whole cluster, each with its kind."""
        for resource in resources.split(","):
            answer = self.api.get(_collection(resource, namespace))
            assert answer.code == 200, answer.body
            kind = answer.body["kind"].removesuffix("List")
            yield from ({"kind": kind, **item} for item in answer.body["items"])

    def await_rollout(self, deployment: str, namespace: str = "default") -> None:
        """Wait until a Deployment has what its spec wants. Raises CommandFailed."""
        self.kubectl(
            "rollout", "status", f"deployment/{deployment}", "--namespace", namespace, f"--timeout={SECONDS:.0f}s"
        )

    def token(
        self, namespace: str, service_account: str, seconds: int = TOKEN_SECONDS, audiences: Sequence[str] = ()
    ) -> str:
        """A token of a service account, as the kubelet would mount it."""
        return self._token(namespace, service_account, {"expirationSeconds": seconds, "audiences": [*audiences]})

    def bound_token(self, namespace: str, service_account: str) -> "BoundToken":
        """A token of a service account that can be revoked."""
        secrets, name = f"/api/v1/namespaces/{namespace}/secrets", f"token-{uuid.uuid4().hex[:6]}"
        made = self.api.post(secrets, {"metadata": {"name": name}})
        assert made.code == 201, made
        bound = {"apiVersion": "v1", "kind": "Secret", "name": name, "uid": made.body["metadata"]["uid"]}
        text = self._token(namespace, service_account, {"boundObjectRef": bound})
        return BoundToken(text=text, api=self.api, path=f"{secrets}/{name}")

    def _token(self, namespace: str, service_account: str, spec: Mapping[str, Any]) -> str:
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{service_account}/token"
        answer = self.api.post(path, {"spec": dict(spec)})
        assert answer.code == 201, answer
        return str(answer.body["status"]["token"])

    def service_account_kubeconfig(self, namespace: str, name: str) -> Path:
        """A kubeconfig with a real token of a service account that exists."""
        path = self._directory / f"{namespace}-{name}-{uuid.uuid4().hex[:6]}.kubeconfig"
        return self.server.write_kubeconfig(path, self.token(namespace, name), namespace=namespace)

    def _start(self) -> None:
        self.server.start()
        self.server.write_kubeconfig(self.kubeconfig, self.server.admin_token)
        self.api = Client.from_kubeconfig(self.kubeconfig)
        self.start_controllers()
        made = self.api.post("/api/v1/nodes", NODE)
        assert made.code == 201, made
        node = f"/api/v1/nodes/{NODE_NAME}"
        until(f"the node is ready: {self._directory}", lambda: _is_ready(self.api.get(node).body), SECONDS)

    def start_controllers(self) -> None:
        """Start the controllers, the scheduler and the node, or start them again."""
        self.stop_controllers()
        self._daemons += [Daemon(name, command, self._directory) for name, command in self._commands().items()]

    def stop_controllers(self) -> None:
        """Kill the controllers, the scheduler and the node; the API server stays."""
        for daemon in self._daemons:
            daemon.kill()
        self._daemons.clear()

    def _stop(self) -> None:
        self.stop_controllers()
        self.server.close()

    def _commands(self) -> dict[str, list[str | Path]]:
        kubeconfig, stages = f"--kubeconfig={self.kubeconfig}", self._programs["kwok-stages.yaml"]
        arguments = {
            "kube-controller-manager": [
                "--leader-elect=false",
                "--secure-port=0",
                "--controllers=*",
                # kwok sends no heartbeats, and a node without them loses its Pods.
                "--node-monitor-grace-period=24h",
                f"--service-account-private-key-file={self.server.service_account_key}",
                f"--root-ca-file={self.server.certificate}",
                "--horizontal-pod-autoscaler-sync-period=1s",
                "--kube-api-qps=200",
                "--kube-api-burst=400",
            ],
            "kube-scheduler": ["--leader-elect=false", "--secure-port=0"],
            "kwok": [f"--manage-single-node={NODE_NAME}", "--node-port=0", f"--config={stages}"],
        }
        return {name: [self._programs[name], kubeconfig, *flags] for name, flags in arguments.items()}


def _collection(resource: str, namespace: str) -> str:
    group = next((group for group, resources in GROUPS.items() if resource in resources), "")
    inside = f"/namespaces/{namespace}" if namespace else ""
    return f"{f'/apis/{group}' if group else '/api/v1'}{inside}/{resource}"


def _is_ready(node: Any) -> bool:
    conditions = node["status"].get("conditions", [])
    tainted = node["spec"].get("taints", [])
    return not tainted and any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)

"""etcd and kube-apiserver on free loopback ports, with RBAC, service accounts and one administrator."""

import base64
import json
import secrets
import ssl
import urllib.error
import urllib.request
from pathlib import Path

from demo.waiting import until
from tests.acceptance.stack import free_address
from tests.support.control_plane.daemon import Daemon
from tests.support.control_plane.programs import find_program
from tests.support.control_plane.service_account import new_key

START_SECONDS = 180.0


class ApiServer:
    """A real API server, which can be killed and started again with all that it has stored."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._programs = {name: find_program(name) for name in ("etcd", "kube-apiserver")}
        self._clients, self._peers, self.address = free_address(), free_address(), free_address()
        self.url = f"https://{self.address}"
        self.admin_token = secrets.token_hex(16)
        self.certificate = directory / "certificates" / "apiserver.crt"
        self.service_account_key = directory / "service-accounts.key"
        self._tokens = directory / "tokens.csv"
        self._daemons: list[Daemon] = []
        self._server: Daemon | None = None

    def start(self) -> None:
        """Start both and wait until the API is ready."""
        self._directory.mkdir(parents=True, exist_ok=True)
        new_key(self.service_account_key)
        self._tokens.write_text(f'{self.admin_token},admin,1,"system:masters"\n')
        self._daemons.append(Daemon("etcd", self._etcd(), self._directory))
        self.start_again()

    def start_again(self) -> None:
        """Start the API server after it was killed, at the same address, and wait until it is ready."""
        if self._server is None:
            self._server = Daemon("kube-apiserver", self._kube_apiserver(), self._directory)
            until(f"the API server is ready: {self._server.log}", self._is_ready, START_SECONDS)

    def kill(self) -> None:
        """Kill the API server; what it has stored stays."""
        if self._server is not None:
            self._server.kill()
            self._server = None

    def close(self) -> None:
        """Kill both."""
        self.kill()
        for daemon in self._daemons:
            daemon.kill()

    def write_kubeconfig(self, path: Path, token: str, *, namespace: str = "default", url: str = "") -> Path:
        """A kubeconfig for the bearer of a token; with another URL for a proxy in front of the server."""
        authority = base64.b64encode(self.certificate.read_bytes()).decode()
        cluster = {"server": url or self.url}
        if cluster["server"].startswith("https:"):
            cluster["certificate-authority-data"] = authority
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": "test", "user": {"token": token}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test", "namespace": namespace}}],
            "current-context": "test",
        }
        path.touch(mode=0o600)
        path.write_text(json.dumps(config))
        return path

    def trust(self) -> ssl.SSLContext:
        """What a client needs to speak TLS with the server."""
        return ssl.create_default_context(cafile=str(self.certificate))

    def _is_ready(self) -> bool:
        if self._server is not None and not self._server.runs:
            raise AssertionError(f"kube-apiserver ended:\n{self._server.last_words()}")
        request = urllib.request.Request(f"{self.url}/readyz", headers={"Authorization": f"Bearer {self.admin_token}"})
        with urllib.request.urlopen(request, timeout=15, context=self.trust()) as response:
            return bool(response.status == 200)

    def _etcd(self) -> list[str | Path]:
        clients, peers = f"http://{self._clients}", f"http://{self._peers}"
        return [
            self._programs["etcd"],
            f"--data-dir={self._directory / 'etcd'}",
            f"--listen-client-urls={clients}",
            f"--advertise-client-urls={clients}",
            f"--listen-peer-urls={peers}",
            f"--initial-advertise-peer-urls={peers}",
            f"--initial-cluster=default={peers}",
            "--unsafe-no-fsync",
        ]

    def _kube_apiserver(self) -> list[str | Path]:
        host, _, port = self.address.partition(":")
        return [
            self._programs["kube-apiserver"],
            f"--etcd-servers=http://{self._clients}",
            f"--bind-address={host}",
            f"--advertise-address={host}",
            f"--secure-port={port}",
            f"--cert-dir={self.certificate.parent}",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--authorization-mode=RBAC",
            f"--token-auth-file={self._tokens}",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={self.service_account_key}",
            f"--service-account-signing-key-file={self.service_account_key}",
            "--allow-privileged=true",
            "--profiling=false",
        ]

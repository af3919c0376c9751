"""The baselines: a GET and a PATCH by bare urllib3, and a bare Flask view under gunicorn."""

import json
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import urllib3
import yaml

from benchmarks.canaries import Canaries
from benchmarks.clients.connection import Address
from benchmarks.clients.sender import Sender
from demo.waiting import until
from remediator.core.ledger import LEDGER
from remediator.kube.targets import FIELD_MANAGER
from remediator.web.admission import TURNS
from tests.acceptance.stack import free_address
from tests.support.control_plane.daemon import Daemon
from tests.support.service import SHIPPED


class BareAct:
    """Writes to a canary what the service wrote last, as the same field manager, so that the API server works alike."""

    def __init__(self, there: Canaries, name: str) -> None:
        host, _, port = there.server.address.partition(":")
        certificate = str(there.server.certificate)
        self._pool = urllib3.HTTPSConnectionPool(host, int(port), maxsize=1, retries=False, ca_certs=certificate)
        self._reading = {"Authorization": f"Bearer {there.server.admin_token}", "Accept": "application/json"}
        self._writing = {**self._reading, "Content-Type": "application/strategic-merge-patch+json"}
        self._query = urlencode({"fieldManager": FIELD_MANAGER, "fieldValidation": "Strict"})
        profile = yaml.safe_load(SHIPPED.read_text())["profiles"][0]
        env = [{"name": key, "value": value} for key, value in profile.items()]
        self._spec = {"template": {"spec": {"containers": [{"name": "denis", "env": env}]}}}
        self._path = there.path(name)
        self._annotations = {LEDGER: there.api.get(self._path).body["metadata"]["annotations"][LEDGER]}

    def act(self) -> float:
        """Read the Deployment, decode it, write, and read the answer. Returns seconds."""
        began = time.perf_counter()
        metadata = json.loads(self._ask("GET", self._path, self._reading))["metadata"]
        read = {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
        patch: dict[str, Any] = {"metadata": {**read, "annotations": self._annotations}, "spec": self._spec}
        self._ask("PATCH", f"{self._path}?{self._query}", self._writing, json.dumps(patch).encode())
        return time.perf_counter() - began

    def close(self) -> None:
        """Close the connection."""
        self._pool.close()

    def _ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None) -> bytes:
        response = self._pool.request(method, path, body=body, headers=dict(headers), timeout=10)
        assert response.status == 200, response.data
        return response.data


@contextmanager
def bare_flask(directory: Path) -> Iterator[tuple[Daemon, Address]]:
    """The process of gunicorn's master, with the service's settings, and its address, once it answers."""
    host, _, port = free_address().partition(":")
    settings = ["--workers=1", f"--threads={TURNS}", "--worker-class=gthread", "--keep-alive=5"]
    settings += ["--no-control-socket", "--log-level=warning", "--worker-tmp-dir=/dev/shm"]
    settings += [f"--chdir={Path(__file__).parent.parent}", f"--bind={host}:{port}"]
    gunicorn = Path(sys.executable).with_name("gunicorn")
    with Daemon("bare", [gunicorn, *settings, "benchmarks.bare_flask:app"], directory) as daemon:
        address = (host, int(port))
        with until("the bare service listens", lambda: Sender(address), 20) as sender:
            # The master listens before there is a worker, which then takes this.
            assert sender.post(b"")[1] == HTTPStatus.NO_CONTENT
        yield daemon, address

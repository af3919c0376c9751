"""The floor: a GET and a PATCH of a Deployment by bare urllib3, with nothing around them."""

import json
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import urllib3

from remediator.cluster import FIELD_MANAGER
from remediator.ledger import LEDGER

FLOOR = "REMEDIATOR_BENCHMARK_FLOOR"
"""The environment variable in which another process finds the floor's arguments and the Deployment's path, in JSON."""


class Floor:
    """Writes the patch that the service writes, as the same field manager: the API server has the same work to do.

    `address`, `certificate` and `token` are the API server's; `ledger` is the text that the service wrote last.
    """

    def __init__(self, *, address: str, certificate: str, token: str, profile: Mapping[str, str], ledger: str) -> None:
        host, _, port = address.partition(":")
        # One connection, kept; TLS as strict as the service's.
        self._pool = urllib3.HTTPSConnectionPool(
            host, int(port), maxsize=1, retries=False, ca_certs=certificate, timeout=10
        )
        bearer = {"Authorization": f"Bearer {token}"}
        self._reading = {**bearer, "Accept": "application/json"}
        self._writing = {**self._reading, "Content-Type": "application/strategic-merge-patch+json"}
        self._query = urlencode({"fieldManager": FIELD_MANAGER, "fieldValidation": "Strict"})
        env = [{"name": name, "value": value} for name, value in profile.items()]
        self._spec = {"template": {"spec": {"containers": [{"name": "denis", "env": env}]}}}
        self._annotations = {LEDGER: ledger}

    def close(self) -> None:
        """Hang up."""
        self._pool.close()

    def act(self, path: str) -> tuple[float, float]:
        """Read the Deployment, decode it, write, read the answer. Seconds for the GET, and for the PATCH."""
        began = time.perf_counter()
        metadata = json.loads(self._ask("GET", path, self._reading))["metadata"]
        read = time.perf_counter()
        identity = {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
        patch: dict[str, Any] = {"metadata": {**identity, "annotations": self._annotations}, "spec": self._spec}
        self._ask("PATCH", f"{path}?{self._query}", self._writing, json.dumps(patch).encode())
        return read - began, time.perf_counter() - read

    def _ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None) -> bytes:
        response = self._pool.request(method, path, body=body, headers=dict(headers))
        assert response.status == 200, response.data
        return response.data

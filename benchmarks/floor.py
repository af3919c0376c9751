"""The floor: a GET and a PATCH of a Deployment by bare urllib3, with nothing around them."""

import json
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import urllib3

from benchmarks.place import Place
from remediator.cluster import FIELD_MANAGER
from remediator.ledger import LEDGER


class Floor:
    """Writes the patch that the service writes, as the same field manager: the API server has the same work to do.

    `ledger` is the annotation's text as the service wrote it last.
    """

    def __init__(self, place: Place, profile: Mapping[str, str], ledger: str) -> None:
        host, _, port = place.server.address.partition(":")
        # One connection, kept; TLS as strict as the service's.
        self._pool = urllib3.HTTPSConnectionPool(
            host, int(port), maxsize=1, retries=False, ca_certs=str(place.server.certificate), timeout=10
        )
        token = {"Authorization": f"Bearer {place.server.admin_token}"}
        self._reading = {**token, "Accept": "application/json"}
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

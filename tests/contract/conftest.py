"""The API servers that the contract is checked against: the embedded cluster, and a real one if there is one.

REMEDIATOR_CONTRACT_KUBECONFIG names the kubeconfig of a real API server with its controller manager, as an
administrator; every test makes a namespace of its own there, and deletes it.
"""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from remediator.embedded import EmbeddedCluster
from tests.contract.client import Client
from tests.contract.workload import Workload, manifest

REAL = os.environ.get("REMEDIATOR_CONTRACT_KUBECONFIG", "")


@pytest.fixture(scope="session", params=["embedded", *(["real"] if REAL else [])])
def api(request: pytest.FixtureRequest) -> Iterator[Client]:
    """A client with all rights."""
    if request.param == "real":
        yield Client.from_kubeconfig(Path(REAL))
        return
    with EmbeddedCluster() as cluster:
        yield Client(url=cluster.url)


@pytest.fixture
def namespace(api: Client) -> Iterator[str]:
    """The test's own namespace."""
    name = f"contract-{uuid.uuid4().hex[:12]}"
    assert api.post("/api/v1/namespaces", {"metadata": {"name": name}}).code == 201
    yield name
    api.delete(f"/api/v1/namespaces/{name}")


@pytest.fixture
def denis(api: Client, namespace: str) -> Workload:
    """A settled Deployment `denis` in the test's own namespace."""
    workload = Workload(api=api, namespace=namespace)
    assert api.post(workload.deployments, manifest()).code == 201
    workload.settled()
    return workload

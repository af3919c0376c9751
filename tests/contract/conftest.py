"""The API servers that the contract is checked against: the embedded cluster, and a real control plane.

REMEDIATOR_CONTRACT_KUBECONFIG names the kubeconfig of another one with its controller manager, as an administrator;
every test makes a namespace of its own there, and deletes it.
"""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from remediator.sandbox import EmbeddedCluster
from tests.contract.client import Client
from tests.contract.workload import Workload, manifest
from tests.support.control_plane import ControlPlane

OTHER = os.environ.get("REMEDIATOR_CONTRACT_KUBECONFIG", "")


@pytest.fixture(scope="session", params=["embedded", "real", *(["other"] if OTHER else [])])
def api(request: pytest.FixtureRequest) -> Iterator[Client]:
    """A client with all rights."""
    if request.param == "embedded":
        with EmbeddedCluster() as cluster:
            yield Client(url=cluster.url)
    elif request.param == "real":
        control_plane: ControlPlane = request.getfixturevalue("control_plane")
        yield control_plane.api
    else:
        yield Client.from_kubeconfig(Path(OTHER))


@pytest.fixture
def namespace(api: Client) -> Iterator[str]:
    """The test's own namespace."""
    name = f"contract-{uuid.uuid4().hex[:12]}"
    assert api.post("/api/v1/namespaces", {"metadata": {"name": name}}).code == 201
    yield name
    if OTHER:  # Ours go with their clusters.
        api.delete(f"/api/v1/namespaces/{name}")


@pytest.fixture
def denis(api: Client, namespace: str) -> Workload:
    """A settled Deployment `denis` in the test's own namespace."""
    workload = Workload(api=api, namespace=namespace)
    assert api.post(workload.deployments, manifest()).code == 201
    workload.settled()
    return workload

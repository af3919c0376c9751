"""The canary's commands run on the embedded cluster and on a real control plane; what fails on demand is embedded."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from remediator.embedded import EmbeddedCluster
from tests.canary.place import Place, seed_denis
from tests.contract.client import Client
from tests.contract.workload import is_settled
from tests.control_plane import ControlPlane
from tests.faults import FaultyApi


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the machine's own environment says must not reach a command."""
    for name in ("CONFIG_FILE", "PROMETHEUS_URL", "ALERTMANAGER_URL", "CLUSTER"):
        monkeypatch.delenv(f"REMEDIATOR_{name}", raising=False)


@pytest.fixture(params=["here", "real"], ids=["embedded", "real"])
def place(request: pytest.FixtureRequest) -> Place:
    """DENIS, and the controllers are done with it: on both clusters, one after the other."""
    found: Place = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def real(control_plane: ControlPlane, tmp_path: Path) -> Iterator[Place]:
    """DENIS on the real control plane alone."""
    namespace = control_plane.namespace("canary")
    seed_denis(control_plane.api, namespace)
    made = Place(api=control_plane.api, kubeconfig=control_plane.kubeconfig, namespace=namespace, directory=tmp_path)
    await_settled(made)
    yield made
    control_plane.delete_namespace(namespace)


@pytest.fixture
def here(embedded: EmbeddedCluster, tmp_path: Path) -> Place:
    """DENIS on the embedded cluster alone."""
    return embedded_place(embedded, embedded.kubeconfig, tmp_path)


@pytest.fixture
def faulty(embedded: EmbeddedCluster, api: FaultyApi, tmp_path: Path) -> Place:
    """DENIS on the embedded cluster; the commands reach it by the proxy that can fail, the tests directly."""
    return embedded_place(embedded, api.write_kubeconfig(tmp_path / "kubeconfig"), tmp_path)


def embedded_place(cluster: EmbeddedCluster, kubeconfig: Path, directory: Path) -> Place:
    """The place on an embedded cluster."""
    made = Place(api=Client(url=cluster.url), kubeconfig=kubeconfig, namespace="denis", directory=directory)
    await_settled(made)
    return made


def await_settled(place: Place) -> None:
    """Wait until the controllers are done with both Deployments."""
    for name in ("denis", "denis-workers"):
        place.api.await_object(place.path(name), is_settled)

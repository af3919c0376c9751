"""Fixtures that more than one file uses."""

import json
import os
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from remediator.sandbox import EmbeddedCluster
from tests.support.certificates import make_authority, make_certificate
from tests.support.control_plane import ControlPlane
from tests.support.faults import FaultyApi
from tests.support.replica import Replica
from tests.support.service import SHIPPED, Clock, Service

# How long examples take to be made depends on who else is busy, and is no fault of a test.
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", PATIENT, derandomize=True)
settings.register_profile("here", PATIENT)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "here")

# Go is as thrifty with 100 MB as with 100 GB. Collecting garbage was a tenth of what Kubernetes and Helm cost here.
os.environ.setdefault("GOGC", "300")

# Many tests start the program; each start would compile all of it again where bytecode is not kept.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

MakeService = Callable[..., Service]

LONG = (
    *("test_pythons.py", "test_image.py", "test_benchmarks.py"),
    *("acceptance", "chart", "canary", "web", "dashboard", "browser"),
    *("test_service.py", "test_rules_units.py", "test_rules_scrapes.py", "test_rules.py", "test_rules_releases.py"),
)
"""The files and folders of tests/ whose files take the longest."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the workers begin with what takes longest, so that none is left alone with it in the end."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=lambda item: LONG.index(name) if (name := _place(item)) in LONG else len(LONG))


def _place(item: pytest.Item) -> str:
    return item.path.relative_to(Path(__file__).parent).parts[0]


@pytest.fixture
def embedded(monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddedCluster]:
    """A cluster with denis at 10 % and denis-workers at 4."""
    # It is asked over plain HTTP, and to read the system's authorities for each client is 40 ms of CPU.
    monkeypatch.setenv("SSL_CERT_FILE", os.devnull)
    with EmbeddedCluster() as cluster:
        yield cluster


@pytest.fixture
def api(embedded: EmbeddedCluster) -> Iterator[FaultyApi]:
    """The same cluster, behind a proxy that can fail."""
    with FaultyApi(embedded.url) as proxy:
        yield proxy


@pytest.fixture
def clock() -> Clock:
    """A clock that stands at noon."""
    return Clock()


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A copy of the shipped remediations.yaml."""
    path = tmp_path / "remediations.yaml"
    path.write_text(SHIPPED.read_text())
    return path


@pytest.fixture
def make_service(api: FaultyApi, clock: Clock, tmp_path: Path) -> Iterator[MakeService]:
    """Makes replicas of the service that share the cluster and the clock."""
    made: list[Service] = []

    def make(**settings: Any) -> Service:
        kubeconfig = api.write_kubeconfig(tmp_path / f"kubeconfig-{len(made)}")
        made.append(Service(kubeconfig, **{"clock": clock, **settings}))
        return made[-1]

    yield make
    for service in made:
        service.recorder.close(5)


@pytest.fixture
def service(make_service: MakeService) -> Service:
    """One replica."""
    return make_service()


@pytest.fixture
def events(embedded: EmbeddedCluster) -> Callable[[], list[dict[str, Any]]]:
    """The Events that Remediator has written."""

    def get() -> list[dict[str, Any]]:
        with urllib.request.urlopen(f"{embedded.url}/api/v1/namespaces/denis/events") as response:
            items = json.load(response)["items"]
        return [item for item in items if item.get("reportingComponent") == "remediator.denis.run/remediator"]

    return get


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A real control plane: one for all tests of a process, because one of them kills its API server."""
    with ControlPlane(tmp_path_factory.mktemp("control-plane")) as plane:
        yield plane


@pytest.fixture
def kubeconfig(api: FaultyApi, tmp_path: Path) -> Path:
    """A kubeconfig for the cluster behind the proxy."""
    return api.write_kubeconfig(tmp_path / "kubeconfig")


@pytest.fixture
def replica(kubeconfig: Path, config: Path, tmp_path: Path) -> Iterator[Replica]:
    """A service without credentials."""
    flags = (f"--config.file={config}", f"--kubeconfig={kubeconfig}", "--insecure-no-auth")
    with Replica(tmp_path / "replica", *flags) as running:
        yield running


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    """A folder with a CA, and a certificate and key for the server and for a client."""
    make_authority(tmp_path)
    make_certificate(tmp_path, "server")
    make_certificate(tmp_path, "client")
    return tmp_path

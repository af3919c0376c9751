"""Fixtures of the chart's tests: each Helm, and a release on the real control plane."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.chart.deployments import denis
from tests.chart.helm import Helm, Helm3, Helm4
from tests.chart.installation import ACCOUNTS, PROMOTER, RELEASE, SERVICE, Installation, Release, values_for
from tests.support.builders import PROFILES
from tests.support.control_plane import ControlPlane

ONLY_RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
HELMS: tuple[type[Helm3] | type[Helm4], ...] = (Helm3, Helm4)


@pytest.fixture(params=HELMS, ids=lambda kind: kind.name)
def helm(request: pytest.FixtureRequest, tmp_path: Path) -> Helm:
    """Helm 3 and Helm 4, which need no cluster for what is asked of this one."""
    kind: type[Helm3] | type[Helm4] = request.param
    return kind(tmp_path)


@pytest.fixture
def helm3(tmp_path: Path) -> Helm3:
    """Helm 3, where one is enough."""
    return Helm3(tmp_path)


@pytest.fixture
def helm3_on_cluster(tmp_path: Path, control_plane: ControlPlane) -> Helm3:
    """Helm 3 as the administrator of the control plane."""
    return Helm3(tmp_path, control_plane.kubeconfig)


@pytest.fixture
def helm4(tmp_path: Path) -> Helm4:
    """Helm 4, where one is enough."""
    return Helm4(tmp_path)


@pytest.fixture(params=HELMS, ids=lambda kind: kind.name)
def cluster_helm(request: pytest.FixtureRequest, tmp_path: Path, control_plane: ControlPlane) -> Helm:
    """Helm 3 and Helm 4 as the administrator of the control plane."""
    kind: type[Helm3] | type[Helm4] = request.param
    return kind(tmp_path, control_plane.kubeconfig)


@pytest.fixture(scope="module")
def make_namespace(control_plane: ControlPlane) -> Iterator[Callable[[], str]]:
    """Makes namespaces that admit only Pods of the standard "restricted", as a careful cluster does."""
    made: list[str] = []

    def make() -> str:
        made.append(control_plane.namespace("chart", ONLY_RESTRICTED))
        return made[-1]

    yield make
    for name in made:
        control_plane.leave_namespace(name)


@pytest.fixture(scope="session")
def release(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Release]:
    """The chart with its default values and a promoter beside DENIS at 10 %, and policies that are in force."""
    namespace = control_plane.namespace("chart", ONLY_RESTRICTED)
    helm = Helm3(tmp_path_factory.mktemp("helm"), control_plane.kubeconfig)
    helm.install(RELEASE, namespace, values_for(namespace), wait=False)
    made = {who: Installation.seen_by(who, control_plane, namespace) for who in ACCOUNTS}
    for name in ("denis", "denis-workers"):
        made[SERVICE].reset(name, denis(PROFILES[10], name))
    for one in made.values():
        one.await_policy()
    yield made
    helm.uninstall(RELEASE, namespace)
    control_plane.leave_namespace(namespace)


@pytest.fixture
def installation(release: Release) -> Installation:
    """The release as the service sees it."""
    return release[SERVICE]


@pytest.fixture
def promoter(release: Release) -> Installation:
    """The release as the promoter sees it."""
    return release[PROMOTER]

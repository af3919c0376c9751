"""The canary's commands run on the embedded cluster and on a real control plane; what fails on demand is embedded."""

import json
import shutil
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from demo.shipped import RULES
from remediator.core.ledger import LEDGER
from remediator.sandbox import EmbeddedCluster
from tests.canary.answers import loaded, serving
from tests.canary.place import Place, seed_denis
from tests.canary.test_verify import HEALTHY
from tests.contract.client import Client
from tests.contract.workload import is_settled
from tests.monitoring.watching_prometheus import WatchingPrometheus
from tests.support.control_plane import ControlPlane
from tests.support.faults import FaultyApi, Refuse
from tests.support.stand_in import StandIn


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
    control_plane.leave_namespace(namespace)


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


@pytest.fixture
def prometheus() -> Iterator[WatchingPrometheus]:
    """A Prometheus that says that all is well."""
    with WatchingPrometheus() as stand_in:
        yield stand_in


@pytest.fixture
def alertmanager() -> Iterator[StandIn]:
    """An Alertmanager with the shipped route."""
    status = loaded((RULES / "alertmanager.yaml").read_text())
    answers = {"/api/v2/status": status, "/api/v2/alerts": "[]", "/api/v2/silences": "[]"}
    with StandIn(answers) as stand_in:
        yield stand_in


@pytest.fixture
def remediator(api: FaultyApi) -> Iterator[StandIn]:
    """A Remediator that would act, with the shipped remediations, and has just got a heartbeat."""

    def status(_: Mapping[str, str]) -> str:
        now = datetime.now(UTC) + timedelta(seconds=api.clock_ahead)
        return json.dumps(serving(heartbeat={"last": now.isoformat(), "delaySeconds": 20.0}))

    with StandIn({"/-/ready": "Remediator is ready.\n", "/api/v1/status": status}) as stand_in:
        yield stand_in


@pytest.fixture
def denis() -> Iterator[StandIn]:
    """A DENIS that exports what it should."""
    with StandIn({"/metrics": HEALTHY}) as stand_in:
        yield stand_in


@pytest.fixture
def with_rules(config: Path) -> Path:
    """The shipped remediations with the shipped rules beside them."""
    for rules in RULES.glob("*.rules.yaml"):
        shutil.copy(rules, config.parent)
    return config


@pytest.fixture
def admission(api: FaultyApi) -> FaultyApi:
    """The API server refuses what the chart's admission policy refuses the service; the sandbox has no policies."""

    def is_illegal(body: bytes) -> bool:
        patch = json.loads(body)
        recorded = LEDGER in patch["metadata"].get("annotations", {})
        spec = json.dumps(patch["spec"])
        return not recorded or not (
            '"name": "DENIS_MATERIALIZERS_PCT", "value": "0"' in spec or spec == '{"replicas": 6}'
        )

    api.always("PATCH", Refuse(when=is_illegal, message="ValidatingAdmissionPolicy 'remediator' denied request"))
    return api

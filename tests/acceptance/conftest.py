"""Starts the real programs: Prometheus and Kubernetes once for all tests here, the rest for each of them."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

import pytest

from demo import shipped
from demo.denis import Denis
from demo.shipped import Pace
from demo.stack import Alertmanager, Deployments, Prometheus
from demo.waiting import until
from remediator.config.loader import parse_policy
from remediator.sandbox import EmbeddedCluster
from tests.acceptance.crossing import Crossing
from tests.acceptance.gate import Gate
from tests.acceptance.incidents import Incident, canary, grant
from tests.acceptance.stack import PACE, SECONDS, Stack, Watch, free_address
from tests.contract.workload import is_settled
from tests.support.components import component
from tests.support.control_plane import ControlPlane
from tests.support.service import SHIPPED, Service

GetWatch = Callable[[str], Watch]


class Assemble(Protocol):
    """Starts a stack; everything that is not said is as shipped, but faster."""

    def __call__(
        self,
        *,
        remediations: Mapping[str, Mapping[str, Any]] | None = None,
        pace: Pace = PACE,
        group_by: list[str] | None = None,
        pair: str = "",
    ) -> Stack: ...


@pytest.fixture
def age() -> str:
    """Which Prometheus and Alertmanager; tests that are told on both override it."""
    return "newest"


@pytest.fixture(scope="package")
def get_watch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GetWatch]:
    """Starts each Prometheus when it is first asked for; at this pace it is never idle, so it ends with these tests."""
    with ExitStack() as stack:
        watches: dict[str, Watch] = {}

        def get(age: str) -> Watch:
            if age not in watches:
                watches[age] = _watch(stack, component(f"prometheus-{age}", "prometheus"), tmp_path_factory.mktemp(age))
            return watches[age]

        yield get


@pytest.fixture
def assemble(age: str, get_watch: GetWatch, tmp_path: Path) -> Iterator[Assemble]:
    """Starts the rest, and stops it after the test."""
    program = component(f"alertmanager-{age}", "prometheus-alertmanager")
    with ExitStack() as running:

        def start(
            *,
            remediations: Mapping[str, Mapping[str, Any]] | None = None,
            pace: Pace = PACE,
            group_by: list[str] | None = None,
            pair: str = "",
        ) -> Stack:
            stack = _stack(running, get_watch(age), tmp_path, remediations or {})
            route = shipped.route(pace, webhook=stack.address, token_file=stack.sent_token, group_by=group_by)
            for peering in _peerings(stack, pair):
                number = len(stack.alertmanagers)
                alertmanager = Alertmanager(
                    program,
                    tmp_path,
                    config=route,
                    address=stack.watch.alertmanager_addresses[number],
                    name=f"alertmanager-{number}",
                    peering=peering,
                )
                stack.alertmanagers.append(running.enter_context(alertmanager).ready())
            if pair == "in touch":
                until("the pair is in touch", lambda: all(one.peers() == 2 for one in stack.alertmanagers), SECONDS)
            return stack

        yield start


@pytest.fixture
def namespace(control_plane: ControlPlane) -> Iterator[str]:
    """The test's own namespace, with DENIS at 10 % and its workers at 4."""
    name = control_plane.namespace("denis")
    workers = canary("denis-workers")
    workers["spec"]["replicas"] = 4
    for manifest in (canary("denis"), workers):
        assert control_plane.api.post(f"/apis/apps/v1/namespaces/{name}/deployments", manifest).code == 201
    yield name
    control_plane.leave_namespace(name)


@pytest.fixture
def denis(control_plane: ControlPlane, namespace: str) -> Incident:
    """The canary, with which the controllers are done."""
    incident = Incident(name="denis", namespace=namespace, api=control_plane.api)
    control_plane.api.await_object(incident.path, is_settled)
    return incident


@pytest.fixture
def crossing(control_plane: ControlPlane) -> Iterator[Crossing]:
    """The service's way to the API server."""
    with Crossing(control_plane.server.address, control_plane.server.trust()) as crossing:
        yield crossing


@pytest.fixture
def make_service(
    control_plane: ControlPlane, namespace: str, crossing: Crossing, tmp_path: Path
) -> Iterator[Callable[..., Service]]:
    """Makes replicas with the shipped policy, as the service account."""
    token = grant(control_plane, namespace)
    ours = control_plane.server.write_kubeconfig(tmp_path / "kubeconfig", token, url=crossing.url)
    policy = parse_policy(SHIPPED.read_text().replace("namespace: denis", f"namespace: {namespace}"), str(SHIPPED))
    made: list[Service] = []

    def make(kubeconfig: Path = ours, **settings: Any) -> Service:
        made.append(Service(kubeconfig, policy=policy, **settings))
        return made[-1]

    yield make
    for service in made:
        service.recorder.close(5)


@pytest.fixture
def service(make_service: Callable[..., Service]) -> Service:
    """One replica."""
    return make_service()


def _watch(stack: ExitStack, program: Path, directory: Path) -> Watch:
    # No API server is there yet; each test brings its own.
    denis = stack.enter_context(Denis("http://127.0.0.1:1"))
    alertmanagers, internal = [free_address(), free_address()], free_address()
    scrape = {"denis": denis.address, "remediator": internal}
    prometheus = Prometheus(program, directory, shipped.watch(PACE, scrape=scrape, alertmanagers=alertmanagers))
    stack.enter_context(prometheus).ready()
    return Watch(denis=denis, prometheus=prometheus, alertmanager_addresses=alertmanagers, internal_address=internal)


def _stack(running: ExitStack, watch: Watch, directory: Path, remediations: Mapping[str, Mapping[str, Any]]) -> Stack:
    """A cluster and a Remediator for one test."""
    cluster = running.enter_context(EmbeddedCluster())
    gate = Gate(cluster.url.removeprefix("http://"))
    running.callback(gate.close)
    kubeconfig, config = directory / "kubeconfig", directory / "remediations.yaml"
    cluster.write_kubeconfig(kubeconfig)
    kubeconfig.write_text(kubeconfig.read_text().replace(cluster.url, f"http://{gate.address}"))
    config.write_text(shipped.remediations(remediations))
    tokens = directory / "accepted-tokens", directory / "sent-token"
    for file in tokens:
        file.write_text("first-token\n")
    stack = Stack(
        directory=directory,
        watch=watch,
        cluster=cluster,
        deployments=Deployments(cluster.url),
        gate=gate,
        config=config,
        accepted_tokens=tokens[0],
        sent_token=tokens[1],
        address=free_address(),
    )
    running.callback(lambda: stack.remediator.stop())
    running.callback(lambda: sys.stdout.write(stack.last_words()))
    stack.start_remediator()
    watch.calm_down(cluster)
    return stack


def _peerings(stack: Stack, pair: str) -> Iterator[list[str]]:
    """The flags of each Alertmanager: of one, or of a pair in which both notify at the same time."""
    alone = ["--cluster.listen-address="]
    cluster = ["--cluster.listen-address=127.0.0.1:0", "--cluster.peer-timeout=0s", "--cluster.gossip-interval=50ms"]
    match pair:
        case "":
            yield alone
        case "in touch":
            yield cluster
            yield [*cluster, f"--cluster.peer={stack.alertmanager.peer_address()}"]
        case "cut off":
            yield alone
            yield alone
        case _:
            raise ValueError(pair)

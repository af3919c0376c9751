"""Starts the real programs: Prometheus once for all tests, the rest for each of them."""

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
from remediator.embedded import EmbeddedCluster
from tests.acceptance.gate import Gate
from tests.acceptance.stack import PACE, SECONDS, Stack, Watch, free_address
from tests.components import component

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


@pytest.fixture(scope="session")
def get_watch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GetWatch]:
    """Starts each Prometheus when it is first asked for."""
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

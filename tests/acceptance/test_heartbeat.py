"""The heartbeat's whole way, oldest and newest: it arrives, whatever breaks the way shows, and no act ever follows."""

import contextlib
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from demo import shipped
from demo.denis import Denis
from demo.loopback import get_text
from demo.stack import Alertmanager, Deployments, Prometheus, Remediator
from demo.timeline import moment
from demo.waiting import until
from remediator.sandbox import EmbeddedCluster
from tests.acceptance.conftest import Assemble
from tests.acceptance.gate import Gate
from tests.acceptance.stack import PACE, SECONDS, Stack
from tests.support.components import component
from tests.support.isolation import need_isolation

TIME, DELAY = "remediator_heartbeat_timestamp_seconds", "remediator_heartbeat_delay_seconds"


def arrives(remediator: Remediator) -> float:
    """Wait until another heartbeat has come; its delay."""
    before = remediator.metric(TIME)
    until("a heartbeat comes", lambda: remediator.metric(TIME) > before, SECONDS)
    return remediator.metric(DELAY)


def stops(stack: Stack, counter: Callable[[], float], *others: Remediator) -> None:
    """Wait until this counter shows that heartbeats are sent elsewhere or refused, and see that none has come."""
    replicas, begun = [stack.remediator, *others], counter()
    until("the way is broken", lambda: counter() > begun, SECONDS)
    before, begun = [one.metric(TIME) for one in replicas], counter()
    until("it stays so", lambda: counter() >= begun + 2, SECONDS)
    assert [one.metric(TIME) for one in replicas] == before


@pytest.mark.parametrize("age", ["oldest", "newest"])
def test_a_heartbeat_arrives_until_its_way_is_broken(assemble: Assemble) -> None:
    """A wrong token, a route that is gone and the fence of another cluster each stop it; two are undone."""
    stack = assemble()
    assert arrives(stack.remediator) < 90

    stack.sent_token.write_text("wrong\n")
    stops(stack, lambda: stack.notifications(401))
    assert "no valid credentials" in str(stack.remediator.status()["notifications"]["refused"])
    stack.sent_token.write_text("first-token\n")
    arrives(stack.remediator)

    config = stack.directory / "alertmanager-0.yaml"
    text = config.read_text()
    reload(stack, config, text.replace("remediation=", "no_such_label="))
    stops(stack, lambda: stack.alertmanager.metric("alertmanager_alerts_received_total"))
    reload(stack, config, text)
    arrives(stack.remediator)

    stack.remediator.stop()
    stack.start_remediator("--cluster=eu-1")
    stops(stack, lambda: stack.remediator.metric("remediator_outcomes_total", reason="ForeignCluster"))
    assert stack.remediator.status()["heartbeat"] == {"last": None, "delaySeconds": None, "probe": ""}
    assert stack.changes("denis") == stack.changes("denis-workers") == []


def test_each_replica_knows_of_the_heartbeats_that_it_got(assemble: Assemble) -> None:
    """Behind a Service one of three gets them while its connection lasts; a closed port stops them. All stay ready."""
    stack = assemble()
    arrives(stack.remediator)
    with ExitStack() as running:
        others = [running.enter_context(replica(stack, name)).ready() for name in ("second", "third")]
        replicas = [stack.remediator, *others]
        service = Gate(*(one.address for one in replicas))
        running.callback(service.close)
        config = stack.directory / "alertmanager-0.yaml"
        reload(stack, config, config.read_text().replace(stack.address, service.address))
        service.close()
        stops(stack, lambda: stack.alertmanager.metric("alertmanager_notification_requests_failed_total"), *others)

        reached: set[int] = set()
        while len(reached) < len(replicas):
            begun = [one.metric(TIME) for one in replicas]
            service.open()
            reached.add(until("one gets a heartbeat", partial(risen, replicas, begun), SECONDS)[0])
            assert all(one.status()["config"]["remediations"][0]["now"]["armed"] for one in replicas)
            assert all(get_text(f"http://{one.internal_address}/-/ready") for one in replicas)
            service.close()


def risen(replicas: Sequence[Remediator], begun: Sequence[float]) -> list[int]:
    """The numbers of the replicas that have got another heartbeat."""
    return [number for number, one in enumerate(replicas) if one.metric(TIME) > begun[number]]


def replica(stack: Stack, name: str) -> Remediator:
    """Another one with the same files."""
    kubeconfig = [f"--kubeconfig={stack.directory / 'kubeconfig'}"]
    return Remediator(
        stack.directory / name, token_files=[stack.accepted_tokens], cluster=kubeconfig, config=stack.config
    )


def reload(stack: Stack, config: Path, text: str) -> None:
    """Let Alertmanager read another configuration."""
    before = stack.alertmanager.metric("alertmanager_config_hash")
    config.write_text(text)
    stack.alertmanager.signal(signal.SIGHUP)
    until("it is reloaded", lambda: stack.alertmanager.metric("alertmanager_config_hash") != before, SECONDS)


@pytest.fixture
def own(age: str, tmp_path: Path) -> Iterator[tuple[Prometheus, Remediator, Deployments]]:
    """A Prometheus that may be stopped and killed, and what is behind it."""
    programs = (
        component(f"prometheus-{age}", "prometheus"),
        component(f"alertmanager-{age}", "prometheus-alertmanager"),
    )
    token, kubeconfig = tmp_path / "token", tmp_path / "kubeconfig"
    token.write_text("a-token\n")
    with EmbeddedCluster() as cluster, Denis(cluster.url) as denis:
        cluster.write_kubeconfig(kubeconfig)
        serve = Remediator(tmp_path, token_files=[token], cluster=[f"--kubeconfig={kubeconfig}"])
        with serve as remediator:
            route = shipped.route(PACE, webhook=remediator.ready().address, token_file=token)
            with Alertmanager(programs[1], tmp_path, config=route) as alertmanager:
                scrape = {"denis": denis.address, "remediator": remediator.internal_address}
                files = shipped.watch(PACE, scrape=scrape, alertmanagers=[alertmanager.ready().address])
                with Prometheus(on_small_disk(programs[0], tmp_path), tmp_path, files) as prometheus:
                    yield prometheus.ready(), remediator, Deployments(cluster.url)


def on_small_disk(program: Path, directory: Path) -> Path:
    """A Prometheus whose storage in this directory is a disk of its own, which `fill` fills."""
    need_isolation("a disk that is full")
    data, script = directory / "prometheus.data", directory / "on-small-disk"
    data.mkdir()
    mount = f'mount -t tmpfs -o size=4m tmpfs {data} && exec {program} "$@"'
    script.write_text(f"#!/bin/sh\nexec unshare --mount sh -c '{mount}' sh \"$@\"\n")
    script.chmod(0o755)
    return script


def fill(prometheus: Prometheus, directory: Path) -> None:
    """Leave no byte on its disk."""
    filler = Path(f"/proc/{prometheus.pid}/root{directory}/prometheus.data/filler")
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):
            pass


@pytest.mark.parametrize("age", ["oldest", "newest"])
def test_a_heartbeat_ages_while_prometheus_is_dead(
    own: tuple[Prometheus, Remediator, Deployments], tmp_path: Path
) -> None:
    """Prometheus hangs, cannot write, or is dead, and heartbeats go on: their delay says so; a resolved one is none."""
    prometheus, remediator, deployments = own
    arrives(remediator)

    prometheus.signal(signal.SIGSTOP)
    until("it is old when it comes", lambda: remediator.metric(DELAY) > 5, SECONDS)
    prometheus.signal(signal.SIGCONT)
    until("it is fresh again", lambda: remediator.metric(DELAY) < 4, SECONDS)

    # Every alert is still evaluated and sent, so one of vector(1) would look well.
    fill(prometheus, tmp_path)
    until("it is old when it comes", lambda: arrives(remediator) > 5, SECONDS)
    assert prometheus.query("vector(1)")

    prometheus.signal(signal.SIGKILL)
    until("it is old when it comes", lambda: remediator.metric(DELAY) > 5, SECONDS)
    resolved = until("Alertmanager resolves it", lambda: _resolved(remediator), SECONDS)
    assert remediator.metric(TIME) < resolved
    assert [line["reason"] for line in remediator.decisions() if line["reason"] != "NotFiring"] == []
    assert (deployments.percentage(), deployments.generation("denis"), deployments.workers()) == (10, 1, 4)


def _resolved(remediator: Remediator) -> float | None:
    lines = [line for line in remediator.decisions() if line["reason"] == "NotFiring"]
    ours = [line for line in lines if line["alerts"][0]["alertname"] == "RemediatorHeartbeat"]
    return moment(ours[-1]["time"]).timestamp() if ours else None

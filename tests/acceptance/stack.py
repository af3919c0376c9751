"""Everything between a gauge of DENIS and a Deployment, and the questions that tests ask about it."""

import os
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from demo.denis import Denis, Scenario
from demo.process import Process
from demo.shipped import Pace
from demo.stack import Alertmanager, Deployments, Prometheus, Remediator
from demo.timeline import moment
from demo.waiting import until
from remediator.sandbox import EmbeddedCluster
from tests.acceptance.gate import Gate

PACE = Pace(interval="500ms", hold="1s", group_wait="300ms", group_interval="500ms", repeat_interval="100ms")
"""Alertmanager repeats an alert at every group_interval, because repeat_interval is shorter."""

SECONDS = 60.0
"""Far more than anything takes; a busy machine may need some of it."""

HEALTHY = Scenario()


@dataclass(kw_only=True)
class Watch:
    """DENIS, and Prometheus with the shipped rules: slow to start, so that tests share them."""

    denis: Denis
    prometheus: Prometheus
    alertmanager_addresses: Sequence[str]
    internal_address: str

    def calm_down(self, cluster: EmbeddedCluster) -> None:
        """Let DENIS be healthy, on this cluster, and wait until no alert is left of it."""
        self.denis.api_url = cluster.url
        self.denis.becomes(HEALTHY, queue=0)
        until("all alerts are gone", lambda: not self.alerts() and self.prometheus.query("error_rate"), SECONDS)

    def alerts(self) -> dict[str, str]:
        """The states of the alerts that ask for a remediation, by name."""
        asking = ("rollback", "scale")
        alerts = (alert for alert in self.prometheus.alerts() if alert["labels"].get("remediation") in asking)
        return {alert["labels"]["alertname"]: alert["state"] for alert in alerts}


@dataclass(kw_only=True)
class Stack:
    """One test's cluster, Alertmanagers and Remediator, behind the shared watch."""

    directory: Path
    watch: Watch
    cluster: EmbeddedCluster
    deployments: Deployments
    gate: Gate
    config: Path
    accepted_tokens: Path
    sent_token: Path
    address: str
    remediator: Remediator = field(init=False)
    alertmanagers: list[Alertmanager] = field(default_factory=list)

    @property
    def denis(self) -> Denis:
        """The stand-in."""
        return self.watch.denis

    @property
    def alertmanager(self) -> Alertmanager:
        """The only one, or the first of a pair."""
        return self.alertmanagers[0]

    def start_remediator(self, *flags: str) -> Remediator:
        """Start it, or start it again: always at the same addresses, with the same files, and with more flags."""
        self.remediator = Remediator(
            self.directory,
            token_files=[self.accepted_tokens],
            cluster=[f"--kubeconfig={self.directory / 'kubeconfig'}", *flags],
            config=self.config,
            address=self.address,
            internal_address=self.watch.internal_address,
        )
        return self.remediator.ready()

    def decided(self, reason: str, *, of: str = "", after: float = 0.0) -> list[dict[str, Any]]:
        """The audit lines with this reason so far, of this alert if it is named, from this time on."""
        lines = (line for line in self.remediator.decisions() if line["reason"] == reason)
        ours = (line for line in lines if not of or of in names(line))
        return [line for line in ours if moment(line["time"]).timestamp() > after]

    def decides(self, reason: str, *, of: str = "", times: int = 1, after: float = 0.0) -> dict[str, Any]:
        """Wait until so many decisions have this reason; the last of them."""

        def enough() -> list[dict[str, Any]] | None:
            lines = self.decided(reason, of=of, after=after)
            return lines if len(lines) >= times else None

        return until(f"{reason} {of}, {times} times", enough, SECONDS)[times - 1]

    def fires(self, *names: str) -> None:
        """Wait until these alerts fire in Prometheus."""
        until(f"{names} fire", lambda: all(self.watch.alerts().get(name) == "firing" for name in names), SECONDS)

    def notifications(self, code: int) -> float:
        """How many requests Remediator has answered with this code since it started."""
        return self.remediator.metric("remediator_notifications_total", code=str(code))

    def changes(self, name: str) -> list[tuple[int, int]]:
        """What was done to a Deployment, after checking that all witnesses agree on it."""
        acts = self.deployments.acts(name)
        applied = [line for line in self.decided("Applied") if line["target"] == name]
        patches = [served for served in self.cluster.requests if served.verb == "patch" and served.path.endswith(name)]
        assert [line["actionId"] for line in applied] == [act["id"] for act in acts]
        assert [served.code for served in patches] == [200] * len(acts)
        assert self.deployments.generation(name) == 1 + len(acts)
        return [(act["from"], act["to"]) for act in acts]

    def last_words(self) -> str:
        """The ends of all logs, for whoever has to find out why a test failed."""
        processes: list[Process] = [*self.alertmanagers, self.watch.prometheus, self.remediator]
        logs = "\n".join(f"--- {process.name}\n{process.last_words()}" for process in processes)
        return f"{logs}\n--- audit\n{self.remediator.output.read_text()}"


def free_address() -> str:
    """An address for a program that is started more than once there, handed out once.

    Below the ports that the system gives to clients, so that none of them takes it in between; and each process of
    pytest-xdist has ports of its own, for an address may be kept while nothing listens there.
    """
    for port in _ports:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return f"127.0.0.1:{port}"
    raise OSError("no free port is left")


def _own_ports() -> Iterator[int]:
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 6
    first, count = 20_000 + 2_000 * worker, 2_000
    start = os.getpid() % count
    return (first + (start + offset) % count for offset in range(count))


_ports = _own_ports()


def names(line: dict[str, Any]) -> set[str]:
    """The alerts that an audit line is about."""
    return {alert["alertname"] for alert in line["alerts"]}

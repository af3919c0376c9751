"""A whole canary: 1 -> 10 -> 50 -> 100 % by its commands, with the reflex taking it back in the middle.

Real Prometheus with the shipped rules, real Alertmanager, Remediator as a process; on the embedded cluster and on a
real control plane. Only the phases are shorter.
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from demo import shipped
from demo.denis import Denis, Scenario
from demo.process import Process
from demo.stack import Alertmanager, Prometheus, Remediator
from demo.waiting import until
from remediator.sandbox import EmbeddedCluster
from tests.acceptance.stack import HEALTHY, PACE, SECONDS
from tests.canary.conftest import await_settled, embedded_place
from tests.canary.place import Ended, Place, seed_denis
from tests.support.components import component
from tests.support.control_plane import ControlPlane
from tests.support.documents import load_yaml

HOLD = "4s"
COMMAND_SECONDS = 0.5
"""Between two tries of a command: each costs more than the reflex itself."""
BAD = Scenario(canary_error_rate=0.9)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """Everything that a canary in production has around it."""

    place: Place
    denis: Denis
    prometheus: Prometheus
    alertmanager: Alertmanager

    def canary(self, *arguments: str) -> Ended:
        """Run `remediator canary` with both to ask."""
        return self.place.run(
            "canary",
            *arguments,
            f"--prometheus.url=http://{self.prometheus.address}",
            f"--alertmanager.url=http://{self.alertmanager.address}",
        )

    def status(self) -> Any:
        """What `canary status` says."""
        return json.loads(self.canary("status", "-o", "json").stdout)

    def promoted(self, *arguments: str) -> str:
        """Wait until `canary promote` takes the next step; what it said."""

        def promote() -> str | None:
            ended = self.canary("promote", "--yes", *arguments)
            assert ended.code in (0, 3), ended.output
            return ended.output if ", written" in ended.output else None

        return until("the canary is promoted", promote, SECONDS, every=COMMAND_SECONDS)

    def history(self) -> list[tuple[int, int, bool]]:
        """What happened to the canary, oldest first: from, to, and whether it was the reflex."""
        acts = json.loads(self.place.run("canary", "history", "-o", "json").stdout)
        return [(act["from"], act["to"], act["remediation"] == "rollback") for act in reversed(acts)]


@pytest.fixture(params=["embedded", "real"])
def rehearsal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rehearsal]:
    """DENIS at 10 %, watched and looked after."""
    with ExitStack() as running:
        if request.param == "embedded":
            cluster = running.enter_context(EmbeddedCluster(step=0.05))
            place, api_url = embedded_place(cluster, cluster.kubeconfig, tmp_path), cluster.url
        else:
            plane: ControlPlane = request.getfixturevalue("control_plane")
            place, api_url = _on_kubernetes(running, plane, tmp_path)
        document = load_yaml(place.config_file.read_text())
        document["remediations"][0]["cooldown"] = "5s"
        document["phases"] = [{**phase, "hold": HOLD} for phase in document["phases"]]
        place.config_file.write_text(yaml.safe_dump(document, sort_keys=False))
        token = tmp_path / "token"
        token.write_text("a-token\n")
        denis = running.enter_context(Denis(api_url))
        cluster_flags = [f"--kubeconfig={place.kubeconfig}"]
        remediator = running.enter_context(
            Remediator(tmp_path, token_files=[token], cluster=cluster_flags, config=place.config_file)
        ).ready()
        alertmanager = running.enter_context(
            Alertmanager(
                component("alertmanager-newest", "prometheus-alertmanager"),
                tmp_path,
                config=shipped.route(PACE, webhook=remediator.address, token_file=token),
            )
        ).ready()
        scrape = {"denis": denis.address, "remediator": remediator.internal_address}
        prometheus = running.enter_context(
            Prometheus(
                component("prometheus-newest", "prometheus"),
                tmp_path,
                shipped.watch(PACE, scrape=scrape, alertmanagers=[alertmanager.address]),
            )
        ).ready()
        yield Rehearsal(place=place, denis=denis, prometheus=prometheus, alertmanager=alertmanager)


def _on_kubernetes(running: ExitStack, plane: ControlPlane, directory: Path) -> tuple[Place, str]:
    """The place on the real control plane, and where the stand-in may read without credentials: kubectl proxy."""
    plane.namespace_named("denis")
    running.callback(plane.delete_namespace, "denis")
    seed_denis(plane.api, "denis")
    place = Place(api=plane.api, kubeconfig=plane.kubeconfig, namespace="denis", directory=directory)
    await_settled(place)
    command: list[str | Path] = [
        component("kubectl", "kubectl"),
        f"--kubeconfig={plane.kubeconfig}",
        "proxy",
        "--port=0",
    ]
    proxy = running.enter_context(Process("kubectl-proxy", command, directory))
    serving = until("kubectl proxy serves", lambda: proxy.output.read_text().strip(), SECONDS)
    return place, f"http://{serving.rpartition(' ')[2]}"


def test_a_whole_canary(rehearsal: Rehearsal) -> None:
    """Each step is promoted when its time is served and its rates are good; a bad one goes back, and starts again."""
    place = rehearsal.place
    assert rehearsal.canary("set", "1", "--yes", "--reason=first look").code == 0
    early = rehearsal.canary("promote", "--yes")
    assert (early.code, "✗ time" in early.output) == (3, True)
    assert place.percentage() == "1"
    assert "denis: 1 % -> 10 %, written" in rehearsal.promoted()

    until(
        "both rates are known",
        lambda: rehearsal.status()["signals"]["errorRate"] is not None,
        SECONDS,
        every=COMMAND_SECONDS,
    )
    rehearsal.denis.becomes(BAD)
    until("the reflex takes it back", lambda: place.percentage() == "0", SECONDS)
    refused = rehearsal.canary("set", "1")
    assert refused.code == 3
    assert "CoolingDown: " in refused.output
    assert "not started" in rehearsal.canary("promote").output

    rehearsal.denis.becomes(HEALTHY)
    again = lambda: rehearsal.canary("set", "1", "--yes").code == 0  # noqa: E731
    until("nothing stands against it", again, SECONDS, every=COMMAND_SECONDS)
    assert "denis: 1 % -> 10 %, written" in rehearsal.promoted()
    assert "denis: 10 % -> 50 %, written" in rehearsal.promoted()
    assert place.flags()["RUNS_ENABLED"] == "true"
    assert "denis: 50 % -> 100 %, written" in rehearsal.promoted("--auto")

    last = rehearsal.canary("promote")
    assert (last.code, "100 %: nothing to promote to" in last.output) == (3, True)
    assert rehearsal.history() == [
        (10, 1, False),
        (1, 10, False),
        (10, 0, True),
        (0, 1, False),
        (1, 10, False),
        (10, 50, False),
        (50, 100, False),
    ]

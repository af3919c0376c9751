"""The internal listener: probes, status and metrics, for programs and for people."""

import json
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import Client

from remediator.embedded import EmbeddedCluster
from remediator.ledger import KILL_SWITCH, PAUSE
from remediator.memory import Memory
from remediator.observation import Observer
from remediator.reload import PolicyFile
from remediator.status import Knowledge, create_internal_app
from tests.faults import Answer, FaultyApi
from tests.kubectl import patch_deployment
from tests.service import SHIPPED, Clock, Service, alert


class Internal:
    """The internal listener of a service, and the observer that feeds it."""

    def __init__(self, service: Service, clock: Clock, policy_file: PolicyFile) -> None:
        self.alive = True
        self.observer = Observer(
            policy=policy_file.current,
            cluster=service.cluster,
            metrics=service.metrics,
            recorder=service.recorder,
            memory=Memory(),
            now=clock,
        )
        knowledge = Knowledge(
            policy_file=policy_file,
            observer=self.observer,
            registry=service.metrics.registry,
            cluster="eu-1",
            dry_run=False,
            alive=lambda: self.alive,
            now=clock,
        )
        self.client = Client(create_internal_app(knowledge))

    def target(self, name: str) -> dict[str, Any]:
        """A target's status after a fresh look."""
        self.observer.look()
        targets = self.client.get("/api/v1/status").get_json()["data"]["targets"]
        found: dict[str, Any] = next(target for target in targets if target["name"] == name)
        return found


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A copy of the shipped remediations.yaml."""
    path = tmp_path / "remediations.yaml"
    path.write_text(SHIPPED.read_text())
    return path


@pytest.fixture
def internal(service: Service, clock: Clock, config: Path) -> Internal:
    """The internal listener of the service."""
    return Internal(service, clock, PolicyFile(config))


def test_it_is_ready_once_the_api_server_has_answered(internal: Internal, api: FaultyApi) -> None:
    """Before the credentials were accepted once no act could succeed, and the reason is told."""
    assert internal.client.get("/-/healthy").status_code == 200
    api.always("GET", Answer(status=401, message="who are you"))
    internal.observer.look()
    answer = internal.client.get("/-/ready")
    assert (answer.status_code, "who are you" in answer.get_data(as_text=True)) == (503, True)

    api.always("GET", None)
    internal.observer.look()
    assert internal.client.get("/-/ready").status_code == 200
    api.always("GET", Answer(status=503))
    internal.observer.look()
    assert internal.client.get("/-/ready").status_code == 200


def test_it_is_unhealthy_once_a_thread_is_lost(internal: Internal) -> None:
    """A service that no longer reads its configuration or looks at its targets is to be started anew."""
    internal.alive = False
    assert internal.client.get("/-/healthy").status_code == 503


def test_the_status_shows_what_is_there(internal: Internal) -> None:
    """Percentage, replicas and holds of each target, and the configuration in force."""
    target = internal.target("denis")
    assert (target["percentage"], target["replicas"], target["killSwitch"], target["paused"]) == (10, 3, False, None)
    assert (target["cooldowns"], target["lastActs"]) == ([], [])

    status = internal.client.get("/api/v1/status").get_json()
    assert status["status"] == "success"
    assert status["data"]["cluster"] == "eu-1"
    assert [remediation["name"] for remediation in status["data"]["config"]["remediations"]] == [
        "rollback",
        "scale-workers",
    ]


def test_the_status_shows_acts_and_cooldowns(internal: Internal, service: Service, clock: Clock) -> None:
    """After an act the cooldown counts down, and the act is the first of the last ones."""
    service.reasons(alert())
    clock.move(minutes=10)
    target = internal.target("denis")

    (cooldown,) = target["cooldowns"]
    assert (cooldown["effect"], cooldown["secondsLeft"]) == ("SetPercentage", 1200)
    (act,) = target["lastActs"]
    assert (act["by"], act["from"], act["to"]) == ("rollback", 10, 0)
    assert service.value("remediator_canary_percentage", target="denis") == 0


def test_the_status_shows_holds(internal: Internal, service: Service, embedded: EmbeddedCluster) -> None:
    """A pause and a kill switch show in the status and in their gauges."""
    pause = json.dumps({"reason": "a look", "author": "ada", "until": "2026-11-23T12:30:00Z"})
    patch_deployment(embedded, {"metadata": {"annotations": {PAUSE: pause}}})
    patch_deployment(embedded, {"metadata": {"annotations": {KILL_SWITCH: "{}"}}}, "denis-workers")

    assert internal.target("denis")["paused"]["author"] == "ada"
    assert internal.target("denis-workers")["killSwitch"] is True
    assert service.value("remediator_paused", target="denis") == 1
    assert service.value("remediator_kill_switch", target="denis-workers") == 1


def test_a_target_that_cannot_be_read_is_said(internal: Internal, service: Service, api: FaultyApi) -> None:
    """The problem stands in the status, and remediator_target_up is 0."""
    api.next("GET", Answer(status=404))
    assert "no Deployment denis" in internal.target("denis")["problem"]
    assert service.value("remediator_target_up", target="denis") == 0
    assert service.value("remediator_target_up", target="denis-workers") == 1


def test_a_target_that_no_act_could_change_is_said(
    internal: Internal, service: Service, embedded: EmbeddedCluster
) -> None:
    """A flag that moved to a ConfigMap shows before an alert needs it."""
    elsewhere = {"valueFrom": {"configMapKeyRef": {"name": "flags", "key": "pct"}}, "value": None}
    env = [{"name": "DENIS_MATERIALIZERS_PCT", **elsewhere}]
    patch_deployment(embedded, {"spec": {"template": {"spec": {"containers": [{"name": "denis", "env": env}]}}}})

    assert "valueFrom" in internal.target("denis")["problem"]
    assert service.value("remediator_target_up", target="denis") == 0


def test_a_target_that_is_gone_from_the_policy_has_no_gauges(service: Service, clock: Clock, config: Path) -> None:
    """After a reload without it, a target's gauges cannot set off an alert."""
    policy_file = PolicyFile(config)
    observer = Internal(service, clock, policy_file).observer
    observer.look()
    assert service.value("remediator_target_up", target="denis") == 1

    renamed = config.read_text().replace("  denis: {", "  canary: {").replace("target: denis\n", "target: canary\n")
    config.write_text(renamed)
    policy_file.poll(service.metrics, clock())
    observer.look()
    assert policy_file.problem == ""
    assert service.value("remediator_target_up", target="canary") == 1
    assert service.value("remediator_target_up", target="denis") is None
    assert service.value("remediator_target_up", target="denis-workers") == 1


def test_the_page_escapes_everything(internal: Internal, embedded: EmbeddedCluster) -> None:
    """Text from annotations is text, and nothing on the page may run."""
    reason = "<script>alert(1)</script>"
    pause = json.dumps({"reason": reason, "author": "ada", "until": "2026-11-23T12:30:00Z"})
    patch_deployment(embedded, {"metadata": {"annotations": {PAUSE: pause}}})
    internal.observer.look()
    answer = internal.client.get("/")

    page = answer.get_data(as_text=True)
    assert reason not in page
    assert "&lt;script&gt;" in page
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_a_bad_file_shows_in_the_status(internal: Internal, service: Service, clock: Clock, config: Path) -> None:
    """While the file is bad, the status has the problem, and the last good policy stays."""
    policy_file = PolicyFile(config)
    shown = Internal(service, clock, policy_file)
    config.write_text("targets: {}\n")
    policy_file.poll(service.metrics, clock())
    data = shown.client.get("/api/v1/status").get_json()["data"]

    assert data["config"]["reloadSuccessful"] is False
    assert "profiles: is required" in data["config"]["problem"]
    assert len(data["config"]["remediations"]) == 2


def test_metrics_are_scraped(internal: Internal) -> None:
    """/metrics is in Prometheus's text format, with every pair of remediation and reason at 0 from the start."""
    text = internal.client.get("/metrics").get_data(as_text=True)
    assert 'remediator_outcomes_total{reason="BudgetSpent",remediation="scale-workers"} 0.0' in text
    assert "remediator_build_info" in text

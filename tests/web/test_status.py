"""The internal listener: probes, status and metrics, for programs and for people. The page is in tests/browser."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from remediator.config.watcher import PolicyFile
from remediator.core.ledger import KILL_SWITCH, PAUSE
from remediator.sandbox import EmbeddedCluster
from tests.support.faults import Answer, FaultyApi
from tests.support.internal import Internal
from tests.support.kubectl import patch_deployment
from tests.support.service import SHIPPED, Clock, Service, alert


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
    assert (act["reason"], act["startsAt"]) == ("DenisErrorRateHigh 0.061", "2026-11-23T11:59:00+00:00")
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


def test_the_page_tells_two_pauses_apart_and_has_the_commands(internal: Internal, embedded: EmbeddedCluster) -> None:
    """A pause of the reflex and a paused rollout are two things; each comes with the line that ends it."""
    pause = json.dumps({"reason": "a look", "author": "ada", "until": "2026-11-23T12:30:00Z"})
    patch_deployment(embedded, {"metadata": {"annotations": {PAUSE: pause}}, "spec": {"paused": True}})
    patch_deployment(embedded, {"metadata": {"annotations": {KILL_SWITCH: "{}"}}}, "denis-workers")
    internal.observer.look()
    page = re.sub(r"</?bdi>", "", internal.client.get("/").text)

    assert "<dt>Pause of the reflex</dt>" in page
    assert (
        "the rollout is paused (kubectl rollout pause): <code>kubectl -n denis rollout resume deployment/denis" in page
    )
    assert "<code>remediator resume denis</code>" in page
    assert "<code>remediator kill-switch off --target=denis-workers</code>" in page
    assert "<code>remediator canary rollback --target=denis</code>" in page
    assert re.search(r'<a class="reason" href="https://[^"]*/docs/reasons.md" rel="noreferrer">Paused</a>', page)


def test_the_status_says_why_the_kill_switch_is_on(internal: Internal, embedded: EmbeddedCluster) -> None:
    """Who latched it and why; a target at 0 replicas by hand has nobody to name."""
    assert internal.target("denis-workers")["latched"] is None
    switch = json.dumps({"reason": "jobs are lost", "author": "ada", "since": "2026-11-23T11:00:00Z"})
    patch_deployment(embedded, {"metadata": {"annotations": {KILL_SWITCH: switch}}}, "denis-workers")
    latched = internal.target("denis-workers")["latched"]
    assert latched == {"reason": "jobs are lost", "author": "ada", "since": "2026-11-23T11:00:00+00:00"}

    patch_deployment(embedded, {"spec": {"replicas": 0}})
    target = internal.target("denis")
    assert (target["killSwitch"], target["latched"]) == (True, None)


def test_the_status_says_what_each_alert_would_do(internal: Internal, service: Service, clock: Clock) -> None:
    """The answer for each remediation is the one that an alert then gets, and after an act the end of the cooldown."""

    def told() -> dict[str, Any]:
        return {remediation["name"]: remediation["now"] for remediation in internal.status()["config"]["remediations"]}

    assert told()["rollback"] == {
        "reason": "Applied",
        "kind": "acted",
        "message": "would set 10 % -> 0 %",
        "until": None,
        "nothingToDo": False,
        "unreached": "",
        "armed": True,
        "armedReason": "Applied",
    }
    assert told()["scale-workers"]["message"].startswith("would set 4 -> 6 replicas (unless")

    assert service.reasons(alert()) == ["Applied"]
    clock.move(minutes=10)
    rollback = told()["rollback"]
    assert (rollback["reason"], rollback["until"]) == ("CoolingDown", "2026-11-23T12:30:00+00:00")
    assert rollback["nothingToDo"] is True
    assert service.reasons(alert()) == ["CoolingDown"]


def test_the_status_says_how_long_a_bad_canary_would_stay(internal: Internal, service: Service, config: Path) -> None:
    """Status, page and metrics have the sum of what the files and the Deployment say, and what is missing."""
    for name in ("denis.rules.yaml", "alertmanager.yaml"):
        shutil.copy(SHIPPED.parent / name, config.parent)
    rollback, workers = internal.status()["config"]["remediations"]
    found = rollback["timeToSafe"]
    message = "at least 2m20s (largest part: for 2m); not known: scrape, the rest of rollout"
    assert (found["seconds"], found["complete"], found["message"]) == (140.1, False, message)
    assert (found["largest"], found["shorten"][:11]) == ("for", "shorten for")
    assert [(part["name"], part["seconds"], part["least"]) for part in found["parts"]] == [
        ("scrape", None, False),
        ("evaluation", 15, False),
        ("for", 120, False),
        ("group_wait", 5, False),
        ("Remediator", 0.1, False),
        ("rollout", 0, True),
    ]
    assert workers["timeToSafe"] is None
    assert f"Time to safe: <bdi>{message}</bdi>" in internal.client.get("/").text
    assert shown_times(service) == {"rollback": (140.1, 2)}


def test_the_time_to_safe_goes_with_its_remediation(service: Service, clock: Clock, config: Path) -> None:
    """Without files beside it only Remediator's own part is known; a policy without rollbacks shows none."""
    policy_file = PolicyFile(config)
    internal = Internal(service, clock, policy_file)
    internal.observer.look()
    assert shown_times(service) == {"rollback": (0.1, 5)}
    text = config.read_text()
    first, second = (text.index(f"- name: {name}") for name in ("rollback", "scale-workers"))
    config.write_text(text[:first] + text[second:])
    policy_file.poll(service.metrics, clock())
    assert not policy_file.problem
    internal.observer.look()
    assert shown_times(service) == {}


def shown_times(service: Service) -> dict[str, tuple[float, float]]:
    """By remediation, the time to safe and how many parts it lacks."""
    families = {family.name: family.samples for family in service.metrics.registry.collect()}
    total, unknown = (
        {sample.labels["remediation"]: sample.value for sample in families[f"remediator_time_to_safe_{what}"]}
        for what in ("seconds", "unknown_parts")
    )
    assert total.keys() == unknown.keys()
    return {name: (value, unknown[name]) for name, value in total.items()}


def test_the_summary_answers_four_questions(internal: Internal) -> None:
    """For each canary whether it is safe, then whether the reflex works, alerts arrive, and an act is withheld."""
    assert [(answer["about"], answer["standing"]) for answer in internal.status()["summary"]] == [
        ("canary", "good"),
        ("reflex", "good"),
        ("alerts", "attention"),
        ("withheld", "good"),
    ]
    internal.alive = False
    assert internal.status()["summary"][1]["answer"] == "Broken"


def test_before_the_first_look_nothing_is_claimed(internal: Internal) -> None:
    """A service that has just started knows of no target, and says so in the status and on the page."""
    data = internal.client.get("/api/v1/status").get_json()["data"]
    assert "good" not in {answer["standing"] for answer in data["summary"]}
    assert {remediation["now"]["reason"] for remediation in data["config"]["remediations"]} == {"Unavailable"}
    assert "Not yet" in internal.client.get("/").get_data(as_text=True)


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


@pytest.mark.parametrize("path", ["/", "/static/status.css", "/static/status.js", "/static/icon.svg"])
def test_the_page_and_its_parts_may_load_nothing_from_elsewhere(internal: Internal, path: str) -> None:
    """Everything comes from the listener itself, with headers that forbid all else."""
    internal.observer.look()
    with internal.client.get(path) as answer:
        assert answer.status_code == 200
        assert answer.headers["Content-Security-Policy"] == (
            "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cache-Control"] == "no-store"


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


def test_the_status_says_when_alerts_last_arrived(internal: Internal, service: Service, clock: Clock) -> None:
    """A heartbeat is dated and measured, in the data and on the page; before the first, neither is known."""
    assert internal.status()["heartbeat"] == {"last": None, "delaySeconds": None, "probe": ""}
    sent = {**alert("heartbeat"), "annotations": {"recorded": str(clock.now.timestamp() - 22.4)}}
    service.reasons(alert("heartbeat", probe="6e1f"))
    service.reasons(sent)
    clock.move(seconds=41)
    heartbeat = {"last": "2026-11-23T12:00:00+00:00", "delaySeconds": 22.4, "probe": "6e1f"}
    assert internal.status()["heartbeat"] == heartbeat
    page = internal.client.get("/").get_data(as_text=True)
    assert "41s ago" in page
    assert "22.4 s on the way" in page

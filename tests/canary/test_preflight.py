"""`remediator canary preflight`: each link of the chain, and what a broken one looks like."""

import json
import shutil
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from demo.shipped import RULES
from demo.waiting import until
from remediator.core.checks import NOT_CHECKED
from remediator.core.ledger import KILL_SWITCH, PAUSE, Pause, encode_pause
from remediator.sandbox import EmbeddedCluster
from tests.acceptance.incidents import canary
from tests.canary.answers import loaded
from tests.canary.test_verify import GAUGES, HEALTHY, VIEWER
from tests.monitoring.test_serving import STATUS
from tests.monitoring.watching_prometheus import ALERTS, WatchingPrometheus, rule
from tests.monitoring.wire import JSON, Wire
from tests.support.commands import run
from tests.support.control_plane import ControlPlane
from tests.support.faults import Answer, FaultyApi
from tests.support.kubectl import patch_deployment
from tests.support.service import SHIPPED
from tests.support.stand_in import StandIn

Preflight = Callable[..., tuple[int, dict[str, Any]]]

CLUSTER = ["deployment", "flags", "step", "pause", "kill switch", "record", "reflex", "denis-workers", "file"]
WAY = ["route", "webhook", "timing", "muting", "inhibitions", "silences"]
LINKS = ["unit", *ALERTS, "rule text", "external labels", "alertmanagers", *WAY, "heartbeat", "ready"]
SERVICE = ["webhook certificate", "service", "evidence"]
TRIALS = ["dry run", "refusals"]


@pytest.fixture
def preflight(
    admission: FaultyApi,
    prometheus: StandIn,
    alertmanager: StandIn,
    remediator: StandIn,
    denis: StandIn,
    config: Path,
    tmp_path: Path,
) -> Preflight:
    """Runs the command with all links; its exit code, and its checks by name."""
    kubeconfig = admission.write_kubeconfig(tmp_path / "kubeconfig", token="s3cret-t0ken")
    links = {
        "--prometheus.url": prometheus.url,
        "--alertmanager.url": alertmanager.url,
        "--remediator.url": remediator.url,
        "--denis.url": denis.url,
        "--cluster": "",
        "--as-service": "denis:remediator",
        "--kubeconfig": kubeconfig,
    }

    def call(*arguments: str, without: tuple[str, ...] = (), **other: str) -> tuple[int, dict[str, Any]]:
        given = {f"--{name.replace('_', '.')}": url for name, url in other.items()}
        flags = [f"{flag}={value}" for flag, value in {**links, **given}.items() if flag not in without]
        result = run("canary", "preflight", "-o", "json", *flags, *arguments, config=config)
        assert "s3cret" not in result.output
        if not result.stdout:
            return result.exit_code, {"output": result.output}
        answer = json.loads(result.stdout)
        excused = answer["notLookedAt"]
        assert answer["passed"] is (False if result.exit_code else None if excused else True)
        return result.exit_code, {check["name"]: check for check in answer["checks"]}

    return call


def failed(checks: Mapping[str, Any]) -> set[str]:
    """The names of the checks that have not passed, without those for which a flag or a file was not given."""
    return {name for name, one in checks.items() if not one["passed"] and not one["found"].startswith(NOT_CHECKED)}


def test_the_time_is_the_api_servers(preflight: Preflight, api: FaultyApi, embedded: EmbeddedCluster) -> None:
    """A pause is over when it is for those who wrote it down, whatever this machine's clock says."""
    ends = datetime.now(UTC) + timedelta(minutes=30)
    text = encode_pause(Pause(reason="a load test", author="ada", until=ends))
    patch_deployment(embedded, {"metadata": {"annotations": {PAUSE: text}}})

    assert failed(preflight()[1]) == {"pause", "reflex"}
    api.clock_ahead = 3600
    assert preflight()[0] == 0


@pytest.mark.usefixtures("with_rules")
def test_every_link_is_looked_at(preflight: Preflight) -> None:
    """With all flags every check is a tick, and --require-all agrees."""
    code, checks = preflight("--require-all")

    assert code == 0
    assert list(checks) == [
        *CLUSTER,
        "metrics",
        *GAUGES,
        *(f"signal {name}" for name in GAUGES),
        *LINKS,
        *SERVICE,
        *TRIALS,
    ]


def test_what_was_not_given_is_a_question(preflight: Preflight, api: FaultyApi, config: Path, tmp_path: Path) -> None:
    """Without a flag its link is `?` with the flag to give; only --require-all makes that a failure."""
    links = ("--prometheus.url", "--alertmanager.url", "--remediator.url", "--denis.url", "--as-service")
    code, checks = preflight(without=links)

    assert code == 0
    assert list(checks) == [*CLUSTER, "denis", "prometheus", "route", "service", *TRIALS]
    assert {name: check["remedy"] for name, check in checks.items() if check["passed"] is None} == {
        "denis": "give --denis.url or --denis.via-pods",
        "prometheus": "give --prometheus.url",
        "route": "give --alertmanager.url",
        "service": "give --remediator.url",
        "dry run": "give --as-service=NAMESPACE:NAME",
        "refusals": "give --as-service=NAMESPACE:NAME",
    }
    assert preflight("--require-all", without=links)[0] == 3
    kubeconfig = api.write_kubeconfig(tmp_path / "kubeconfig", token="s3cret-t0ken")
    shown = run("canary", "preflight", f"--kubeconfig={kubeconfig}", config=config).stdout
    assert shown.splitlines()[-1] == "9 passed, 6 not checked"


@pytest.mark.parametrize(
    ("arguments", "variable", "step"),
    [((), "", "10 % -> 50 %"), ((), "100", "10 % -> 100 %, skips 50 %"), (("50",), "100", "10 % -> 50 %")],
    ids=["next", "variable", "argument"],
)
def test_the_percentage(
    preflight: Preflight, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], variable: str, step: str
) -> None:
    """The argument wins over $DENIS_MATERIALIZERS_PCT, and without either it is the next step."""
    monkeypatch.setenv("DENIS_MATERIALIZERS_PCT", variable)
    code, checks = preflight(*arguments)

    assert (code, checks["step"]["found"]) == (0, step)
    assert "% -> 0 %" in checks["reflex"]["found"]


@pytest.mark.parametrize(
    ("name", "key", "value", "bad"),
    [
        ("denis", PAUSE, '{"reason": "x", "author": "ada", "until": "2026-11-24T23:59:00Z"}', {"pause", "reflex"}),
        ("denis", KILL_SWITCH, "{}", {"kill switch"}),
        ("denis-workers", KILL_SWITCH, "{}", {"denis-workers"}),
    ],
    ids=["pause", "kill-switch", "workers"],
)
def test_what_people_hold_back(
    embedded: EmbeddedCluster, preflight: Preflight, name: str, key: str, value: str, bad: set[str]
) -> None:
    """A pause and a kill switch on either Deployment stand against raising."""
    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
    value = value.replace("2026-11-24T23:59:00Z", soon)
    patch_deployment(embedded, {"metadata": {"annotations": {key: value}}}, name)
    code, checks = preflight()

    assert (code, failed(checks)) == (3, bad)


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ((503, b"starting"), "503: Service Unavailable"),
        ("<html>login</html>", "the answer is not JSON"),
        ("{}", "the answer is not Prometheus's: status"),
        ('{"status": "error", "error": "no"}', "the answer is not Prometheus's"),
    ],
    ids=["503", "html", "empty", "error"],
)
def test_a_prometheus_that_does_not_answer(
    preflight: Preflight, prometheus: WatchingPrometheus, answer: Any, problem: str
) -> None:
    """What is no answer is one cross, and the other links are still looked at."""
    prometheus.answers["/api/v1/rules"] = answer
    code, checks = preflight()

    assert (code, failed(checks)) == (3, {"prometheus"})
    assert problem in checks["prometheus"]["found"]
    assert checks["route"]["passed"]


def test_a_prometheus_that_is_slow(preflight: Preflight) -> None:
    """A Prometheus that takes the request and says nothing costs five seconds."""
    with Wire([JSON], pause=60) as wire:
        code, checks = preflight(prometheus_url=wire.url)

    assert (code, failed(checks)) == (3, {"prometheus"})
    assert "no complete answer in 5 s" in checks["prometheus"]["found"]


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ((404, b""), "404: Not Found"),
        ('{"config": 7}', "the answer is not Alertmanager's"),
        ('{"config": {"original": "route: {receiver: nobody}"}}', "goes to nobody, and no webhook is there"),
    ],
    ids=["404", "form", "route"],
)
def test_an_alertmanager_that_leads_nowhere(
    preflight: Preflight, alertmanager: StandIn, answer: Any, problem: str
) -> None:
    """A route without a webhook, or an answer without a route, is a cross."""
    alertmanager.answers["/api/v2/status"] = answer
    code, checks = preflight()

    assert (code, failed(checks)) == (3, {"route"})
    assert problem in checks["route"]["found"]


@pytest.mark.parametrize(
    ("path", "answer", "problem"),
    [
        ("/-/ready", (503, b"not ready"), "503: Service Unavailable"),
        ("/api/v1/status", "[]", "the answer is not the status of a Remediator"),
        ("/api/v1/status", json.dumps(STATUS).replace('"dryRun": false', '"dryRun": true'), "--dry-run"),
    ],
    ids=["not-ready", "form", "dry-run"],
)
def test_a_service_that_would_not_act(
    preflight: Preflight, remediator: StandIn, path: str, answer: Any, problem: str
) -> None:
    """A Remediator that is not ready, or is something else, or runs dry, is a cross."""
    remediator.answers[path] = answer
    code, checks = preflight()

    # What does not say what it has heard of heartbeats is no more than not known there.
    assert (code, failed(checks) - {"heartbeat"}) == (3, {"service"})
    assert problem in checks["service"]["found"]


OTHERS = "receivers: [{name: people}, {name: remediator, webhook_configs: [{url: <secret>}]}]"
GOOD = "group_by: [remediation], group_wait: 5s, repeat_interval: 5m"


def with_route(*children: str, top: str = GOOD, ours: str = "", rest: str = "") -> str:
    """A configuration with these routes before ours."""
    routes = ", ".join(
        (*children, f"{{receiver: remediator, matchers: ['remediation=~\".+\"'], continue: true{ours}}}")
    )
    return f"route: {{receiver: people, {top}, routes: [{routes}]}}\n{OTHERS}\n{rest}"


@pytest.mark.parametrize(
    ("text", "bad"),
    [
        (with_route(), {}),
        (with_route("{receiver: people, matchers: ['alertname=~\".*Kube.*Node.*Disk.*\"']}"), {}),
        (
            with_route(
                ours=", mute_time_intervals: [whole-week]",
                rest="time_intervals: [{name: whole-week, time_intervals: [{weekdays: ['sunday:saturday']}]}]",
            ),
            {"muting": "route.routes[0].mute_time_intervals (whole-week) mutes the route now"},
        ),
        (
            "route: {receiver: chat}\nreceivers: [{name: chat, webhook_configs: [{url: 'http://chat-relay:2000/alerts'}]}]",
            {"route": "goes to chat, whose webhook is not Remediator's: http://chat-relay:2000/alerts"},
        ),
        (
            with_route(top="group_by: [alertname], repeat_interval: 12h"),
            {"timing": "route.repeat_interval: repeat_interval 12h is longer than half of the shortest cooldown (5m)"},
        ),
        (
            with_route(
                rest="inhibit_rules: [{source_matchers: [alertname=Down], target_matchers: [severity=critical]}]"
            ),
            {"inhibitions": "inhibit_rules[0] inhibits DenisErrorRateHigh, because Down fires"},
        ),
    ],
    ids=["good", "four-stars", "muted", "other-webhook", "repeat-12h", "inhibited"],
)
@pytest.mark.usefixtures("with_rules")
def test_the_way_through_alertmanager(
    preflight: Preflight, alertmanager: StandIn, text: str, bad: dict[str, str]
) -> None:
    """What keeps an alert from Remediator in Alertmanager's configuration is a cross of its own."""
    alertmanager.answers["/api/v2/status"] = loaded(text)
    alertmanager.answers["/api/v2/alerts"] = '[{"labels": {"alertname": "Down"}}, {"labels": null}]'
    code, checks = preflight("--require-all")

    assert code == (3 if bad else 0)
    assert failed(checks) - {"webhook"} == set(bad)
    for name, found in bad.items():
        assert found in checks[name]["found"]


def test_a_silence_on_our_alerts(preflight: Preflight, alertmanager: StandIn) -> None:
    """A silence that keeps a rollback alert from being sent is a cross, with who made it."""
    matcher = {"name": "alertname", "value": "DenisErrorRate.*", "isRegex": True, "isEqual": True}
    silence: dict[str, Any] = {"id": "7f", "createdBy": "ada", "comment": "noise", "endsAt": "2026-12-01T00:00:00Z"}
    silence |= {"matchers": [matcher], "status": {"state": "active"}}
    alertmanager.answers["/api/v2/silences"] = json.dumps([None, silence])
    code, checks = preflight()

    assert (code, failed(checks)) == (3, {"silences"})
    assert checks["silences"]["found"].startswith("silence 7f by ada keeps DenisErrorRateHigh from being sent until")


def test_the_way_without_a_prometheus(preflight: Preflight, alertmanager: StandIn, config: Path) -> None:
    """Without the loaded rules those beside the file say which labels the alerts have; else they are not known."""
    inhibition = "inhibit_rules: [{source_matchers: [a=b], target_matchers: ['severity=~\"warning|info\"']}]"
    other = "{receiver: people, matchers: ['alertname=~\".*Kube.*Node.*Disk.*\"']}"
    alertmanager.answers["/api/v2/status"] = loaded(with_route(other, rest=inhibition))
    unknown = preflight(without=("--prometheus.url",))[1]
    shutil.copy(RULES / "denis.rules.yaml", config.parent)
    known = preflight(without=("--prometheus.url",))[1]

    assert (unknown["route"]["passed"], unknown["inhibitions"]["passed"]) == (None, None)
    assert 'that depends on alertname=~".*Kube.*Node.*Disk.*"' in unknown["route"]["found"]
    assert (known["route"]["passed"], known["inhibitions"]["passed"]) == (True, True)
    names, _, rest = known["route"]["found"].removeprefix("alertname=").partition(", ")
    assert (sorted(names.split("|")), rest.startswith("job=?, namespace=denis, ")) == (ALERTS, True)


@pytest.mark.usefixtures("with_rules")
def test_a_webhook_whose_url_is_hidden(preflight: Preflight, alertmanager: StandIn) -> None:
    """Alertmanager 0.26 and later show no webhook's URL: that is not known, and nothing that a flag could change."""
    alertmanager.answers["/api/v2/status"] = loaded(with_route())
    code, checks = preflight("--require-all")

    assert (code, failed(checks)) == (0, {"webhook"})
    assert checks["webhook"]["passed"] is None


def test_pods_that_do_not_answer(preflight: Preflight) -> None:
    """With --denis.via-pods every pod is asked; here the API server has no pod proxy."""
    code, checks = preflight("--denis.via-pods", without=("--denis.url",))

    assert (code, failed(checks)) == (3, {"metrics"})
    assert checks["metrics"]["found"].count("denis-") == 3
    assert "this API server has no pods/proxy" in checks["metrics"]["found"]


def test_the_fence_has_to_be_the_services(preflight: Preflight, prometheus: WatchingPrometheus) -> None:
    """A service behind another fence would pass over the alerts of this cluster."""
    prometheus.external_labels = {"cluster": "eu-2"}
    code, checks = preflight(cluster="eu-2")

    assert (code, failed(checks)) == (3, {"service"})
    assert checks["service"]["found"] == "its fence is cluster 'eu-1', wanted is 'eu-2'"
    assert checks["route"]["found"].startswith(f"alertname={'|'.join(ALERTS)}, cluster=eu-2, ")
    assert "namespace=denis" in checks["route"]["found"]


def test_an_alert_of_the_files_that_is_not_loaded(
    preflight: Preflight, prometheus: WatchingPrometheus, config: Path
) -> None:
    """The rules that lie beside remediations.yaml say which alerts there have to be."""
    prometheus.rules = [rule(name, "q") for name in ALERTS[:-1]]
    assert preflight()[0] == 0
    shutil.copy(RULES / "denis.rules.yaml", config.parent)
    code, checks = preflight()

    assert (code, failed(checks)) == (3, {ALERTS[-1]})


def test_a_denis_that_has_measured_nothing(preflight: Preflight, denis: StandIn) -> None:
    """A canary that is on and has had no traffic has shown nothing yet: that is no reason to give it more."""
    denis.answers["/metrics"] = HEALTHY.replace("0.99", "0").replace("0.2", "0")
    code, checks = preflight()

    assert code == 3
    assert checks["materializer_success_rate"]["found"].startswith("nothing is measured yet on 127.0.0.1:")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("7",), "'7' is no step of the canary; write 0, 1, 10, 50 or 100"),
        (("0",), "0 % needs no preflight: remediator canary rollback"),
        (("--prometheus.url=prometheus",), "'prometheus' is not the URL of Prometheus"),
        (("--alertmanager.url=http://",), "'http://' is not the URL of Alertmanager"),
        (("--remediator.url=ftp://u:s3cret@x",), "'x' is not the URL of Remediator"),
        (("--target=nobody",), "'nobody' is no canary of the file; it has: denis"),
        (("--context=staging",), "staging"),
    ],
)
def test_wrong_usage_is_2(preflight: Preflight, arguments: tuple[str, ...], problem: str) -> None:
    """What is wrong is said, and no credentials are shown."""
    code, found = preflight(*arguments)

    assert code == 2
    assert problem in found["output"]


def test_an_api_server_that_refuses_is_1(preflight: Preflight, api: FaultyApi) -> None:
    """Without the Deployment there is nothing to check."""
    api.always("GET", Answer(status=403, message='User "x" cannot get resource "deployments"'))
    code, found = preflight()

    assert code == 1
    assert 'the API server answered 403: User "x" cannot get resource "deployments"' in found["output"]


def test_on_a_real_control_plane(control_plane: ControlPlane, tmp_path: Path) -> None:
    """With the right to look at the two Deployments it checks a real cluster; without it, it says which is missing."""
    namespace = control_plane.namespace("preflight")
    config = tmp_path / "remediations.yaml"
    config.write_text(SHIPPED.read_text().replace("namespace: denis", f"namespace: {namespace}"))
    for manifest in (canary("denis"), canary("denis-workers")):
        assert control_plane.api.post(f"/apis/apps/v1/namespaces/{namespace}/deployments", manifest).code == 201
    control_plane.await_rollout("denis", namespace)
    kubeconfig = control_plane.service_account_kubeconfig(namespace, "default")
    call = ("canary", "preflight", "50", "--kubeconfig", kubeconfig)

    refused = run(*call, config=config)
    assert refused.exit_code == 1
    assert 'cannot get resource "deployments" in API group "apps"' in refused.output
    control_plane.apply(VIEWER, namespace)
    until("the account has its rights", lambda: run(*call, config=config).exit_code != 1, 60)
    passed = run(*call, config=config)
    assert passed.exit_code == 0, passed.output
    assert "✓ reflex         a rollback alert would set 50 % -> 0 %" in passed.output
    control_plane.leave_namespace(namespace)

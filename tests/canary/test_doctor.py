"""`remediator doctor` against programs that answer badly: the link that turns, its remedy, and that no other does."""

import itertools
import json
import re
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from demo.shipped import RULES, read
from remediator.canary.doctor import Sources, check_target
from remediator.canary.probe import send_probe
from remediator.core.checks import Check
from remediator.core.effects import Effect
from remediator.core.ledger import LEDGER, Entry, Ledger, encode_ledger
from remediator.core.rollout import Rollout
from remediator.monitoring.alertmanager import Alertmanager
from remediator.monitoring.http_json import JsonApi
from remediator.sandbox import EmbeddedCluster
from tests.canary.answers import loaded, serving
from tests.contract.client import Client
from tests.monitoring.watching_prometheus import ALERTS, WatchingPrometheus, shipped_alerts
from tests.monitoring.wire import JSON, Wire
from tests.support.builders import NOW, rollback, workload
from tests.support.certificates import make_certificate
from tests.support.commands import run
from tests.support.faults import Answer, BlackHole, FaultyApi
from tests.support.kubectl import patch_deployment
from tests.support.stand_in import StandIn

Links = dict[tuple[str, str], Any]
Doctor = Callable[..., tuple[Any, Links]]


@pytest.fixture
def alertmanager(alertmanager: StandIn) -> StandIn:
    """One whose receiver for people pages someone."""
    alertmanager.answers["/api/v2/status"] = loaded(route())
    return alertmanager


def route() -> str:
    """The shipped route, with someone behind it and the webhook's URL hidden, as a newer Alertmanager has it."""
    document = read("alertmanager.yaml")
    document["receivers"][0]["pagerduty_configs"] = [{"routing_key": "<secret>"}]
    return yaml.safe_dump(document)


@pytest.fixture
def usual(
    admission: FaultyApi, prometheus: WatchingPrometheus, alertmanager: StandIn, remediator: StandIn, tmp_path: Path
) -> dict[str, str]:
    """The flags for a healthy chain."""
    prometheus.rules = shipped_alerts()
    prometheus.external_labels = {"cluster": "eu-1"}
    prometheus.alertmanagers = [f"{alertmanager.url}/api/v2/alerts"]
    return {
        "--prometheus.url": prometheus.url,
        "--alertmanager.url": alertmanager.url,
        "--remediator.url": remediator.url,
        "--cluster": "eu-1",
        "--as-service": "denis:remediator",
        "--kubeconfig": str(admission.write_kubeconfig(tmp_path / "kubeconfig", token="s3cret-t0ken")),
    }


@pytest.fixture
def doctor(usual: dict[str, str], with_rules: Path) -> Doctor:
    """Runs the command on a healthy chain; its answer, and the links that are not ok."""

    def call(
        *arguments: str, without: tuple[str, ...] = (), config: Path | None = with_rules, **other: str
    ) -> tuple[Any, Links]:
        given = {f"--{name.replace('_', '.')}": url for name, url in other.items()}
        flags = [f"{flag}={value}" for flag, value in {**usual, **given}.items() if flag not in without]
        result = run("doctor", "-o", "json", *flags, *arguments, config=config)
        assert "s3cret" not in result.output
        answer = json.loads(result.stdout)
        assert result.exit_code == (3 if answer["passed"] is False else 0)
        found = {(chain["name"], link["link"]): link for chain in answer["chains"] for link in chain["links"]}
        return answer, {
            where: link for where, link in found.items() if link["state"] != "ok" and where[1] not in ALWAYS_UNKNOWN
        }

    return call


ALWAYS_UNKNOWN = ("paging",)
CHAINS = ("rollback", "scale-workers")


def of_both(*links: str) -> set[tuple[str, str]]:
    """These links of both remediations."""
    return {(chain, link) for chain in CHAINS for link in links}


def assert_turned(bad: Links, links: set[tuple[str, str]], state: str, found: str, remedy: str) -> None:
    """Exactly these links are not ok, each in this state, with these words."""
    assert set(bad) == links, bad
    for link in bad.values():
        assert link["state"] == state, link
        assert found in link["found"], link
        assert remedy in link.get("remedy", ""), link


def test_programs_read_whether_the_chain_is_healthy(doctor: Doctor, admission: FaultyApi) -> None:
    """`passed` is true where every link is ok, false where one is not, and null where one was not looked at."""
    answer, bad = doctor()
    assert (answer["passed"], answer["cluster"], bad) == (True, "eu-1", {})
    assert [chain["armed"] for chain in answer["chains"][:2]] == [True, True]

    assert doctor(without=("--prometheus.url",))[0]["passed"] is None
    admission.always("PATCH", None)  # As without the admission policy: all is accepted.
    answer, bad = doctor()
    assert answer["passed"] is False
    assert_turned(bad, of_both("refusals"), "x", "the admission policy does not hold", "admissionPolicy.enabled=true")
    assert [chain["armed"] for chain in answer["chains"][:2]] == [False, False]


CLOCKS = {
    "api": "the API server",
    "prometheus": "Prometheus",
    "alertmanager": "Alertmanager",
    "remediator": "Remediator",
}


@pytest.mark.parametrize("ahead", [600, -600], ids=["ahead", "behind"])
@pytest.mark.parametrize("fixture", CLOCKS)
def test_a_clock_that_is_10_minutes_off(
    doctor: Doctor, request: pytest.FixtureRequest, fixture: str, ahead: int
) -> None:
    """Whose clock it is is said, of all four; by less than 5 minutes it is a warning."""
    program = request.getfixturevalue(fixture)
    program.clock_ahead = ahead
    _, bad = doctor()
    assert_turned(bad, {("people", "clocks")}, "x", f"that of {CLOCKS[fixture]}", "NTP")
    first, last = bad["people", "clocks"]["found"].split(" ahead of that of ")
    assert CLOCKS[fixture] in (first if ahead > 0 else last)
    assert "10m" in first or "9m5" in first

    program.clock_ahead = 60
    assert_turned(doctor()[1], {("people", "clocks")}, "!!", f"that of {CLOCKS[fixture]}", "NTP")


@pytest.fixture
def served(certificates: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., ssl.SSLContext]:
    """A certificate that is good for so many days, of an authority that is trusted here."""

    def make(days: int) -> ssl.SSLContext:
        make_certificate(certificates, "server", days)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificates / "ca.crt"))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates / "server.crt", certificates / "server.key")
        return context

    return make


def test_a_certificate_that_ends_soon(
    doctor: Doctor, prometheus: WatchingPrometheus, served: Callable[..., ssl.SSLContext], tmp_path: Path
) -> None:
    """In 13 days it is a warning, and in 15 it is none; where it is not verified, when it ends is not known."""
    for days, state in ((15, ""), (13, "!!")):
        with StandIn(prometheus.answers, tls=served(days)) as behind_tls:
            answer, bad = doctor(prometheus_url=behind_tls.url)
            assert [link["state"] for link in bad.values()] == ([state] if state else []), bad
    assert_turned(bad, {("people", "certificates")}, "!!", "that of Prometheus ends in 1", "renew it")

    settings = tmp_path / "http.yaml"
    settings.write_text("tls_config: {insecure_skip_verify: true}")
    with StandIn(prometheus.answers, tls=served(13)) as behind_tls:
        answer, bad = doctor(f"--prometheus.http-config-file={settings}", prometheus_url=behind_tls.url)
    assert_turned(bad, {("people", "certificates")}, "?", "is not verified", "insecure_skip_verify")
    assert answer["passed"] is None


def test_a_certificate_that_has_ended(
    doctor: Doctor, prometheus: WatchingPrometheus, served: Callable[..., ssl.SSLContext]
) -> None:
    """Who shows it is not believed, and is not asked for another CA."""
    with StandIn(prometheus.answers, tls=served(-1)) as behind_tls:
        _, bad = doctor(prometheus_url=behind_tls.url)
    assert set(bad) == {*of_both("prometheus"), ("people", "people's alerts")}
    assert all("its certificate has expired; renew it, " in link["found"] for link in bad.values())


def webhook_certificate(good_for: timedelta, problem: str = "") -> dict[str, Any]:
    """What a service says of a certificate that expires then."""
    end = (datetime.now(UTC) + good_for + timedelta(hours=1)).isoformat()
    return {"notAfter": end, "clientCaNotAfter": None, "reloadSuccessful": not problem, "problem": problem}


@pytest.mark.parametrize(
    ("tls", "state", "found", "remedy"),
    [
        (webhook_certificate(timedelta(days=20)), "", "", ""),
        (webhook_certificate(timedelta(days=3)), "!!", "the certificate ends in 3d", "renew it"),
        (webhook_certificate(-timedelta(days=2)), "x", "the certificate ended 1d23h", "renew it"),
        (
            webhook_certificate(timedelta(days=20), "[SSL] no start line"),
            "!!",
            "the new one cannot be used, the previous one stays: [SSL] no start line; the first to end is",
            "fit together",
        ),
    ],
    ids=["good", "3 days", "expired", "rotated to garbage"],
)
def test_the_certificate_of_the_webhook(
    doctor: Doctor, remediator: StandIn, tls: dict[str, Any], state: str, found: str, remedy: str
) -> None:
    """It is asked of the service, which is never reached through the webhook itself; an expired one disarms."""
    heartbeat = {"last": datetime.now(UTC).isoformat(), "delaySeconds": 20.0}
    remediator.answers["/api/v1/status"] = json.dumps(serving(heartbeat=heartbeat, tls=tls))
    answer, bad = doctor()
    assert_turned(bad, of_both("webhook certificate") if state else set(), state, found, remedy)
    assert [chain["armed"] for chain in answer["chains"][:2]] == [state != "x"] * 2
    (link,) = (one for one in answer["chains"][0]["links"] if one["link"] == "webhook certificate")
    assert link["proof"] == "a"


def test_the_certificate_of_each_replica(doctor: Doctor, remediator: StandIn) -> None:
    """The replica whose certificate was not renewed is named, whichever answers first."""
    heartbeat = {"last": datetime.now(UTC).isoformat(), "delaySeconds": 20.0}
    replicas = itertools.cycle(
        json.dumps(
            serving(heartbeat=heartbeat, tls=webhook_certificate(timedelta(days=days)), notifications={"since": since})
        )
        for days, since in ((90, "2026-11-01T00:00:00Z"), (3, "2026-11-02T00:00:00Z"))
    )
    remediator.answers["/api/v1/status"] = lambda fields: next(replicas)
    _, bad = doctor()
    assert_turned(
        bad,
        of_both("webhook certificate"),
        "!!",
        "the replica that runs since 2026-11-02T00:00:00: the certificate ends in 3d",
        "renew it",
    )


def test_an_older_service(doctor: Doctor, remediator: StandIn) -> None:
    """It reports neither its certificate nor whether Prometheus confirms: that is not known, and no reason to fail."""
    status = serving(heartbeat={"last": datetime.now(UTC).isoformat(), "delaySeconds": 20.0})
    del status["data"]["tls"], status["data"]["evidence"]
    remediator.answers["/api/v1/status"] = json.dumps(status)
    answer, bad = doctor()
    assert_turned(bad, of_both("webhook certificate", "evidence"), "?", "this Remediator does not report", "upgrade it")
    assert answer["passed"] is None


def test_a_service_whose_prometheus_does_not_answer(doctor: Doctor, remediator: StandIn) -> None:
    """Rollbacks are done without it, so it is a warning, and says what it costs."""
    heartbeat = {"last": datetime.now(UTC).isoformat(), "delaySeconds": 20.0}
    evidence = {"answered": False, "problem": "no connection"}
    remediator.answers["/api/v1/status"] = json.dumps(serving(heartbeat=heartbeat, evidence=evidence))
    answer, bad = doctor()
    assert_turned(bad, of_both("evidence"), "!!", "confirms no alert: no connection", "no workers are added")
    assert [chain["armed"] for chain in answer["chains"][:2]] == [True, True]


def test_what_withholds_nothing_is_said_once(doctor: Doctor) -> None:
    """Two rungs go by the number of replicas, and it stands there once."""
    answer, _ = doctor()
    (now,) = (link["found"] for link in answer["chains"][1]["links"] if link["link"] == "now")
    assert "the kill switch is off, 4 replicas, max is 20" in now
    assert now.count("replicas") == 1


def act(ago: timedelta, effect: Effect, before: int, after: int) -> Entry:
    """An act of the service, so long ago."""
    time = datetime.now(UTC) - ago
    return Entry(id=f"{ago}", time=time, effect=effect, before=before, after=after, remediation="a-remediation")


@pytest.mark.parametrize(
    ("chain", "target", "ago", "effect", "found"),
    [
        ("scale-workers", "denis-workers", [timedelta(minutes=5)], Effect.SCALE, "CoolingDown: "),
        (
            "rollback",
            "denis",
            [timedelta(hours=hours) for hours in (3, 2, 1)],
            Effect.SET_PERCENTAGE,
            "BudgetSpent: 3 acts in 1d, which is the budget",
        ),
    ],
    ids=["cooldown", "budget"],
)
def test_what_withholds_an_act_now(
    doctor: Doctor,
    embedded: EmbeddedCluster,
    chain: str,
    target: str,
    ago: list[timedelta],
    effect: Effect,
    found: str,
) -> None:
    """A cooldown and a spent budget are one link, and when it would act again is what `explain` says."""
    before, after = (2, 4) if effect is Effect.SCALE else (10, 0)
    ledger = encode_ledger(Ledger().with_entries(tuple(act(one, effect, before, after) for one in ago)))
    patch_deployment(embedded, {"metadata": {"annotations": {LEDGER: ledger}}}, target)
    _, bad = doctor()
    assert_turned(bad, {(chain, "now")}, "x", found, "remediator explain shows when it would act again")


def test_a_renamed_container(doctor: Doctor, embedded: EmbeddedCluster, remediator: StandIn) -> None:
    """It is said once, of the target, though the service says that it cannot use it either."""
    gone = {"$patch": "delete", "name": "denis"}
    other = {"name": "app", "image": "denis:1"}
    patch_deployment(embedded, {"spec": {"template": {"spec": {"containers": [gone, other]}}}})
    targets = serving()["data"]["targets"]
    targets[0]["problem"] = "there is no container denis"
    heartbeat = {"last": datetime.now(UTC).isoformat(), "delaySeconds": 20.0}
    remediator.answers["/api/v1/status"] = json.dumps(serving(targets=targets, heartbeat=heartbeat))
    _, bad = doctor()
    assert_turned(bad, {("rollback", "target")}, "x", "container", "targets.denis of the file")


@pytest.mark.parametrize(
    ("answer", "state", "found", "remedy"),
    [
        (
            Answer(status=400, message='admission webhook "stamp.example" does not support dry run'),
            "?",
            'an admission webhook refuses dry runs: the API server answered 400: admission webhook "stamp.example"',
            "set sideEffects: None in its configuration",
        ),
        (
            Answer(status=403, message='admission webhook "stamp.example" denied the request: no dry run, please'),
            "?",
            "an admission webhook refuses dry runs: the API server answered 403",
            "set sideEffects: None in its configuration",
        ),
        (
            Answer(status=403, message='User "ada" cannot impersonate resource "serviceaccounts"'),
            "?",
            "not checked: you may not impersonate system:serviceaccount:denis:remediator",
            "operator.impersonate=true",
        ),
        (Answer(status=503), "?", "the API server answered 503", "check again"),
    ],
    ids=["webhook", "webhook that denies", "no impersonation", "away"],
)
def test_dry_runs_that_prove_nothing(
    doctor: Doctor, api: FaultyApi, answer: Answer, state: str, found: str, remedy: str
) -> None:
    """What says nothing about the act is not known: neither accepted nor refused."""
    api.always("PATCH", answer)
    shown, bad = doctor()
    assert_turned(bad, of_both("dry run", "refusals"), state, found, remedy)
    assert [chain["armed"] for chain in shown["chains"][:2]] == [None, None]


def test_an_act_that_a_quota_refuses(doctor: Doctor, api: FaultyApi) -> None:
    """The API server's words are shown, for they say which quota it is."""
    api.always("PATCH", Answer(status=403, message="exceeded quota: compute, requested: cpu=1, limited: cpu=0"))
    _, bad = doctor()
    assert_turned(bad, of_both("dry run"), "x", "exceeded quota: compute", "the API server's words say which rule")


HTML = "<!doctype html><html><title>Grafana</title></html>"
RULES_PATH = "/api/v1/rules"
PROMETHEUS_AWAY = {*of_both("prometheus"), ("people", "people's alerts")}


@pytest.mark.parametrize(
    ("path", "answer", "links", "found"),
    [
        (RULES_PATH, HTML, PROMETHEUS_AWAY, "the answer is not JSON"),
        (RULES_PATH, (302, b""), PROMETHEUS_AWAY, "302, a redirect"),
        (RULES_PATH, '{"data": {"groups": []}, "state": "ok"}', PROMETHEUS_AWAY, "the answer is not Prometheus's"),
        (
            RULES_PATH,
            '{"status": "success", "data": {"groups": []}, "warnings": ["no StoreAPI answered"]}',
            PROMETHEUS_AWAY,
            "the answer may be incomplete: no StoreAPI answered",
        ),
        (
            "/api/v1/query",
            '{"status": "success", "data": {"resultType": "vector", "result": []}, "warnings": ["store-2 is away"]}',
            of_both("signals"),
            "the answer may be incomplete: store-2 is away",
        ),
        ("/api/v1/query", HTML, of_both("signals"), "the answer is not JSON"),
        ("/api/v1/status/config", (404, b"not found"), of_both("external labels"), "404: Not Found"),
        (
            "/api/v1/status/config",
            '{"status": "success", "data": {"yaml": ""}}',
            of_both("external labels"),
            "shows none",
        ),
        ("/api/v1/alertmanagers", (404, b"not found"), of_both("alertmanagers"), "404: Not Found"),
    ],
    ids=[
        *("html", "login", "another product", "partial rules", "partial series", "series as html"),
        *("no configuration", "an empty one", "no Alertmanagers"),
    ],
)
def test_a_prometheus_that_answers_something_else(
    doctor: Doctor, prometheus: WatchingPrometheus, path: str, answer: Any, links: set[tuple[str, str]], found: str
) -> None:
    """What is no answer of Prometheus's, or not all of it, is no tick, and the other links are checked."""
    prometheus.answers[path] = answer
    _, bad = doctor()
    assert set(bad) == links, bad
    assert all(found in link["found"] for link in bad.values()), bad


def test_an_older_prometheus(doctor: Doctor, prometheus: WatchingPrometheus) -> None:
    """Whether an alert fires, and whether two texts mean the same, is not known of one that cannot say it."""
    del prometheus.answers["/api/v1/format_query"]
    assert doctor()[1] == {}

    prometheus.recording[0]["query"] += " or vector(1)"
    _, bad = doctor()
    assert_turned(bad, of_both("rule text"), "?", "asked for the form of a rule: 404", "")

    prometheus.recording[0]["query"] = prometheus.recording[0]["query"].removesuffix(" or vector(1)")
    for one in prometheus.rules:
        del one["state"]
    _, bad = doctor()
    alerts = {("rollback", name) for name in ALERTS} | {("scale-workers", "DenisQueueDepthHigh")}
    assert_turned(bad, alerts, "?", "Prometheus does not report whether it fires", "/alerts in its UI")


@pytest.mark.parametrize(
    ("path", "answer", "links", "found"),
    [
        ("/api/v2/status", HTML, {*of_both("route"), ("people", "people's route")}, "the answer is not JSON"),
        ("/api/v2/status", (404, b""), {*of_both("route"), ("people", "people's route")}, "404: Not Found"),
        (
            "/api/v2/status",
            '{"config": {"alertmanager_config": {}}}',
            {*of_both("route"), ("people", "people's route")},
            "the answer is not Alertmanager's",
        ),
        ("/api/v2/silences", "{}", of_both("silences"), "the answer is not Alertmanager's"),
        ("/api/v2/silences", HTML, of_both("silences"), "the answer is not JSON"),
        ("/api/v2/silences", (500, b'"tenant away"'), of_both("silences"), "500: tenant away"),
    ],
    ids=["html", "older than 0.16", "another product", "silences of another", "silences as html", "partial"],
)
def test_an_alertmanager_that_answers_something_else(
    doctor: Doctor, alertmanager: StandIn, path: str, answer: Any, links: set[tuple[str, str]], found: str
) -> None:
    """What is no answer of Alertmanager's is no tick; whether silences are there is then not known."""
    alertmanager.answers[path] = answer
    _, bad = doctor()
    assert set(bad) == links, bad
    assert all(found in link["found"] for link in bad.values()), bad
    assert {link["state"] for where, link in bad.items() if where[1] in ("silences", "people's route")} == {"?"}


def test_who_takes_requests_and_says_nothing(doctor: Doctor) -> None:
    """Each is named, and what is asked last is not waited for: all together have 8 s, however many they are."""
    began = time.monotonic()
    with Wire([JSON], pause=60) as first, Wire([JSON], pause=60) as second, Wire([JSON], pause=60) as third:
        _, bad = doctor(prometheus_url=first.url, alertmanager_url=second.url, remediator_url=third.url)
    assert time.monotonic() - began < 20  # Most of it is a busy machine's; it would be 25 without a bound.
    assert any("other requests took all the time" in link["found"] for link in bad.values())
    links = {*of_both("prometheus", "route", "service"), ("people", "people's alerts"), ("people", "clocks")}
    assert set(bad) == {*links}, bad


def test_an_api_server_that_says_nothing(doctor: Doctor, api: FaultyApi) -> None:
    """The Deployments are not known, and the way of the alerts is checked all the same."""
    api.always("GET", BlackHole())
    _, bad = doctor()
    assert_turned(bad, of_both("target"), "x", "it did not answer in time", "make sure that the API server")


@pytest.mark.parametrize("rollout", [Rollout(seen=True, failure="exceeded quota: pods"), Rollout(paused=True)])
def test_pods_that_an_act_would_not_reach(rollout: Rollout) -> None:
    """A quota that keeps pods from being made is a broken target, as a paused rollout is: the act would be written."""
    found = {one.name: one for one in check_target(rollback(), replace(workload(), rollout=rollout), NOW)}
    assert (found["target"].passed, found["now"].passed) == (False, True)
    assert found["target"].found.endswith(f"may not reach the pods: {rollout.stuck}")
    assert found["target"].remedy == "kubectl -n denis describe deployment/denis"


def test_heartbeats_of_another_cluster(doctor: Doctor, remediator: StandIn) -> None:
    """What a Remediator behind another fence gets proves nothing here, and is not called a heartbeat of ours."""
    heartbeat = {"last": datetime.now(UTC).isoformat(), "delaySeconds": 20.0}
    remediator.answers["/api/v1/status"] = json.dumps(serving(cluster="eu-2", heartbeat=heartbeat))
    answer, bad = doctor()
    assert set(bad) == of_both("heartbeat", "service")
    assert {link["state"] for where, link in bad.items() if where[1] == "heartbeat"} == {"?"}
    beat, service = bad["rollback", "heartbeat"], bad["rollback", "service"]
    assert beat["found"] == "not checked: those of cluster 'eu-2' prove nothing for 'eu-1'"
    assert beat["remedy"] == "give the --remediator.url of eu-1"
    assert service["found"] == "its fence is cluster 'eu-2', wanted is 'eu-1'"
    assert answer["passed"] is False


@pytest.mark.parametrize(
    ("last", "state", "found"),
    [
        (timedelta(minutes=10), "?", "the last one is from the future: a clock is wrong, or it is forged"),
        (timedelta(minutes=2), "", ""),
        (-timedelta(minutes=11), "x", "the last one came 11m"),
    ],
    ids=["forged", "a little ahead", "old"],
)
def test_when_the_last_heartbeat_came(
    doctor: Doctor, remediator: StandIn, last: timedelta, state: str, found: str
) -> None:
    """One from the future is not believed, as the service does not believe it; one that is too old is none."""
    heartbeat = {"last": (datetime.now(UTC) + last).isoformat(), "delaySeconds": 20.0}
    remediator.answers["/api/v1/status"] = json.dumps(serving(heartbeat=heartbeat))
    _, bad = doctor()
    assert_turned(bad, of_both("heartbeat") if state else set(), state, found, "runbooks/RemediatorHeartbeat")


@pytest.fixture
def probe(alertmanager: StandIn, remediator: StandIn) -> Callable[..., Check]:
    """Sends a probe; its clock goes on by 20 s with every question, so that the 90 s are short."""
    alertmanager.answers["/api/v2/alerts"] = "{}"

    def send(fence: str | None = "eu-1") -> Check:
        times: Iterator[datetime] = (datetime.now(UTC) + timedelta(seconds=20 * number) for number in range(1000))
        sources = Sources(
            alertmanagers=[Alertmanager(alertmanager.url)],
            services=[JsonApi("Remediator", remediator.url, timeout=5.0)],
        )
        return send_probe(lambda: sources, "denis", fence, lambda: next(times))

    return send


def nonce(alertmanager: StandIn) -> str:
    """What the probe has for a label, if one was posted."""
    return str(json.loads(alertmanager.posted[-1])[0]["labels"]["probe"]) if alertmanager.posted else ""


@pytest.mark.parametrize("other", ["", "0badcafe"], ids=["regular", "another probe"])
def test_only_its_own_heartbeat_satisfies_a_probe(
    probe: Callable[..., Check], alertmanager: StandIn, remediator: StandIn, other: str
) -> None:
    """Regular heartbeats go on to arrive, and those of another's probe: that its own did is known by its nonce."""

    def status(arrives: Callable[[], str]) -> Callable[[Mapping[str, str]], str]:
        beat = {"last": datetime.now(UTC).isoformat(), "delaySeconds": 1.0}
        return lambda fields: json.dumps(serving(heartbeat={**beat, "probe": arrives()}))

    remediator.answers["/api/v1/status"] = status(lambda: other)
    missing = probe()
    assert (missing.passed, missing.found) == (False, "a probe that Alertmanager took did not arrive in 1m30s")
    assert "rules/alertmanager.yaml" in missing.remedy

    remediator.answers["/api/v1/status"] = status(lambda: nonce(alertmanager))
    arrived = probe()
    assert arrived.passed is True
    assert arrived.found.startswith("a probe arrived after ")


@pytest.mark.parametrize(("fence", "label"), [("eu-2", "eu-2"), (None, "eu-1"), ("", None)])
def test_what_a_probe_says_of_itself(
    probe: Callable[..., Check], alertmanager: StandIn, fence: str | None, label: str | None
) -> None:
    """It has the label that the fence asks for: the one that is given, else the service's own."""
    probe(fence)
    labels = json.loads(alertmanager.posted[-1])[0]["labels"]
    assert labels.get("cluster") == label
    assert (labels["remediation"], labels["namespace"]) == ("heartbeat", "denis")


@pytest.fixture
def make_release(
    embedded: EmbeddedCluster, with_rules: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., None]:
    """Makes a release in the namespace `default`, which is not that of DENIS, and a shell in a folder without files."""
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    monkeypatch.delenv("REMEDIATOR_CONFIG_FILE", raising=False)
    api = Client(url=embedded.url)

    def make(*, rules: bool = True, arguments: Sequence[str] | None = ("serve", "--cluster=eu-1")) -> None:
        names = ("remediations.yaml", *(("denis.rules.yaml", "remediator.rules.yaml") if rules else ()))
        labels = {"app.kubernetes.io/name": "remediator", "app.kubernetes.io/instance": "remediator"}
        metadata = {"name": "remediator", "namespace": "default", "labels": labels}
        data = {name: (with_rules.parent / name).read_text() for name in names}
        assert api.post("/api/v1/namespaces/default/configmaps", {"metadata": metadata, "data": data}).code == 201
        if arguments is not None:
            container = {"name": "remediator", "image": "remediator:1", "args": list(arguments)}
            pod = {"serviceAccountName": "guard", "containers": [container]}
            template = {"metadata": {"labels": labels}, "spec": pod}
            spec = {"selector": {"matchLabels": labels}, "template": template}
            path = "/apis/apps/v1/namespaces/default/deployments"
            assert api.post(path, {"metadata": metadata, "spec": spec}).code == 201

    return make


RELEASE: Any = {"without": ("--cluster", "--as-service"), "config": None}


def test_all_is_read_from_the_release(
    doctor: Doctor, make_release: Callable[..., None], prometheus: WatchingPrometheus
) -> None:
    """Without a file and flags: its rules, and the cluster filter and account that its Deployment runs with."""
    make_release()
    answer, bad = doctor("--namespace=default", **RELEASE)
    assert (answer["passed"], answer["cluster"], bad) == (True, "eu-1", {})
    links = {link["link"]: link["found"] for link in answer["chains"][0]["links"]}
    assert "system:serviceaccount:default:guard" in links["dry run"]
    assert links["rule text"].endswith(
        "rules are loaded as in denis.rules.yaml of ConfigMap remediator in namespace default"
    )

    prometheus.external_labels = {"cluster": "eu-2"}
    (rule,) = (one for one in prometheus.rules if one["name"] == "DenisErrorRateHigh")
    rule["query"] = rule["query"].replace("0.05", "0.5")
    _, bad = doctor("--release=remediator", **RELEASE)
    labels = {(chain, "external labels"): "x" for chain in CHAINS}
    assert {where: link["state"] for where, link in bad.items()} == {**labels, ("rollback", "rule text"): "!!"}


@pytest.mark.parametrize(
    ("arguments", "links"),
    [(None, {"external labels", "dry run", "refusals"}), (("serve", "--cluster=$(CLUSTER)"), {"external labels"})],
    ids=["no Deployment", "from a variable"],
)
def test_a_release_that_does_not_say_how_it_runs(
    doctor: Doctor, make_release: Callable[..., None], arguments: Sequence[str] | None, links: set[str]
) -> None:
    """What its Deployment does not say is not known, and which flag says it."""
    make_release(arguments=arguments)
    answer, bad = doctor("--namespace=default", **RELEASE)
    assert set(bad) == of_both(*links)
    assert all((link["state"], link["found"][:11]) == ("?", "not checked") for link in bad.values())
    remedies = {"external labels": "give --cluster, empty if it has none"}
    assert all(
        link["remedy"] == remedies.get(name, "give --as-service=NAMESPACE:NAME") for (_, name), link in bad.items()
    )
    assert (answer["passed"], answer["cluster"]) == (None, None)


def test_a_release_without_rules(doctor: Doctor, make_release: Callable[..., None]) -> None:
    """Which alerts should be loaded is then not known, of the acts' and of people's, and where to give them."""
    make_release(rules=False)
    _, bad = doctor("--namespace=default", **RELEASE)
    links = {*of_both("rule text"), ("people", "people's alerts")}
    assert_turned(bad, links, "?", "next to ConfigMap remediator in namespace default", "give --config.file")


def shapes(text: str) -> list[str]:
    """Lines without what differs from run to run: numbers, times and addresses; and up to where one is cut off."""
    lines = (re.sub(r"https?://\S+|127\.0\.0\.1:\S+", "URL", line) for line in text.splitlines())
    return [" ".join(re.sub(r"\d[\w.:]*", "N", line).split("...")[0].split()) for line in lines]


@pytest.mark.parametrize("page", ["README.md", "docs/doctor.md"])
def test_the_pages_show_what_it_prints(
    usual: dict[str, str], with_rules: Path, embedded: EmbeddedCluster, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    """Every line of the output on a page is one that it prints, healthy or with an autoscaler on the workers."""
    monkeypatch.chdir(with_rules.parent)
    flags = [f"{flag}={value}" for flag, value in usual.items()]
    printed = shapes(run("doctor", *flags, config=Path(with_rules.name)).stdout)
    about = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "denis-workers"}
    scaler = {"metadata": {"name": "workers"}, "spec": {"maxReplicas": 9, "scaleTargetRef": about}}
    path = "/apis/autoscaling/v2/namespaces/denis/horizontalpodautoscalers"
    assert Client(url=embedded.url).post(path, scaler).code == 201
    printed += shapes(run("doctor", *flags, config=Path(with_rules.name)).stdout)

    shown = [block for block in (RULES.parent / page).read_text().split("```") if block.startswith("text\nCluster ")]
    assert shown
    for line in filter(None, (line for block in shown for line in shapes(block.removeprefix("text\n")))):
        assert any(one.startswith(line) for one in printed), line

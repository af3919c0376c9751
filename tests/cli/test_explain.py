"""`remediator explain`: what it is given, what it prints, and how it ends."""

import json
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from remediator.core.ledger import KILL_SWITCH, LEDGER, PAUSE
from remediator.sandbox import EmbeddedCluster
from tests.acceptance.incidents import canary, grant
from tests.support.builders import MINUTE
from tests.support.commands import run
from tests.support.control_plane import ControlPlane
from tests.support.documents import dump_yaml, load_yaml
from tests.support.faults import Answer, BlackHole, FaultyApi
from tests.support.kubectl import patch_deployment
from tests.support.service import SHIPPED, alert, body
from tests.support.stand_in import StandIn

ROLLBACK = ("explain", "--label", "remediation=rollback")
SCALE = ("explain", "--label", "remediation=scale")
SECRET = "s3cret-t0ken"
PAYLOADS = Path(__file__).parents[1] / "payloads"


@pytest.fixture
def live(api: FaultyApi, tmp_path: Path) -> tuple[str, ...]:
    """The options for the embedded cluster."""
    return ("--kubeconfig", str(api.write_kubeconfig(tmp_path / "kubeconfig", token=SECRET)))


def deployments(cluster: EmbeddedCluster) -> dict[str, Any]:
    """What `kubectl get deployments -n denis -o json` prints."""
    with urllib.request.urlopen(f"{cluster.url}/apis/apps/v1/namespaces/denis/deployments") as response:
        listing = json.load(response)
    items = [{"apiVersion": "apps/v1", "kind": "Deployment", **item} for item in listing["items"]]
    return {"apiVersion": "v1", "kind": "List", "items": items}


def annotate(cluster: EmbeddedCluster, name: str, key: str, value: Any) -> None:
    """Write an annotation as an operator does."""
    patch_deployment(cluster, {"metadata": {"annotations": {key: json.dumps(value)}}}, name)


def test_the_time_is_the_api_servers(
    live: tuple[str, ...], api: FaultyApi, embedded: EmbeddedCluster, tmp_path: Path
) -> None:
    """A pause is over when it is for those who wrote it down; --time wins, and --state has this machine's clock."""
    now = datetime.now(UTC)
    annotate(embedded, "denis", PAUSE, {"reason": "r", "author": "ada", "until": (now + 30 * MINUTE).isoformat()})
    (path := tmp_path / "state.json").write_text(json.dumps(deployments(embedded)))
    api.clock_ahead = 3600

    assert run(*ROLLBACK, *live).exit_code == 0
    assert run(*ROLLBACK, *live, "--time", now.isoformat()).exit_code == 3
    assert run(*ROLLBACK, "--state", path).exit_code == 3
    told = json.loads(run(*ROLLBACK, *live, "-o", "json").output)["time"]
    assert datetime.fromisoformat(told) > now + 59 * MINUTE


def test_an_alert_that_would_be_acted_on(live: tuple[str, ...]) -> None:
    """Every rung is shown with what it looked at, then what would be done; that is exit code 0."""
    result = run(*ROLLBACK, "--label", "alertname=DenisErrorRateHigh", *live)

    assert result.exit_code == 0
    shown = result.output.splitlines()
    assert shown[:2] == [
        "DenisErrorRateHigh -> rollback of denis",
        "RUNG              RESULT           LOOKED AT",
    ]
    rungs = [
        "MalformedAlert    passed           the alert can be read",
        "NotFiring         passed           it fires",
        'NoRemediation     passed           rollback: remediation="rollback", namespace=~"denis|"',
        "ForeignCluster    passed           not known: the service may have a cluster filter (the fence)",
        "TargetNotFound    passed           Deployment denis in namespace denis",
        "TargetInvalid     passed           container denis and its flags can be written",
        "Paused            passed           no pause",
        "KillSwitchOn      does not apply   not for SetPercentage",
        "AlreadySafe       passed           at 10 %, wanted is 0 %",
        "AtLimit           does not apply   not for SetPercentage",
        "AutoscalerOwned   does not apply   not for SetPercentage",
        "CoolingDown       passed           no act yet, cooldown 30m",
        "BudgetSpent       passed           0 of 3 acts in 1d",
        "Observing         passed           mode is act",
    ]
    assert [line for line in shown[2:-2] if line in rungs] == rungs
    assert shown[-2:] == [
        "It would act: set 10 % -> 0 %.",
        "The service may have a cluster filter (the fence): give --cluster or --remediator.url.",
    ]


def test_nothing_is_written(embedded: EmbeddedCluster, api: FaultyApi, live: tuple[str, ...]) -> None:
    """It sends no writing request at all, so that a read-only account can use it."""
    api.always("PATCH", Answer(status=500))
    api.always("POST", Answer(status=500))
    before = deployments(embedded)

    assert run(*ROLLBACK, *live).exit_code == run(*SCALE, *live).exit_code == 0
    assert deployments(embedded) == before


def test_what_is_withheld_is_3_and_says_until_when(embedded: EmbeddedCluster, live: tuple[str, ...]) -> None:
    """The rung that stops is marked, those below are not reached, and the pause's end is named."""
    annotate(embedded, "denis", PAUSE, {"reason": "load test", "author": "ada", "until": "2026-11-24T14:00:00Z"})
    result = run(*ROLLBACK, "--time", "2026-11-24T13:30:00+00:00", *live)

    assert result.exit_code == 3
    assert "\nPaused            stopped here     paused by ada for another 30m: load test\n" in result.output
    assert "\nCoolingDown       not reached\n" in result.output
    assert (
        "It would not act (Paused): paused by ada for another 30m: load test. At 2026-11-24T14:00:00Z, in 30m, it would"
        " act again, if it is delivered then: set 10 % -> 0 %.\n"
    ) in result.output


def test_how_long_the_alert_has_fired_may_decide(tmp_path: Path) -> None:
    """Three acts have not ended an alert of an hour, and say nothing of one that begins now."""
    acts = [
        {"id": f"a{n}", "time": f"2026-11-24T12:{20 + 10 * n}:00Z", "effect": "Scale", "from": 2 * n, "to": 2 * n + 2}
        for n in (1, 2, 3)
    ]
    record = {"version": 1, "acts": [{**act, "remediation": "scale-workers"} for act in acts]}
    names = {"name": "denis-workers", "namespace": "denis", "uid": "u", "resourceVersion": "7"}
    metadata = {**names, "annotations": {LEDGER: json.dumps(record)}}
    workers = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {"replicas": 8}}
    (state := tmp_path / "state.json").write_text(json.dumps(workers))
    question = (*SCALE, "--state", state, "--time", "2026-11-24T13:10:00Z")

    assert run(*question).exit_code == 0
    given_up = run(*question, "--firing-for", "1h")
    assert given_up.exit_code == 3
    assert "(Ineffective): 3 acts (2 -> 8 replicas) have not ended the alert, which began 1h ago" in given_up.output
    assert "It would act once the alert is resolved, or someone else sets the replicas." in given_up.output


def test_nothing_that_others_wrote_steers_the_terminal(embedded: EmbeddedCluster, live: tuple[str, ...]) -> None:
    """Labels and reasons are shown without control characters; JSON has them whole."""
    until = "2026-11-24T14:00:00Z"
    annotate(embedded, "denis", PAUSE, {"reason": "\x1b]0;x\x07", "author": "a\ndenis", "until": until})
    question = (*ROLLBACK, "--label", "alertname=\x1b[2J", "--time", "2026-11-24T13:30:00Z", *live)

    assert "\x1b" not in run(*question).output
    assert "\ndenis" not in run(*question).output
    assert json.loads(run(*question, "-o", "json").output)["alerts"][0]["alertname"] == "\x1b[2J"


def test_the_kill_switch_stops_workers_alone(embedded: EmbeddedCluster, live: tuple[str, ...]) -> None:
    """A latched target gets no workers, and the canary is still taken back."""
    annotate(embedded, "denis-workers", KILL_SWITCH, {"reason": "queue", "author": "ada"})

    assert "KillSwitchOn      stopped here     latched at 0 by ada: queue\n" in run(*SCALE, *live).output
    assert run(*ROLLBACK, *live).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--resolved",), "NotFiring"),
        (("--cluster", "eu-1"), "ForeignCluster"),
    ],
)
def test_nothing_to_do_is_0(live: tuple[str, ...], arguments: tuple[str, ...], reason: str) -> None:
    """An alert that asks for nothing is no failure of anybody."""
    result = run(*ROLLBACK, *arguments, *live)

    assert result.exit_code == 0
    assert f"Nothing would be done ({reason})" in result.output


NONE_IS_NEAR = (
    'None is near: rollback wants remediation="rollback", namespace=~"denis|"; '
    'scale-workers wants remediation="scale", namespace=~"denis|".'
)


@pytest.mark.parametrize(
    ("labels", "hint"),
    [
        (
            ["remediation=rolback"],
            """Nearest: rollback wants remediation="rollback", and remediation is 'rolback'.""",
        ),
        (["remediation=scael"], """Nearest: scale-workers wants remediation="scale", and remediation is 'scael'."""),
        (
            ["remediation=ROLLBACK"],
            """Nearest: rollback wants remediation="rollback", and remediation is 'ROLLBACK'.""",
        ),
        (
            ["remediaton=scale"],
            """Nearest: scale-workers wants remediation="scale", and the label is called 'remediaton'.""",
        ),
        (
            ["severity=critical"],
            NONE_IS_NEAR,
        ),
        (
            ["remediation=restart"],
            NONE_IS_NEAR,
        ),
    ],
)
def test_an_alert_that_no_remediation_answers_is_3(live: tuple[str, ...], labels: list[str], hint: str) -> None:
    """A typo that unhooks the rollback is no success: the exit code is 3, and the nearest remediation is named."""
    result = run("explain", *(f"--label={label}" for label in labels), *live)

    assert result.exit_code == 3
    assert "(NoRemediation)" in result.output
    assert result.output.splitlines()[-1] == hint
    data = json.loads(run("explain", *(f"--label={label}" for label in labels), "-o", "json", *live).output)
    assert data["alerts"][0]["nearest"].lower() == hint.removesuffix(".").lower()


def test_of_several_conditions_the_one_that_fails_is_named(tmp_path: Path, live: tuple[str, ...]) -> None:
    """The remediation with most of its conditions met is the nearest, and only what is missing is shown."""
    config = tmp_path / "remediations.yaml"
    changed = '[remediation="rollback", severity="critical", team=~"search|denis"]'
    config.write_text(SHIPPED.read_text().replace('[remediation="rollback", namespace=~"denis|"]', changed))
    result = run(*ROLLBACK, "--label", "severity=critical", *live, config=config)

    assert result.exit_code == 3
    assert result.output.splitlines()[-1] == (
        'Nearest: rollback wants team=~"search|denis", and there is no label team.'
    )


@pytest.mark.parametrize(
    ("fence", "labels", "code", "found"),
    [
        ("eu-1", (), 0, "Nothing would be done (ForeignCluster)"),
        ("eu-1", ("--label", "cluster=eu-1"), 0, "It would act"),
        ("eu-1", ("--label", "cluster=eu-2"), 0, "Nothing would be done (ForeignCluster)"),
        ("", (), 0, "no cluster filter (the fence): every cluster's alerts count"),
    ],
)
def test_the_fence_is_asked_of_the_service(
    live: tuple[str, ...], fence: str, labels: tuple[str, ...], code: int, found: str
) -> None:
    """With --remediator.url the rung of the fence says what the service itself would say."""
    answer = json.dumps({"status": "success", "data": {"cluster": fence}})
    with StandIn({"/api/v1/status": answer}) as service:
        result = run(*ROLLBACK, *labels, f"--remediator.url={service.url}", *live)
    assert (result.exit_code, found in result.output) == (code, True), result.output
    assert "give --cluster" not in result.output


@pytest.mark.parametrize("answer", ['{"data": {}}', "[]", '{"data": {"cluster": 7}}', '{"data": []}', "7"])
def test_a_service_that_does_not_tell_its_fence_is_1(live: tuple[str, ...], answer: str) -> None:
    """What is no Remediator's status is never taken for no fence."""
    with StandIn({"/api/v1/status": answer}) as service:
        result = run(*ROLLBACK, f"--remediator.url={service.url}", *live)
    assert result.exit_code == 1
    assert "give --cluster instead" in result.output


def test_a_service_that_is_away_is_1(live: tuple[str, ...]) -> None:
    """A service that was named and does not answer leaves the fence unknown: no verdict is given."""
    result = run(*ROLLBACK, "--remediator.url=http://127.0.0.1:1", *live)
    assert result.exit_code == 1
    assert "asked for its cluster filter: no connection" in result.output


@pytest.mark.parametrize("spelling", ["json", "yaml"])
def test_for_machines(embedded: EmbeddedCluster, live: tuple[str, ...], spelling: str) -> None:
    """JSON and YAML hold the same facts, one element for each alert, with the rungs below it."""
    act = {
        "id": "a",
        "time": "2026-11-24T11:50:00Z",
        "effect": "SetPercentage",
        "from": 50,
        "to": 0,
        "remediation": "x",
    }
    annotate(embedded, "denis", LEDGER, {"version": 1, "acts": [act]})
    result = run(*ROLLBACK, "--time", "2026-11-24T12:00:00Z", "-o", spelling, *live)
    answer = load_yaml(result.output)
    (explained,) = answer.pop("alerts")
    rungs = explained.pop("rungs")

    assert result.exit_code == 3
    assert answer == {"time": "2026-11-24T12:00:00Z", "cluster": None}
    assert explained == {
        "alertname": "",
        "fingerprint": "",
        "remediation": "rollback",
        "target": "denis",
        "effect": "SetPercentage",
        "wouldAct": False,
        "reason": "CoolingDown",
        "message": "x set 50 % -> 0 % 10m ago, cooling down for another 20m; someone has set 10 % since",
        "answer": "It would not act (CoolingDown): x set 50 % -> 0 % 10m ago, cooling down for another 20m;"
        " someone has set 10 % since.",
        "nearest": "",
        "again": "At 2026-11-24T12:20:00Z, in 20m, it would act again, if it is delivered then: set 10 % -> 0 %.",
        "actsAt": "2026-11-24T12:20:00Z",
    }
    assert rungs[0]["reason"] == "MalformedAlert"
    assert {"reason": "AlreadySafe", "result": "passed", "found": "at 10 %, wanted is 0 %"} in rungs


def test_a_notification_from_standard_input(live: tuple[str, ...]) -> None:
    """Each alert of a notification is explained; those that go together are told together."""
    received = body(alert(), alert(instance="b"), alert("scale"), alert(status="resolved"), {"labels": 7})
    result = run("explain", "--file", "-", *live, stdin=received)

    assert result.exit_code == 3, "one of them cannot be read"
    headings = [line for line in result.output.splitlines() if "->" in line and not line.startswith("It would")]
    assert headings == [
        "DenisErrorRateHigh (2 alerts) -> rollback of denis",
        "DenisQueueDepthHigh -> scale-workers of denis-workers",
        "DenisErrorRateHigh -> no remediation",
        "(no alertname) -> no remediation",
    ]
    assert "It would act: set 4 -> 6 replicas." in result.output


@pytest.mark.parametrize("payload", sorted(PAYLOADS.glob("am0.25.0-[e-m]*.json")), ids=lambda path: path.stem)
def test_what_a_real_alertmanager_posted(live: tuple[str, ...], payload: Path) -> None:
    """Each alert of a captured body is explained, in its order."""
    posted = [alert["labels"].get("alertname", "") for alert in json.loads(payload.read_bytes())["alerts"]]
    result = run("explain", "--file", payload, "-o", "json", *live)

    assert result.exit_code in (0, 3)
    assert [explained["alertname"] for explained in json.loads(result.output)["alerts"]] == posted


def test_a_target_is_read_once_for_all_alerts(api: FaultyApi, live: tuple[str, ...]) -> None:
    """A storm in a notification is one request for each remediation, and one for autoscalers."""
    received = body(
        *(alert(instance=str(number)) for number in range(50)), alert("scale"), alert("scale", instance="b")
    )
    run("explain", "--file", "-", *live, stdin=received)

    assert len(api.authorizations) == 3


@pytest.mark.parametrize("spelling", ["json", "yaml"])
def test_against_a_file_of_the_state(embedded: EmbeddedCluster, tmp_path: Path, spelling: str) -> None:
    """What kubectl printed during the incident is enough, without any API server."""
    listing = deployments(embedded)
    autoscaler = {
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "workers", "namespace": "denis"},
        "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "denis-workers"}},
    }
    listing["items"].append(autoscaler)
    state = tmp_path / "state"
    state.write_text(json.dumps(listing) if spelling == "json" else dump_yaml(listing))
    nowhere = ("--kubeconfig", tmp_path / "none")

    assert run(*ROLLBACK, "--state", state, *nowhere).exit_code == 0
    assert "AutoscalerOwned   stopped here     replicas are owned by HorizontalPodAutoscaler workers" in (
        run(*SCALE, "--state", state, *nowhere).output
    )


def test_one_deployment_as_the_state(embedded: EmbeddedCluster, tmp_path: Path) -> None:
    """A single Deployment is a state too; a target that the file does not have is not there."""
    state = tmp_path / "denis.json"
    state.write_text(json.dumps(deployments(embedded)["items"][0]))

    assert run(*ROLLBACK, "--state", state).exit_code == 0
    result = run(*SCALE, "--state", state)
    assert result.exit_code == 3
    assert "TargetNotFound    stopped here     there is no Deployment denis-workers in namespace denis" in result.output


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "holds no Deployment; write it with kubectl -n NAMESPACE get deployment NAME -o yaml"),
        ("hello", "holds no Deployment"),
        ('{"kind": "Pod"}', "holds no Deployment"),
        ('{"kind": "List", "items": 7}', "holds no Deployment"),
        ("a: [", "not YAML"),
        ("[" * 100_000, "nested too deeply"),
        ("kind: Deployment\nkind: Deployment\n", "the key is duplicated"),
        ("\x00", "not YAML"),
        (
            '{"kind": "Deployment", "metadata": {"name": "denis", "namespace": "denis", "resourceVersion": "1"},'
            ' "spec": {"template": []}}',
            "Deployment denis is not as kubectl prints it",
        ),
    ],
    ids=["empty", "text", "pod", "items", "yaml", "deep", "twice", "nul", "template"],
)
def test_a_bad_state_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    """A file that is no state says what is wrong with it, and ends the command with 2."""
    state = tmp_path / "state.yaml"
    state.write_text(text)
    result = run(*ROLLBACK, "--state", state)

    assert result.exit_code == 2
    assert result.output.startswith(f"remediator: {state}:")
    assert problem in result.output


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["metadata", "spec", "status", "template", "containers", "env", "name", "annotations"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


@given(
    st.dictionaries(st.sampled_from(["spec", "status"]), json_values),
    st.dictionaries(st.sampled_from(["annotations", "managedFields", "uid", "generation"]), json_values),
)
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_no_deployment_in_a_file_ends_it_with_a_traceback(tmp_path: Path, parts: Any, metadata: Any) -> None:
    """Whatever stands in the Deployment's fields, it is explained or refused."""
    state = tmp_path / "state.json"
    known = {"name": "denis", "namespace": "denis", "resourceVersion": "1"}
    state.write_text(json.dumps({"kind": "Deployment", **parts, "metadata": {**metadata, **known}}))

    assert run(*ROLLBACK, "--state", state).exit_code in (0, 2, 3)
    assert run(*SCALE, "--state", state).exit_code in (0, 2, 3)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ((), "give the alert either by its labels (--label) or in a notification (--file)"),
        (("--label", "a=b", "--file", "f"), "give the alert either by its labels (--label) or in a notification"),
        (("--label", "remediation"), "'remediation' is not of the form NAME=VALUE, as remediation=rollback"),
        (("--label", "=x"), "'=x' is not of the form NAME=VALUE"),
        (("--file", "f", "--resolved"), "--resolved applies to the alert of --label"),
        (("--file", "-", "--firing-for", "1h"), "--firing-for applies to the alert of --label"),
        (("--label", "a=b", "--time", "yesterday"), "'yesterday' is no time of RFC 3339 with its offset"),
        (("--label", "a=b", "--time", "2026-11-23T12:00:00"), "is no time of RFC 3339 with its offset"),
        (("--label", "a=b", "--time", "9999-12-31T23:59:59Z"), "is no time of RFC 3339 with its offset"),
    ],
)
def test_wrong_usage_is_2(arguments: tuple[str, ...], problem: str) -> None:
    """What is wrong is said, with an example of what is right."""
    result = run("explain", *arguments)

    assert result.exit_code == 2
    assert problem in result.output


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"", "not a notification of Alertmanager's webhook: body: Invalid JSON"),
        (b"hello", "not a notification of Alertmanager's webhook: body: Invalid JSON"),
        (b"\xff\xfe", "not a notification of Alertmanager's webhook: body: Invalid JSON"),
        (b"[" * 100_000, "not a notification of Alertmanager's webhook: body: Invalid JSON"),
        (b'{"alerts": []}', "not a notification of Alertmanager's webhook: version: "),
        (body(alert(), version="1"), "version '1' is not Alertmanager's version '4'"),
        (body({"labels": 7}), "none of the 1 alerts can be read"),
        (b" " * (10 * 1024 * 1024 + 1), "over 10485760 bytes"),
    ],
    ids=["missing", "empty", "text", "bytes", "deep", "no-version", "version", "malformed", "large"],
)
def test_what_is_no_notification_is_2(tmp_path: Path, content: bytes | None, problem: str) -> None:
    """A body that the webhook would refuse is refused in the same words, with the file's name."""
    file = tmp_path / "body.json"
    if content is not None:
        file.write_bytes(content)
    result = run("explain", "--file", file)

    assert result.exit_code == 2
    assert result.output.startswith(f"remediator: {file}: ")
    assert problem in result.output


def test_without_a_cluster(tmp_path: Path, live: tuple[str, ...]) -> None:
    """No kubeconfig, or none with that context, is a matter of configuration and says what to give."""
    missing = run(*ROLLBACK, "--kubeconfig", tmp_path / "none")
    wrong = run(*ROLLBACK, "--context", "staging", *live)

    assert (missing.exit_code, wrong.exit_code) == (2, 2)
    assert "give --kubeconfig=F, or set KUBECONFIG" in missing.output
    assert "staging" in wrong.output


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        (Answer(status=503, message="etcd is gone"), "the API server answered 503: etcd is gone"),
        (Answer(status=200, body=b"<html>"), "the API server's answer is not JSON"),
        (Answer(status=200, body=b"[" * 100_000), "the API server's answer is not JSON"),
        (Answer(status=200, body=b"[]"), "the API server's answer is not an object"),
        (BlackHole(), "no answer from {url} (it did not answer in time)"),
    ],
    ids=["503", "html", "deep", "list", "slow"],
)
def test_an_api_server_that_fails_is_1(api: FaultyApi, live: tuple[str, ...], fault: Any, problem: str) -> None:
    """Without the target there is no verdict; the command says why and shows no credentials."""
    api.always("GET", fault)
    result = run(*ROLLBACK, *live)

    assert result.exit_code == 1
    # One that does not answer is also said to be waited for.
    assert result.output.splitlines()[-1] == f"remediator: {problem.format(url=api.url)}"


def test_a_policy_that_is_invalid_is_2(tmp_path: Path, live: tuple[str, ...]) -> None:
    """A bad remediations.yaml is refused as `remediator check` refuses it."""
    config = tmp_path / "remediations.yaml"
    config.write_text("targets: {}\n")
    result = run(*ROLLBACK, *live, config=config)

    assert result.exit_code == 2
    assert f"{config}:1: profiles: is required" in result.output


@pytest.mark.parametrize(
    "target",
    [
        "{namespace: denis, deployment: none, container: denis}",
        "{namespace: denis, deployment: denis, container: other}",
    ],
)
def test_a_target_that_cannot_be_used_is_a_rung(tmp_path: Path, live: tuple[str, ...], target: str) -> None:
    """An unknown Deployment, or one without the container, is what the service would say: it could not act."""
    config = tmp_path / "remediations.yaml"
    config.write_text(SHIPPED.read_text().replace("{namespace: denis, deployment: denis, container: denis}", target))
    result = run(*ROLLBACK, *live, config=config)

    assert result.exit_code == 3
    assert "It could not act (Target" in result.output


@pytest.fixture
def namespace(control_plane: ControlPlane) -> Iterator[str]:
    """A namespace of the real control plane with both targets."""
    name = control_plane.namespace("explain")
    for manifest in (canary("denis"), canary("denis-workers")):
        assert control_plane.api.post(f"/apis/apps/v1/namespaces/{name}/deployments", manifest).code == 201
    yield name
    control_plane.leave_namespace(name)


def test_on_a_real_control_plane(control_plane: ControlPlane, namespace: str, tmp_path: Path) -> None:
    """With the service's own rights it explains both effects; what kubectl prints explains the same without it."""
    config = tmp_path / "remediations.yaml"
    config.write_text(SHIPPED.read_text().replace("namespace: denis", f"namespace: {namespace}"))
    token = grant(control_plane, namespace)
    kubeconfig = control_plane.server.write_kubeconfig(tmp_path / "kubeconfig", token)
    state = tmp_path / "state.yaml"
    state.write_text(control_plane.kubectl("get", "deployments,hpa", "-n", namespace, "-o", "yaml"))

    for question in (ROLLBACK, SCALE):
        live = run(*question, "--kubeconfig", kubeconfig, config=config)
        assert live.exit_code == 0
        assert live.output == run(*question, "--state", state, config=config).output


def test_without_the_right(control_plane: ControlPlane, namespace: str, tmp_path: Path) -> None:
    """Who may not read the Deployment is told the verb and the object, and no token."""
    config = tmp_path / "remediations.yaml"
    config.write_text(SHIPPED.read_text().replace("namespace: denis", f"namespace: {namespace}"))
    token = control_plane.token(namespace, "default")
    result = run(*ROLLBACK, "--kubeconfig", control_plane.server.write_kubeconfig(tmp_path / "k", token), config=config)

    assert result.exit_code == 1
    assert 'cannot get resource "deployments" in API group "apps" in the namespace' in result.output
    assert token not in result.output

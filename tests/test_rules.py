"""The files in rules/, judged by the real promtool and amtool, oldest and newest, and by what SREs are promised."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from remediator.config.loader import parse_policy
from remediator.core.reasons import Reason
from remediator.reflex.armed import NO_HEARTBEAT, REFUSED, UNREACHED
from tests.support.components import component
from tests.support.documents import dump_yaml, load_yaml

ROOT = Path(__file__).parents[1]
RULES = ROOT / "rules"
RULE_FILES = ("denis.rules.yaml", "optional/denis-queue-stuck.rules.yaml", "remediator.rules.yaml")
UNIT_TESTS = sorted(path.name for path in (RULES / "tests").glob("*.test.yaml"))
RUNBOOKS = ROOT / "docs" / "runbooks"
RUNBOOK_URL = "https://github.com/denis-run/remediator/blob/main/docs/runbooks/"
REMEDIATIONS = {
    "DenisMaterializerSuccessRateLow": "rollback",
    "DenisErrorRateHigh": "rollback",
    "DenisSuccessRateSevere": "rollback",
    "DenisErrorRateSevere": "rollback",
    "DenisQueueDepthHigh": "scale",
    "DenisQueueDepthStuck": "rollback",
}
Rule = dict[str, Any]


def _alerts() -> Iterator[Rule]:
    for name in RULE_FILES:
        for group in load_yaml((RULES / name).read_text())["groups"]:
            yield from (rule for rule in group["rules"] if "alert" in rule)


HEARTBEAT = "RemediatorHeartbeat"
"""The one alert that is for nobody."""

ALERTS = {rule["alert"]: rule for rule in _alerts() if rule["alert"] != HEARTBEAT}


@pytest.fixture(params=["prometheus-oldest", "promtool-newest"])
def promtool(request: pytest.FixtureRequest) -> Path:
    """promtool, oldest and newest."""
    return component(request.param, "promtool", on_path=False)


@pytest.fixture(params=["alertmanager-oldest", "alertmanager-newest"])
def amtool(request: pytest.FixtureRequest) -> Path:
    """amtool, oldest and newest."""
    return component(request.param, "amtool", on_path=False)


def _run(*command: str | Path) -> str:
    # Seconds of CPU, and minutes on a busy machine.
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600)
    assert done.returncode == 0, done.stdout
    return done.stdout


def _firing_with_rules(
    promtool: Path, folder: Path, rules: str, series: dict[str, str], expected: dict[str, list[str]]
) -> None:
    """Judge a text that differs from the shipped denis.rules.yaml; `expected` maps alerts to the clusters they name."""
    (folder / "changed.rules.yaml").write_text(rules)
    checks = [
        {
            "expr": f'count by (cluster) (ALERTS{{alertname="{alertname}", alertstate="firing"}})',
            "eval_time": "15m",
            "exp_samples": [
                {"labels": f'{{cluster="{cluster}"}}' if cluster else "{}", "value": 1} for cluster in clusters
            ],
        }
        for alertname, clusters in expected.items()
    ]
    input_series = [{"series": name, "values": values} for name, values in series.items()]
    case = {"interval": "1m", "input_series": input_series, "promql_expr_test": checks}
    suite = {"rule_files": ["changed.rules.yaml"], "evaluation_interval": "15s", "tests": [case]}
    (folder / "changed.test.yaml").write_text(dump_yaml(suite))
    _run(promtool, "test", "rules", folder / "changed.test.yaml")


def test_rule_files_pass_promtool(promtool: Path) -> None:
    """Both rule files are valid without a single lint remark."""
    _run(promtool, "check", "rules", "--lint=all", "--lint-fatal", *(RULES / name for name in RULE_FILES))


@pytest.mark.parametrize("name", UNIT_TESTS)
def test_unit_tests_pass_promtool(promtool: Path, name: str) -> None:
    """Every unit test of the rules passes."""
    _run(promtool, "test", "rules", RULES / "tests" / name)


def test_unit_in_percent_is_one_edit(promtool: Path, tmp_path: Path) -> None:
    """With the unit set to percent, 89 and 0 are bad, 90 is good, and gauges that turn out to be ratios do nothing."""
    _firing_with_rules(
        promtool,
        tmp_path,
        (RULES / "denis.rules.yaml").read_text().replace("expr: vector(1)\n", "expr: vector(100)\n"),
        {
            'materializer_success_rate{job="denis", cluster="bad", instance="a"}': "89x20",
            'materializer_success_rate{job="denis", cluster="good", instance="a"}': "90x20",
            'materializer_success_rate{job="denis", cluster="dead", instance="a"}': "0+0x20",
            'materializer_latency_p99{job="denis", cluster="dead", instance="a"}': "1x20",
            'materializer_success_rate{job="denis", cluster="ratio", instance="a"}': "0.99x20",
            'error_rate{job="denis", cluster="bad", instance="b"}': "6x20",
            'error_rate{job="denis", cluster="good", instance="b"}': "5x20",
        },
        {
            "DenisMaterializerSuccessRateLow": ["bad", "dead"],
            "DenisErrorRateHigh": ["bad"],
            "DenisSignalUnitMismatch": ["ratio"],
        },
    )


def test_losing_the_unit_is_told(promtool: Path, tmp_path: Path) -> None:
    """A file that lost the rule with the unit cannot roll back, and DenisSignalMissing says so."""
    shipped = (RULES / "denis.rules.yaml").read_text()
    without_unit = shipped.replace(
        "  - record: denis:hundred_percent\n    expr: vector(1)\n    labels: {canary: denis/denis}\n", ""
    )
    assert without_unit != shipped
    _firing_with_rules(
        promtool,
        tmp_path,
        without_unit,
        {
            'materializer_success_rate{job="denis"}': "0.5x20",
            'materializer_latency_p99{job="denis"}': "0.2x20",
            'error_rate{job="denis"}': "0.5x20",
            'async_queue_depth{job="denis"}': "7x20",
        },
        {"DenisErrorRateHigh": [], "DenisMaterializerSuccessRateLow": [], "DenisSignalMissing": [""]},
    )


def test_every_alert_has_unit_tests_for_firing_and_not_yet() -> None:
    """Each alert is tested at a time when it fires, and at an earlier one in the same test when it does not yet."""
    proven = set()
    for name in UNIT_TESTS:
        for case in load_yaml((RULES / "tests" / name).read_text())["tests"]:
            checks = case.get("alert_rule_test", [])
            quiet = {check["alertname"] for check in checks if not check.get("exp_alerts")}
            firing = {check["alertname"] for check in checks if check.get("exp_alerts")}
            proven |= quiet & firing
    assert proven == set(ALERTS)


def test_every_word_that_disarms_has_a_row() -> None:
    """promtool judges RemediatorDisarmed for each word that remediator_armed_info can have beside a 0."""
    cases = load_yaml((RULES / "tests" / "heartbeat.test.yaml").read_text())["tests"]
    series = [row["series"] for case in cases if "promql_expr_test" in case for row in case["input_series"]]
    rows = {found[1] for one in series if (found := re.search(r'reason="(\w+)"', one))}
    of_the_ladder = {reason for reason in Reason if reason.kind in ("withheld", "failed")}
    only_for_an_alert = {Reason.CONFLICT, Reason.INTERNAL_ERROR, Reason.RECOVERED}
    assert rows == of_the_ladder - only_for_an_alert | {Reason.DRY_RUN, UNREACHED, NO_HEARTBEAT, REFUSED}


@pytest.mark.parametrize("alertname", ALERTS)
def test_alert_tells_what_an_on_call_person_needs(alertname: str) -> None:
    """An alert has a severity, a static summary, a description and a runbook that begins with what to do now."""
    rule = ALERTS[alertname]
    annotations = rule["annotations"]
    assert rule["labels"]["severity"] in ("critical", "warning", "info")
    assert "{{" not in annotations["summary"]
    assert annotations["description"]
    assert annotations["runbook_url"] == f"{RUNBOOK_URL}{alertname}.md"
    page = (RUNBOOKS / f"{alertname}.md").read_text()
    assert page.startswith(f"# {alertname}\n")
    assert re.findall(r"^## (.+)$", page, re.MULTILINE) == [
        "Do this now",
        "Meaning",
        "Impact",
        "Diagnosis",
        "Mitigation",
    ]
    first = page.partition("## Do this now\n")[2].partition("\n## ")[0]
    commands = re.findall(r"^```sh\n(.*?)^```$", first, re.MULTILINE | re.DOTALL)
    assert len(commands) == 1, "one block to paste"
    assert 1 <= len(commands[0].splitlines()) <= 2, "one or two commands"
    assert len(first.partition("```")[0].strip().splitlines()) <= 2, "and why, in two lines at most"


def test_the_index_says_how_urgent_each_alert_is() -> None:
    """Each row has the severity that the rule has, and each severity is explained once."""
    index = (RUNBOOKS / "README.md").read_text()
    shown = dict(re.findall(r"^\| \[(\w+)\]\(\w+\.md\) \| (\w+) \|", index, re.MULTILINE))
    assert shown == {alertname: rule["labels"]["severity"] for alertname, rule in ALERTS.items()}
    explained = re.findall(r"^\| (critical|warning|info) \|", index, re.MULTILINE)
    assert explained == ["critical", "warning", "info"]


@pytest.mark.parametrize("path", sorted(RUNBOOKS.glob("*.md")), ids=lambda path: path.stem)
def test_runbooks_explain_with_the_cluster(path: Path) -> None:
    """Without the cluster filter `explain` answers for an alert that the service refuses."""
    for line in re.findall(r"^remediator explain .*$", path.read_text(), re.MULTILINE):
        assert " --cluster=" in line
        assert " --label=cluster=" in line


def test_runbooks_are_those_of_the_alerts() -> None:
    """There is a page for every alert and no other, and the index links each once."""
    assert {path.stem for path in RUNBOOKS.glob("*.md")} == {*ALERTS, "README"}
    linked = re.findall(r"\]\((\w+)\.md\)", (RUNBOOKS / "README.md").read_text())
    assert sorted(linked) == sorted(ALERTS)


@pytest.mark.parametrize("alertname", ALERTS)
def test_only_the_three_alerts_cause_acts(alertname: str) -> None:
    """The label `remediation`, and the annotation `value` with it, is on the three alerts about DENIS only."""
    rule = ALERTS[alertname]
    assert rule["labels"].get("remediation") == REMEDIATIONS.get(alertname)
    assert rule["annotations"].get("value") == ("{{ $value }}" if alertname in REMEDIATIONS else None)


def test_no_alert_inherits_the_label_remediation() -> None:
    """Remediator's own counters carry a label `remediation`; an alert that kept it would be posted to Remediator."""
    for rule in ALERTS.values():
        kept = re.findall(r"\bby \(([^)]*)\)", rule["expr"])
        assert all("remediation" not in labels.split(", ") for labels in kept)
        assert "without" not in rule["expr"]
        assert kept or rule["alert"] in ("RemediatorDown", "DenisSignalMissing") or "avg_ratio" in rule["expr"]


@pytest.mark.parametrize("place", ["< 0.90\n", "> 0.05\n", "> 500\n", "expr: vector(1)\n"])
def test_each_threshold_stands_in_one_place(place: str) -> None:
    """A threshold and the unit each stand once in the file, so that a chart or an SRE has one place to change."""
    text = (RULES / "denis.rules.yaml").read_text()
    assert text.count(place) == 1
    number = re.findall(r"[\d.]+", place)[0]
    if "vector" not in place:
        assert len(re.findall(rf"(?<![\d.]){re.escape(number)}(?![\d.])", text)) == 1


def test_route_passes_amtool(amtool: Path) -> None:
    """The example configuration is accepted."""
    _run(amtool, "check-config", RULES / "alertmanager.yaml")


@pytest.mark.parametrize("alertname", ALERTS)
def test_route_leads_only_acting_alerts_to_remediator(amtool: Path, alertname: str) -> None:
    """Alerts that ask for an act reach Remediator and people, in this order; the others reach people only."""
    rule = ALERTS[alertname]
    receivers = "remediator,on-call" if alertname in REMEDIATIONS else "on-call"
    labels = [f"{name}={value}" for name, value in {"alertname": alertname, **rule["labels"]}.items()]
    config = f"--config.file={RULES / 'alertmanager.yaml'}"
    _run(amtool, "config", "routes", "test", config, f"--verify.receivers={receivers}", *labels)


def test_the_heartbeat_reaches_remediator_alone(amtool: Path) -> None:
    """It goes the way of the acts to the same receiver, and nobody is notified of it."""
    (rule,) = (rule for rule in _alerts() if rule["alert"] == HEARTBEAT)
    labels = [f"{name}={value}" for name, value in {"alertname": HEARTBEAT, **rule["labels"]}.items()]
    config = f"--config.file={RULES / 'alertmanager.yaml'}"
    _run(amtool, "config", "routes", "test", config, "--verify.receivers=remediator", *labels)
    assert rule["labels"] == {"severity": "none", "remediation": "heartbeat", "namespace": "denis"}


def test_route_looks_again_at_least_twice_in_a_cooldown() -> None:
    """repeat_interval is at most half of each cooldown; else an alert that goes on is seen again far too late."""
    route = load_yaml((RULES / "alertmanager.yaml").read_text())["route"]["routes"][1]
    policy = parse_policy((RULES / "remediations.yaml").read_text(), "remediations.yaml")
    minutes = int(route["repeat_interval"].removesuffix("m"))
    assert min(remediation.cooldown.total_seconds() for remediation in policy.remediations) >= 2 * 60 * minutes


@pytest.mark.parametrize("alertname", REMEDIATIONS)
def test_every_acting_alert_has_a_remediation(alertname: str) -> None:
    """Exactly one remediation matches the labels of each alert that asks for an act."""
    policy = parse_policy((RULES / "remediations.yaml").read_text(), "remediations.yaml")
    labels = ALERTS[alertname]["labels"]
    matching = [
        remediation
        for remediation in policy.remediations
        if all(matcher.matches(labels) for matcher in remediation.matchers)
    ]
    assert len(matching) == 1

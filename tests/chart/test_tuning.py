"""Values reach the rules, the route and the remediations, and nothing else of these files changes."""

import copy
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from remediator.cli.check import check
from remediator.policy_file import parse_policy
from tests.chart.cases import CASES, case, shipped
from tests.chart.helm import CHART, Helm, Helm3, Object, Refused, changed, of_kind, only
from tests.components import component

RULE_FILES = ("denis.rules.yaml", "remediator.rules.yaml")
each_case = pytest.mark.parametrize("values", CASES.values(), ids=CASES)


@pytest.fixture(params=["prometheus-oldest", "promtool-newest"])
def promtool(request: pytest.FixtureRequest) -> Path:
    """promtool, oldest and newest."""
    return component(request.param, "promtool", on_path=False)


def configuration(objects: list[Object]) -> dict[str, Any]:
    """The files in the ConfigMap, parsed."""
    found = [one for one in of_kind(objects, "ConfigMap") if "remediations.yaml" in one["data"]]
    return {name: yaml.safe_load(text) for name, text in found[0]["data"].items()}


def alert(objects: list[Object], name: str) -> Object:
    """An alert's rule in the PrometheusRule."""
    groups = only(objects, "PrometheusRule")["spec"]["groups"]
    (rule,) = [rule for group in groups for rule in group["rules"] if rule.get("alert") == name]
    return dict(rule)


def test_default_values_are_the_shipped_files(helm: Helm) -> None:
    """Without values, remediations and rules are what rules/ has, key by key."""
    found = configuration(helm.render({}))
    assert found == {name: shipped(name) for name in ("remediations.yaml", *RULE_FILES)}


def test_prometheus_rule_holds_the_groups_of_both_files(helm: Helm) -> None:
    """The PrometheusRule is the two files in one."""
    objects = helm.render(case("operator-stack-values"))
    groups = only(objects, "PrometheusRule")["spec"]["groups"]
    assert groups == [group for name in RULE_FILES for group in shipped(name)["groups"]]


@each_case
def test_remediations_pass_check(helm3: Helm3, tmp_path: Path, values: dict[str, Any]) -> None:
    """`remediator check` accepts what the ConfigMap holds, and finds an alert for each remediation beside it."""
    config_maps = of_kind(helm3.render(values), "ConfigMap")
    for name, text in next(one["data"] for one in config_maps if "remediations.yaml" in one["data"]).items():
        (tmp_path / name).write_text(text)
    done = CliRunner().invoke(check, ["--lint-fatal", str(tmp_path / "remediations.yaml")])
    assert done.exit_code == 0, done.output


@each_case
def test_rules_pass_promtool(helm3: Helm3, promtool: Path, tmp_path: Path, values: dict[str, Any]) -> None:
    """promtool has no remark on the rules, tuned or not."""
    files = []
    for name, content in configuration(helm3.render(values)).items():
        if name in RULE_FILES:
            files.append(tmp_path / name)
            files[-1].write_text(yaml.safe_dump(content))
    command: list[str | Path] = [promtool, "check", "rules", "--lint=all", "--lint-fatal", *files]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_tuned_values_reach_the_rules(helm: Helm) -> None:
    """Thresholds, `for`, unit, selector, interval and labels are those of the values; annotations stay."""
    objects = helm.render(case("tuned-rules-values"))
    expected = {
        "DenisMaterializerSuccessRateLow": ("< 0.95", "5m"),
        "DenisErrorRateHigh": ("> 0.01", "3m"),
        "DenisQueueDepthHigh": ("> 2e+06", "10m"),
    }
    original = {rule.get("alert"): rule for rule in shipped("denis.rules.yaml")["groups"][0]["rules"]}
    for name, (condition, duration) in expected.items():
        rule, before = alert(objects, name), original[name]
        assert rule["expr"].endswith(f" {condition}")
        assert rule["expr"].rpartition(condition[0])[0] == before["expr"].rpartition(condition[0])[0]
        assert rule["for"] == duration
        assert rule["labels"] == {"team": "denis", **before["labels"]}
        assert rule["annotations"] == before["annotations"]
    groups = only(objects, "PrometheusRule")["spec"]["groups"]
    assert {group["interval"] for group in groups} == {"30s"}
    records = [rule for rule in groups[0]["rules"] if rule.get("record") in ("denis:signal", "denis:hundred_percent")]
    assert records[0]["expr"] == "vector(100)"
    assert all('{job="denis-web", namespace="canary"}' in rule["expr"] for rule in records[1:])
    assert 'job="denis"' not in str(groups)


def test_every_alert_but_no_record_gets_the_labels(helm3: Helm3) -> None:
    """rules.alertLabels are on the guards and on Remediator's own alerts too, and change no label that is there."""
    groups = only(helm3.render(case("tuned-rules-values")), "PrometheusRule")["spec"]["groups"]
    for rule in (rule for group in groups for rule in group["rules"]):
        assert ("team" in rule.get("labels", {})) == ("alert" in rule)


def test_the_selector_follows_the_targets_namespace(helm3: Helm3) -> None:
    """Watching one namespace and changing another would be an accident, so one value is enough for both."""
    objects = helm3.render({"targets": {"denis": {"namespace": "canary"}}})
    rules = configuration(objects)["denis.rules.yaml"]["groups"][0]["rules"]
    signals = [rule["expr"] for rule in rules if rule.get("record") == "denis:signal"]
    assert signals
    assert all('{job="denis", namespace=~"canary|"}' in expr for expr in signals)


def test_tuned_values_reach_the_remediations(helm: Helm) -> None:
    """Targets, mode, cooldown, budget and scale are those of the values; matchers, profiles and phases stay."""
    values = case("tuned-rules-values")
    expected = copy.deepcopy(shipped("remediations.yaml"))
    expected["targets"] = values["targets"]
    for remediation in expected["remediations"]:
        remediation.update(values["remediations"][remediation["name"]])
    assert configuration(helm.render(values))["remediations.yaml"] == expected


@pytest.mark.parametrize("phases", [case("promotion-values")["phases"], []], ids=["other", "none"])
def test_tuned_phases_reach_the_remediations(helm: Helm, phases: list[Object]) -> None:
    """The phases are those of the values, all of them, and nothing else changes."""
    expected = {**shipped("remediations.yaml"), "phases": phases}
    assert configuration(helm.render({"phases": phases}))["remediations.yaml"] == expected


def test_every_rate_that_the_schema_allows_passes_check(helm3: Helm3) -> None:
    """The smallest, the largest and whole numbers are spelled so that the service reads them as numbers."""
    for success, error in ((0.0001, 0.9999), (1, 0), (0.99999, 0.0001)):
        phase = {"percentage": 1, "hold": "1ms", "min_success_rate": success, "max_error_rate": error}
        config_map = only(helm3.render({"phases": [phase]}), "ConfigMap")
        (read,) = parse_policy(config_map["data"]["remediations.yaml"], "remediations.yaml").phases
        assert (read.min_success_rate, read.max_error_rate) == (success, error)


def test_alertmanager_config_is_the_shipped_route(helm: Helm) -> None:
    """Route and receiver say what rules/alertmanager.yaml says, in the words of the operator."""
    spec = only(helm.render(case("operator-stack-values")), "AlertmanagerConfig")["spec"]
    theirs = shipped("alertmanager.yaml")
    route = theirs["route"]["routes"][0]
    (matcher,) = spec["route"].pop("matchers")
    assert [f'{matcher["name"]}{matcher["matchType"]}"{matcher["value"]}"'] == route["matchers"]
    assert spec["route"] == {
        "receiver": route["receiver"],
        "continue": route["continue"],
        "groupBy": route["group_by"],
        "groupWait": route["group_wait"],
        "groupInterval": route["group_interval"],
        "repeatInterval": route["repeat_interval"],
    }
    (receiver,) = spec["receivers"]
    (webhook,) = receiver["webhookConfigs"]
    (own,) = theirs["receivers"][1]["webhook_configs"]
    assert receiver["name"] == route["receiver"] == "remediator"
    assert (webhook["sendResolved"], webhook["maxAlerts"]) == (own["send_resolved"], own["max_alerts"])
    assert webhook["httpConfig"]["followRedirects"] is own["http_config"]["follow_redirects"] is False
    assert webhook["url"] == "http://remediator.denis.svc:8080/webhook"


def test_service_monitor_finds_the_metrics(helm3: Helm3) -> None:
    """It scrapes the Service's internal port by its name, in the release's namespace, and carries the labels wanted."""
    values = changed(case("operator-stack-values"), serviceMonitor={"namespace": "monitoring"})
    objects = helm3.render(values)
    monitor, service = only(objects, "ServiceMonitor"), only(objects, "Service")
    (endpoint,) = monitor["spec"]["endpoints"]
    assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
    assert (endpoint["port"], endpoint["path"], endpoint["interval"]) == ("internal", "/metrics", "15s")
    assert monitor["spec"]["namespaceSelector"] == {"matchNames": [service["metadata"]["namespace"]]}
    assert monitor["metadata"]["namespace"] == "monitoring"
    assert monitor["metadata"]["labels"]["release"] == "kube-prometheus-stack"


def test_alertmanager_sends_the_token_that_is_accepted(helm3: Helm3) -> None:
    """The key in the AlertmanagerConfig is in the Secret and the first of those that the service reads."""
    objects = helm3.render({**case("operator-stack-values"), "auth": {"keys": ["next", "token"]}})
    (receiver,) = only(objects, "AlertmanagerConfig")["spec"]["receivers"]
    credentials = receiver["webhookConfigs"][0]["httpConfig"]["authorization"]["credentials"]
    secret = only(objects, "Secret")
    assert credentials == {"name": secret["metadata"]["name"], "key": "next"}
    assert set(secret["data"]) == {"next", "token"}
    (container,) = only(objects, "Deployment")["spec"]["template"]["spec"]["containers"]
    read = [argument for argument in container["args"] if "token-file" in argument]
    assert read == [f"--web.token-file=/etc/remediator/auth/{key}" for key in ("next", "token")]


@pytest.mark.parametrize(
    ("name", "before", "after", "complaint"),
    [
        (
            "denis.rules.yaml",
            " < 0.90\n",
            " < scalar(x)\n",
            "no threshold or no `for` in DenisMaterializerSuccessRateLow",
        ),
        ("denis.rules.yaml", "vector(1)\n", "vector(100)\n", "the unit is vector(100)"),
        ("denis.rules.yaml", 'error_rate{job="denis", ', 'error_rate{job="other", ', "no selector in error_rate"),
        ("denis.rules.yaml", "alert: DenisErrorRateHigh", "alert: Renamed", "no DenisErrorRateHigh"),
        ("denis.rules.yaml", "denis:hundred_percent\n    expr", "denis:unit\n    expr", "no unit"),
        ("remediations.yaml", "- name: rollback", "- name: renamed", "its remediations"),
        ("remediations.yaml", "  denis-workers: {", "  other: {", "its targets"),
        ("remediations.yaml", "  cooldown: 30m\n", "", "rollback has no cooldown"),
        ("alertmanager.yaml", "remediation=~", "rem=~", "the matchers of its route"),
    ],
)
def test_a_place_that_is_not_found_is_an_error(
    helm: Helm, tmp_path: Path, name: str, before: str, after: str, complaint: str
) -> None:
    """Where a new file no longer has what a value changes, nothing is rendered, and the message says what."""
    chart = tmp_path / "chart"
    shutil.copytree(CHART, chart)
    text = (chart / "files" / name).read_text()
    assert before in text
    (chart / "files" / name).write_text(text.replace(before, after))
    with pytest.raises(Refused, match="does not fit this chart") as error:
        helm.render(case("operator-stack-values"), chart=chart)
    assert complaint in str(error.value)

"""Values reach the rules, the route and the remediations, and nothing else of these files changes."""

import copy
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from remediator.cli.check import check
from remediator.config.alert_times import AlertTimes, AlertTimesReader
from remediator.config.loader import parse_policy
from tests.chart.answers import Refused
from tests.chart.cases import CASES, case, shipped
from tests.chart.helm import CHART, Helm, Helm3, Object, changed, of_kind, only
from tests.support.components import component
from tests.support.documents import dump_yaml, load_yaml

RULE_FILES = ("denis.rules.yaml", "remediator.rules.yaml")
EXTRA = "extra.rules.yaml"
each_case = pytest.mark.parametrize("values", CASES.values(), ids=CASES)


@pytest.fixture(params=["prometheus-oldest", "promtool-newest"])
def promtool(request: pytest.FixtureRequest) -> Path:
    """promtool, oldest and newest."""
    return component(request.param, "promtool", on_path=False)


def configuration(objects: list[Object]) -> dict[str, Any]:
    """The files in the ConfigMap, parsed."""
    found = [one for one in of_kind(objects, "ConfigMap") if "remediations.yaml" in one["data"]]
    return {name: load_yaml(text) for name, text in found[0]["data"].items()}


def alert(objects: list[Object], name: str) -> Object:
    """An alert's rule in the PrometheusRule."""
    groups = only(objects, "PrometheusRule")["spec"]["groups"]
    (rule,) = [rule for group in groups for rule in group["rules"] if rule.get("alert") == name]
    return dict(rule)


def test_default_values_are_the_shipped_files(helm: Helm) -> None:
    """Without values, remediations, rules and route are what rules/ has, key by key; the receiver has its own name."""
    found = configuration(helm.render({}))
    route = found.pop("alertmanager.yaml")
    assert found == {name: shipped(name) for name in ("remediations.yaml", *RULE_FILES)}
    expected = shipped("alertmanager.yaml")
    name = route["receivers"][1]["name"]
    assert name.startswith("denis-remediator-")
    for ours in expected["route"]["routes"][:2]:
        ours["receiver"] = name
    expected["receivers"][1]["name"] = name
    expected["receivers"][1]["webhook_configs"][0]["url"] = "http://remediator.denis.svc:8080/webhook"
    assert route == expected


def test_prometheus_rule_holds_the_groups_of_both_files(helm: Helm) -> None:
    """The PrometheusRule is the two files in one."""
    objects = helm.render(case("operator-stack-values"))
    groups = only(objects, "PrometheusRule")["spec"]["groups"]
    assert groups == [group for name in RULE_FILES for group in shipped(name)["groups"]]


def mounted(objects: list[Object], folder: Path) -> Path:
    """The remediations.yaml of the ConfigMap in a folder, with the other files beside it."""
    config_maps = of_kind(objects, "ConfigMap")
    for name, text in next(one["data"] for one in config_maps if "remediations.yaml" in one["data"]).items():
        (folder / name).write_text(text)
    return folder / "remediations.yaml"


def test_the_service_knows_the_times_of_its_release(helm3: Helm3, tmp_path: Path) -> None:
    """For its time to safe it reads `for`, the interval and group_wait from the files in its ConfigMap, as tuned."""
    values = changed(case("tuned-rules-values"), alertmanagerConfig={"groupWait": "7s"})
    file = mounted(helm3.render(values), tmp_path)
    times = AlertTimesReader(file).times(parse_policy(file.read_text(), str(file)))
    expected = {"evaluation": timedelta(seconds=30), "hold": timedelta(minutes=5), "wait": timedelta(seconds=7)}
    assert times["rollback"] == AlertTimes(**expected)


@each_case
def test_remediations_pass_check(helm3: Helm3, tmp_path: Path, values: dict[str, Any]) -> None:
    """`remediator check` accepts what the ConfigMap holds, and finds an alert for each remediation beside it."""
    mounted(helm3.render(values), tmp_path)
    done = CliRunner().invoke(check, ["--lint-fatal", str(tmp_path / "remediations.yaml")])
    assert done.exit_code == 0, done.output


def test_rules_pass_promtool(helm3: Helm3, promtool: Path, tmp_path: Path) -> None:
    """promtool has no remark on the rules of any case, tuned or not."""
    files = []
    for case_name, values in CASES.items():
        for name, content in configuration(helm3.render(values)).items():
            if name in (*RULE_FILES, EXTRA):
                files.append(tmp_path / f"{case_name}-{name}")
                files[-1].write_text(dump_yaml(content))
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
        "DenisSuccessRateSevere": ("< 0.4", "45s"),
    }
    original = {rule.get("alert"): rule for group in shipped("denis.rules.yaml")["groups"] for rule in group["rules"]}
    for name, (condition, duration) in expected.items():
        rule, before = alert(objects, name), original[name]
        assert rule["expr"].endswith(f" {condition}")
        watched = before["expr"].replace('canary="denis/denis"', 'canary="canary/denis-web"')
        watched = watched.replace('job="denis", namespace=~"denis|"', 'job="denis-web", namespace="canary"')
        assert rule["expr"].rpartition(condition[0])[0] == watched.rpartition(condition[0])[0]
        assert rule["for"] == duration
        assert rule["labels"] == {"team": "denis", **before["labels"]}
        assert rule["annotations"] == before["annotations"]
    groups = only(objects, "PrometheusRule")["spec"]["groups"]
    assert {group["name"]: group["interval"] for group in groups} == {
        "denis": "30s",
        "denis-severe": "5s",
        "remediator": "30s",
    }
    assert "DenisErrorRateSevere" not in str(groups)
    records = [rule for rule in groups[0]["rules"] if rule.get("record") in ("denis:signal", "denis:hundred_percent")]
    assert records[0]["expr"] == "vector(100)"
    assert all('{job="denis-web", namespace="canary"}' in rule["expr"] for rule in records[1:])
    assert {rule["labels"]["canary"] for rule in records} == {"canary/denis-web"}
    assert 'job="denis"' not in str(groups)
    assert "denis/denis" not in str([rule["expr"] for rule in groups[0]["rules"]])


def test_severe_breaches_can_be_left_to_the_alerts_of_2m(helm3: Helm3) -> None:
    """With both alerts switched off, their group is gone as well."""
    off = {name: {"enabled": False} for name in ("DenisSuccessRateSevere", "DenisErrorRateSevere")}
    groups = configuration(helm3.render({"rules": {"alerts": off}}))["denis.rules.yaml"]["groups"]
    assert [group["name"] for group in groups] == ["denis"]


def test_a_stuck_queue_takes_the_canary_back_only_where_that_is_switched_on(helm3: Helm3) -> None:
    """Off by default; on, with values of its own, in the canary's words, and answered by the rollback alone."""
    on = {"DenisQueueDepthStuck": {"enabled": True, "threshold": 900, "for": "1h"}}
    values = {"targets": {"denis": {"namespace": "canary"}}, "rules": {"interval": "30s", "alerts": on}}
    found = configuration(helm3.render(values))
    (group,) = [one for one in found["denis.rules.yaml"]["groups"] if one["name"] == "denis-queue-stuck"]
    (rule,) = group["rules"]
    assert (group["interval"], rule["for"]) == ("30s", "1h")
    assert rule["expr"].endswith('denis:signal{canary="canary/denis", signal="async_queue_depth"}) > 900')
    policy = parse_policy(dump_yaml(found["remediations.yaml"]), "remediations.yaml")
    answered = [one.name for one in policy.remediations if all(m.matches(rule["labels"]) for m in one.matchers)]
    assert answered == ["rollback"]
    default = str(configuration(helm3.render({}))["denis.rules.yaml"])
    assert "DenisQueueDepthStuck" not in default


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


def test_remediator_is_missed_in_its_own_namespace(helm3: Helm3) -> None:
    """The Remediator of another release does not stand in for one that is down."""
    objects = helm3.render(case("operator-stack-values"), namespace="staging")
    assert 'absent(remediator_build_info{namespace=~"staging|"})' in alert(objects, "RemediatorDown")["expr"]


def test_tuned_values_reach_the_remediations(helm: Helm) -> None:
    """Targets, mode, cooldown, budget and scale are those of the values; profiles and phases stay."""
    values = case("tuned-rules-values")
    expected = copy.deepcopy(shipped("remediations.yaml"))
    expected["targets"] = values["targets"]
    for remediation in expected["remediations"]:
        remediation.update(values["remediations"][remediation["name"]])
        # Both are caused by the canary's gauges, wherever the workers are.
        remediation["matchers"][-1] = 'namespace=~"canary|"'
    assert configuration(helm.render(values))["remediations.yaml"] == expected


@pytest.mark.parametrize("phases", [case("promotion-values")["phases"], []], ids=["other", "none"])
def test_tuned_phases_reach_the_remediations(helm: Helm, phases: list[Object]) -> None:
    """The phases are those of the values, all of them, and nothing else changes."""
    expected = {**shipped("remediations.yaml"), "phases": phases}
    assert configuration(helm.render({"phases": phases}))["remediations.yaml"] == expected


def test_further_remediations_come_after_the_shipped_ones(helm: Helm) -> None:
    """All that remediations.yaml can say of them arrives, by name, with a namespace that the matchers lack."""
    values = case("further-values")
    found = configuration(helm.render(values))["remediations.yaml"]
    before = shipped("remediations.yaml")
    assert found["targets"] == {**before["targets"], **values["targets"]}
    assert found["remediations"][:2] == before["remediations"]
    asked = {"rollback-api": ['namespace=~"api|"'], "scale-api-workers": [], "scale-batch": ['namespace=~"denis|"']}
    assert [one["name"] for one in found["remediations"][2:]] == list(asked)
    for one in found["remediations"][2:]:
        given = copy.deepcopy(values["remediations"][one["name"]])
        given["matchers"] += asked[one["name"]]
        given.setdefault("mode", "act")
        if "scale" in given:
            given["scale"].setdefault("min", 1)
        assert one == {"name": one["name"], **given}


def test_further_rules_are_in_both_places(helm: Helm) -> None:
    """Groups of one's own are in the PrometheusRule and in the ConfigMap, with the others' interval and labels."""
    values = changed(case("further-values"), rules={"interval": "20s", "alertLabels": {"team": "api"}})
    objects = helm.render(values)
    groups = configuration(objects)[EXTRA]["groups"]
    assert only(objects, "PrometheusRule")["spec"]["groups"][-2:] == groups
    assert [(group["name"], group["interval"]) for group in groups] == [("api", "20s"), ("batch", "1m")]
    expected = copy.deepcopy(values["rules"]["extraGroups"])
    for group, given in zip(groups, expected, strict=True):
        for rule in given["rules"]:
            if "alert" in rule:
                rule["labels"]["team"] = "api"
        assert group["rules"] == given["rules"]


def test_what_is_taken_away_is_gone_everywhere(helm: Helm) -> None:
    """Without the workers and their remediation, their alert asks for nothing, and still goes to people."""
    gone = {"targets": {"denis-workers": None}, "remediations": {"scale-workers": None}}
    objects = helm.render(changed(case("operator-stack-values"), **gone))
    found = configuration(objects)["remediations.yaml"]
    assert (list(found["targets"]), [one["name"] for one in found["remediations"]]) == (["denis"], ["rollback"])
    rule = alert(objects, "DenisQueueDepthHigh")
    assert rule["labels"] == {"severity": "warning"}
    assert "Remediator" not in rule["annotations"]["description"]
    assert alert(objects, "DenisErrorRateHigh")["labels"]["remediation"] == "rollback"
    assert "denis-workers" not in str(of_kind(objects, "Role") + of_kind(objects, "ValidatingAdmissionPolicy"))


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
    heartbeat, route = theirs["route"]["routes"][:2]
    matchers = [f'{one["name"]}{one["matchType"]}"{one["value"]}"' for one in spec["route"].pop("matchers")]
    assert matchers == route["matchers"]
    assert spec["route"] == {
        "receiver": route["receiver"],
        "continue": route["continue"],
        "groupBy": route["group_by"],
        "groupWait": route["group_wait"],
        "groupInterval": route["group_interval"],
        "repeatInterval": route["repeat_interval"],
        "routes": [
            {
                "receiver": "remediator",
                "matchers": [{"name": "remediation", "matchType": "=", "value": "heartbeat"}],
                "groupBy": heartbeat["group_by"],
                "groupInterval": heartbeat["group_interval"],
                "repeatInterval": heartbeat["repeat_interval"],
            }
        ],
    }
    (receiver,) = spec["receivers"]
    (webhook,) = receiver["webhookConfigs"]
    (own,) = theirs["receivers"][1]["webhook_configs"]
    assert receiver["name"] == route["receiver"] == "remediator"
    assert (webhook["sendResolved"], webhook["maxAlerts"]) == (own["send_resolved"], own["max_alerts"])
    assert webhook["httpConfig"]["followRedirects"] is own["http_config"]["follow_redirects"] is False
    assert webhook["url"] == "http://remediator.denis.svc:8080/webhook"


ROUTED: dict[str, tuple[dict[str, Any], list[str]]] = {
    # Values, and the matchers of the route besides the first, which asks for a remediation.
    "the canary's namespace": ({"targets": {"denis": {"namespace": "staging"}}}, ['namespace=~"staging|"']),
    "those of all remediations": (case("further-values"), ['namespace=~"api|denis|"']),
    "those that matchers ask for": (
        {
            "remediations": {
                "rollback": {"matchers": ['remediation="rollback"', 'namespace="prod"']},
                "scale-workers": {"matchers": ['remediation="scale"', 'namespace=~"prod|prod-.+"']},
            }
        },
        ['namespace=~"(?:prod|prod-.+)|prod"'],
    ),
    "any, where it cannot be said": (
        {"remediations": {"rollback": {"matchers": ['remediation="rollback"', 'namespace!="staging"']}}},
        [],
    ),
    "any, with two matchers": (
        {"remediations": {"rollback": {"matchers": ['a="b"', 'namespace=~"x.+"', 'namespace=~".+y"']}}},
        [],
    ),
}


@pytest.mark.parametrize(("values", "expected"), ROUTED.values(), ids=ROUTED)
def test_the_routes_ask_for_the_namespaces_of_the_remediations(
    helm3: Helm3, values: dict[str, Any], expected: list[str]
) -> None:
    """What reaches the service is what some remediation may answer: with the operator and without."""
    objects = helm3.render(changed(values, alertmanagerConfig={"enabled": True}))
    heartbeat, route, _ = configuration(objects)["alertmanager.yaml"]["route"]["routes"]
    denis = values.get("targets", {}).get("denis", {}).get("namespace", "denis")
    assert heartbeat["matchers"] == ['remediation="heartbeat"', f'namespace=~"{denis}|"']
    assert route["matchers"] == ['remediation=~".+"', *expected]
    spec = only(objects, "AlertmanagerConfig")["spec"]["route"]
    assert [f'{one["name"]}{one["matchType"]}"{one["value"]}"' for one in spec["matchers"]] == route["matchers"]


@each_case
def test_the_plain_route_passes_amtool(helm3: Helm3, tmp_path: Path, values: dict[str, Any]) -> None:
    """Alertmanager, oldest and newest, takes the route and the receiver as they are in the ConfigMap."""
    (tmp_path / "alertmanager.yaml").write_text(dump_yaml(configuration(helm3.render(values))["alertmanager.yaml"]))
    for age in ("oldest", "newest"):
        command: list[str | Path] = [
            component(f"alertmanager-{age}", "amtool"),
            "check-config",
            tmp_path / "alertmanager.yaml",
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


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
        (
            "denis.rules.yaml",
            'error_rate{job="denis", ',
            'error_rate{job="other", ',
            "no selector in last_over_time(error_rate",
        ),
        (
            "denis.rules.yaml",
            "(queue_depth{job=",
            "(queue_depth{task=",
            "no selector in last_over_time(async_queue_depth",
        ),
        (
            "denis.rules.yaml",
            "canary: denis/denis, signal: error_rate",
            "signal: error_rate",
            "no canary among the labels",
        ),
        (
            "denis.rules.yaml",
            'denis:signal{canary="denis/denis"}) > 0.05',
            "denis:signal) > 0.05",
            "no canary in DenisErrorRateHigh",
        ),
        (
            "denis.rules.yaml",
            'denis:hundred_percent{canary="denis/denis"} > 1\n',
            "denis:hundred_percent > 1\n",
            "no canary in denis:unit_contradicted",
        ),
        ("remediator.rules.yaml", '{namespace=~"denis|"}', "", "no namespace in RemediatorDown"),
        ("denis.rules.yaml", "alert: DenisErrorRateHigh", "alert: Renamed", "no DenisErrorRateHigh"),
        ("denis.rules.yaml", "denis:hundred_percent\n    expr", "denis:unit\n    expr", "no canary in denis:unit"),
        (
            "denis.rules.yaml",
            "  - record: denis:hundred_percent\n    expr: vector(1)\n    labels: {canary: denis/denis}\n",
            "",
            "no unit",
        ),
        ("denis.rules.yaml", "      namespace: denis\n", "", "no namespace in RemediatorHeartbeat"),
        ("alertmanager.yaml", 'remediation="heartbeat"', 'remediation="pulse"', "the matchers of its route"),
        ("remediations.yaml", "- name: rollback", "- name: renamed", "its remediations"),
        ("remediations.yaml", "  denis-workers: {", "  other: {", "its targets"),
        ("remediations.yaml", "  cooldown: 30m\n", "", "rollback has no cooldown"),
        ("alertmanager.yaml", "remediation=~", "rem=~", "the matchers of its route"),
        ("alertmanager.yaml", "denis|", "other|", "the matchers of its route"),
        ("alertmanager.yaml", "- receiver: remediator\n", "- receiver: renamed\n", "the matchers of its route"),
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

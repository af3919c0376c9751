"""Which alert leads to which remediation, as far as the files beside remediations.yaml can tell."""

from pathlib import Path

import pytest

from remediator.config.coverage import Coverage, find_coverage, read_monitoring_files
from remediator.config.document import parse_document, read_text
from remediator.config.loader import parse_policy

ROOT = Path(__file__).parents[2]

REMEDIATIONS = """\
targets:
  denis: {namespace: denis, deployment: denis, container: denis}
  denis-workers: {namespace: denis, deployment: denis-workers}
profiles:
  0: {DENIS_MATERIALIZERS_ENABLED: "false", DENIS_MATERIALIZERS_PCT: "0"}
remediations:
- name: rollback
  matchers: [remediation="rollback"]
  target: denis
  set_percentage: 0
  cooldown: 30m
  budget: {acts: 3, window: 24h}
- name: scale-workers
  matchers: [remediation="scale"]
  target: denis-workers
  scale: {step: 2, max: 20}
  cooldown: 10m
  budget: {acts: 6, window: 6h}
"""

RULES = """\
groups:
- name: denis
  rules:
  - record: denis:x
    expr: vector(1)
  - alert: ErrorRateHigh
    expr: error_rate > 0.05
    labels: {severity: critical, remediation: rollback}
  - alert: QueueDepthHigh
    expr: queue_depth > 500
    labels: {severity: warning, remediation: scale}
  - alert: SignalMissing
    expr: absent(error_rate)
    labels: {severity: warning}
  - alert: NoLabels
    expr: vector(1)
"""


def coverage(directory: Path, *, remediations: str = REMEDIATIONS, **files: str) -> Coverage:
    """What is found in a folder with these files; a double underscore in a name stands for a point."""
    path = directory / "remediations.yaml"
    path.write_text(remediations, encoding="utf-8")
    for name, text in files.items():
        (directory / f"{name.replace('__', '.')}.yaml").write_text(text, encoding="utf-8")
    return covered(path)


def covered(path: Path) -> Coverage:
    """What is found for a remediations.yaml, with the files in its folder."""
    text, name = read_text(path), str(path)
    return find_coverage(parse_policy(text, name), parse_document(text, name), read_monitoring_files(path))


def warnings(found: Coverage, directory: Path) -> list[str]:
    """The warnings as lines, with names of files alone."""
    return [str(warning).removeprefix(f"{directory}/") for warning in found.warnings]


def test_the_shipped_files_cover_each_other() -> None:
    """The shipped alerts of DENIS lead to the two shipped remediations, and nothing is left to warn of."""
    path = ROOT / "rules" / "remediations.yaml"
    found = covered(path)

    assert {alert: remediation.name for alert, remediation in found.alerts.items()} == {
        "DenisErrorRateHigh": "rollback",
        "DenisErrorRateSevere": "rollback",
        "DenisMaterializerSuccessRateLow": "rollback",
        "DenisQueueDepthHigh": "scale-workers",
        "DenisSuccessRateSevere": "rollback",
    }
    assert found.warnings == []


def test_alerts_are_mapped_by_name_and_static_labels(tmp_path: Path) -> None:
    """Each alert that a remediation matches is listed with it, in the order of names."""
    found = coverage(tmp_path, denis__rules=RULES)

    assert [(alert, remediation.name) for alert, remediation in found.alerts.items()] == [
        ("ErrorRateHigh", "rollback"),
        ("QueueDepthHigh", "scale-workers"),
    ]
    assert warnings(found, tmp_path) == []


def test_a_remediation_may_match_by_the_name_of_the_alert(tmp_path: Path) -> None:
    """A remediation that asks for the label alertname is reached by the alert of that name."""
    found = coverage(
        tmp_path,
        remediations=REMEDIATIONS.replace('remediation="rollback"', 'alertname="SignalMissing"'),
        denis__rules=RULES.replace("remediation: rollback", "x: y"),
    )

    assert found.alerts["SignalMissing"].name == "rollback"
    assert warnings(found, tmp_path) == []


def test_an_alert_that_asks_for_what_nobody_does_is_a_warning(tmp_path: Path) -> None:
    """An alert with a deciding label that no remediation wants is warned of on the label's line."""
    found = coverage(tmp_path, denis__rules=RULES.replace("remediation: scale", "remediation: scael"))

    assert warnings(found, tmp_path) == [
        "denis.rules.yaml:11: groups[0].rules[2].labels.remediation: "
        "no remediation matches remediation='scael' of alert QueueDepthHigh",
        "remediations.yaml:14: remediations[1].matchers: no alert in the rules leads to scale-workers",
    ]


def test_a_label_from_a_template_is_not_judged(tmp_path: Path) -> None:
    """What a label is at run time cannot be told from its template, so nothing is said about that alert."""
    found = coverage(
        tmp_path, denis__rules=RULES.replace("remediation: scale", "remediation: '{{ $labels.remediation }}'")
    )

    assert warnings(found, tmp_path) == [
        "remediations.yaml:14: remediations[1].matchers: no alert in the rules leads to scale-workers"
    ]


def test_without_rules_nothing_is_said_about_them(tmp_path: Path) -> None:
    """Where there are no rules beside the file, no remediation is called unreached."""
    found = coverage(tmp_path, alertmanager="receivers: []\n", other="groups: [{rules: [{alert: A}]}]\n")

    assert (dict(found.alerts), list(found.warnings)) == ({}, [])


@pytest.mark.parametrize(
    ("matchers", "expected"),
    [
        pytest.param('remediation="rollback"', None, id="answered"),
        pytest.param('remediation=~"rollback|scale"', None, id="both answered"),
        pytest.param('remediation="restart"', "restart", id="not answered"),
        pytest.param('remediation=~"rollback|restart"', "restart", id="one not answered"),
        pytest.param('remediation=~".+"', None, id="not known"),
        pytest.param('remediation!="restart"', None, id="exclusion"),
        pytest.param('team="x"', None, id="another label"),
    ],
)
def test_a_route_that_sends_what_nobody_does_is_a_warning(tmp_path: Path, matchers: str, expected: str | None) -> None:
    """Each value that a route lists for a deciding label, and that no remediation matches, is warned of."""
    route = f"route:\n  receiver: a\n  routes:\n  - receiver: remediator\n    matchers: ['{matchers}']\n"
    found = warnings(coverage(tmp_path, alertmanager=route), tmp_path)

    line = "alertmanager.yaml:5: route.routes[0].matchers[0]: "
    assert found == ([f"{line}sends remediation={expected!r}, which no remediation matches"] if expected else [])


def test_a_matcher_of_a_route_that_cannot_be_read_is_a_warning(tmp_path: Path) -> None:
    """A route whose matcher is none is warned of, and the rest of it is still looked at."""
    route = 'route:\n  matchers: ["remediation", \'remediation="restart"\']\n'

    assert [warning.split(";")[0] for warning in warnings(coverage(tmp_path, alertmanager=route), tmp_path)] == [
        "alertmanager.yaml:2: route.matchers[0]: 'remediation' is not a matcher",
        "alertmanager.yaml:2: route.matchers[1]: sends remediation='restart', which no remediation matches",
    ]


def test_a_neighbour_that_is_not_yaml_is_a_warning(tmp_path: Path) -> None:
    """Files of others that cannot be read are warned of, and are no errors."""
    found = warnings(coverage(tmp_path, denis__rules="groups: [\n", alertmanager="a: 1\na: 2\n"), tmp_path)

    assert len(found) == 2
    assert found[0].startswith("denis.rules.yaml:2: not YAML: ")
    assert found[1] == "alertmanager.yaml:2: a: the key is duplicated, first on line 1; keep one"


@pytest.mark.parametrize(
    "text",
    ["", "[]", "groups: x", "groups: [x]", "groups: [{rules: x}]", "groups: [{rules: [x, {alert: A, labels: }]}]"],
)
def test_rules_of_another_shape_are_passed_over(tmp_path: Path, text: str) -> None:
    """Rules that promtool would refuse lead to nothing here."""
    assert dict(coverage(tmp_path, denis__rules=text).alerts) == {}


@pytest.mark.parametrize("text", ["route: x", "route: {routes: x, matchers: y}", "route: {routes: [x]}", "route: "])
def test_a_route_of_another_shape_is_passed_over(tmp_path: Path, text: str) -> None:
    """A route that amtool would refuse leads to nothing here."""
    assert warnings(coverage(tmp_path, alertmanager=text), tmp_path) == []


def test_labels_of_another_shape_are_passed_over(tmp_path: Path) -> None:
    """Labels that are a list or a text lead to nothing here."""
    assert dict(coverage(tmp_path, denis__rules="groups: [{rules: [{alert: A, labels: [b]}]}]").alerts) == {}


def test_of_two_alerts_of_one_name_both_count(tmp_path: Path) -> None:
    """One name with two severities is common; both remediations that it leads to are reached."""
    found = coverage(tmp_path, denis__rules=RULES.replace("alert: QueueDepthHigh", "alert: ErrorRateHigh"))

    assert warnings(found, tmp_path) == []


def test_a_label_that_other_alerts_need_too_is_no_warning(tmp_path: Path) -> None:
    """A remediation that also asks for a severity makes no warning of each alert that has one."""
    both = REMEDIATIONS.replace('[remediation="rollback"]', '[remediation="rollback", severity="critical"]')
    rules = RULES.replace("labels: {severity: warning}", "labels: {severity: critical}")

    assert warnings(coverage(tmp_path, remediations=both, denis__rules=rules), tmp_path) == []


IN_A_NAMESPACE = REMEDIATIONS.replace('remediation="rollback"', 'remediation="rollback", namespace=~"denis|"').replace(
    'remediation="scale"', 'remediation="scale", namespace=~"denis|"'
)


@pytest.mark.parametrize(
    ("route", "expected"),
    [
        ('namespace=~"denis|"', []),
        ('namespace="denis"', []),
        ('namespace=~"staging|"', ["sends namespace='staging', which no remediation matches"]),
        ('namespace=~"denis|staging|"', ["sends namespace='staging', which no remediation matches"]),
        ('namespace="staging"', ["sends namespace='staging', which no remediation matches"]),
    ],
)
def test_a_route_for_another_namespace_is_a_warning(tmp_path: Path, route: str, expected: list[str]) -> None:
    """What the route sends and no remediation answers is told on the matcher's line."""
    text = f"route:\n  receiver: r\n  routes:\n  - receiver: r\n    matchers: ['remediation=~\".+\"', '{route}']\n"
    found = coverage(tmp_path, remediations=IN_A_NAMESPACE, alertmanager=text)

    assert warnings(found, tmp_path) == [f"alertmanager.yaml:5: route.routes[0].matchers[1]: {one}" for one in expected]


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ('namespace=~"denis|"', []),
        ('namespace="denis", job="denis"', []),
        ('namespace=~"staging|"', ["selects namespace='staging', which no remediation matches"]),
        ('job="denis",namespace = "staging"', ["selects namespace='staging', which no remediation matches"]),
        ('exported_namespace="staging"', []),
        ('namespace=~"prod-.+"', []),
    ],
)
def test_rules_that_look_at_another_namespace_are_a_warning(tmp_path: Path, selector: str, expected: list[str]) -> None:
    """Rules and remediations that were set to different namespaces are told before an alert is answered by nobody."""
    rules = RULES.replace("expr: error_rate > 0.05", f"expr: error_rate{{{selector}}} > 0.05")
    found = coverage(tmp_path, remediations=IN_A_NAMESPACE, denis__rules=rules)

    assert warnings(found, tmp_path) == [f"denis.rules.yaml:7: groups[0].rules[1].expr: {one}" for one in expected]


def test_a_typo_is_found_where_every_remediation_asks_for_a_namespace_or_none(tmp_path: Path) -> None:
    """A label that may be missing is not what an alert needs to be judged."""
    rules = RULES.replace("remediation: scale", "remediation: scael")
    found = coverage(tmp_path, remediations=IN_A_NAMESPACE, denis__rules=rules)

    assert any("no remediation matches remediation='scael'" in one for one in warnings(found, tmp_path))


def test_rules_that_ask_for_nothing_may_look_anywhere(tmp_path: Path) -> None:
    """Alerts about Alertmanager or Remediator itself look at other namespaces, and cause no act."""
    other = "groups: [{name: own, rules: [{alert: Down, expr: 'absent(up{namespace=\"monitoring\"})'}]}]\n"
    found = coverage(tmp_path, remediations=IN_A_NAMESPACE, denis__rules=RULES, own__rules=other)

    assert warnings(found, tmp_path) == []


HEARTBEAT = """\
groups:
- name: denis
  rules:
  - alert: RemediatorHeartbeat
    expr: vector(time())
    labels: {severity: none, remediation: heartbeat, namespace: denis}
"""


def _alertmanager(matcher: str) -> str:
    return f"""\
route:
  receiver: on-call
  routes:
  - receiver: remediator
    matchers: ['{matcher}']
receivers:
- name: on-call
- name: remediator
  webhook_configs: [{{url: "http://remediator:8080/webhook"}}]
"""


@pytest.mark.parametrize("route", ['remediation="heartbeat"', 'alertname="RemediatorHeartbeat"', 'remediation=~".+"'])
def test_a_heartbeat_needs_no_remediation(tmp_path: Path, route: str) -> None:
    """The rule and its route are no typo, and what is asked of the way of an act is not asked of a heartbeat's."""
    found = coverage(tmp_path, heartbeat__rules=HEARTBEAT, alertmanager=_alertmanager(route))
    assert not [warning for warning in warnings(found, tmp_path) if "eartbeat" in warning]
    assert "RemediatorHeartbeat" not in found.alerts


@pytest.mark.parametrize("name", ["DenisErrorRateHigh", "remediatorheartbeat", "RemediatorHeartbeatMissing"])
def test_another_alert_with_the_label_of_heartbeats_is_a_warning(tmp_path: Path, name: str) -> None:
    """It would be set aside as a heartbeat, whatever it asks for."""
    found = coverage(tmp_path, heartbeat__rules=HEARTBEAT.replace("RemediatorHeartbeat", name))
    (warning,) = [warning for warning in warnings(found, tmp_path) if "leads to no act" in warning]
    assert f"groups[0].rules[0].labels.remediation: {name} leads to no act" in warning


def test_a_heartbeat_that_never_arrives_is_a_warning(tmp_path: Path) -> None:
    """A route for the acts alone leaves the heartbeat to people."""
    found = coverage(tmp_path, heartbeat__rules=HEARTBEAT, alertmanager=_alertmanager('remediation="rollback"'))
    message = "the route sends RemediatorHeartbeat to on-call, and never to Remediator"
    assert any(message in warning for warning in warnings(found, tmp_path))

"""Whether Prometheus watches the canary, by its HTTP API."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from remediator.core.checks import Check
from remediator.monitoring.http_json import NoAnswer
from remediator.monitoring.prometheus import Prometheus
from remediator.monitoring.questions import alert_labels, check_alertmanagers, check_rules, check_signals
from remediator.monitoring.signals import Scope
from tests.monitoring.watching_prometheus import ALERTS, WatchingPrometheus, rule
from tests.support.builders import DENIS, policy

SCOPE = Scope(policy=policy(), target=DENIS)


@pytest.fixture
def prometheus() -> Iterator[WatchingPrometheus]:
    """A Prometheus that says that all is well."""
    with WatchingPrometheus() as stand_in:
        yield stand_in


def signals(prometheus: WatchingPrometheus) -> dict[str, Check]:
    """The checks of the signals, by name."""
    return {check.name: check for check in check_signals(Prometheus(prometheus.url), SCOPE)}


def rules(prometheus: WatchingPrometheus, expected: list[str]) -> dict[str, Check]:
    """The checks of the rules, by name."""
    loaded = Prometheus(prometheus.url).alert_rules()
    return {check.name: check for check in check_rules(loaded, expected, SCOPE)}


def test_signals_that_are_fresh(prometheus: WatchingPrometheus) -> None:
    """Each signal is told with its values, its pods and its age, and the rates with their unit."""
    prometheus.values["error_rate"] = [0.01, float("nan"), 0.03]
    found = {name: check.found for name, check in signals(prometheus).items()}

    assert found == {
        "signal materializer_success_rate": "0.99 in 1 series, 7s ago",
        "signal error_rate": "0.01 to 0.03 in 2 series, 7s ago",
        "signal async_queue_depth": "3 in 1 series, 7s ago",
        "signal materializer_latency_p99": "0.2 in 1 series, 7s ago",
        "unit": "the rates are ratios, and no pod contradicts it",
    }
    assert all(check.passed for check in signals(prometheus).values())


@pytest.mark.parametrize(
    ("name", "values", "found"),
    [
        ("error_rate", [], "Prometheus has no series of it"),
        ("error_rate", [float("nan"), float("nan")], "its 2 series are no numbers"),
        ("error_rate", [float("inf")], "its 1 series are no numbers"),
        ("denis:hundred_percent", [], "denis:hundred_percent is not 1 or 100, so no rate can be read"),
        ("denis:hundred_percent", [7], "denis:hundred_percent is not 1 or 100, so no rate can be read"),
        ("denis:unit_contradicted", [99], "the rules read ratios, and denis-0 exports something else"),
    ],
    ids=["empty", "nan", "infinite", "no-unit", "odd-unit", "contradicted"],
)
def test_signals_that_would_keep_an_alert_quiet(
    prometheus: WatchingPrometheus, name: str, values: list[float], found: str
) -> None:
    """A signal that is missing or no number, and a unit that is not believed, are crosses."""
    prometheus.values[name] = values

    assert [check.found for check in signals(prometheus).values() if check.passed is False] == [found]


RATIOS, PERCENTAGES = (f"the rates are {unit}, and no pod contradicts it" for unit in ("ratios", "percentages"))
NO_UNIT = "denis:hundred_percent is not 1 or 100, so no rate can be read"


@pytest.mark.parametrize(
    ("units", "found"),
    [
        ({"denis/denis": 1, "denis-staging/denis": 100}, RATIOS),
        ({"denis-staging/denis": 100, "denis/denis": 1}, RATIOS),
        ({"denis-staging/denis": 1, "denis/denis": 100}, PERCENTAGES),
        ({"denis-staging/denis": 1, "denis-test/denis": 1, "denis/denis": 100}, PERCENTAGES),
        ({"denis/denis": 1, "denis/other": 100}, RATIOS),
        ({"denis/denis": 1, "denis-staging/denis": 7}, RATIOS),
        ({"denis/denis": 7, "denis-staging/denis": 1}, NO_UNIT),
        ({"denis-staging/denis": 1, "denis-test/denis": 1}, NO_UNIT),
    ],
    ids=[
        "ours-first",
        "ours-last",
        "other-unit",
        "three",
        "same-namespace",
        "theirs-is-odd",
        "ours-is-odd",
        "ours-is-missing",
    ],
)
def test_the_unit_is_that_of_our_own_release(
    prometheus: WatchingPrometheus, units: dict[str, float], found: str
) -> None:
    """Of the units of several releases the canary's own one counts, and none of the others stands in for it."""
    prometheus.units = units
    check = signals(prometheus)["unit"]

    assert (check.passed, check.found) == (found != NO_UNIT, found)


@pytest.mark.parametrize(("age", "passed"), [(119.0, True), (120.0, False), (-3.0, True)])
def test_signals_that_are_old(prometheus: WatchingPrometheus, age: float, passed: object) -> None:
    """Two minutes after its last sample a signal is not fresh any more; a clock that is ahead does no harm."""
    prometheus.age = age
    checks = [check for name, check in signals(prometheus).items() if name.startswith("signal")]

    assert [check.passed for check in checks] == [passed] * 4


def test_a_prometheus_without_an_answer(prometheus: WatchingPrometheus) -> None:
    """What Prometheus does not say has not passed, in one check with its words."""
    prometheus.answers["/api/v1/query"] = (503, b'{"status": "error", "error": "starting"}')
    (check,) = signals(prometheus).values()

    assert (check.name, check.passed) == ("signals", False)
    assert "503: starting" in check.found


def test_rules_as_they_should_be(prometheus: WatchingPrometheus) -> None:
    """Each alert that takes the canary back is told with its threshold; others are not looked at."""
    other = rule("DenisQueueDepthHigh", "q > 500", labels={"remediation": "scale"}, state="firing")
    prometheus.rules.append(other)

    assert {name: (check.passed, check.found) for name, check in rules(prometheus, ALERTS).items()} == {
        "DenisErrorRateHigh": (True, "denis:error_rate:avg_ratio > 0.05, for 2m"),
        **dict.fromkeys(ALERTS[1:], (True, "x < 0.9, for 2m")),
    }


def test_rules_of_another_release(prometheus: WatchingPrometheus) -> None:
    """Where rules name canaries, those that name another are not ours, whatever their state."""
    ours, theirs = (f'x{{canary="{namespace}/denis"}} > 1' for namespace in ("denis", "denis-staging"))
    prometheus.rules = [rule(ALERTS[0], theirs, state="firing"), rule(ALERTS[0], ours), rule(ALERTS[1], "x < 0.9")]

    assert {name: (check.passed, check.found) for name, check in rules(prometheus, ALERTS[:2]).items()} == {
        ALERTS[0]: (True, f"{ours}, for 2m"),
        ALERTS[1]: (True, "x < 0.9, for 2m"),
    }


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"health": "err", "lastError": "many-to-many"}, 'its evaluation is "err": many-to-many'),
        ({"health": "unknown", "state": ""}, 'its evaluation is "unknown"'),
        ({"state": "pending"}, "it is pending, and would take the canary back: q, for 2m"),
        ({"state": "firing"}, "it is firing, and would take the canary back: q, for 2m"),
        ({"labels": {"severity": "critical"}}, "it is not loaded, or does not ask for a rollback"),
        ({"name": "Other"}, "it is not loaded, or does not ask for a rollback"),
    ],
    ids=["error", "unknown", "pending", "firing", "label", "name"],
)
def test_an_alert_that_would_not_do(prometheus: WatchingPrometheus, changes: dict[str, Any], found: str) -> None:
    """An expected alert that is not loaded, not evaluated or not quiet is a cross under its name."""
    prometheus.rules[0] = rule(ALERTS[0], "q", **changes)
    check = rules(prometheus, ALERTS)[ALERTS[0]]

    assert (check.passed, check.found) == (False, found)


def test_without_any_rule(prometheus: WatchingPrometheus) -> None:
    """Where nobody says which alerts there should be, one that asks for a rollback has to be there."""
    prometheus.rules = []

    assert list(rules(prometheus, [])) == ["rules"]
    assert not rules(prometheus, [])["rules"].passed


def test_whom_prometheus_tells(prometheus: WatchingPrometheus) -> None:
    """Alerts that no Alertmanager gets are posted to nobody; credentials in an address are not shown."""
    prometheus.alertmanagers = ["http://u:s3cret@alertmanager:9093/api/v2/alerts"]
    told = check_alertmanagers(Prometheus(prometheus.url))
    assert (told.passed, told.found) == (True, "Prometheus sends to alertmanager:9093/api/v2/alerts")

    empty: list[list[str] | None] = [[], None]
    for none in empty:
        prometheus.alertmanagers = none
        assert check_alertmanagers(Prometheus(prometheus.url)).found == "Prometheus knows no Alertmanager"


def test_the_labels_of_an_alert(prometheus: WatchingPrometheus) -> None:
    """An alert has its rule's labels and those of the series it compares; what nobody says is not known."""
    prometheus.rules = [rule(ALERTS[0], 'denis:error_rate:avg_ratio{x="y"} > 0.05', labels={"team": "{{ $labels.x }}"})]
    prometheus.rules.append(rule(ALERTS[1], "max(error_rate) > 1", labels={"severity": "critical"}))
    client = Prometheus(prometheus.url)
    compared, computed = alert_labels(client, SCOPE, client.alert_rules())
    prometheus.values["error_rate"] = []
    gone, _ = alert_labels(client, SCOPE, client.alert_rules())

    series = {"job": "denis", "namespace": "denis", "instance": "denis-0"}
    assert compared == {"alertname": ALERTS[0], **series, "team": None}
    assert computed == {"alertname": ALERTS[1], "job": None, "namespace": "denis", "severity": "critical"}
    assert gone == {"alertname": ALERTS[0], "job": None, "namespace": "denis", "team": None}


CONFIGURATION = """\
global:
  scrape_interval: 15s
  external_labels:
    cluster: eu-1
    replica: a
alerting:
  alert_relabel_configs:
  - source_labels: [severity]
    separator: ;
    regex: none
    replacement: $1
    action: drop
  - separator: ;
    regex: replica
    replacement: $1
    action: labeldrop
scrape_configs:
"""


def test_the_labels_that_prometheus_adds_however_much_it_scrapes(prometheus: WatchingPrometheus) -> None:
    """A configuration of megabytes is no obstacle, and relabeling that drops whole alerts changes none."""
    scrapes = "".join(f"- job_name: job-{number}\n  honor_timestamps: true\n" for number in range(40_000))
    prometheus.answers["/api/v1/status/config"] = json.dumps({"data": {"yaml": CONFIGURATION + scrapes}})
    assert Prometheus(prometheus.url).external_labels() == {"cluster": "eu-1"}

    relabeled = CONFIGURATION.replace("action: drop", "action: replace")
    prometheus.answers["/api/v1/status/config"] = json.dumps({"data": {"yaml": relabeled}})
    with pytest.raises(NoAnswer, match="alert_relabel_configs may change the labels of alerts"):
        Prometheus(prometheus.url).external_labels()


def test_a_prometheus_that_does_not_say_whom_it_tells(prometheus: WatchingPrometheus) -> None:
    """Mimir and VictoriaMetrics have no such path: not known, and the other checks are made."""
    prometheus.answers["/api/v1/alertmanagers"] = (404, b"")
    told = check_alertmanagers(Prometheus(prometheus.url))

    assert told.passed is None
    assert "asked for its Alertmanagers: 404" in told.found

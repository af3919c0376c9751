"""What Prometheus says of alerts: confirmed, refuted by good values, or not known, with the words for it."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest

from remediator.core.alerts import Alert
from remediator.core.confirmation import Confirmation, format_comparison
from remediator.monitoring.prometheus import Prometheus
from remediator.monitoring.rule_states import ask
from tests.support.ruling_prometheus import RulingPrometheus, ago

NAN = float("nan")


@pytest.fixture
def prometheus() -> Iterator[RulingPrometheus]:
    """One where nothing is bad."""
    with RulingPrometheus() as running:
        yield running


@pytest.fixture
def other() -> Iterator[RulingPrometheus]:
    """Another one where nothing is bad."""
    with RulingPrometheus() as running:
        yield running


def error_rate(name: str = "DenisErrorRateHigh", **labels: str) -> Alert:
    """The alert of a rollback as it comes from Alertmanager."""
    given = {"alertname": name, "namespace": "denis", "remediation": "rollback", "severity": "critical"}
    return Alert(status="firing", labels={**given, "cluster": "eu-1", **labels})


def examine(
    *asked: RulingPrometheus | str, alerts: Sequence[Alert] = (error_rate(),), timeout: float = 60, cluster: str = ""
) -> Confirmation:
    """What these say of the alerts; `cluster` is the fence."""
    urls = [one if isinstance(one, str) else one.url for one in asked]
    return ask([Prometheus(url, timeout=timeout) for url in urls], cluster=cluster).examine(tuple(alerts))


@pytest.mark.parametrize("odd", [{}, {"value": "NaN"}, {"value": None, "activeAt": None}, {"activeAt": "9999-12-31"}])
def test_an_active_alert_is_confirmed_whatever_else_is_missing(
    prometheus: RulingPrometheus, odd: dict[str, Any]
) -> None:
    """Other engines leave out or write null what Prometheus always writes; that the alert is active is what counts."""
    prometheus.fires("DenisErrorRateHigh", 0.083)
    (active,) = prometheus.rules["DenisErrorRateHigh"]["alerts"]
    active |= odd
    prometheus.rules["DenisErrorRateHigh"] |= {"duration": 1e300, "lastEvaluation": None}
    found = examine(prometheus)

    assert (found.answer, found.age) == ("confirmed", None)
    assert found.text.endswith(", confirmed")


@pytest.mark.parametrize("state", ["firing", "pending"])
def test_an_active_alert_is_confirmed_with_its_number(prometheus: RulingPrometheus, state: str) -> None:
    """The words have the signal, the value, the threshold, since when, and how old the evaluation is."""
    prometheus.fires("DenisErrorRateHigh", 0.083, state=state)
    found = examine(prometheus)

    assert found.answer == "confirmed"
    assert re.fullmatch(r"error rate 8.3 % > 5 % since \d\d:\d\d:\d\dZ, confirmed [3-9] s ago", found.text)
    assert found.record == found.text.removesuffix("ago") + "before"
    assert (found.rule, found.value, found.threshold) == ("DenisErrorRateHigh", 0.083, 0.05)
    assert {*found.as_data()} == {"answer", "rule", "value", "threshold", "since", "evaluated"}


def test_a_quiet_rule_with_good_values_refutes(prometheus: RulingPrometheus) -> None:
    """An inactive rule whose values were good for all of its `for` says that the condition is not met."""
    found = examine(prometheus)

    assert found.answer == "refuted"
    assert found.message == (
        "DenisErrorRateHigh is inactive in Prometheus: error rate was at worst 1 % for 2m, and > 5 % is bad"
    )


def test_nothing_of_the_alert_is_sent(prometheus: RulingPrometheus) -> None:
    """Whatever an alert is called and labelled, Prometheus is asked for the same."""
    examine(prometheus)
    usual = [*prometheus.paths]
    prometheus.paths.clear()
    examine(prometheus, alerts=[error_rate(pod='x"} or vector(1)', cluster="y&query=up")])
    assert prometheus.paths == usual
    prometheus.paths.clear()
    examine(prometheus, alerts=[error_rate('Forged"}[1d]')])

    assert prometheus.paths == usual[:1]


def changed(**fields: Any) -> Callable[[RulingPrometheus], None]:
    """Another rule of the rollback."""
    return lambda prometheus: prometheus.rules["DenisErrorRateHigh"].update(fields)


def with_values(*series: list[float]) -> Callable[[RulingPrometheus], None]:
    """Other values of its left side."""
    return lambda prometheus: prometheus.values.update(error_rate=[*series])


def with_fields(**fields: Any) -> Callable[[RulingPrometheus], None]:
    """Another state of the stand-in."""

    def change(prometheus: RulingPrometheus) -> None:
        for name, value in fields.items():
            setattr(prometheus, name, value)

    return change


UNKNOWN: Mapping[str, tuple[Callable[[RulingPrometheus], None], str]] = {
    "no such rule": (lambda prometheus: prometheus.rules.clear(), "Prometheus has no rule DenisErrorRateHigh"),
    "another rule's text": (changed(query="absent(up)"), "compares no value with a number"),
    "a text that is no PromQL": (changed(query="~~"), "compares no value with a number"),
    "two thresholds": (changed(query="a > 1 or b > 2"), "compares no value with a number"),
    "never evaluated": (changed(lastEvaluation="0001-01-01T00:00:00Z"), "when it was evaluated is not known"),
    "evaluated too long ago": (changed(lastEvaluation=ago(40)), "DenisErrorRateHigh was last evaluated"),
    "evaluated outside of the calendar": (
        changed(lastEvaluation="9999-12-31T23:59:59-14:00"),
        "when it was evaluated is not known",
    ),
    "an evaluation that fails": (changed(health="err", lastError="many-to-many"), "fails: many-to-many"),
    "no values": (with_values(), "none of its values were good for 2m"),
    "half of the values": (with_values([0.01] * 4), "50 % of its values were good"),
    "NaN": (with_values([NAN] * 9), "0 % of its values were good"),
    "bad until a moment ago": (with_values([0.01] * 2 + [0.2] * 7), "25 % of its values were good"),
    "one bad series of two": (with_values([0.01] * 9, [0.2] * 9), "0 % of its values were good"),
    "restarted": (with_fields(age=20.0), "Prometheus was started"),
    "restarted not quite long enough ago": (with_fields(age=147.0), "Prometheus was started"),
    "a partial answer": (with_fields(warnings=["a store is down"]), "may be incomplete: a store is down"),
    "HTML": (with_fields(fault=lambda: b"<html>"), "the answer is not JSON"),
    "an error": (with_fields(fault=lambda: (503, b"{}")), "503: Service Unavailable"),
    "another program": (with_fields(fault=lambda: b'{"status": "success"}'), "the answer is not Prometheus's"),
    "no answer": (lambda prometheus: prometheus.hang(), "no complete answer in 1 s"),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_silence_is_no_recovery(prometheus: RulingPrometheus, name: str) -> None:
    """What proves neither that the alert is active nor that all is well is not known, and has words."""
    change, words = UNKNOWN[name]
    change(prometheus)
    found = examine(prometheus, timeout=1 if name == "no answer" else 60)

    assert (found.answer, words in found.message) == ("unknown", True), found


def test_nine_of_ten_values_are_enough(prometheus: RulingPrometheus) -> None:
    """A scrape that is missing costs no refutation, two of eight do."""
    prometheus.rules["DenisErrorRateHigh"]["duration"] = 150
    with_values([0.01] * 9)(prometheus)
    assert examine(prometheus).answer == "refuted"
    with_values([0.01] * 8)(prometheus)
    assert examine(prometheus).answer == "unknown"


def test_the_worst_value_is_shown(prometheus: RulingPrometheus) -> None:
    """Where all values were good, the number in the message is the one nearest to the threshold, and no NaN."""
    with_values([0.01] * 7 + [0.049] + [NAN])(prometheus)
    assert "error rate was at worst 4.9 % for 2m, and > 5 % is bad" in examine(prometheus).message


@pytest.mark.parametrize("place", [0, 8], ids=["newest", "oldest"])
def test_a_single_bad_value_is_no_recovery(prometheus: RulingPrometheus, place: int) -> None:
    """A value may be missing, and none may be bad: the rule may be about to be pending again."""
    values = [0.01] * 9
    values[place] = 0.2
    with_values(values)(prometheus)
    assert examine(prometheus).message == "DenisErrorRateHigh is inactive, and not all of its values were good for 2m"


def test_a_process_that_is_old_enough(prometheus: RulingPrometheus) -> None:
    """Two intervals after its `for` a restarted Prometheus knows again what is inactive."""
    prometheus.age = 151
    assert examine(prometheus).answer == "refuted"


@pytest.mark.parametrize(
    ("labels", "answer"),
    [({"namespace": "staging"}, "unknown"), ({"pod": "denis-1"}, "confirmed"), ({"severity": "warning"}, "unknown")],
    ids=["another namespace", "a label more", "another severity"],
)
def test_an_alert_of_other_labels_confirms_nothing(
    prometheus: RulingPrometheus, labels: dict[str, str], answer: str
) -> None:
    """What is active for another namespace is not this alert; labels that only one of them has make no difference."""
    prometheus.fires("DenisErrorRateHigh", 0.083)
    assert examine(prometheus, alerts=[error_rate(**labels)]).answer == answer


@pytest.mark.parametrize(
    "labels", [{"severity": "none"}, {"remediation": "scale"}, {"namespace": "staging"}, {"alert": "x"}], ids=str
)
def test_no_made_up_label_evades_a_refutation(prometheus: RulingPrometheus, labels: dict[str, str]) -> None:
    """An alert of a rule's name is of that rule, whatever else it says: labels may be rewritten on their way."""
    assert examine(prometheus, alerts=[error_rate(**labels)]).answer == "refuted"


def test_a_series_that_is_gone_is_no_recovery(prometheus: RulingPrometheus) -> None:
    """Where the alert's own series brings nothing any more, good values of others prove nothing."""
    assert examine(prometheus, alerts=[error_rate(instance="0")]).answer == "refuted"
    gone = error_rate(instance="1")
    assert examine(prometheus, alerts=[gone]).message.endswith("has values only for other labels")
    assert examine(prometheus, alerts=[error_rate(instance="0"), gone]).answer == "unknown"


def computed(prometheus: RulingPrometheus) -> None:
    """A rule that takes the cluster of its alerts from another label of the series."""
    prometheus.external_labels, prometheus.series_labels = {"cluster": "eu-1"}, {"k8s_cluster": "eu-2"}
    changed(labels={"remediation": "rollback", "cluster": "{{ $labels.k8s_cluster }}"})(prometheus)


@pytest.mark.parametrize(
    ("change", "answer", "words"),
    [
        (with_fields(external_labels={"cluster": "eu-1"}), "refuted", "is inactive in Prometheus"),
        (with_fields(series_labels={"cluster": "eu-1"}), "refuted", "is inactive in Prometheus"),
        (changed(labels={"remediation": "rollback", "cluster": "eu-1"}), "refuted", "is inactive in Prometheus"),
        (
            with_fields(external_labels={"cluster": "eu-2"}),
            "unknown",
            "is inactive, and the alerts of this Prometheus are of cluster eu-2",
        ),
        (changed(labels={"remediation": "rollback", "cluster": "eu-2"}), "unknown", "are of cluster eu-2"),
        (computed, "unknown", "is inactive, and the label cluster of its alerts is not known"),
        (with_fields(external_labels={"region": "eu"}), "unknown", "have no label cluster"),
        (with_fields(series_labels={"cluster": "eu-2"}), "unknown", "has values only for other labels"),
        (lambda prometheus: prometheus.answers.pop("/api/v1/status/config"), "unknown", "Prometheus: 404"),
    ],
    ids=[
        "external label",
        "series",
        "rule",
        "another",
        "another's rule",
        "computed",
        "no label",
        "another's series",
        "not said",
    ],
)
def test_a_prometheus_of_another_cluster_refutes_nothing(
    prometheus: RulingPrometheus, change: Callable[[RulingPrometheus], None], answer: str, words: str
) -> None:
    """With a fence, only the Prometheus whose alerts would pass it knows the series that an alert is about."""
    change(prometheus)
    found = examine(prometheus, cluster="eu-1")

    assert (found.answer, words in found.message) == (answer, True), found


@pytest.mark.parametrize(
    ("labels", "answer"),
    [({"namespace": "denis"}, "unknown"), ({"namespace": "other"}, "refuted"), ({"remediation": "scale"}, "refuted")],
    ids=["the same", "another canary", "another act"],
)
def test_no_alert_is_refuted_while_another_asks_for_the_same(
    prometheus: RulingPrometheus, labels: dict[str, str], answer: str
) -> None:
    """What is no longer severe and may still be bad is no recovery: the alert of the lower threshold is pending."""
    rules = prometheus.rules
    rules["DenisErrorRateSevere"] = {**rules["DenisErrorRateHigh"], "name": "DenisErrorRateSevere", "duration": 30}
    rules["DenisErrorRateHigh"] |= {"labels": {"remediation": labels.get("remediation", "rollback")}}
    prometheus.fires("DenisErrorRateHigh", 0.2, state="pending", **labels)

    assert examine(prometheus, alerts=[error_rate("DenisErrorRateSevere")]).answer == answer


def test_of_two_rules_of_a_name_the_one_with_the_alerts_labels_counts(prometheus: RulingPrometheus) -> None:
    """A warning and a critical alert of one name are told apart by the labels that their rules set."""
    warning = {**prometheus.rules["DenisErrorRateHigh"], "labels": {"severity": "warning"}}
    prometheus.rules["another"] = warning
    prometheus.fires("another", 0.02, alertname="DenisErrorRateHigh")

    assert examine(prometheus).answer == "refuted"
    assert examine(prometheus, alerts=[error_rate(severity="warning")]).answer == "confirmed"


def test_one_active_alert_of_several_is_enough(prometheus: RulingPrometheus) -> None:
    """Alerts that are decided together are confirmed by any of them, and refuted only by all."""
    together = [error_rate(), error_rate("DenisQueueDepthHigh", remediation="scale")]
    assert examine(prometheus, alerts=together).answer == "refuted"
    prometheus.fires("DenisQueueDepthHigh", 812)
    found = examine(prometheus, alerts=together)
    assert found.message.startswith("queue 812 > 500 since ")
    assert examine(prometheus, alerts=[error_rate(), error_rate("Forged")]).answer == "unknown"


def test_a_rule_that_is_not_evaluated_any_more_confirms_nothing(prometheus: RulingPrometheus) -> None:
    """A state from long ago says nothing of now, whatever it is."""
    prometheus.fires("DenisErrorRateHigh", 0.083)
    changed(lastEvaluation=ago(40))(prometheus)
    assert examine(prometheus).message.startswith("DenisErrorRateHigh was last evaluated ")


def test_of_a_pair_one_confirms_and_both_refute(prometheus: RulingPrometheus, other: RulingPrometheus) -> None:
    """A replica that lags behind, or is gone, keeps no act, and alone refutes nothing."""
    assert examine(prometheus, other).answer == "refuted"
    assert examine(prometheus, "http://127.0.0.1:1").answer == "unknown"
    assert examine("http://127.0.0.1:1", prometheus).answer == "unknown"
    other.fires("DenisErrorRateHigh", 0.083)
    assert examine(prometheus, other).answer == "confirmed"
    assert examine("http://127.0.0.1:1", other).answer == "confirmed"


@pytest.mark.parametrize(
    ("left", "threshold", "value", "words"),
    [
        ("denis:materializer_success_rate:avg_ratio", 0.9, 0.731, "success rate 73.1 % 90 %"),
        ('quantile(0.25, error_rate{job="denis"} / on () x)', 0.25, 1, "error rate 100 % 25 %"),
        ('error_rate{job="denis"}', 5, 8.3, "error rate 8.3 5"),
        ("max(queue_depth)", 500, 1234567, "queue 1234567 500"),
        ("materializer_latency_p99", 2, 4.25, "latency p99 4.25 s 2 s"),
        ("my_error_rate", 1, 2, "MyAlert 2 1"),
    ],
)
def test_the_words_for_a_number(left: str, threshold: float, value: float, words: str) -> None:
    """A signal of DENIS has its name and unit, and anything else the name of its rule."""
    assert " ".join(format_comparison("MyAlert", left, threshold, value)) == words

"""What real Prometheus and Alertmanager, oldest and newest, say about canaries with a past."""

import json
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from demo.loopback import send_json
from demo.stack import Alertmanager as AlertmanagerProcess
from remediator.canary.phases import time_in_phase
from remediator.canary.verdict import Verdict, judge
from remediator.config.loader import parse_policy
from remediator.core.denis_signals import ERROR_RATE, SIGNALS, SUCCESS_RATE
from remediator.core.durations import parse_duration
from remediator.core.matchers import parse_matchers
from remediator.core.policy import Target
from remediator.monitoring.alertmanager import Alertmanager
from remediator.monitoring.evidence import Evidence, FoundAlerts, Rate, Unknown
from remediator.monitoring.http_json import NoAnswer
from remediator.monitoring.prometheus import Prometheus, Sample
from remediator.monitoring.signals import FIRING, Scope, firing_alerts, gather, questions
from tests.canary.canaries import canary
from tests.monitoring.history import Remembering, Series, Span, write_history
from tests.monitoring.watching_prometheus import WatchingPrometheus, rule
from tests.monitoring.wire import Wire, answer
from tests.support.builders import NOW, workload
from tests.support.components import component
from tests.support.documents import dump_yaml, load_yaml
from tests.support.service import SHIPPED, shipped_policy
from tests.support.stand_in import StandIn

ROOT = Path(__file__).parents[2]
POLICY = shipped_policy()
PROMPT = replace(POLICY, phases=tuple(replace(phase, max_latency_p99=0.5) for phase in POLICY.phases))
"""Each phase asks for a latency too."""
HOUR, MINUTE = 3600, 60
LATER = -10 * MINUTE
"""So much of the history lies in the future that no test can be too slow for it."""
WINDOW = timedelta(hours=4)
NAN, INF = float("nan"), float("inf")

AGES = ("oldest", "newest")


def always(value: float, since: int = 5 * HOUR) -> tuple[Span, ...]:
    """The same all the time."""
    return (Span(since=since, until=LATER, value=value),)


def dipping(value: float, dip: float, *, since: int, until: int) -> tuple[Span, ...]:
    """The same all the time, but for one dip."""
    before, after = Span(since=5 * HOUR, until=since, value=value), Span(since=until, until=LATER, value=value)
    return (before, Span(since=since, until=until, value=dip), after)


PASTS: dict[str, tuple[Span, ...]] = {
    "good": always(0.97),
    "dip": dipping(0.97, 0.5, since=2 * HOUR, until=2 * HOUR - 6 * MINUTE),
    "bad-now": dipping(0.97, 0.5, since=10 * MINUTE, until=LATER)[:2],
    "gap": (Span(since=5 * HOUR, until=2 * HOUR, value=0.97), Span(since=HOUR, until=LATER, value=0.97)),
    "ended": (Span(since=5 * HOUR, until=3 * MINUTE, value=0.97),),
    "young": always(0.97, HOUR),
    "nan": dipping(0.97, NAN, since=2 * HOUR, until=2 * HOUR - MINUTE),
    "inf": dipping(0.97, INF, since=2 * HOUR, until=2 * HOUR - MINUTE),
    "percent": always(97.0),
    "negative": always(-0.1),
    "exact": always(0.93),
}
"""Success rates, by the label cluster."""


def history() -> Iterator[Series]:
    """All pasts in one Prometheus, which is a central one: each canary is a cluster of its own."""
    for cluster, spans in PASTS.items():
        labels = {"cluster": cluster, "namespace": "denis", "job": "denis"}
        yield Series(name=SUCCESS_RATE.recorded, labels=labels, spans=spans)
        yield Series(name=ERROR_RATE.recorded, labels=labels, spans=always(0.01))
    for job, value in (("denis", 0.97), ("denis-copy", 0.5)):
        yield Series(name=SUCCESS_RATE.recorded, labels={"cluster": "two", "job": job}, spans=always(value))
    yield Series(name=SUCCESS_RATE.recorded, labels={"cluster": "static"}, spans=always(0.96))
    yield Series(name=SUCCESS_RATE.recorded, labels={"cluster": "static", "namespace": "staging"}, spans=always(0.5))
    yield Series(name=SUCCESS_RATE.recorded, labels={"namespace": "local"}, spans=always(0.95))
    for pod, depth in (("a", 7), ("b", 12)):
        labels = {"cluster": "good", "namespace": "denis", "instance": pod, "signal": "async_queue_depth"}
        yield Series(name="denis:signal", labels=labels, spans=always(depth))
    slow = dipping(0.3, 0.9, since=2 * HOUR, until=2 * HOUR - 6 * MINUTE)
    for pod, spans in (("a", always(0.2)), ("b", slow), ("new", always(0))):
        labels = {"cluster": "dip", "namespace": "denis", "instance": pod, "signal": "materializer_latency_p99"}
        yield Series(name="denis:signal", labels=labels, spans=spans)
    labels = {"cluster": "young", "namespace": "denis", "instance": "new", "signal": "materializer_latency_p99"}
    yield Series(name="denis:signal", labels=labels, spans=always(0))
    rollback = {"alertname": "DenisErrorRateHigh", "alertstate": "firing", "remediation": "rollback"}
    past = (Span(since=2 * HOUR, until=2 * HOUR - MINUTE, value=1),)
    yield Series(name="ALERTS", labels={**rollback, "cluster": "bad-now"}, spans=always(1))
    yield Series(name="ALERTS", labels={**rollback, "cluster": "dip"}, spans=past)
    pending = {**rollback, "cluster": "good", "alertstate": "pending"}
    yield Series(name="ALERTS", labels=pending, spans=always(1))
    scale = {"alertname": "DenisQueueDepthHigh", "alertstate": "firing", "remediation": "scale", "cluster": "good"}
    yield Series(name="ALERTS", labels=scale, spans=always(1))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The history, as the oldest promtool writes it."""
    promtool = component("prometheus-oldest", "promtool", on_path=False)
    return write_history(promtool, tmp_path_factory.mktemp("history"), history())


@pytest.fixture(scope="module", params=AGES)
def prometheus(
    request: pytest.FixtureRequest, data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    """Prometheus with the history, oldest and newest."""
    program = component(f"prometheus-{request.param}", "prometheus", on_path=False)
    directory = tmp_path_factory.mktemp(str(request.param))
    mine = shutil.copytree(data, directory / "data")
    with Remembering(program, directory / "run", mine) as process:
        yield Prometheus(process.ready().url)


@pytest.fixture(params=AGES)
def alertmanager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AlertmanagerProcess]:
    """Alertmanager, oldest and newest."""
    program = component(f"alertmanager-{request.param}", "prometheus-alertmanager", on_path=False)
    config = dump_yaml({"route": {"receiver": "nobody"}, "receivers": [{"name": "nobody"}]})
    with AlertmanagerProcess(program, tmp_path, config=config) as process:
        yield process.ready()


def scope(cluster: str = "", namespace: str = "denis") -> Scope:
    """The canary of a cluster."""
    target = Target(name="denis", namespace=namespace, deployment="denis", container="denis")
    return Scope(policy=POLICY, target=target, cluster=cluster)


def evidence(prometheus: Prometheus, cluster: str, window: timedelta = WINDOW) -> Evidence:
    """What is known of a cluster's canary."""
    return gather(scope(cluster), window, prometheus=prometheus)


def why(value: object) -> str:
    """Why something is unknown."""
    assert isinstance(value, Unknown)
    return value.why


def names(alerts: FoundAlerts) -> list[str]:
    """The names of alerts that are known."""
    assert not isinstance(alerts, Unknown)
    return [labels["alertname"] for labels in alerts]


def test_a_heartbeat_asks_for_no_act() -> None:
    """It always fires: where matchers match anything it must not look like an alert that takes the canary back."""
    matchers = parse_matchers('remediation=~".+"')
    anything = replace(POLICY, remediations=tuple(replace(one, matchers=matchers) for one in POLICY.remediations))
    asked = replace(scope(), policy=anything)
    labels = {"alertname": "RemediatorHeartbeat", "namespace": "denis"}
    assert asked.may_ask_for_act({**labels, "remediation": "rollback"})
    assert not asked.may_ask_for_act({**labels, "remediation": "heartbeat"})
    assert not asked.asks_for_act({**labels, "remediation": "heartbeat"})


def test_steady_canary(prometheus: Prometheus) -> None:
    """A canary that was the same for the whole window is so in every value, and no alert asks for a rollback."""
    found = evidence(prometheus, "good")
    same = {"current": 0.97, "recent": 0.97, "average": 0.97, "worst": 0.97}
    assert found.success_rate == Rate(**same, coverage=1.0, recent_coverage=1.0)
    assert found.error_rate == Rate(**dict.fromkeys(same, 0.01), coverage=1.0, recent_coverage=1.0)
    assert (found.firing, found.fired, found.window) == ((), (), WINDOW)
    assert found.queue_depth == 12
    assert "no samples" in why(found.latency_p99)


def test_value_at_a_threshold_is_exact(prometheus: Prometheus) -> None:
    """The average of equal values is that value, and not a little less."""
    found = evidence(prometheus, "exact").success_rate
    assert (found.recent, found.average, found.worst) == (0.93, 0.93, 0.93)


def test_dip_is_in_the_worst_five_minutes(prometheus: Prometheus) -> None:
    """Six bad minutes two hours ago barely move the average, and are the worst; the alert of then is remembered."""
    found = evidence(prometheus, "dip")
    assert isinstance(found.success_rate.average, float)
    assert 0.95 < found.success_rate.average < 0.97
    assert isinstance(found.success_rate.worst, float)
    assert 0.5 <= found.success_rate.worst < 0.7
    assert found.success_rate.recent == 0.97
    assert (found.firing, names(found.fired)) == ((), ["DenisErrorRateHigh"])


def test_the_latency_is_that_of_the_slowest_pod(prometheus: Prometheus) -> None:
    """Not their average; six slow minutes are the worst, and what has measured nothing is not known to be fast."""

    def latency(cluster: str) -> Rate:
        return gather(replace(scope(cluster), policy=PROMPT), WINDOW, prometheus=prometheus).latency

    found = latency("dip")
    assert (found.current, found.recent, found.coverage, found.recent_coverage) == (0.3, 0.3, 1.0, 1.0)
    assert isinstance(found.average, float)
    assert 0.3 < found.average < 0.33
    assert isinstance(found.worst, float)
    assert 0.6 < found.worst <= 0.9
    assert "no samples" in why(latency("young").average)
    assert why(evidence(prometheus, "dip").latency.average) == "no phase asks for it"


def test_dip_before_the_window_is_not_evidence(prometheus: Prometheus) -> None:
    """What was before the window counts in nothing."""
    found = evidence(prometheus, "dip", timedelta(hours=1))
    assert (found.success_rate.average, found.success_rate.worst, found.fired) == (0.97, 0.97, ())


def test_bad_now(prometheus: Prometheus) -> None:
    """Ten bad minutes until now are in the current and the recent value, and the alert is named."""
    found = evidence(prometheus, "bad-now")
    assert (found.success_rate.current, found.success_rate.recent) == (0.5, 0.5)
    assert (names(found.firing), names(found.fired)) == (["DenisErrorRateHigh"], ["DenisErrorRateHigh"])


@pytest.mark.parametrize(("cluster", "low", "high"), [("gap", 0.73, 0.77), ("young", 0.24, 0.27), ("good", 1, 1)])
def test_coverage_is_the_share_of_the_time_with_samples(
    prometheus: Prometheus, cluster: str, low: float, high: float
) -> None:
    """A gap of one hour in four, a start an hour ago: the share of the window with samples says so."""
    share = evidence(prometheus, cluster).success_rate.coverage
    assert isinstance(share, float)
    assert low <= share <= high


def test_signal_that_ended_is_not_taken_for_recent(prometheus: Prometheus) -> None:
    """Three minutes without samples: no current value, and too few samples in the last five minutes."""
    found = evidence(prometheus, "ended").success_rate
    assert "no samples" in why(found.current)
    assert isinstance(found.recent_coverage, float)
    assert found.recent_coverage < 0.75


@pytest.mark.parametrize(
    ("cluster", "said"),
    [
        ("nan", "nan is the value of avg_over_time("),
        ("inf", "inf is the value of avg_over_time("),
        ("percent", "97 is not a ratio, but the value of avg_over_time("),
        ("negative", "-0.1 is not a ratio, but the value of avg_over_time("),
        ("nowhere", "Prometheus has no samples for avg_over_time("),
        ("two", 'Prometheus has 2 series where there should be one: {cluster="two", job="denis"'),
    ],
)
def test_average_that_is_no_ratio_is_unknown(prometheus: Prometheus, cluster: str, said: str) -> None:
    """NaN, an infinity, a percentage, no series and two series are not numbers to decide by; each says why."""
    assert why(evidence(prometheus, cluster).success_rate.average).startswith(said)


def test_names_of_series_are_told_safely(prometheus: Prometheus) -> None:
    """Labels are shown as PromQL spells them, so that no label can write to the terminal."""
    assert '{cluster="two", job="denis-copy"}' in why(evidence(prometheus, "two").success_rate.current)


def test_series_of_others_do_not_count(prometheus: Prometheus) -> None:
    """Another namespace's series are left out, and one without the label is ours."""
    assert evidence(prometheus, "static").success_rate.average == 0.96


def test_series_without_the_label_cluster_are_inside_the_fence(prometheus: Prometheus) -> None:
    """A Prometheus does not put its external_labels on its own series, so one without the label is ours."""
    found = gather(scope("eu-1", namespace="local"), WINDOW, prometheus=prometheus)
    assert found.success_rate.average == 0.95


def test_without_a_fence_all_clusters_are_ambiguous(prometheus: Prometheus) -> None:
    """A central Prometheus without a fence has several series, which is unknown, and alerts of all clusters."""
    found = evidence(prometheus, "")
    assert "series where there should be one" in why(found.success_rate.current)
    assert names(found.firing) == ["DenisErrorRateHigh"]


@pytest.mark.parametrize("cluster", ['eu"1', "eu|good", "(", "a\\b", "ä\n"])
def test_any_name_of_a_cluster_can_be_asked_for(prometheus: Prometheus, cluster: str) -> None:
    """Whatever the fence is called, it is a text in the question, and never a part of its grammar."""
    assert "no samples" in why(evidence(prometheus, cluster).success_rate.average)


@pytest.mark.parametrize("seconds", [MINUTE, 299, 300, 301, 310, 3 * HOUR + 61.5, 7 * 24 * HOUR])
def test_windows_of_any_length_can_be_asked_for(prometheus: Prometheus, seconds: float) -> None:
    """A hold of a minute and one of a week, and all around five minutes, lead to questions with answers."""
    found = evidence(prometheus, "good", timedelta(seconds=seconds)).success_rate
    assert (found.recent, found.average, found.worst, found.recent_coverage) == (0.97, 0.97, 0.97, 1)
    assert isinstance(found.coverage, float)
    assert found.coverage == 1 or seconds > 5 * HOUR


@pytest.mark.parametrize("seconds", [0.001, 1, 2.5])
def test_window_shorter_than_the_interval_of_the_rules_proves_nothing(prometheus: Prometheus, seconds: float) -> None:
    """A hold of a second is a question that Prometheus understands, even where no sample falls into it."""
    average = evidence(prometheus, "good", timedelta(seconds=seconds)).success_rate.average
    assert average == 0.97 or "Prometheus has no samples" in why(average)


VERDICTS = {
    "good": (Verdict.PROMOTE, True, []),
    "exact": (Verdict.PROMOTE, True, []),
    "dip": (Verdict.PROMOTE, False, []),
    "bad-now": (Verdict.ROLLBACK, False, ["alerts", "success rate now"]),
    "gap": (Verdict.HOLD, False, ["samples"]),
    "young": (Verdict.HOLD, False, ["samples"]),
    "ended": (Verdict.HOLD, False, ["success rate now"]),
    "nan": (Verdict.HOLD, False, ["success rate"]),
    "percent": (Verdict.HOLD, False, ["success rate", "success rate now"]),
    "two": (Verdict.HOLD, False, ["samples", "success rate", "error rate", "success rate now", "error rate now"]),
    "nowhere": (Verdict.HOLD, False, ["samples", "success rate", "error rate", "success rate now", "error rate now"]),
}


@pytest.mark.parametrize(("cluster", "expected"), VERDICTS.items(), ids=VERDICTS)
def test_verdicts_on_real_histories(
    prometheus: Prometheus, cluster: str, expected: tuple[Verdict, bool, list[str]]
) -> None:
    """At 1 % after 4 h, each past leads to its verdict, and to what is missing for a promotion."""
    made = canary(percentage=1)
    judgement = judge(
        canary=made,
        workers=(workload(),),
        target=POLICY.targets[0],
        policy=POLICY,
        stay=time_in_phase(made, POLICY, NOW),
        evidence=evidence(prometheus, cluster),
        now=NOW,
    )
    missing = [check.name for check in judgement.missing]
    assert (judgement.verdict, judgement.unattended, missing) == expected


def test_what_prometheus_cannot_parse_is_told_in_its_words(prometheus: Prometheus) -> None:
    """An error in an expression arrives with Prometheus's explanation."""
    with pytest.raises(NoAnswer, match=r"asked for sum\(: 400: .*parse error: .*; its version may be too old"):
        prometheus.query("sum(")
    with pytest.raises(NoAnswer, match="the answer is not Prometheus's: data: "):
        prometheus.query("ALERTS[1m]")


def test_scalars_are_samples_without_labels(prometheus: Prometheus) -> None:
    """A scalar is answered as one sample."""
    assert prometheus.query("1 + 1") == (Sample(labels={}, value=2.0),)


def test_cost_does_not_depend_on_the_window() -> None:
    """No subquery has more than about a hundred points, or one in five minutes."""
    for hours in (1, 4, 24, 48, 24 * 14):
        asked = questions(replace(scope("eu-1"), policy=PROMPT), timedelta(hours=hours))
        for expression in asked.all:
            for length, step in re.findall(r"\[(\w+):(\w+)\]", expression):
                points = parse_duration(length) / parse_duration(step)
                assert points <= max(101, hours * 12)


def test_alerts_of_alertmanager(alertmanager: AlertmanagerProcess) -> None:
    """An alert that asks for a rollback counts if it is of this cluster or of none, and nobody has silenced it."""
    client = Alertmanager(f"http://{alertmanager.address}")

    def firing(cluster: str = "") -> FoundAlerts:
        return gather(scope(cluster), WINDOW, prometheus=None, alertmanager=client).firing

    assert firing() == ()
    base = {"remediation": "rollback", "namespace": "denis"}
    alerts = [
        {"labels": {"alertname": "DenisErrorRateHigh", "cluster": "eu-1", **base}},
        {"labels": {"alertname": "DenisMaterializerSuccessRateLow", **base}},
        {"labels": {"alertname": "Foreign", "cluster": "us-1", **base}},
        {"labels": {"alertname": "DenisQueueDepthHigh", **base, "remediation": "scale"}},
        {"labels": {"alertname": "Watchdog"}},
    ]
    send_json(f"http://{alertmanager.address}/api/v2/alerts", alerts)
    assert sorted(names(firing("eu-1"))) == ["DenisErrorRateHigh", "DenisMaterializerSuccessRateLow"]
    assert sorted(names(firing()))[2] == "Foreign"

    now = datetime.now(UTC)
    alertmanager.silence(
        {
            "matchers": [{"name": "alertname", "value": "DenisErrorRateHigh", "isRegex": False}],
            "startsAt": (now - timedelta(seconds=1)).isoformat(),
            "endsAt": (now + timedelta(hours=1)).isoformat(),
            "createdBy": "ada",
            "comment": "a load test",
        }
    )
    assert names(firing("eu-1")) == ["DenisMaterializerSuccessRateLow"]


FENCED = parse_policy(
    SHIPPED.read_text().replace('[remediation="rollback"', '[remediation="rollback", cluster="eu-1"'), str(SHIPPED)
)
"""The shipped remediations, of which the rollback is for one cluster."""


@pytest.mark.parametrize("labels", [{}, {"cluster": "eu-1"}, {"cluster": "us-1"}], ids=str)
def test_matchers_that_name_the_cluster(labels: dict[str, str]) -> None:
    """In Prometheus an alert has no external_labels, so that one without a cluster is of the fence's."""
    mine = replace(scope("eu-1"), policy=FENCED)
    fires = {"alertname": "A", "remediation": "rollback", **labels}
    assert mine.asks_for_act(fires) is (labels.get("cluster") != "us-1")
    with WatchingPrometheus() as prometheus, StandIn({"/api/v2/alerts": json.dumps([{"labels": fires}])}) as muted:
        prometheus.firing = [fires]
        found = [
            firing_alerts(mine, prometheus=Prometheus(prometheus.url)),
            firing_alerts(mine, prometheus=None, alertmanager=Alertmanager(muted.url)),
        ]
    assert [names(alerts) for alerts in found] == [[] if labels.get("cluster") == "us-1" else ["A"]] * 2


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ([], "no rule of an alert that Prometheus has loaded takes denis back, so none can fire"),
        ([rule("Watchdog", "vector(1)", labels={})], "no rule of an alert that Prometheus has loaded"),
        ([rule("A", "x", labels={"remediation": "scale"})], "no rule of an alert that Prometheus has loaded"),
        ([rule("A", "x", labels={"remediation": "rollback", "cluster": "us-1"})], "no rule of an alert"),
        ([{"name": "A"}], "no rule of an alert that Prometheus has loaded"),
        ([{"labels": ["remediation", "rollback"]}, None, 7], "no rule of an alert that Prometheus has loaded"),
    ],
    ids=["none", "of-others", "scale", "another-cluster", "without-labels", "unreadable"],
)
def test_a_prometheus_that_cannot_fire_does_not_say_that_nothing_fires(rules: list[dict[str, Any]], said: str) -> None:
    """Without a rule that takes the canary back, that no alert fires is no evidence; one that fires counts even so."""
    with WatchingPrometheus() as stand_in:
        prometheus, stand_in.rules = Prometheus(stand_in.url), rules
        found = gather(scope("eu-1"), WINDOW, prometheus=prometheus)
        assert said in why(found.firing)
        assert said in why(found.fired)
        assert said in why(firing_alerts(scope("eu-1"), prometheus=prometheus))
        stand_in.firing = [{"alertname": "A", "remediation": "rollback"}]
        assert names(firing_alerts(scope("eu-1"), prometheus=prometheus)) == ["A"]


def test_rules_of_the_fences_cluster_and_of_the_namespace_are_found() -> None:
    """What a policy matches besides the rule's own labels comes with the alert, so the rule is one of ours."""
    strict = SHIPPED.read_text().replace(
        '[remediation="rollback", namespace=~"denis|"]', '[remediation="rollback", cluster="eu-1", namespace="denis"]'
    )
    mine = replace(scope("eu-1"), policy=parse_policy(strict, str(SHIPPED)))
    with WatchingPrometheus() as stand_in:
        assert firing_alerts(mine, prometheus=Prometheus(stand_in.url)) == ()


def test_only_what_is_needed_is_asked() -> None:
    """For the alerts alone Prometheus gets two questions; for all evidence each question once, and the rules."""
    with WatchingPrometheus() as stand_in:
        firing_alerts(scope(), prometheus=Prometheus(stand_in.url))
        paths = [path.partition("?")[0] for path in stand_in.paths]
        assert paths == ["/api/v1/query", "/api/v1/rules"]
        stand_in.paths.clear()
        gather(scope(), WINDOW, prometheus=Prometheus(stand_in.url))
        assert len(stand_in.paths) == len(questions(scope(), WINDOW).all) + 1


ROLLBACK = answer(b'[{"labels":{"alertname":"A","remediation":"rollback"}}]')


def test_silent_alertmanager_hides_no_alert_and_finds_none() -> None:
    """Where one of the two cannot say, the alerts of the other count; but none there is not none at all."""
    with WatchingPrometheus() as watching, Wire(()) as alertmanager:
        asked = Prometheus(watching.url), Alertmanager(alertmanager.url)
        found = gather(scope(), WINDOW, prometheus=asked[0], alertmanager=asked[1])
    assert "Alertmanager at" in why(found.firing)
    with Wire(()) as prometheus, Wire(ROLLBACK) as alertmanager:
        asked = Prometheus(prometheus.url), Alertmanager(alertmanager.url)
        found = gather(scope(), WINDOW, prometheus=asked[0], alertmanager=asked[1])
    assert names(found.firing) == ["A"]
    assert "Prometheus at" in why(found.fired)


def test_nobody_to_ask() -> None:
    """Without a Prometheus everything is unknown, and says which flag is missing."""
    found = gather(scope(), WINDOW, prometheus=None)
    assert "--prometheus.url" in why(found.success_rate.average)
    assert "--prometheus.url" in why(found.firing)


def test_prometheus_that_is_slow_is_asked_once() -> None:
    """A Prometheus that does not answer costs one timeout, gets one question, and all is unknown."""
    began = time.monotonic()
    with Wire((b"", b""), pause=60) as wire:
        found = gather(scope(), WINDOW, prometheus=Prometheus(wire.url, timeout=0.3))
    assert time.monotonic() - began < 40
    assert len(wire.requests) == 1
    assert "no complete answer in 0.3 s" in why(found.error_rate.worst)
    assert why(found.firing) == why(found.error_rate.worst)


def test_series_are_those_that_the_rules_record() -> None:
    """The names that are asked for are recorded by the shipped rules."""
    groups = load_yaml((ROOT / "rules" / "denis.rules.yaml").read_text())["groups"]
    rules = [rule for group in groups for rule in group["rules"] if "record" in rule]
    signals = {rule["labels"]["signal"] for rule in rules if rule["record"] == "denis:signal"}
    assert {one.recorded for one in SIGNALS.values()} - {""} <= {rule["record"] for rule in rules}
    assert signals == {*SIGNALS}
    assert FIRING in questions(scope(), WINDOW).all


def test_page_shows_each_question() -> None:
    """docs/phases.md shows what is asked for, word for word."""
    page = (ROOT / "docs" / "phases.md").read_text().splitlines()
    shown = [line for line in page if ("denis:" in line and "{" in line) or line.startswith(("ALERTS", "present"))]
    assert sorted(shown) == sorted(questions(replace(scope("eu-1"), policy=PROMPT), WINDOW).all)


def test_page_names_each_check() -> None:
    """docs/phases.md has every check that a judgement can have, by its name, and no other."""
    made = canary(percentage=1)
    stay = time_in_phase(made, POLICY, NOW)
    found = gather(scope(), WINDOW, prometheus=None)
    judgement = judge(
        canary=made,
        workers=(),
        target=POLICY.targets[0],
        policy=PROMPT,
        stay=stay,
        evidence=found,
        now=NOW,
    )
    page, _, _ = (ROOT / "docs" / "phases.md").read_text().partition("## What Prometheus is asked")
    rows = [line.split("|")[1] for line in page.splitlines() if "| `" in line]
    named = [name for row in rows for name in re.findall("`([^`]+)`", row)]
    assert named == [check.name for check in (*judgement.checks, *judgement.steady)]


STRANGERS: dict[str, Any] = {
    "no labels": {"name": "SomebodyElses", "query": "up == 0", "type": "alerting", "state": "inactive"},
    "null everywhere": dict.fromkeys(["name", "query", "type", "labels", "duration", "health", "state", "lastError"]),
    "a number as a label": {"name": "A", "type": "alerting", "labels": {"level": 3}},
    "a list as labels": {"name": "A", "type": "alerting", "labels": ["x"]},
    "a duration in words": {"name": "A", "type": "alerting", "duration": "2m", "labels": {}},
    "another type": {"name": "A", "type": "threshold", "labels": {"remediation": "rollback"}},
    "a recording rule": {"name": "a:b", "query": "up", "type": "recording", "health": "ok"},
    "null": None,
    "a number": 7,
}


@pytest.mark.parametrize("stranger", STRANGERS.values(), ids=STRANGERS)
def test_a_strangers_rule_costs_itself(stranger: Any) -> None:
    """A rule that is not as Prometheus writes it, as Thanos, Mimir or vmalert have them, hides none of the others."""
    with WatchingPrometheus() as stand_in:
        stand_in.rules = [stranger, rule("DenisErrorRateHigh", "x"), stranger]
        loaded = Prometheus(stand_in.url).alert_rules()
        found = gather(scope("eu-1"), WINDOW, prometheus=Prometheus(stand_in.url))

    assert [one.name for one in scope().act_rules(loaded)] == ["DenisErrorRateHigh"]
    assert found.firing == ()


def test_lists_of_rules_that_are_null() -> None:
    """Go writes an empty list as null, at each depth."""
    for data in ({"groups": None}, {"groups": [None, {"rules": None}, {"name": "x"}]}):
        with StandIn({"/api/v1/rules": json.dumps({"status": "success", "data": data})}) as stand_in:
            assert Prometheus(stand_in.url).alert_rules() == ()


@pytest.mark.parametrize(
    "mark",
    [{"warnings": ["store eu-2 is down"]}, {"isPartial": True}, {"warnings": [7]}],
    ids=["thanos", "vm", "number"],
)
def test_a_list_of_rules_that_may_be_incomplete(mark: dict[str, Any]) -> None:
    """Rules with a warning are no answer: one of ours might be missing."""
    body = {"status": "success", "data": {"groups": []}, **mark}
    with StandIn({"/api/v1/rules": json.dumps(body)}) as stand_in, pytest.raises(NoAnswer, match="may be incomplete"):
        Prometheus(stand_in.url).alert_rules()


ALERT = {"alertname": "A", "remediation": "rollback", "namespace": "denis"}

FIRING_STRANGERS: dict[str, tuple[Any, str]] = {
    "null labels": (None, ""),
    "no labels": ({}, ""),
    "a number": ({"alertname": "A", "level": 3}, ""),
    "a null": ({"alertname": "A", "remediation": None}, ""),
    "not ours, whatever it is": ({"alertname": "A", "remediation": "scale", "team": ["x"]}, ""),
    "of another cluster": ({**ALERT, "cluster": "us-1", "team": ["x"]}, ""),
    "ours, perhaps": ({"alertname": "A", "remediation": ["rollback"]}, "an alert A fires, but what it asks for cannot"),
    "ours, and a label": ({**ALERT, "team": {}}, "cannot be parsed: team"),
    "nothing to read": ("rollback", "an alert without a name fires, but what it asks for cannot be parsed: none"),
}


@pytest.mark.parametrize(("labels", "doubt"), FIRING_STRANGERS.values(), ids=FIRING_STRANGERS)
def test_a_strangers_alert_costs_itself(labels: Any, doubt: str) -> None:
    """An alert whose labels cannot be read counts where it could be one of ours, and is then named: not known."""
    with WatchingPrometheus() as stand_in:
        stand_in.firing = [labels]
        with StandIn({"/api/v2/alerts": json.dumps([{"labels": labels}])}) as manager:
            prometheus, alertmanager = Prometheus(stand_in.url), Alertmanager(manager.url)
            by_prometheus = firing_alerts(scope("eu-1"), prometheus=prometheus)
            by_alertmanager = firing_alerts(scope("eu-1"), prometheus=None, alertmanager=alertmanager)
            stand_in.firing = [labels, ALERT]
            with_ours = firing_alerts(scope("eu-1"), prometheus=prometheus, alertmanager=alertmanager)

    for found in (by_prometheus, by_alertmanager):
        assert doubt in why(found) if doubt else found == ()
    assert with_ours == (ALERT,)

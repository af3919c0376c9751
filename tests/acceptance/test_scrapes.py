"""The shipped rules in a real Prometheus, at fifty times the pace, while DENIS fails scrapes."""

import json
from collections.abc import Iterator

import pytest

from demo.shipped import RULES, compressed
from demo.stack import Prometheus
from demo.waiting import until
from tests.acceptance.flapping import Failure, Pod, Pods
from tests.acceptance.stack import SECONDS
from tests.support.alert_rules import staging_rules
from tests.support.components import component

FACTOR = 50
INTERVAL = "300ms"
"""15s at this pace."""

GOOD = {
    "error_rate": 0.01,
    "materializer_success_rate": 0.99,
    "materializer_latency_p99": 0.2,
    "async_queue_depth": 0.0,
}
BAD = GOOD | {"error_rate": 0.6, "materializer_success_rate": 0.3}

BAD_CANARIES: dict[str, list[Pod]] = {
    **{f"every second {failure.name}": [Pod(gauges=BAD, fail=1, failure=failure)] for failure in Failure},
    "every seventh": [Pod(gauges=BAD, succeed=6, fail=1, failure=Failure.CLOSED)],
    "every eighth": [Pod(gauges=BAD, succeed=7, fail=1)],
    "bursts of four": [Pod(gauges=BAD, succeed=4, fail=4, failure=Failure.CLOSED)],
    "bursts of ten": [Pod(gauges=BAD, succeed=10, fail=10)],
    "one bad pod of three": [
        Pod(gauges=BAD, fail=1, failure=Failure.CLOSED),
        Pod(gauges=GOOD),
        Pod(gauges=GOOD, fail=1),
    ],
}
"""Canaries that are bad, by the label `cluster` that tells their alerts apart: at most every second scrape fails."""

HEALTHY_CANARIES: dict[str, list[Pod]] = {
    **{f"healthy {failure.name}": [Pod(gauges=GOOD, fail=1, failure=failure)] for failure in Failure},
    "healthy bursts": [Pod(gauges=GOOD, succeed=10, fail=10, failure=Failure.CLOSED)],
    "healthy pods": [Pod(gauges=GOOD, fail=30), Pod(gauges=GOOD), Pod(gauges=GOOD, fail=1)],
}

STAGING = [Pod(gauges=BAD, fail=19, failure=Failure.CLOSED), Pod(gauges=BAD, fail=10_000)]
"""A release with rules of its own, whose scrapes nearly all fail."""


@pytest.fixture(scope="module", params=["oldest", "newest"])
def prometheus(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Prometheus with the rules of both releases, which scrapes all of these pods."""
    program = component(f"prometheus-{request.param}", "prometheus")
    canaries = BAD_CANARIES | HEALTHY_CANARIES
    pods = {
        ("denis", cluster, str(number)): pod for cluster in canaries for number, pod in enumerate(canaries[cluster])
    }
    pods |= {("denis-staging", "staging", str(number)): pod for number, pod in enumerate(STAGING)}
    paths = {place: f"/pods/{number}" for number, place in enumerate(pods)}
    with Pods({paths[place]: pod for place, pod in pods.items()}) as server:
        rules = {
            "denis.rules.yaml": compressed((RULES / "denis.rules.yaml").read_text(), FACTOR),
            "staging.rules.yaml": compressed(staging_rules(), FACTOR),
        }
        targets = [
            {
                "targets": [server.address],
                "labels": {
                    "__metrics_path__": path,
                    "namespace": namespace,
                    "cluster": cluster,
                    "instance": instance,
                    "fails": str(pods[namespace, cluster, instance].fail > 0),
                },
            }
            for (namespace, cluster, instance), path in paths.items()
        ]
        configuration = {
            "global": {"scrape_interval": INTERVAL, "scrape_timeout": INTERVAL},
            "rule_files": list(rules),
            "scrape_configs": [{"job_name": "denis", "static_configs": targets}],
        }
        files = {**rules, "prometheus.json": json.dumps(configuration)}
        with Prometheus(program, tmp_path_factory.mktemp("prometheus"), files).ready() as prometheus:
            yield prometheus


def fired(prometheus: Prometheus, label: str, matchers: str) -> set[tuple[str, str]]:
    """The names of alerts so far, each with a label; the matchers are theirs."""
    found = prometheus.query(f"group by (alertname, {label}) (last_over_time(ALERTS{{{matchers}}}[1h]))")
    return {(one["metric"]["alertname"], one["metric"].get(label, "")) for one in found}


def test_half_of_the_scrapes_are_enough_for_a_rollback(prometheus: Prometheus) -> None:
    """Whatever way and pattern scrapes fail in: both rollback alerts of a bad canary fire, and those of no other."""
    expected = {
        (name, cluster)
        for name in ("DenisErrorRateHigh", "DenisMaterializerSuccessRateLow")
        for cluster in BAD_CANARIES
    }

    def rollbacks() -> set[tuple[str, str]]:
        return fired(prometheus, "cluster", 'alertstate="firing",remediation="rollback",cluster!="staging"')

    until("all bad canaries are taken back", lambda: rollbacks() >= expected, SECONDS)
    assert {cluster for _, cluster in rollbacks()} == {*BAD_CANARIES}


def test_the_guard_says_that_nearly_all_scrapes_fail(prometheus: Prometheus) -> None:
    """DenisSignalMissing fires for each signal of the release that is hardly scraped, and not for the other one."""
    missing = 'alertstate="firing",alertname="DenisSignalMissing"'
    expected = {("DenisSignalMissing", name) for name in GOOD}
    until(
        "every signal is missed",
        lambda: fired(prometheus, "signal", f'{missing},canary="denis-staging/denis"') == expected,
        SECONDS,
    )
    assert fired(prometheus, "canary", missing) == {("DenisSignalMissing", "denis-staging/denis")}
    # The rules are ten of their minutes old, and each of the failures was one.
    assert prometheus.query("denis:hundred_percent offset 12s")
    assert not prometheus.query('min_over_time(up{fails="True"}[1h]) > 0')
    assert not prometheus.query('avg_over_time(up{cluster=~"every second .+"}[1h]) > 0.6')
    assert not fired(prometheus, "cluster", 'cluster=~"healthy.*"'), "a healthy canary is not even pending"

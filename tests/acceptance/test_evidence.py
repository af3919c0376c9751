"""What the shipped rules record of a DENIS that runs is what a promotion is judged by."""

from datetime import timedelta

import pytest

from demo.denis import Scenario
from demo.waiting import until
from remediator.monitoring.evidence import Evidence, Unknown
from remediator.monitoring.prometheus import Prometheus
from remediator.monitoring.signals import Scope, gather
from remediator.sandbox import EmbeddedCluster
from tests.acceptance.conftest import GetWatch
from tests.acceptance.stack import SECONDS
from tests.support.service import shipped_policy

POLICY = shipped_policy()
WINDOW = timedelta(seconds=5)


@pytest.mark.parametrize("age", ["oldest", "newest"])
def test_evidence_of_a_running_canary(get_watch: GetWatch, age: str) -> None:
    """Rates, queue and latency of a healthy canary are known numbers; when it goes bad, its alert is the evidence."""
    watch = get_watch(age)
    prometheus = Prometheus(f"http://{watch.prometheus.address}")
    scope = Scope(policy=POLICY, target=POLICY.targets[0], cluster="eu-1")

    def look() -> Evidence:
        return gather(scope, WINDOW, prometheus=prometheus)

    def is_healthy() -> bool:
        found = look()
        rates = (found.success_rate.worst, found.error_rate.worst, found.success_rate.coverage)
        known = not any(isinstance(value, Unknown) for value in (*rates, found.queue_depth, found.latency_p99))
        if not known or found.firing or found.success_rate.coverage != 1:
            return False
        # What other tests made of the shared DENIS has left the window.
        return found.success_rate.average == pytest.approx(Scenario().success_rate, abs=0.02)

    def alerts() -> set[str]:
        found = look()
        assert not isinstance(found.firing, Unknown)
        return {labels["alertname"] for labels in found.firing}

    with EmbeddedCluster() as cluster:
        watch.calm_down(cluster)
        until("the evidence is complete", is_healthy, SECONDS)
        calm = look()
        assert calm.error_rate.average == pytest.approx(Scenario().canary_error_rate, abs=0.02)

        watch.denis.becomes(Scenario(success_rate=0.7))
        until("the alert is evidence", lambda: alerts() == {"DenisMaterializerSuccessRateLow"}, SECONDS)
        bad = look().success_rate.current
        assert isinstance(bad, float)
        assert bad < 0.9
        watch.denis.becomes(Scenario())

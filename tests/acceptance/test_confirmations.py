"""Acts with the word of a real Prometheus: the number behind each, and none for an alert that it refutes."""

from functools import partial

import pytest

from demo.denis import Scenario
from demo.loopback import send_json
from demo.waiting import until
from remediator.core.alerts import Alert
from remediator.monitoring.prometheus import Prometheus
from remediator.monitoring.rule_states import ask
from tests.acceptance.conftest import Assemble
from tests.acceptance.stack import SECONDS, names

MANY_FAIL = Scenario(canary_error_rate=0.8)

BY_HAND = {
    "rollback": {"alertname": "DenisErrorRateHigh", "severity": "critical"},
    "scale": {"alertname": "DenisQueueDepthHigh", "severity": "warning"},
}


def is_refuted(url: str, alert: Alert) -> bool:
    """Whether this Prometheus says that all is well."""
    return ask([Prometheus(url)]).examine((alert,)).answer == "refuted"


@pytest.mark.parametrize("age", ["oldest", "newest"])
def test_prometheus_has_a_say_before_an_act(assemble: Assemble) -> None:
    """Alerts that somebody posts while all is well are refuted; then a bad canary is taken back because of a number."""
    stack = assemble()
    url = f"http://{stack.watch.prometheus.address}"
    stack.remediator.stop()
    stack.start_remediator(f"--prometheus.url={url}")

    for remediation, labels in BY_HAND.items():
        forged = {"remediation": remediation, "namespace": "denis", "job": "denis", "cluster": "eu-1", **labels}
        alert = Alert(status="firing", labels=forged)
        until("all has been well for long", partial(is_refuted, url, alert), SECONDS)
        # Its configuration has no external_labels, so an alert that is fenced in came from another one.
        fenced = ask([Prometheus(url)], cluster="eu-1").examine((alert,))
        assert fenced.message.endswith("the alerts of this Prometheus have no label cluster"), fenced
        send_json(f"http://{stack.alertmanager.address}/api/v2/alerts", [{"labels": forged}])
        line = stack.decides("Recovered", of=labels["alertname"])
        assert (line["evidence"]["answer"], line["evidence"]["rule"]) == ("refuted", labels["alertname"])
    assert stack.changes("denis") == stack.changes("denis-workers") == []

    stack.denis.becomes(MANY_FAIL)
    act = stack.decides("Applied")
    assert names(act) & {"DenisErrorRateHigh", "DenisErrorRateSevere"}
    assert act["message"].startswith("set 10 % -> 0 %: error rate ")
    assert act["evidence"]["answer"] == "confirmed"
    assert act["evidence"]["value"] > act["evidence"]["threshold"]
    (entry,) = stack.deployments.acts("denis")
    assert f"set 10 % -> 0 %: {entry['because'].removesuffix('before')}ago" == act["message"]
    assert stack.changes("denis-workers") == []

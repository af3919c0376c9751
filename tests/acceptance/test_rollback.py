"""A bad canary is taken to 0 %, once."""

import pytest

from demo.denis import Scenario
from demo.waiting import until
from tests.acceptance.conftest import Assemble
from tests.acceptance.stack import SECONDS, names

FEW_SUCCEED = Scenario(success_rate=0.7)
BOTH_BAD = Scenario(success_rate=0.7, canary_error_rate=0.8)
BOTH_STAY_BAD = Scenario(success_rate=0.7, canary_error_rate=0.8, cause="elsewhere")


@pytest.mark.parametrize("age", ["oldest", "newest"])
def test_a_low_success_rate_becomes_one_rollback(assemble: Assemble) -> None:
    """Few materializations succeed, the canary goes to 0 %, the pods follow, and that DENIS recovers undoes nothing."""
    stack = assemble()
    assert stack.deployments.percentage() == 10

    stack.denis.becomes(FEW_SUCCEED)
    act = stack.decides("Applied")
    assert names(act) == {"DenisMaterializerSuccessRateLow"}
    assert (act["remediation"], act["from"], act["to"]) == ("rollback", 10, 0)
    assert stack.deployments.percentage() == 0

    stack.decides("NotFiring", of="DenisMaterializerSuccessRateLow")
    verified = until("the act is verified", stack.remediator.verifications, SECONDS)
    assert [(line["actionId"], line["verdict"]) for line in verified] == [(act["actionId"], "Converged")]
    assert stack.deployments.percentage() == 0
    assert stack.changes("denis") == [(10, 0)]
    assert stack.changes("denis-workers") == []


@pytest.mark.parametrize("age", ["oldest", "newest"])
def test_both_alerts_of_one_incident_are_one_rollback(assemble: Assemble) -> None:
    """The success rate and the error rate are bad together: both are handled, by one act."""
    stack = assemble()
    stack.denis.becomes(BOTH_STAY_BAD)
    both = {"DenisMaterializerSuccessRateLow", "DenisErrorRateHigh"}
    stack.fires(*both)
    stack.decides("Applied")
    until(
        "one notification has both", lambda: any(names(line) == both for line in stack.remediator.decisions()), SECONDS
    )
    stack.decides("CoolingDown")
    assert stack.changes("denis") == [(10, 0)]


def test_a_repeat_finds_the_cooldown(assemble: Assemble) -> None:
    """The alert fires on at 0 %, because the cause is elsewhere: every repeat is withheld and says until when."""
    stack = assemble()
    stack.denis.becomes(BOTH_STAY_BAD)
    stack.decides("Applied")
    withheld = stack.decides("CoolingDown", times=4)
    assert "cooling down for another 29m" in withheld["message"]
    assert stack.changes("denis") == [(10, 0)]
    cooldowns = until("the status has it", lambda: stack.remediator.status()["targets"][0]["cooldowns"], SECONDS)
    assert [cooldown["effect"] for cooldown in cooldowns] == ["SetPercentage"]


def test_people_are_told_of_a_rollback(assemble: Assemble) -> None:
    """The metrics that Remediator really exports make its own shipped alert fire."""
    stack = assemble()
    stack.denis.becomes(FEW_SUCCEED)
    stack.decides("Applied")
    prometheus = stack.watch.prometheus
    rolled_back = 'ALERTS{alertname="RemediatorRolledBack", alertstate="firing", target="denis"}'
    until("RemediatorRolledBack fires", lambda: prometheus.query(rolled_back), SECONDS)
    until(
        "the gauge shows 0 %",
        lambda: prometheus.query('remediator_canary_percentage{target="denis"} == 0'),
        SECONDS,
    )


def test_series_that_vanish_flip_nothing_back(assemble: Assemble) -> None:
    """After the rollback DENIS exports nothing any more: the alert resolves, and the canary stays at 0 %."""
    stack = assemble()
    stack.denis.becomes(BOTH_BAD)
    stack.decides("Applied")
    stack.denis.becomes(Scenario(exports=False))
    until("the series are gone", lambda: not stack.watch.prometheus.query("denis:signal"), SECONDS)
    stack.decides("NotFiring", of="DenisErrorRateHigh")
    assert stack.deployments.percentage() == 0
    assert stack.changes("denis") == [(10, 0)]


def test_a_silence_withholds_the_act(assemble: Assemble) -> None:
    """Silenced rollback alerts never arrive, while the queue's alert, which is later than they are, does."""
    stack = assemble()
    stack.alertmanager.silence(
        {
            "matchers": [{"name": "remediation", "value": "rollback", "isRegex": False, "isEqual": True}],
            "startsAt": "2020-01-01T00:00:00Z",
            "endsAt": "2100-01-01T00:00:00Z",
            "createdBy": "the night shift",
            "comment": "we know",
        }
    )
    stack.denis.becomes(BOTH_BAD)
    stack.fires("DenisErrorRateHigh", "DenisMaterializerSuccessRateLow")
    until("both are suppressed", lambda: len(_suppressed(stack.alertmanager.alerts())) == 2, SECONDS)

    stack.denis.becomes(BOTH_BAD, queue=100_000)
    assert stack.decides("Applied")["remediation"] == "scale-workers"
    stack.decides("CoolingDown", times=2)
    assert {line["remediation"] for line in stack.remediator.decisions()} == {"scale-workers"}
    assert stack.deployments.percentage() == 10
    assert stack.changes("denis") == []


def _suppressed(alerts: list[dict[str, dict[str, str]]]) -> list[dict[str, dict[str, str]]]:
    return [alert for alert in alerts if alert["status"]["state"] == "suppressed"]

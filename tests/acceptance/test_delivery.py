"""Whatever is down, doubled or changed on the way, an alert is acted on once."""

import time
from urllib.error import HTTPError

import pytest

from demo.denis import Scenario
from demo.loopback import send_json
from demo.waiting import until
from remediator.config.credentials import REREAD_SECONDS
from tests.acceptance.conftest import Assemble
from tests.acceptance.stack import SECONDS, Stack

BAD = Scenario(success_rate=0.7)
STAYS_BAD = Scenario(success_rate=0.7, cause="elsewhere")


def test_what_came_while_remediator_was_down_is_delivered_again(assemble: Assemble) -> None:
    """Remediator is down while the alert begins to fire; Alertmanager keeps trying, and the act follows."""
    stack = assemble()
    assert stack.remediator.stop() == 0
    stack.denis.becomes(BAD)
    failed = "alertmanager_notification_requests_failed_total"
    until("three tries have failed", lambda: stack.alertmanager.metric(failed, integration="webhook") >= 3, SECONDS)
    assert stack.deployments.percentage() == 10

    stack.start_remediator()
    stack.decides("Applied")
    assert stack.changes("denis") == [(10, 0)]


def test_an_api_server_that_refuses_is_answered_with_503_and_acted_on_later(assemble: Assemble) -> None:
    """The API server is away: nothing is called done, and the next delivery does it."""
    stack = assemble()
    stack.gate.close()
    stack.denis.becomes(BAD)
    stack.decides("Unavailable", times=2)
    assert stack.notifications(503) >= 2
    assert {line["reason"] for line in stack.remediator.decisions()} == {"Unavailable"}
    assert stack.deployments.percentage() == 10

    stack.gate.open()
    stack.decides("Applied")
    assert stack.changes("denis") == [(10, 0)]


def test_a_restart_forgets_no_cooldown(assemble: Assemble) -> None:
    """Remediator is restarted after the act: the next repeat still finds the cooldown."""
    stack = assemble()
    stack.denis.becomes(STAYS_BAD)
    stack.decides("Applied")
    assert stack.remediator.stop() == 0

    stack.start_remediator()
    stack.decides("CoolingDown", times=2, after=time.time())
    assert stack.changes("denis") == [(10, 0)]


@pytest.mark.parametrize(("age", "pair"), [("oldest", "in touch"), ("newest", "in touch"), ("newest", "cut off")])
def test_a_pair_of_alertmanagers_causes_one_act(assemble: Assemble, pair: str) -> None:
    """Both Alertmanagers of a pair send the alert: the first delivery acts, the others find the cooldown."""
    stack = assemble(pair=pair)
    stack.denis.becomes(STAYS_BAD)
    stack.decides("Applied")
    stack.decides("CoolingDown", times=3)
    tried = "alertmanager_notifications_total"
    sent = [one.metric(tried, integration="webhook") for one in stack.alertmanagers]
    assert all(sent) if pair == "cut off" else any(sent)
    assert stack.changes("denis") == [(10, 0)]


def test_a_token_is_rotated_without_loss(assemble: Assemble) -> None:
    """Accept both tokens, send the new one, accept only the new one: no delivery is refused on the way."""
    stack = assemble()
    stack.denis.becomes(STAYS_BAD)
    stack.decides("Applied")

    stack.accepted_tokens.write_text("first-token\nsecond-token\n")
    _let_it_be_read(stack)
    stack.sent_token.write_text("second-token\n")
    _let_it_be_read(stack)
    stack.accepted_tokens.write_text("second-token\n")
    _let_it_be_read(stack)

    assert stack.notifications(401) == 0
    assert stack.alertmanager.metric("alertmanager_notification_requests_failed_total", integration="webhook") == 0
    with pytest.raises(HTTPError, match="401") as refused:
        send_json(f"http://{stack.address}/webhook", {}, headers={"Authorization": "Bearer first-token"})
    refused.value.close()
    stack.decides("CoolingDown", after=time.time())
    assert stack.changes("denis") == [(10, 0)]


def _let_it_be_read(stack: Stack) -> None:
    """Wait for two deliveries that are late enough to know the changed file."""
    stack.decides("CoolingDown", times=2, after=time.time() + REREAD_SECONDS)

"""What came in and what was refused: in the log at a rate, and as data for a quarter of an hour."""

import logging

import pytest

from remediator.web.notifications import MAX_CLIENTS, MAX_LOG_KEYS, OTHER_CLIENTS, RECENT, Notifications
from tests.support.service import Clock


@pytest.fixture
def notifications(clock: Clock) -> Notifications:
    """The record of what came in, by a clock that stands."""
    return Notifications(clock)


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[object, ...]]:
    """Code, client and count of each line so far."""
    fields = [vars(record) for record in caplog.records if record.levelno == logging.WARNING]
    return [(line.get("code"), line["client"], line["count"]) for line in fields]


def test_a_minute_has_one_line_for_each_code_reason_and_client(
    notifications: Notifications, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """The first is logged at once, the others of its minute are one line after it, and nothing is counted twice."""
    for _ in range(4):
        notifications.refused(401, "no valid credentials", "10.0.3.4")
    notifications.refused(401, "no valid credentials", "10.0.3.5")
    notifications.refused(400, "not a notification", "10.0.3.4", "alerts: Field required")
    assert lines(caplog) == [(401, "10.0.3.4", 1), (401, "10.0.3.5", 1), (400, "10.0.3.4", 1)]
    assert caplog.records[-1].error == "alerts: Field required"  # type: ignore[attr-defined]

    clock.move(seconds=59)
    notifications.log_held_back()
    assert len(lines(caplog)) == 3
    clock.move(seconds=1)
    notifications.log_held_back()
    assert lines(caplog)[3:] == [(401, "10.0.3.4", 3)]


def test_clients_without_number_are_no_flood(notifications: Notifications, caplog: pytest.LogCaptureFixture) -> None:
    """From a hundred on, new clients share a line for each code and reason; the count has them all."""
    for number in range(10_000):
        notifications.refused(401, "no valid credentials", f"2001:db8::{number:x}")
    assert len(lines(caplog)) == MAX_LOG_KEYS + 1
    assert lines(caplog)[-1] == (401, OTHER_CLIENTS, 1)
    (refusal,) = notifications.refusals()
    assert (refusal.count, len(refusal.clients)) == (10_000, MAX_CLIENTS)
    assert refusal.clients[0] == f"2001:db8::{9_999:x}"


def test_a_refusal_counts_for_a_quarter_of_an_hour(notifications: Notifications, clock: Clock) -> None:
    """As long as the alert on it, and with one that is new the older ones are not counted again."""
    notifications.refused(401, "no valid credentials", "10.0.3.4")
    clock.move(seconds=RECENT.total_seconds())
    assert [refusal.count for refusal in notifications.refusals()] == [1]
    clock.move(seconds=1)
    assert notifications.refusals() == ()
    clock.move(minutes=2)
    notifications.refused(401, "no valid credentials", "10.0.3.4")
    assert [refusal.count for refusal in notifications.refusals()] == [1]


def test_the_latest_reason_comes_first(notifications: Notifications, clock: Clock) -> None:
    """What is refused now is what a person has to know first; what had no answer has no code."""
    notifications.refused(401, "no valid credentials", "10.0.3.4")
    clock.move(seconds=1)
    notifications.refused(None, "TLS handshake failed", "10.0.3.5", "unknown ca")
    assert [(refusal.code, refusal.reason) for refusal in notifications.refusals()] == [
        (None, "TLS handshake failed"),
        (401, "no valid credentials"),
    ]

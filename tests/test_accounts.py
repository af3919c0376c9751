"""The soak's reckoning: what does not come to the same is named, and what cannot be known is not."""

import json
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from benchmarks.clients.wire import Answer
from benchmarks.soak.accounts import Record, discrepancies
from benchmarks.soak.book import Book

EXPECTED = frozenset({200, 503})


def answer(code: int, *told: tuple[str, str]) -> Answer:
    """An answer that tells of alerts."""
    outcomes = [{"remediation": remediation, "reason": reason, "message": "-"} for remediation, reason in told]
    return Answer(code, json.dumps({"outcomes": outcomes}).encode(), closes=False)


def book() -> Book:
    """An act for two alerts, with a third that nothing answers; one client that left, and one that was cut."""
    kept = Book(gone=1, gone_alerts=1, cut=1)
    kept.enter("acting", EXPECTED, answer(200, ("a", "Applied"), ("a", "Applied"), ("", "NoRemediation")), 0.01)
    return kept


def line(remediation: str, reason: str, alerts: int, **facts: Any) -> dict[str, Any]:
    """An audit line."""
    return {"remediation": remediation, "reason": reason, "alertCount": alerts, "target": remediation, **facts}


RECORD = Record(
    notifications=Counter({200: 2, 400: 1}),
    outcomes=Counter({("a", "Applied"): 2, ("", "NoRemediation"): 1, ("gone", "CoolingDown"): 1}),
    dropped={},
    cuts=0,
    decisions=[line("a", "Applied", 2), line("", "NoRemediation", 1), line("gone", "CoolingDown", 1)],
    log="",
)


def test_what_adds_up_is_no_discrepancy() -> None:
    """Those who left and were cut are counted by the service alone, within their number."""
    assert list(discrepancies(book(), RECORD, {"a": 1})) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"notifications": Counter({200: 1, 400: 1})}, "0 more were counted with 200 or 503 than answered, and 1"),
        ({"notifications": Counter({200: 3, 400: 1})}, "2 more were counted with 200 or 503 than answered, and 1"),
        ({"notifications": Counter({200: 2, 400: 2})}, "1 more were counted with 200 or 503 than answered, and 2"),
        ({"notifications": Counter({200: 2, 401: 1})}, "1 more with code 401"),
        ({"outcomes": RECORD.outcomes + Counter({("a", "Applied"): 1})}, "counts 3 for ('a', 'Applied')"),
        (
            {"outcomes": RECORD.outcomes - Counter({("gone", "CoolingDown"): 1})},
            "clients left with 1 alerts, and 0 of them were decided",
        ),
        ({"dropped": {"audit": 1}}, "1 audit lines were dropped"),
        ({"dropped": {"event": 1}}, "1 Events were dropped, and the log tells of 0"),
        ({"cuts": 2}, "2 connections were cut"),
        ({"decisions": RECORD.decisions[1:]}, "1 audit lines of decisions, and 2 decisions were answered"),
        ({"decisions": [line("a", "Applied", 1), *RECORD.decisions[1:]]}, "audit lines tell of 1 alerts"),
        ({"log": 'level=error traceback="Traceback (most recent call last)'}, "1 tracebacks"),
    ],
)
def test_every_discrepancy_of_the_service_is_named(change: dict[str, Any], told: str) -> None:
    """Whatever the service has counted or written too often or not at all is told with both numbers."""
    assert told in "\n".join(discrepancies(book(), replace(RECORD, **change), {"a": 1}))


@pytest.mark.parametrize("changes", [0, 2])
def test_an_act_that_was_not_recorded_or_not_done_is_named(changes: int) -> None:
    """The target has changed as often as acts were recorded."""
    assert [*discrepancies(book(), RECORD, {"a": changes})] == [
        f"a was changed {changes} times, and 1 acts were recorded, 0 open"
    ]


def test_a_write_whose_answer_was_lost_is_open() -> None:
    """It may have changed the target or not."""
    lost = line("a", "Unavailable", 1, actionId="x", message="may hold")
    kept = book()
    kept.enter("acting", EXPECTED, answer(503, ("a", "Unavailable")), 0.01)
    record = replace(
        RECORD,
        notifications=RECORD.notifications + Counter({503: 1}),
        outcomes=RECORD.outcomes + Counter({("a", "Unavailable"): 1}),
        decisions=[*RECORD.decisions, lost],
    )
    assert [*discrepancies(kept, record, {"a": 1})] == [*discrepancies(kept, record, {"a": 2})] == []


def test_what_clients_were_not_to_be_told_is_named() -> None:
    """No answer, a late one, and one with a code that such a request never gets."""
    kept = book()
    kept.unanswered["slow"] += 1
    kept.enter("resolved", EXPECTED, answer(401), 11)
    told = "\n".join(discrepancies(kept, replace(RECORD, notifications=RECORD.notifications + Counter({401: 1})), {}))
    assert "1 whole requests (slow) got no answer" in told
    assert "unexpected code: resolved 401" in told
    assert "1 answers came after more than 10 s" in told

"""The soak's accounts: every difference is reported, and what cannot be known is not."""

from dataclasses import replace
from typing import Any

import pytest

from benchmarks.soak.accounts import Record, Tally, discrepancies

EXPECTED = frozenset({200, 503})


def line(target: str, reason: str, **facts: Any) -> dict[str, Any]:
    """An audit line."""
    return {"target": target, "reason": reason, "message": "-", **facts}


RECORD = Record(decisions=[line("a", "Applied"), line("b", "CoolingDown")], dropped_lines=0, log="")


def test_equal_accounts_have_no_discrepancy() -> None:
    """Each change is one recorded act, and each answer is an expected one in time."""
    tally = Tally()
    tally.enter("acting", EXPECTED, 200, 0.01)
    assert list(discrepancies(tally, RECORD, {"a": 1, "b": 0})) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dropped_lines": 1}, "1 audit lines were dropped"),
        ({"log": 'level=error traceback="Traceback (most recent call last)'}, "1 tracebacks"),
        ({"decisions": [*RECORD.decisions, line("a", "Applied")]}, "a changed 1 times; 2 acts recorded"),
    ],
)
def test_every_fault_of_the_service_is_reported(change: dict[str, Any], message: str) -> None:
    """Dropped audit lines, tracebacks, and acts that changed nothing."""
    assert message in "\n".join(discrepancies(Tally(), replace(RECORD, **change), {"a": 1}))


@pytest.mark.parametrize("changes", [0, 2])
def test_an_act_that_was_not_done_or_done_twice_is_reported(changes: int) -> None:
    """A target changes exactly as often as acts were recorded."""
    assert list(discrepancies(Tally(), RECORD, {"a": changes})) == [
        f"a changed {changes} times; 1 acts recorded, 0 unconfirmed"
    ]


@pytest.mark.parametrize("facts", [{"actionId": "x"}, {"message": "no answer, and the record is not there"}])
def test_a_write_without_an_answer_may_have_been_done(facts: dict[str, Any]) -> None:
    """It may have changed the target or not, but not twice."""
    record = replace(RECORD, decisions=[*RECORD.decisions, line("a", "Unavailable", **facts)])
    assert [*discrepancies(Tally(), record, {"a": 1})] == [*discrepancies(Tally(), record, {"a": 2})] == []
    assert [*discrepancies(Tally(), record, {"a": 3})] == ["a changed 3 times; 1 acts recorded, 1 unconfirmed"]


def test_an_unexpected_and_a_late_answer_are_reported() -> None:
    """Each with its kind of request."""
    tally = Tally()
    tally.enter("resolved", EXPECTED, 401, 11)
    assert list(discrepancies(tally, RECORD, {})) == [
        "1 × resolved: answered 401",
        "1 × resolved: answered after more than 10 s",
    ]

"""Audit lines as `kubectl logs` shows them: whole, broken, mixed with logs, and hostile."""

import json
from typing import Any

import pytest

from remediator.core.audit_lines import MAX_LINE, AuditLine, Broken, read_audit_lines

DECISION = {
    "time": "2026-11-23T03:12:09.482Z",
    "audit": "decision",
    "reason": "Applied",
    "message": "set 10 % -> 0 %",
    "remediation": "rollback",
    "target": "denis",
    "effect": "SetPercentage",
    "actionId": "1f6a0c53b2d94e7a",
    "alertCount": 2,
    "alerts": [
        {
            "alertname": "DenisErrorRateHigh",
            "fingerprint": "42",
            "value": "0.0542000001",
            "startsAt": "2026-11-23T03:12:04.398Z",
        }
    ],
}


def read(*lines: str) -> list[AuditLine | Broken]:
    """What is read of a log with these lines."""
    return [*read_audit_lines(f"{line}\n" for line in lines)]


def text(**changes: Any) -> str:
    """The line of a decision with these fields."""
    return json.dumps(DECISION | changes)


def one(line: str) -> AuditLine:
    """The only audit line of a log."""
    (found,) = read(line)
    assert isinstance(found, AuditLine), found
    return found


def test_a_decision_is_read() -> None:
    """When, what, why, on what, and which alerts, with numbers as people read them."""
    found = one(text())
    assert found.time.isoformat() == "2026-11-23T03:12:09.482000+00:00"
    assert (found.reason, found.remediation, found.target, found.action_id) == (
        "Applied",
        "rollback",
        "denis",
        "1f6a0c53b2d94e7a",
    )
    assert (found.alert_count, found.alerts[0].name, found.alerts[0].value) == (2, "DenisErrorRateHigh", "0.0542")
    assert found.alerts[0].began is not None


@pytest.mark.parametrize(
    "prefix",
    ["", "[pod/remediator-5d9c-x/remediator] ", "2026-11-23T03:12:09.482312345Z ", "[pod/a/b] 2026-11-23T03:12:09Z "],
)
def test_what_kubectl_puts_before_a_line_is_passed_over(prefix: str) -> None:
    """kubectl logs --prefix and --timestamps."""
    assert one(prefix + text()) == one(text())


def test_logs_between_audit_lines_are_passed_over() -> None:
    """kubectl shows both streams in one: logfmt, JSON logs, empty lines, and a traceback's."""
    logs = ["ts=2026-11-23T03:12:09Z level=info msg=starting", '{"ts": "x", "msg": "a log"}', "", '  File "x", line 1']
    assert read(*logs, text(), *logs) == [one(text())]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (text()[:90], "is no complete JSON object"),
        (text() + text(), "is no complete JSON object"),
        ("{" * 100_000, "is no complete JSON object"),
        (text(time=None), "has no time that can be read"),
        (text(time="yesterday"), "has no time that can be read"),
        (text(time="2026-11-23T03:12:09"), "has no time that can be read"),
        (text(audit="dream"), "is of a kind that this version does not know: dream"),
        (text(message="x" * MAX_LINE), f"is longer than {MAX_LINE} characters"),
    ],
)
def test_a_broken_line_is_named_by_its_number_and_costs_no_other(line: str, why: str) -> None:
    """Cut off, two at once, without a time, of a newer version, too long."""
    assert read("a log", text(), line, text()) == [one(text()), Broken(number=3, why=why), one(text())]


@pytest.mark.parametrize("value", [None, 7, [], {}, [None, 3, "x"], True, -1, 10**30, "\ud800"])
def test_fields_of_another_type_cost_nothing_else(value: Any) -> None:
    """Whatever stands in a field that is not the time."""
    fields = dict.fromkeys(("reason", "message", "remediation", "alertCount", "alerts", "actionId", "target"), value)
    found = one(text(**fields))
    assert found.time == one(text()).time
    assert 0 <= found.alert_count < 1_000_000


def test_texts_are_one_short_line() -> None:
    """What would steer a terminal or begin a line is gone, and nothing is longer than a message."""
    found = one(text(message="a\nb\x1b[31m‮" + "x" * 10_000, target="a\r\nb"))
    assert found.message.isprintable()
    assert len(found.message) <= 500
    assert found.target == "a  b"

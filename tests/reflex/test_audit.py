"""The audit log: whole lines in their order, nobody waits for them, and what is not written is counted."""

import io
import json
import threading
import weakref
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from demo.waiting import until
from remediator.reflex.audit import MAX_WAITING, AuditLog

NOON = datetime(2026, 11, 24, 12, 0, 0, 120_000, tzinfo=UTC)


class Held(io.StringIO):
    """A stream that takes nothing until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.go_on = threading.Event()

    def write(self, text: str) -> int:
        self.go_on.wait(60)
        return super().write(text)


@pytest.fixture
def dropped() -> list[None]:
    """One for each line that was dropped."""
    return []


@pytest.fixture
def held() -> Iterator[Held]:
    """Let go at the end, so that no thread is left behind."""
    stream = Held()
    yield stream
    stream.go_on.set()


def lines(stream: io.StringIO) -> list[Any]:
    """What was written."""
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_lines_are_in_the_order_in_which_they_came(dropped: list[None]) -> None:
    """A hundred lines, each a JSON object with the time in UTC first."""
    stream = io.StringIO()
    audit = AuditLog(stream, lambda: dropped.append(None))
    for number in range(100):
        audit.write({"number": number}, NOON.astimezone(timezone(timedelta(hours=5))))
    audit.flush()
    assert lines(stream) == [{"time": "2026-11-24T12:00:00.120Z", "number": number} for number in range(100)]
    assert next(iter(lines(stream)[0])) == "time"
    assert not dropped


def test_empty_facts_are_left_out_and_zero_is_not(dropped: list[None]) -> None:
    """From 0 % is a fact, an empty reason is none."""
    stream = io.StringIO()
    audit = AuditLog(stream, lambda: dropped.append(None))
    audit.write({"from": 0, "to": None, "reason": "", "alerts": []}, NOON)
    audit.flush()
    assert lines(stream) == [{"time": "2026-11-24T12:00:00.120Z", "from": 0}]


@pytest.mark.parametrize("text", ["Zähler", "\u202edenis", "\ud800", 'a "quote"\n', "\x00\x1b[2J", "💥"])
def test_a_line_is_ascii_whatever_labels_hold(dropped: list[None], text: str) -> None:
    """Text that would turn a terminal around is escaped, and comes back the same."""
    stream = io.StringIO()
    audit = AuditLog(stream, lambda: dropped.append(None))
    audit.write({"alertname": text}, NOON)
    audit.flush()
    assert stream.getvalue().isascii()
    assert stream.getvalue().count("\n") == 1
    assert lines(stream)[0]["alertname"] == text


def test_what_cannot_be_written_is_counted_and_the_next_line_is_written(dropped: list[None]) -> None:
    """A full disk costs the lines that meet it, and no other."""

    class Full(io.StringIO):
        is_full = True

        def write(self, text: str) -> int:
            if self.is_full:
                raise OSError(28, "No space left on device")
            return super().write(text)

    stream = Full()
    audit = AuditLog(stream, lambda: dropped.append(None))
    audit.write({"number": 1}, NOON)
    audit.flush()
    assert len(dropped) == 1
    stream.is_full = False
    audit.write({"number": 2}, NOON)
    audit.flush()
    assert [line["number"] for line in lines(stream)] == [2]
    assert audit.is_alive()


def test_nobody_waits_for_a_stream_that_nobody_reads(dropped: list[None], held: Held) -> None:
    """Lines wait up to a bound; beyond it they are counted, and whoever writes goes on."""
    audit = AuditLog(held, lambda: dropped.append(None))
    audit.write({"number": -1}, NOON)
    for number in range(3 * MAX_WAITING):
        audit.write({"number": number}, NOON)
    assert MAX_WAITING < len(dropped) < 3 * MAX_WAITING
    audit.flush(0.01)
    held.go_on.set()
    audit.flush()
    assert len(lines(held)) + len(dropped) == 3 * MAX_WAITING + 1


def test_a_line_that_is_written_is_let_go_of(dropped: list[None]) -> None:
    """What the last line told of may be a large notification's, and the next line may be hours away."""

    class Facts(dict[str, Any]):
        """Can be watched, which a plain dict cannot."""

    audit = AuditLog(io.StringIO(), lambda: dropped.append(None))
    facts = Facts(number=1)
    last = weakref.ref(facts)
    audit.write(facts, NOON)
    del facts
    until("it is let go of", lambda: last() is None, 60)

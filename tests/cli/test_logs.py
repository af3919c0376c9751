"""Log lines: one line each, facts in fields, for machines as JSON and for people as logfmt."""

import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from remediator.cli.logs import BURST, LEVELS, Format, configure_logging

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@contextmanager
def configured(level: str, spelling: Format) -> Iterator[None]:
    """Logging as the process has it once it is configured; afterwards as it was."""
    root, urllib3 = logging.getLogger(), logging.getLogger("urllib3")
    before = root.handlers[:], root.level, urllib3.level
    root.handlers[:] = []
    try:
        configure_logging(level, spelling)
        yield
    finally:
        root.handlers[:] = before[0]
        root.setLevel(before[1])
        urllib3.setLevel(before[2])


def written(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that was logged, and that nothing went to standard output."""
    output = capsys.readouterr()
    assert output.out == ""
    (line,) = output.err.splitlines()
    return line


def written_json(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The one line that was logged, as JSON, without its time."""
    fields: dict[str, Any] = json.loads(written(capsys))
    assert TIME.fullmatch(fields.pop("time"))
    return fields


def test_a_line_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    """A line is one JSON object: time, level, message, and the facts as fields of their own types."""
    with configured("info", "json"):
        logging.getLogger("remediator.x").info("reloaded", extra={"file": "a\nb", "targets": 2, "ok": True})

    assert written_json(capsys) == {"level": "info", "msg": "reloaded", "file": "a\nb", "targets": 2, "ok": True}


def test_a_line_of_logfmt(capsys: pytest.CaptureFixture[str]) -> None:
    """A line is key=value pairs in the same order, with quotes where a value needs them."""
    with configured("info", "logfmt"):
        logging.getLogger("remediator.x").info(
            "configuration reloaded", extra={"file": "a.yaml", "why": 'say "hi"', "n": 2, "empty": "", "sum": "1=1"}
        )
    time, _, rest = written(capsys).partition(" ")

    assert TIME.fullmatch(time.removeprefix("time="))
    assert rest == r'level=info msg="configuration reloaded" file=a.yaml why="say \"hi\"" n=2 empty="" sum="1=1"'


@pytest.mark.parametrize("spelling", ["json", "logfmt"])
@pytest.mark.parametrize("value", ["a\nb", "a\r\nb", "a\x00b", "a\x1b[31mb", "a\u2028b", "a\x85b"])
def test_a_hostile_value_makes_no_second_line(capsys: pytest.CaptureFixture[str], spelling: Format, value: str) -> None:
    """Whatever a label holds, it cannot forge a line or move the cursor of a terminal."""
    with configured("info", spelling):
        logging.getLogger("remediator.x").warning("seen", extra={"label": value})
    line = written(capsys)

    assert value not in line
    assert line.isprintable()


def test_a_right_to_left_mark_does_not_reach_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """A label that turns the direction of text is written with escapes."""
    with configured("info", "logfmt"):
        logging.getLogger("remediator.x").warning("seen", extra={"label": "a\u202eb"})

    assert written(capsys).isprintable()


@pytest.mark.parametrize(
    ("level", "word"),
    [
        (logging.DEBUG, "debug"),
        (logging.INFO, "info"),
        (logging.WARNING, "warn"),
        (logging.ERROR, "error"),
        (logging.CRITICAL, "error"),
    ],
)
def test_levels_are_the_four_of_prometheus(capsys: pytest.CaptureFixture[str], level: int, word: str) -> None:
    """Levels are named as Prometheus names them."""
    with configured("debug", "json"):
        logging.getLogger("remediator.x").log(level, "seen")

    assert written_json(capsys)["level"] == word


@pytest.mark.parametrize("level", LEVELS)
def test_lines_below_the_level_are_left_out(capsys: pytest.CaptureFixture[str], level: str) -> None:
    """The level of the flag and those above it are written, and nothing below."""
    with configured(level, "json"):
        for number in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR):
            logging.getLogger("remediator.x").log(number, "seen")
    lines = [json.loads(line)["level"] for line in capsys.readouterr().err.splitlines()]

    assert lines == list(LEVELS[LEVELS.index(level) :])


@pytest.mark.parametrize("spelling", ["json", "logfmt"])
def test_a_traceback_is_one_field_of_the_line(capsys: pytest.CaptureFixture[str], spelling: Format) -> None:
    """An exception comes with its traceback, in the same line."""
    with configured("info", spelling):
        try:
            raise OSError("black hole")
        except OSError:
            logging.getLogger("remediator.x").exception("failed", extra={"target": "denis"})
    line = written(capsys)

    assert r"\nOSError: black hole" in line
    assert "Traceback (most recent call last)" in line


def test_a_fact_that_json_does_not_know_is_text(capsys: pytest.CaptureFixture[str]) -> None:
    """A fact of another type is written as text rather than lost."""
    with configured("info", "json"):
        logging.getLogger("remediator.x").info("seen", extra={"error": OSError("black hole")})

    assert written_json(capsys)["error"] == "black hole"


def test_each_request_to_the_api_server_is_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    """The client's own chatter stays out, even at the level debug."""
    with configured("debug", "json"):
        logging.getLogger("urllib3.connectionpool").debug("GET /apis")
        logging.getLogger("urllib3.connectionpool").warning("Retrying")

    assert capsys.readouterr().err == ""


def test_no_message_floods_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    """A loop that logs each of its failures gets some lines, then one a second, and how many were left out."""
    log = logging.getLogger("remediator.loop")
    with configured("info", "json"):
        for number in range(1_000):
            log.warning("it failed", extra={"number": number})
        log.warning("another thing failed")
        for later in (1, 2):
            record = log.makeRecord(log.name, logging.WARNING, "", 0, "it failed", (), None)
            record.created += later
            log.handle(record)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line.get("number") for line in lines[:BURST]] == list(range(BURST))
    assert [(line["msg"], line.get("leftOut")) for line in lines[BURST:]] == [
        ("another thing failed", None),
        ("it failed", 1_000 - BURST),
        ("it failed", None),
    ]


def test_what_is_kept_of_audit_lines_has_no_rate(capsys: pytest.CaptureFixture[str]) -> None:
    """An audit line that could not be written is in the log and nowhere else."""
    with configured("info", "json"):
        for _ in range(100):
            logging.getLogger("remediator.reflex.audit").error("audit line not written", extra={"line": "{}"})
    assert len(capsys.readouterr().err.splitlines()) == 100

"""The audit log: one line of JSON for everything that is recorded, in order.

The rule of this file: nothing waits for it. A thread of its own formats and writes the lines a moment later, so that
neither that work nor a blocked standard output delays a response; lines that cannot be written are counted and logged.
"""

import json
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, TextIO

from pydantic_core import to_json

from remediator.core.times import format_time

log = logging.getLogger(__name__)

MAX_WAITING = 10_000
"""The most lines that wait to be written, about 15 MB."""

HEAD_START_SECONDS = 0.01
"""A delay that lets the response go first; all lines that come in this time are one write."""

_AT_ONCE = 1_000


_Line = tuple[Mapping[str, Any], datetime]


class AuditLog:
    """Writes lines to a stream. `on_drop` is called for each that could not be written."""

    def __init__(self, stream: TextIO, on_drop: Callable[[], None]) -> None:
        self._stream = stream
        self._on_drop = on_drop
        self._waiting: queue.SimpleQueue[_Line | threading.Event] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write_all, name="audit", daemon=True)
        self._thread.start()

    def write(self, facts: Mapping[str, Any], now: datetime) -> None:
        """Queue a line with these facts, except empty ones and None; they must not change afterwards."""
        line = facts, now
        if self._waiting.qsize() < MAX_WAITING:
            self._waiting.put(line)
        else:
            self._drop(_spell(line), "too many lines are waiting")

    def flush(self, timeout: float | None = None) -> None:
        """Wait until the lines so far are written, for at most this many seconds."""
        written = threading.Event()
        self._waiting.put(written)
        written.wait(timeout)

    def is_alive(self) -> bool:
        """Whether the writing thread is alive."""
        return self._thread.is_alive()

    def _write_all(self) -> None:
        while True:
            self._write_next()

    def _write_next(self) -> None:
        taken = list(self._take())
        self._write([_spell(one) for one in taken if not isinstance(one, threading.Event)])
        for one in taken:
            if isinstance(one, threading.Event):
                one.set()

    def _take(self) -> Iterator[_Line | threading.Event]:
        yield self._waiting.get()
        time.sleep(HEAD_START_SECONDS)
        for _ in range(min(self._waiting.qsize(), _AT_ONCE)):
            yield self._waiting.get()

    def _write(self, lines: list[str]) -> None:
        try:
            self._stream.write("".join(f"{line}\n" for line in lines))
            self._stream.flush()
        except (OSError, ValueError) as error:  # Writing to a closed file raises ValueError.
            for line in lines:
                self._drop(line, str(error))

    def _drop(self, line: str, why: str) -> None:
        self._on_drop()
        log.error("audit line not written", extra={"error": why, "line": line})


def _spell(line: _Line) -> str:
    """JSON in ASCII, because labels may contain bidirectional control characters."""
    facts, now = line
    at = format_time(now, "milliseconds")
    fields = {"time": at, **{name: fact for name, fact in facts.items() if fact or fact == 0}}
    try:
        text = to_json(fields)
    except ValueError:  # A lone surrogate cannot be encoded as UTF-8.
        text = b"\xff"
    return text.decode() if text.isascii() else json.dumps(fields, separators=(",", ":"))

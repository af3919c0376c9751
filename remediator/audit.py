"""The audit log: one line of JSON for everything that is recorded, in the order in which it was.

The rule of this file: nobody waits for it. A thread of its own writes the lines, so that a standard output that nobody
reads holds up no answer; what cannot be written is counted and goes to the log.
"""

import json
import logging
import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, TextIO

from pydantic_core import to_json

log = logging.getLogger(__name__)

MAX_WAITING = 10_000
"""Lines that may wait to be written: some 5 MB."""

_AT_ONCE = 100


class AuditLog:
    """Writes lines to a stream. `on_drop` is told of each that could not be written."""

    def __init__(self, stream: TextIO, on_drop: Callable[[], None]) -> None:
        self._stream = stream
        self._on_drop = on_drop
        self._waiting: queue.SimpleQueue[str | threading.Event] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write_all, name="audit", daemon=True)
        self._thread.start()

    def write(self, facts: Mapping[str, Any], now: datetime) -> None:
        """Write a line with these facts, without those that are empty or None."""
        at = now.astimezone(UTC).isoformat(timespec="milliseconds")[:-6] + "Z"
        line = _spell({"time": at, **{name: fact for name, fact in facts.items() if fact or fact == 0}})
        if self._waiting.qsize() < MAX_WAITING:
            self._waiting.put(line)
        else:
            self._drop(line, "more lines wait than can be kept")

    def flush(self, timeout: float | None = None) -> None:
        """Wait until the lines so far are written, for at most so many seconds."""
        written = threading.Event()
        self._waiting.put(written)
        written.wait(timeout)

    def is_alive(self) -> bool:
        """Whether lines are still written."""
        return self._thread.is_alive()

    def _write_all(self) -> None:
        while True:
            taken = list(self._take())
            self._write([one for one in taken if isinstance(one, str)])
            for one in taken:
                if isinstance(one, threading.Event):
                    one.set()

    def _take(self) -> Iterator[str | threading.Event]:
        """What waits, up to a bound: in a storm, many lines are one write."""
        yield self._waiting.get()
        for _ in range(min(self._waiting.qsize(), _AT_ONCE)):
            yield self._waiting.get()

    def _write(self, lines: list[str]) -> None:
        try:
            self._stream.write("".join(f"{line}\n" for line in lines))
            self._stream.flush()
        except (OSError, ValueError) as error:  # A closed file is a ValueError.
            for line in lines:
                self._drop(line, str(error))

    def _drop(self, line: str, why: str) -> None:
        self._on_drop()
        log.error("audit line not written", extra={"error": why, "line": line})


def _spell(facts: Mapping[str, Any]) -> str:
    """JSON in ASCII, for labels may hold what turns a terminal's text around."""
    try:
        text = to_json(facts)
    except ValueError:  # Half of a surrogate pair is no UTF-8.
        text = b"\xff"
    return text.decode() if text.isascii() else json.dumps(facts, separators=(",", ":"))

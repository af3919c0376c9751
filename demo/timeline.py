"""How the story looks: aligned columns of time, who and what, with colour where a person reads it."""

import os
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal, NamedTuple, TextIO

Mood = Literal["plain", "quiet", "bold", "bad", "doubtful", "good"]

_COLOURS: dict[Mood, str] = {"plain": "", "quiet": "2", "bold": "1", "bad": "31", "doubtful": "33", "good": "32"}
_MARKS: dict[Mood, str] = {"plain": " ", "quiet": " ", "bold": " ", "bad": "✗", "doubtful": "…", "good": "✓"}
_PLAIN_MARKS = str.maketrans("✗…✓▇", "x~+#")
_WHO_WIDTH = 12
_BAR_WIDTH = 24


class Hop(NamedTuple):
    """One part of the way from cause to act."""

    name: str
    seconds: float
    note: str


class Timeline:
    """Prints what happened, with the seconds since it began."""

    def __init__(self, stream: TextIO = sys.stdout) -> None:
        self._stream = stream
        self._coloured = stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        self._began = time.time()

    def begin(self) -> None:
        """The time is 0 now."""
        self._began = time.time()

    def title(self, text: str) -> None:
        """The first line."""
        self._print(f"\n  {self._paint(text, 'bold')}\n")

    def heading(self, text: str) -> None:
        """The name of a chapter."""
        self._print(f"\n  {self._paint(text, 'bold')}")

    def fact(self, name: str, text: str) -> None:
        """One of the things that take part."""
        self._print(f"  {name:<{_WHO_WIDTH}} {self._paint(text, 'quiet')}")

    def happened(self, who: str, what: str, mood: Mood = "plain", at: datetime | None = None) -> None:
        """One event, at this time or now."""
        moment = at.timestamp() if at else time.time()
        # What was asked of two programs can be off by the time of one evaluation, never by more.
        seconds = max(0.0, moment - self._began)
        told = self._paint(f"{_MARKS[mood]} {what}", mood)
        self._print(f"  {self._paint(f'{seconds:5.1f} s', 'quiet')}  {who:<{_WHO_WIDTH}} {told}")

    def hops(self, title: str, hops: Sequence[Hop]) -> None:
        """Where the time went: a bar for each part."""
        self._print(f"\n           {self._paint(title, 'bold')}")
        longest = max(hop.seconds for hop in hops)
        for hop in hops:
            bar = "▇" * max(1, round(_BAR_WIDTH * hop.seconds / longest))
            text = f"           {hop.name:<26} {spell_seconds(hop.seconds):>6}  {bar:<{_BAR_WIDTH}}"
            self._print(f"{text}  {self._paint(hop.note, 'quiet')}".rstrip())

    def note(self, text: str, mood: Mood = "plain") -> None:
        """A line without a time."""
        self._print(f"  {self._paint(text, mood)}" if text else "")

    def _paint(self, text: str, mood: Mood) -> str:
        code = _COLOURS[mood]
        return f"\x1b[{code}m{text}\x1b[0m" if self._coloured and code else text

    def _print(self, text: str) -> None:
        if "utf" not in (self._stream.encoding or "").lower():
            text = text.translate(_PLAIN_MARKS)
        self._stream.write(f"{text}\n")
        self._stream.flush()


def moment(text: str) -> datetime:
    """A time as Go and Python write it; Go's nanoseconds are more than Python reads."""
    return datetime.fromisoformat(text).astimezone(UTC)


def spell_seconds(seconds: float) -> str:
    """A time as a person says it."""
    return f"{seconds * 1000:.0f} ms" if seconds < 0.1 else f"{seconds:.1f} s"

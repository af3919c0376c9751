"""The API server's clock, estimated from its responses: all times on targets are stamped and compared by it.

The rule of this file: a response only proves an interval. Its `Date` was true, to the second, at some moment between
request and response; several responses narrow that down to a fraction of a second. While the machine's own clock is
within the interval it counts as right, because it is the more precise one.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Self

_GRAIN = 1.0
"""The resolution of a Date in seconds."""

_DRIFT = 5e-4
"""How fast two clocks may drift apart: as fast as NTP slews. It widens the interval of an old response."""

_STEPS_KEPT = 3600.0
"""Seconds for which a step of the API server's clock makes earlier records uncertain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offset:
    """How far the API server's clock is ahead of a steady one, in seconds, as an interval."""

    low: float
    high: float
    at: float
    """When it was measured, by the steady clock."""

    @classmethod
    def proved_by(cls, date: float, sent: float, received: float) -> Self:
        """The interval that one response proves; `sent` and `received` are times of the steady clock."""
        return cls(low=date - received, high=date + _GRAIN - sent, at=received)

    def as_of(self, steady: float) -> Self:
        """The interval at another time, widened by possible drift."""
        worn = abs(steady - self.at) * _DRIFT
        return type(self)(low=self.low - worn, high=self.high + worn, at=steady)

    def and_by(self, other: Self) -> Self | None:
        """The intersection, or None if there is none: a clock was set, or there are two clocks."""
        earlier = self.as_of(other.at)
        low, high = max(earlier.low, other.low), min(earlier.high, other.high)
        return type(self)(low=low, high=high, at=other.at) if low <= high else None

    @property
    def middle(self) -> float:
        """The middle of the interval, wrong by at most half of its width."""
        return (self.low + self.high) / 2

    def nearest(self, guess: float) -> float:
        """The guess if it is within the interval, else the middle."""
        return guess if self.low <= guess <= self.high else self.middle


class ApiClock:
    """The API server's clock. Safe to share between threads.

    Before the first response it is the machine's own clock. No decision uses that, because each one follows a read.
    """

    def __init__(self, *, steady: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time) -> None:
        self.steady = steady
        """Seconds of a monotonic clock."""
        self._wall = wall
        self._offset: Offset | None = None
        self._steps: deque[tuple[float, float]] = deque(maxlen=1000)
        self._lock = threading.Lock()

    def learn(self, date: str | None, sent: float, received: float) -> None:
        """Learn from the Date of a response; the other arguments are steady times of the request and the response."""
        try:
            theirs = _time_of(date or "")
        except (ValueError, OverflowError):
            return  # Without a valid Date the previous interval stays.
        if theirs.tzinfo is None:
            return
        proved = Offset.proved_by(theirs.timestamp(), sent, received)
        with self._lock:
            before, both = self._offset, self._offset and self._offset.and_by(proved)
            if before and not both:
                self._steps.append((received, before.middle))
            self._offset = both or proved

    def now(self) -> datetime:
        """The API server's time."""
        return _datetime(self._at(self.steady()))

    def _at(self, steady: float) -> float:
        wall, offset = self._wall(), self._offset
        return wall if offset is None else steady + offset.as_of(steady).nearest(wall - steady)

    @property
    def skew(self) -> timedelta | None:
        """How far it is ahead of the machine's clock; 0 if no difference is proved, None before the first response."""
        if self._offset is None:
            return None
        return timedelta(seconds=self._at(self.steady()) - self._wall())

    @property
    def unsure(self) -> timedelta:
        """How far off a record of the last hour may be, because the clock was set, or there are several clocks."""
        with self._lock:
            now = self.steady()
            known = [offset for at, offset in self._steps if now - at < _STEPS_KEPT]
            if not known or self._offset is None:
                return timedelta(0)
            known.append(self._offset.middle)
        return timedelta(seconds=max(known) - min(known))


def _datetime(seconds: float) -> datetime:
    """A valid date, whatever a response said."""
    latest = datetime.max.replace(tzinfo=UTC).timestamp() - 1
    return datetime.fromtimestamp(min(max(seconds, 0.0), latest), UTC)


# Cached: all responses within a second have the same Date.
_time_of = lru_cache(maxsize=1)(parsedate_to_datetime)

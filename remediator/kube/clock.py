"""The API server's clock, as its answers say it: what is stamped, counted or compared on targets goes by it.

The rule of this file: an answer proves an interval and no more. Its `Date` was true, to the second, at some moment
between the request and the answer; several answers together narrow that down to a fraction of a second. The machine's
own wall clock counts as right while it is inside of the interval, for then it is the better of the two.
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
"""Seconds that a Date leaves open."""

_DRIFT = 5e-4
"""How fast two clocks may part: as fast as NTP slews one of them. So what an old answer proved wears off."""

_STEPS_KEPT = 3600.0
"""Seconds for which a step of the API server's clock makes records from before it unsure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offset:
    """How far the API server's clock is ahead of a steady one, in seconds: between two bounds."""

    low: float
    high: float
    at: float
    """When that was learned, by the steady clock."""

    @classmethod
    def proved_by(cls, date: float, sent: float, received: float) -> Self:
        """What one answer proves, that was asked for and came at these moments of the steady clock."""
        return cls(low=date - received, high=date + _GRAIN - sent, at=received)

    def as_of(self, steady: float) -> Self:
        """What is still proved at another moment: a little less."""
        worn = abs(steady - self.at) * _DRIFT
        return type(self)(low=self.low - worn, high=self.high + worn, at=steady)

    def and_by(self, other: Self) -> Self | None:
        """What both prove, or None where they contradict each other: a clock was set, or there are two."""
        earlier = self.as_of(other.at)
        low, high = max(earlier.low, other.low), min(earlier.high, other.high)
        return type(self)(low=low, high=high, at=other.at) if low <= high else None

    @property
    def middle(self) -> float:
        """The offset that is wrong by half of the interval at most."""
        return (self.low + self.high) / 2

    def nearest(self, guess: float) -> float:
        """The guess where it can be true, else the middle."""
        return guess if self.low <= guess <= self.high else self.middle


class ApiClock:
    """The API server's clock. Safe to share between threads.

    Before the first answer it is the machine's own, by which nothing is decided: each decision follows a read.
    """

    def __init__(self, *, steady: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time) -> None:
        self.steady = steady
        """Seconds of a clock that nobody sets."""
        self._wall = wall
        self._offset: Offset | None = None
        self._steps: deque[tuple[float, float]] = deque(maxlen=1000)
        self._lock = threading.Lock()

    def learn(self, date: str | None, sent: float, received: float) -> None:
        """Take the Date of an answer to a request that was sent, and answered, at these steady moments."""
        try:
            theirs = _time_of(date or "")
        except (ValueError, OverflowError):
            return  # It said no time, so what was said before holds.
        if theirs.tzinfo is None:
            return
        proved = Offset.proved_by(theirs.timestamp(), sent, received)
        with self._lock:
            before, both = self._offset, self._offset and self._offset.and_by(proved)
            if before and not both:
                self._steps.append((received, before.middle))
            self._offset = both or proved

    def now(self) -> datetime:
        """The time of the API server."""
        return _datetime(self._at(self.steady()))

    def _at(self, steady: float) -> float:
        wall, offset = self._wall(), self._offset
        return wall if offset is None else steady + offset.as_of(steady).nearest(wall - steady)

    @property
    def skew(self) -> timedelta | None:
        """How far it is ahead of the machine's own clock, 0 where no difference is proved, None before an answer."""
        if self._offset is None:
            return None
        return timedelta(seconds=self._at(self.steady()) - self._wall())

    @property
    def unsure(self) -> timedelta:
        """How far a record of the last hour may be from this clock, for it was set meanwhile, or there are several."""
        with self._lock:
            now = self.steady()
            known = [offset for at, offset in self._steps if now - at < _STEPS_KEPT]
            if not known or self._offset is None:
                return timedelta(0)
            known.append(self._offset.middle)
        return timedelta(seconds=max(known) - min(known))


def _datetime(seconds: float) -> datetime:
    """A time of the calendar, whatever an answer said."""
    latest = datetime.max.replace(tzinfo=UTC).timestamp() - 1
    return datetime.fromtimestamp(min(max(seconds, 0.0), latest), UTC)


# All answers of a second say the same.
_time_of = lru_cache(maxsize=1)(parsedate_to_datetime)

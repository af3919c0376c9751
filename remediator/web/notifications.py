"""Keeps track of the webhook's requests: the last accepted notification, and recent refusals with their reasons.

The rule of this file: every refusal is logged, none shows a credential, and no number of them floods the log.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from remediator.reflex.rate_limit import RateLimit

log = logging.getLogger(__name__)

RECENT = timedelta(minutes=15)
"""How long a refusal counts as recent; the window of the alert RemediatorNotificationsRejected."""

LOG_INTERVAL_SECONDS = 60.0
"""Each combination of status, reason and client is logged once in this time."""

MAX_LOG_KEYS = 100
"""The most combinations in this time. After that, new clients share a line per status and reason."""

MAX_CLIENTS = 5
"""The most clients named per reason: those refused last."""

OTHER_CLIENTS = "others"

_LogKey = tuple[int | None, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The refusals for one reason within the last RECENT; `code` is None if there was no response."""

    code: int | None
    reason: str
    count: int
    last: datetime
    clients: tuple[str, ...]


class _Tally:
    """Refusals for one reason: how many in each minute, and the clients refused last."""

    def __init__(self) -> None:
        self.minutes: dict[int, int] = {}
        self.clients: dict[str, None] = {}
        self.last: datetime

    def add(self, client: str, now: datetime) -> None:
        minute = _minute(now)
        self.minutes[minute] = self.minutes.get(minute, 0) + 1
        self.last = now
        self.clients.pop(client, None)
        self.clients[client] = None
        while len(self.clients) > MAX_CLIENTS:
            del self.clients[next(iter(self.clients))]

    def forget(self, now: datetime) -> None:
        oldest = _minute(now - RECENT)
        for minute in [minute for minute in self.minutes if minute < oldest]:
            del self.minutes[minute]


class Notifications:
    """The record of requests. Thread-safe."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._tallies: dict[tuple[int | None, str], _Tally] = {}
        self._limit: RateLimit[_LogKey] = RateLimit(interval=LOG_INTERVAL_SECONDS, max_keys=MAX_LOG_KEYS)
        self.last: datetime | None = None
        """When the last valid notification came."""

    def took(self) -> None:
        """Record a valid notification."""
        self.last = self._now()

    def refused(self, code: int | None, reason: str, client: str, error: str = "") -> None:
        """Record a refused request. `reason` is one of a few words, `error` the details."""
        now = self._now()
        with self._lock:
            self._tallies.setdefault((code, reason), _Tally()).add(client, now)
        key, rest = (code, reason, client), (code, reason, OTHER_CLIENTS)
        if admitted := self._limit.admit(key, now.timestamp(), otherwise=rest):
            _log(*admitted, error)

    def refusals(self) -> tuple[Refusal, ...]:
        """The refusals within the last RECENT, the latest first."""
        now = self._now()
        with self._lock:
            for key, tally in list(self._tallies.items()):
                tally.forget(now)
                if now - tally.last > RECENT:
                    del self._tallies[key]
            found = [
                Refusal(
                    code=code,
                    reason=reason,
                    count=sum(tally.minutes.values()),
                    last=tally.last,
                    clients=tuple(reversed(tally.clients)),
                )
                for (code, reason), tally in self._tallies.items()
            ]
        return tuple(sorted(found, key=lambda refusal: refusal.last, reverse=True))

    def log_held_back(self) -> None:
        """Log suppressed refusals whose minute is over; called about once a second."""
        for key, count in self._limit.due(self._now().timestamp()):
            _log(key, count)

    def watch(self, stop: threading.Event) -> None:
        """Log suppressed refusals until `stop` is set."""
        while not stop.wait(1.0):
            self.log_held_back()


def _log(key: _LogKey, count: int, error: str = "") -> None:
    code, reason, client = key
    facts = {"code": code, "reason": reason, "client": client, "count": count, "error": error}
    log.warning("notification refused", extra={name: fact for name, fact in facts.items() if fact not in (None, "")})


def _minute(time: datetime) -> int:
    return int(time.timestamp() // 60)

"""When heartbeats arrived, and how long they took from the last recorded sample.

The rule of this file: a heartbeat proves that alerts arrive and does nothing else. One from the future proves nothing.
"""

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from remediator.core.alerts import Alert, Alerts
from remediator.core.ledger import CLOCK_SKEW
from remediator.reflex.metrics import Metrics
from remediator.reflex.rate_limit import RateLimit

log = logging.getLogger(__name__)

OVERDUE = timedelta(minutes=10)
"""Heartbeats come every minute or two; this is also the bound of the alert RemediatorHeartbeatMissing."""

LATE = timedelta(seconds=150)
"""A healthy one takes at most 90 s and a group_interval; also the bound of the alert RemediatorHeartbeatLate."""

MAX_PROBE = 64
"""The most characters of the label that are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """The last heartbeat that this replica received."""

    at: datetime
    delay: timedelta | None
    """From the last sample that the rules recorded to the arrival; None if the heartbeat does not have that time."""
    probe: str = ""
    """The label `probe` of the last one that had it: sent by `remediator doctor --probe`."""


class Heartbeats:
    """Keeps the last heartbeat, for the metrics, the status and `remediator_armed`."""

    def __init__(
        self,
        metrics: Metrics,
        now: Callable[[], datetime],
        on_receive: Callable[[Heartbeat], None] = lambda heartbeat: None,
    ) -> None:
        self._metrics = metrics
        self._now = now
        self._on_receive = on_receive
        self._doubts: RateLimit[str] = RateLimit(interval=OVERDUE.total_seconds())
        self.last: Heartbeat | None = None

    def receive(self, alerts: Alerts) -> None:
        """Record the heartbeats of one notification; if several Prometheus servers send them, the freshest counts."""
        now, beats = self._now(), [alert for alert in alerts if isinstance(alert, Alert)]
        recorded = [alert.recorded for alert in beats]
        known = [time for time in recorded if time is not None]
        believed = [time for time in known if time <= (now + CLOCK_SKEW).timestamp()]
        if not believed and len(known) == len(recorded):
            if self._doubts.admit("future", now.timestamp()):
                ahead = round(min(known) - now.timestamp())
                log.warning("heartbeat not believed: a clock is wrong, or it is forged", extra={"secondsAhead": ahead})
            return
        delay = now.timestamp() - max(believed) if believed else math.nan
        probes = [alert.labels["probe"][:MAX_PROBE] for alert in beats if "probe" in alert.labels]
        probe = probes[-1] if probes else self.last.probe if self.last else ""
        self.last = Heartbeat(at=now, delay=timedelta(seconds=delay) if believed else None, probe=probe)
        self._metrics.heartbeat_time.set(now.timestamp())
        self._metrics.heartbeat_delay.set(delay)
        self._on_receive(self.last)

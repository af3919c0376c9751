"""When alerts would have reached the webhook: a simulation of Alertmanager's groups over a history. Pure.

The rule of this file: everything happens at a group's flushes. The first comes group_wait after its first alert, the
others every group_interval until no alert fires.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, Protocol, TypeVar


class Fires(Protocol):
    """One firing of an alert, until it is resolved."""

    @property
    def identity(self) -> object:
        """The identity of the alert, the same for all its firings."""

    @property
    def fired(self) -> datetime:
        """When Alertmanager first gets it."""

    @property
    def resolved(self) -> datetime | None:
        """When Alertmanager gets it as resolved, or None."""


Fired = TypeVar("Fired", bound=Fires)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """The timing settings of a route."""

    group_wait: timedelta
    group_interval: timedelta
    repeat_interval: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent(Generic[Fired]):
    """A notification; without firing alerts it reports that all are resolved."""

    time: datetime
    firing: tuple[Fired, ...]


def notifications(alerts: Sequence[Fired], timing: Timing, end: datetime) -> Iterator[Sent[Fired]]:
    """The notifications of one group of alerts, up to a moment."""
    left = sorted(alerts, key=lambda alert: alert.fired, reverse=True)
    sent: datetime | None = None
    known_firing: frozenset[object] = frozenset()
    known_resolved: frozenset[object] = frozenset()
    while left:
        held: list[Fired] = []
        tick = left[-1].fired + timing.group_wait
        while tick <= end:
            while left and left[-1].fired <= tick:
                # A newer firing of an alert replaces the older one.
                alert = left.pop()
                held = [other for other in held if other.identity != alert.identity] + [alert]
            firing = [alert for alert in held if alert.resolved is None or alert.resolved > tick]
            now_firing = frozenset(alert.identity for alert in firing)
            now_resolved = frozenset(alert.identity for alert in held) - now_firing
            if sent is None or not now_firing <= known_firing:
                due = bool(now_firing)
            elif not now_firing:
                due = bool(known_firing)
            else:
                # Alertmanager logs a notification after the flush, so a repeat due exactly then just misses it.
                due = not now_resolved <= known_resolved or tick - sent > timing.repeat_interval
            if due:
                sent, known_firing, known_resolved = tick, now_firing, now_resolved
                yield Sent(time=tick, firing=tuple(firing))
            held = firing
            if not firing:
                break
            tick += timing.group_interval
        else:
            return

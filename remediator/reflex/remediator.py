"""A notification in, one outcome for each of its alerts out: screen, group by remediation, decide, record.

The rule of this file: each alert counts by itself, and those that one remediation answers are decided together. Acts
come before anything that only has to be recorded.
"""

import time
from collections.abc import Callable, Collection
from datetime import datetime, timedelta

from remediator.core.alerts import Alerts, Notification
from remediator.core.ladder import Skip, screen_all
from remediator.core.outcome import Outcome
from remediator.core.policy import Policy, Remediation
from remediator.core.reasons import Reason
from remediator.reflex.confirmations import Allowance
from remediator.reflex.decision import TIME_LIMIT, Decisions
from remediator.reflex.heartbeat import Heartbeats
from remediator.reflex.recorder import Recorder

MOST_MESSAGES = 20
"""The most different messages about alerts of one notification before a target is read; each is an audit line."""


class Remediator:
    """Turns notifications into acts. Thread-safe."""

    def __init__(
        self,
        *,
        policy: Callable[[], Policy],
        decisions: Decisions,
        recorder: Recorder,
        hear: Callable[[Remediation, Alerts], None],
        heartbeats: Heartbeats,
        fence: str,
        now: Callable[[], datetime],
    ) -> None:
        self._policy = policy
        self._decisions = decisions
        self._recorder = recorder
        self._hear = hear
        self._heartbeats = heartbeats
        self._fence = fence
        self._now = now

    def handle(self, notification: Notification) -> list[Outcome]:
        """Do what the alerts ask for. Returns the outcome of each alert, in order; never raises.

        Alerts of the same remediation are decided together and share one outcome.
        """
        began = time.monotonic()
        deadline, allowance = began + TIME_LIMIT, Allowance()
        skipped, wanted = screen_all(notification.alerts, self._policy(), self._fence)
        outcomes: dict[int, Outcome] = {}
        for remediation, indexes in wanted:
            outcome = self._decisions.settle(remediation, _pick(notification, indexes), deadline, allowance)
            outcomes.update(dict.fromkeys(indexes, outcome))
            self._recorder.record(outcome, notification, took=_since(began), now=self._now())
            self._hear(remediation, outcome.alerts)
        # Recorded after the acts, so that recording delays none of them.
        withheld: dict[Skip, list[int]] = {}
        for index, skip in skipped.items():
            withheld.setdefault(_told_apart(skip, withheld), []).append(index)
        for skip, indexes in withheld.items():
            outcome = Outcome(alerts=_pick(notification, indexes), reason=skip.reason, message=skip.message)
            outcomes.update(dict.fromkeys(indexes, outcome))
            self._recorder.record(outcome, notification, took=_since(began), now=self._now())
            if skip.reason is Reason.HEARTBEAT:
                self._heartbeats.receive(outcome.alerts)
        return [outcomes[index] for index in range(len(notification.alerts))]


def _told_apart(skip: Skip, others: Collection[Skip]) -> Skip:
    """The skip, or a common one for its reason once there are many: a sender must not cause many audit lines."""
    if skip in others or len(others) < MOST_MESSAGES:
        return skip
    return Skip(reason=skip.reason, message="as others of this notification, which are listed one by one")


def _pick(notification: Notification, indexes: list[int]) -> Alerts:
    return tuple(notification.alerts[index] for index in indexes)


def _since(began: float) -> timedelta:
    return timedelta(seconds=time.monotonic() - began)

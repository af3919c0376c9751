"""When alerts would have reached the webhook: group_wait, group_interval, repeats, and what a flap does."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from remediator.core.alert_groups import Timing, notifications

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
SHIPPED = Timing(
    group_wait=timedelta(seconds=5), group_interval=timedelta(minutes=1), repeat_interval=timedelta(minutes=5)
)


@dataclass(frozen=True)
class Alert:
    """An alert that fires from one second after noon to another."""

    identity: str
    begins: int
    ends: int | None = None

    @property
    def fired(self) -> datetime:
        """When it fires."""
        return NOON + timedelta(seconds=self.begins)

    @property
    def resolved(self) -> datetime | None:
        """When it is over."""
        return None if self.ends is None else NOON + timedelta(seconds=self.ends)


def sent(*alerts: Alert, until: int = 1200, timing: Timing = SHIPPED) -> Sequence[tuple[float, str]]:
    """Each notification: seconds after noon, and the letters of what fires."""
    found = notifications(alerts, timing, NOON + timedelta(seconds=until))
    return [
        ((one.time - NOON).total_seconds(), "".join(sorted(alert.identity for alert in one.firing))) for one in found
    ]


def test_a_lasting_alert_is_repeated_after_repeat_interval_and_one_more_tick() -> None:
    """5s, then every 6 minutes at shipped times: what was sent is noted just after the tick."""
    assert sent(Alert("a", 0)) == [(5, "a"), (365, "a"), (725, "a"), (1085, "a")]


def test_a_resolved_alert_is_told_at_the_next_tick_and_ends_the_group() -> None:
    """A later one begins with group_wait again."""
    assert sent(Alert("a", 0, 70), Alert("a", 300, 310)) == [(5, "a"), (125, ""), (305, "a"), (365, "")]


def test_a_new_alert_of_a_known_group_waits_for_its_tick() -> None:
    """And so does one that is resolved beside another; both are sent with all others."""
    assert sent(Alert("a", 0), Alert("b", 10, 100), until=300) == [(5, "a"), (65, "ab"), (125, "a")]


def test_what_ends_before_group_wait_is_never_sent() -> None:
    """Nobody hears of it, and the group begins anew with the next."""
    assert sent(Alert("a", 0, 4), Alert("a", 100))[:1] == [(105, "a")]


def test_a_flap_between_two_ticks_is_not_seen() -> None:
    """Firing before and after is firing."""
    assert sent(Alert("a", 0, 20), Alert("a", 40), until=300) == [(5, "a")]


def test_nothing_is_sent_after_the_end_of_the_history() -> None:
    """An alert whose first tick lies behind it stays unknown."""
    assert sent(Alert("a", 0), until=4) == []
    assert sent() == []

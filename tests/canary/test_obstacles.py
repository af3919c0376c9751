"""What stands against giving the canary more traffic."""

from dataclasses import replace
from datetime import timedelta

import pytest

from remediator.canary.obstacles import Alarm, obstacles
from remediator.ledger import KillSwitch
from remediator.workload import Workload
from tests.builders import MINUTE, NOW, SECOND, entry, pause, rollback, workload


def words(
    canary: Workload, workers: Workload | None = None, alarm: Alarm | None = None, cooldown: timedelta = 30 * MINUTE
) -> list[str]:
    """The words of what stands against raising."""
    found = obstacles(canary, workers or workload(), rollback(cooldown=cooldown), alarm, NOW)
    return [obstacle.word for obstacle in found]


def test_nothing_stands_against_a_healthy_canary() -> None:
    """Neither holds nor acts nor alerts."""
    assert words(workload(), alarm=Alarm()) == []


def test_the_cooldown_stands_to_its_last_second() -> None:
    """An act just younger than the cooldown stands against raising, one just as old does not; people's never do."""
    assert words(workload(acts=(entry(30 * MINUTE - SECOND),))) == ["CoolingDown"]
    assert words(workload(acts=(entry(30 * MINUTE),))) == []
    assert words(workload(acts=(entry(MINUTE, operator="ada"),))) == []


def test_everything_is_named_at_once() -> None:
    """Who is refused learns all that stands in the way, not one thing after the other."""
    latched = replace(workload(), kill_switch=KillSwitch(reason="bad", author="ada"))
    found = words(workload(acts=(entry(MINUTE),), pause=pause(MINUTE)), latched, Alarm(firing=("DenisErrorRateHigh",)))
    assert found == ["Paused", "KillSwitchOn", "CoolingDown", "AlertFiring"]


@pytest.mark.parametrize(
    ("canary", "workers"),
    [(workload(replicas=0), workload()), (workload(), workload(replicas=0))],
    ids=["canary", "workers"],
)
def test_no_replicas_count_as_a_kill_switch(canary: Workload, workers: Workload) -> None:
    """A Deployment at 0 is off, whoever did it."""
    assert words(canary, workers) == ["KillSwitchOn"]


def test_what_cannot_be_told_stands_against_raising() -> None:
    """An unreadable record and unknown alerts are no reason to go on."""
    assert words(workload(problems=("cannot be read",))) == ["TargetInvalid"]
    assert words(workload(), alarm=Alarm(unknown="Prometheus is down")) == ["AlertsUnknown"]

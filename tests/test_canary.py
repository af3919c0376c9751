"""What the canary's flags mean, and what stands against raising them."""

from dataclasses import replace
from datetime import timedelta

import pytest

from remediator.canary import Alarm, obstacles, raises, read_setting
from remediator.ledger import KillSwitch
from remediator.workload import Workload
from tests.builders import MINUTE, NOW, PROFILES, SECOND, entry, pause, rollback, workload


@pytest.mark.parametrize("percentage", PROFILES)
def test_a_profile_is_recognised(percentage: int) -> None:
    """The flags of each step are that step, and nothing else."""
    setting = read_setting(workload(percentage=percentage), PROFILES)
    assert setting.is_profile
    assert str(setting) == f"{percentage} %"


@pytest.mark.parametrize(
    ("found", "spelled"),
    [
        (workload(flags={"RUNS_ENABLED": "true"}), "10 %, but RUNS_ENABLED=true"),
        (
            workload(percentage=50, flags={"ASYNC_ENABLED": "false", "RUNS_ENABLED": "no"}),
            "50 %, but ASYNC_ENABLED=false, RUNS_ENABLED=no",
        ),
        (workload(flags={"RUNS_ENABLED": None}), "10 %, but RUNS_ENABLED comes from elsewhere (valueFrom)"),
        (
            workload(flags={"DENIS_MATERIALIZERS_ENABLED": "false"}),
            "0 %, but DENIS_MATERIALIZERS_PCT=10, ASYNC_ENABLED=true",
        ),
        (workload(env=(("DENIS_MATERIALIZERS_ENABLED", "false"),)), None),
        (
            workload(env=()),
            "no step of the canary: DENIS_MATERIALIZERS_ENABLED is not set, DENIS_MATERIALIZERS_PCT is not set",
        ),
        (
            workload(flags={"DENIS_MATERIALIZERS_PCT": "25"}),
            "no step of the canary: DENIS_MATERIALIZERS_ENABLED=true, DENIS_MATERIALIZERS_PCT=25",
        ),
        (
            workload(flags={"DENIS_MATERIALIZERS_PCT": "ten"}),
            "no step of the canary: DENIS_MATERIALIZERS_ENABLED=true, DENIS_MATERIALIZERS_PCT=ten",
        ),
    ],
)
def test_a_mixture_names_what_differs(found: Workload, spelled: str | None) -> None:
    """Flags that are not those of one step are shown as what they are."""
    setting = read_setting(found, PROFILES)
    assert not setting.is_profile
    if spelled:
        assert str(setting) == spelled


@pytest.mark.parametrize(
    ("found", "step", "raised"),
    [
        (workload(percentage=10), 50, True),
        (workload(percentage=10), 10, False),
        (workload(percentage=10), 1, False),
        (workload(percentage=100), 50, False),
        (workload(percentage=10, flags={"ASYNC_ENABLED": "false"}), 10, True),
        (workload(percentage=100, flags={"RUNS_ENABLED": "false"}), 50, True),
        (workload(percentage=100, flags={"RUNS_ENABLED": "false"}), 10, False),
        (workload(flags={"DENIS_MATERIALIZERS_PCT": "ten"}), 1, True),
        (workload(flags={"DENIS_MATERIALIZERS_PCT": "ten"}), 0, False),
        (workload(env=()), 0, False),
    ],
)
def test_raising_is_more_traffic_or_anything_switched_on(found: Workload, step: int, raised: bool) -> None:
    """A step up, from an unknown percentage, or a flag from off to on is raising; 0 % never is."""
    assert raises(found, PROFILES[step]) is raised


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

"""For what a raise of the canary is refused."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from remediator.canary.checks import alert_names, refusals
from remediator.core.ledger import KillSwitch
from remediator.core.policy import Remediation
from remediator.core.workload import Workload
from remediator.monitoring.evidence import FoundAlerts, Unknown
from tests.support.builders import (
    DENIS,
    HOUR,
    MINUTE,
    NOW,
    PROFILES,
    SECOND,
    entry,
    pause,
    policy,
    rollback,
    workload,
)


def words(
    canary: Workload,
    *workers: Workload,
    alarm: FoundAlerts | None = None,
    rollbacks: Sequence[Remediation] = (rollback(),),
) -> list[str]:
    """The words of what stands against raising to 50 %."""
    found = refusals(
        canary,
        workers or (workload(),),
        DENIS,
        replace(policy(), remediations=tuple(rollbacks)),
        PROFILES[50],
        alarm,
        NOW,
    )
    return [check.word for check in found]


def test_nothing_stands_against_a_healthy_canary() -> None:
    """Neither holds nor acts nor alerts."""
    assert words(workload(), alarm=()) == []


def test_the_cooldown_stands_to_its_last_second() -> None:
    """An act just younger than the cooldown stands against raising, one just as old does not; people's never do."""
    assert words(workload(acts=(entry(30 * MINUTE - SECOND),))) == ["CoolingDown"]
    assert words(workload(acts=(entry(30 * MINUTE),))) == []
    assert words(workload(acts=(entry(MINUTE, operator="ada"),))) == []


def test_everything_is_named_at_once() -> None:
    """Who is refused learns all that stands in the way, not one thing after the other."""
    latched = replace(workload(), kill_switch=KillSwitch(reason="bad", author="ada"))
    found = words(
        workload(acts=(entry(MINUTE),), pause=pause(MINUTE)), latched, alarm=({"alertname": "DenisErrorRateHigh"},)
    )
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
    assert words(workload(), alarm=Unknown(why="Prometheus is down")) == ["AlertsUnknown"]


SPENT = tuple(entry(ago * HOUR) for ago in (20, 12, 6))


@pytest.mark.parametrize(
    ("canary", "rollbacks", "expected"),
    [
        (workload(acts=SPENT), (rollback(),), ["BudgetSpent"]),
        (workload(), (), ["NoRemediation"]),
        (workload(acts=(entry(HOUR),)), (rollback(), rollback(cooldown=6 * HOUR)), ["CoolingDown"]),
        (workload(), (rollback(mode="observe"),), []),
        (workload(acts=(entry(MINUTE),)), (rollback(mode="observe"),), ["CoolingDown"]),
        (workload(flags={"RUNS_ENABLED": None}), (rollback(),), ["TargetInvalid"]),
    ],
    ids=["budget", "no-remediation", "one-of-two", "observe", "observe-cooling", "cannot-be-written"],
)
def test_what_would_not_be_taken_back_is_not_raised(
    canary: Workload, rollbacks: Sequence[Remediation], expected: list[str]
) -> None:
    """Where one rollback would be withheld after the step, its reason stands in the way."""
    assert words(canary, rollbacks=rollbacks) == expected


def test_each_of_several_workers_counts() -> None:
    """One latched Deployment of many is a kill switch."""
    assert words(workload(), workload(), workload(replicas=0)) == ["KillSwitchOn"]


def test_a_name_of_an_alert_cannot_steer_a_terminal() -> None:
    """What others may call their alerts is shown as what it is."""
    alerts = [{"alertname": "High"}, {"alertname": "\x1b[2Jfine\n"}, {}]
    assert alert_names(alerts) == "'\\x1b[2Jfine\\n', High, an alert without a name"

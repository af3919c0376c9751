"""What happened on the targets, and how long each act held."""

from dataclasses import replace
from datetime import timedelta

import pytest

from remediator.canary.history import list_acts
from remediator.ledger import Effect, Entry
from remediator.ownership import Write
from remediator.workload import Workload
from tests.builders import HOUR, MINUTE, NOW, entry, workload


def held(found: Workload) -> list[tuple[timedelta, str]]:
    """How long each act held and what ended it, the newest first."""
    return [(act.held, act.ended_by) for act in list_acts({"denis": found}, NOW)]


def test_all_targets_are_one_list_the_newest_first() -> None:
    """Acts of people and of the reflex on every target, by time."""
    canary = workload(percentage=0, acts=(entry(3 * HOUR, before=0, after=10, operator="ada"), entry(HOUR)))
    workers = workload(replicas=6, acts=(entry(2 * HOUR, effect=Effect.SCALE, before=4, after=6),))
    acts = list_acts({"denis": canary, "denis-workers": workers}, NOW)
    assert [(act.target, act.change, act.entry.by) for act in acts] == [
        ("denis", "10 % -> 0 %", "a-remediation"),
        ("denis-workers", "4 -> 6 replicas", "a-remediation"),
        ("denis", "0 % -> 10 %", "ada"),
    ]


def test_an_act_holds_until_the_next_of_its_kind() -> None:
    """The next percentage ends a percentage, and says by whom; the last one holds still."""
    found = workload(percentage=0, acts=(entry(3 * HOUR, before=0, after=10, operator="ada"), entry(HOUR)))
    assert held(found) == [(HOUR, ""), (2 * HOUR, "a-remediation")]


def test_the_kill_switch_ends_a_scaling() -> None:
    """Both set the replicas."""
    acts = (
        entry(2 * HOUR, effect=Effect.SCALE, before=4, after=6),
        entry(HOUR, effect=Effect.KILL_SWITCH, before=6, after=0, operator="ada"),
    )
    assert held(workload(replicas=0, acts=acts)) == [(HOUR, ""), (HOUR, "ada")]


@pytest.mark.parametrize(
    ("act", "found"),
    [
        (entry(HOUR, before=10, after=0), workload(percentage=50)),
        (entry(HOUR, effect=Effect.SCALE, before=4, after=6), workload(replicas=4)),
    ],
)
def test_what_was_changed_by_hand_has_ended(act: Entry, found: Workload) -> None:
    """A value that is another now has ended when and by whom managedFields say."""
    write = Write(manager="kubectl-set", time=NOW - MINUTE)
    changed = replace(
        workload(percentage=found.percentage() or 0, replicas=found.replicas, acts=(act,)),
        writers={"DENIS_MATERIALIZERS_PCT": write, "replicas": write},
    )
    assert held(changed) == [(59 * MINUTE, "kubectl-set")]
    assert held(replace(changed, writers={})) == [(HOUR, "somebody")]


def test_a_pause_ends_by_itself_or_by_resume() -> None:
    """Its length is in the record."""
    over = entry(3 * HOUR, effect=Effect.PAUSE, before=0, after=3600, operator="ada")
    running = entry(HOUR, effect=Effect.PAUSE, before=0, after=7200, operator="ada")
    assert held(workload(acts=(over,))) == [(HOUR, "its end")]
    assert held(workload(acts=(running,))) == [(HOUR, "")]
    resumed = entry(MINUTE, effect=Effect.PAUSE, before=3540, after=0, operator="grace")
    assert held(workload(acts=(running, resumed))) == [(MINUTE, ""), (59 * MINUTE, "grace")]


def test_data_has_everything() -> None:
    """Programs get numbers and times instead of words."""
    act = replace(entry(HOUR, before=1, after=10, operator="ada"), reason="good", overrode=("Paused",))
    (listed,) = list_acts({"denis": workload(percentage=10, acts=(act,))}, NOW)
    assert listed.as_data() == {
        "time": "2026-11-23T11:00:00+00:00",
        "target": "denis",
        "effect": "SetPercentage",
        "from": 1,
        "to": 10,
        "remediation": "",
        "operator": "ada",
        "reason": "good",
        "overrode": ["Paused"],
        "heldSeconds": 3600,
        "endedBy": "",
        "id": act.id,
    }

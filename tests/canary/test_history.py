"""What happened on the targets, and how long each act held."""

from dataclasses import replace
from datetime import timedelta

import pytest

from remediator.canary.changes import remembered_replicas
from remediator.canary.history import list_acts
from remediator.core.effects import Effect
from remediator.core.field_owners import Write
from remediator.core.ledger import Entry, encode_ledger
from remediator.core.workload import Workload
from tests.support.builders import HOUR, MINUTE, NOW, entry, workload


def held(found: Workload) -> list[tuple[timedelta, str]]:
    """How long each act held and what ended it, the newest first."""
    return [(act.held, act.ended_by) for act in list_acts({"denis": found}, NOW) if not act.manager]


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
    assert held(replace(changed, writers={})) == [(HOUR, "someone")]


def test_what_was_changed_by_hand_is_an_act_too() -> None:
    """The last change by hand has a row of its own: from where to where, when, and by which program."""
    write = Write(manager="kubectl-set", time=NOW - 5 * MINUTE)
    acts = (entry(HOUR, before=10, after=0),)
    found = replace(workload(percentage=50, acts=acts), writers={"DENIS_MATERIALIZERS_PCT": write})
    by_hand, rolled_back = list_acts({"denis": found}, NOW)
    assert (by_hand.change, by_hand.by, by_hand.held) == ("0 % -> 50 %", "kubectl-set", 5 * MINUTE)
    assert (by_hand.entry.time, by_hand.ended_by) == (NOW - 5 * MINUTE, "")
    assert (by_hand.as_data()["manager"], by_hand.as_data()["operator"]) == ("kubectl-set", "")
    assert rolled_back.ended_by == "kubectl-set"


def test_a_change_by_hand_between_two_acts_is_said() -> None:
    """Where the next act did not begin where the last one ended, someone was there in between."""
    acts = (entry(3 * HOUR, before=10, after=0), entry(HOUR, before=50, after=0))
    newest, oldest = list_acts({"denis": workload(percentage=0, acts=acts)}, NOW)
    assert newest.ended_by == ""
    assert oldest.ended_by == "a change by hand, then a-remediation"


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


def test_data_says_which_alerts_caused_an_act() -> None:
    """An act of a remediation has its alerts as the reason, and since when the newest of them fired."""
    act = replace(
        entry(HOUR), reason="DenisErrorRateHigh 0.0542", starts_at=NOW - HOUR - MINUTE, because="error rate 5.42 %"
    )
    (listed,) = list_acts({"denis": workload(percentage=0, acts=(act,))}, NOW)

    assert listed.as_data()["reason"] == "DenisErrorRateHigh 0.0542"
    assert listed.as_data()["because"] == "error rate 5.42 %"
    assert listed.as_data()["startsAt"] == "2026-11-23T10:59:00+00:00"


@pytest.mark.parametrize("name", ["Restart", "ScaleDown", "setpercentage", "Unknown"])
def test_what_a_newer_version_did_is_taken_for_nothing_else(name: str) -> None:
    """Its act keeps its name, has no unit, and neither ends other acts nor is ended by what is there."""
    found = workload(acts=(entry(3 * HOUR, effect=Effect.SCALE, before=2, after=4), entry(HOUR, effect=name, after=1)))
    newer, scaled = list_acts({"denis": found}, NOW)

    assert (newer.as_data()["effect"], newer.ended_by, newer.held) == (name, "", HOUR)
    assert newer.change == ("10 -> 1" if name == "Unknown" else f"{name} 10 -> 1")
    assert (scaled.change, scaled.ended_by) == ("2 -> 4 replicas", "")
    assert remembered_replicas(replace(found, replicas=0)) == 4
    assert f'"effect":"{name}"' in encode_ledger(found.ledger)

"""What people may ask for, as one write on what was read."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from remediator.canary.changes import (
    TooManyReplicas,
    difference,
    latch,
    pause,
    release,
    remembered_replicas,
    resume,
    set_percentage,
)
from remediator.core.effects import Effect
from remediator.core.field_owners import Write
from remediator.core.ledger import KILL_SWITCH, PAUSE, KillSwitch, decode_kill_switch, decode_pause
from remediator.core.workload import Workload
from tests.support.builders import HOUR, MINUTE, NOW, PROFILES, entry, workload
from tests.support.builders import pause as a_pause

LATCHED = KillSwitch(reason="bad", author="ada", replicas=4)


def test_a_step_is_all_flags_or_nothing() -> None:
    """The profile is written whole; where it is there, nothing is."""
    change = set_percentage(workload(percentage=10), PROFILES[50], ("Paused",))
    assert change is not None
    assert (change.before, change.after, change.flags, change.overrode) == (10, 50, PROFILES[50], ("Paused",))
    assert set_percentage(workload(percentage=50), PROFILES[50]) is None
    assert set_percentage(workload(percentage=50, flags={"RUNS_ENABLED": "false"}), PROFILES[50]) is not None


def test_latching_remembers_what_there_was() -> None:
    """The annotation has who, why, since when and how many; the record has the change."""
    change = latch(workload(replicas=7), "ada", "bad jobs", NOW)
    assert change is not None
    assert (change.effect, change.before, change.after, change.replicas) == (Effect.KILL_SWITCH, 7, 0, 0)
    text = change.annotations[KILL_SWITCH]
    assert text is not None
    assert decode_kill_switch(text) == KillSwitch(reason="bad jobs", author="ada", since=NOW, replicas=7)


def test_a_latch_that_holds_is_left_alone() -> None:
    """On is on; only replicas that came back beside it are taken down again."""
    assert latch(workload(replicas=0, kill_switch=LATCHED), "grace", "again", NOW) is None
    change = latch(workload(replicas=2, kill_switch=LATCHED), "grace", "again", NOW)
    assert change is not None
    assert json.loads(change.annotations[KILL_SWITCH] or "")["replicas"] == 2


@pytest.mark.parametrize(
    ("found", "given", "replicas"),
    [
        (workload(replicas=0, kill_switch=LATCHED), None, 4),
        (workload(replicas=0, kill_switch=LATCHED), 2, 2),
        (workload(replicas=6, kill_switch=LATCHED), None, 6),
        (workload(replicas=0, acts=(entry(MINUTE, effect=Effect.SCALE, before=4, after=6),)), None, 6),
        (workload(replicas=0, acts=(entry(MINUTE, effect=Effect.KILL_SWITCH, before=5, after=0),)), None, 5),
        (workload(replicas=0), 3, 3),
    ],
)
def test_release_returns_to_what_is_known(found: Workload, given: int | None, replicas: int) -> None:
    """What the person says, else what there is, else what the switch or the last act remembers."""
    change = release(found, given, 20)
    assert change is not None
    assert (change.before, change.after, change.replicas) == (found.replicas, replicas, replicas)
    assert change.annotations == ({KILL_SWITCH: None} if found.kill_switch else {})


def test_release_does_not_guess() -> None:
    """Where nothing says how many there were, the person has to; where it is off, nothing is written."""
    with pytest.raises(ValueError, match="give --replicas"):
        release(workload(replicas=0), None, 20)
    assert release(workload(replicas=4), None, 20) is None
    assert remembered_replicas(workload(acts=(entry(MINUTE, before=10, after=0),))) is None


def test_release_does_not_believe_more_than_is_ever_set() -> None:
    """A remembered number above the maximum was written by hand; a person has to say that they mean it."""
    switch = replace(LATCHED, replicas=5000)
    with pytest.raises(TooManyReplicas, match="5000 replicas are remembered, and 20 is the maximum"):
        release(workload(replicas=0, kill_switch=switch), None, 20)
    with pytest.raises(TooManyReplicas, match="40 replicas are asked for, and 20 is the maximum"):
        release(workload(replicas=0, kill_switch=switch), 40, 20)
    change = release(workload(replicas=0, kill_switch=switch), 40, 20, override=True)
    assert change is not None
    assert (change.after, change.overrode) == (40, ("AtLimit",))
    within = release(workload(replicas=0, kill_switch=switch), 20, 20, override=True)
    assert within is not None
    assert within.overrode == ()


def test_a_pause_ends_by_itself() -> None:
    """The annotation has reason, author and end; the record the length in seconds, and what was left of the last."""
    change = pause(workload(pause=a_pause(MINUTE)), "ada", "load test", 2 * HOUR, NOW)
    text = change.annotations[PAUSE]
    assert text is not None
    held = decode_pause(text)
    assert (held.reason, held.author, held.until) == ("load test", "ada", NOW + 2 * HOUR)
    assert (change.before, change.after, change.flags, change.replicas) == (60, 7200, {}, None)


def test_resume_is_for_what_holds() -> None:
    """A pause that holds, or one that nobody can read, is taken away; one that has ended is no pause."""
    change = resume(workload(pause=a_pause(MINUTE)), NOW)
    assert change is not None
    assert (change.before, change.after, change.annotations) == (60, 0, {PAUSE: None})
    assert resume(workload(problems=(f"the annotation {PAUSE} cannot be read: x",)), NOW) is not None
    assert resume(workload(pause=a_pause(timedelta(days=30))), NOW) is not None
    assert resume(workload(pause=a_pause(-MINUTE)), NOW) is None
    assert resume(workload(), NOW) is None


@pytest.mark.parametrize(
    "found",
    [
        workload(),
        replace(workload(), resource_version="42"),
        workload(acts=(entry(MINUTE, effect=Effect.PAUSE, operator="ada"),)),
    ],
    ids=["same", "status", "pause-and-resume"],
)
def test_what_does_not_matter_is_no_difference(found: Workload) -> None:
    """What the controllers write, and a pause that came and went, does not change what a person decided on."""
    assert difference(workload(), found) == ""


def test_what_was_changed_and_changed_back_is_a_difference() -> None:
    """A rollback between two looks leaves its record, even where the flags are as before."""
    acts = (entry(2 * MINUTE, before=10, after=0), entry(MINUTE, before=0, after=10, operator="ada"))
    assert difference(workload(), workload(acts=acts)) == "ada has meanwhile set 0 % -> 10 %"


def test_a_difference_names_who_made_it() -> None:
    """The newest record says who and why; without one the field manager does; without that it was someone."""
    recorded = replace(entry(MINUTE, before=10, after=50, operator="ada"), reason="looks good")
    assert (
        difference(workload(), workload(percentage=50, acts=(recorded,)))
        == "ada has meanwhile set 10 % -> 50 % (looks good)"
    )
    by_hand = replace(workload(replicas=9), writers={"replicas": Write(manager="kubectl-scale", time=NOW - MINUTE)})
    assert difference(workload(), by_hand) == "kubectl-scale at 2026-11-23T11:59:00Z has meanwhile changed the replicas"
    both = replace(workload(replicas=9, pause=a_pause(MINUTE)), uid="another")
    assert difference(workload(), both) == (
        "someone has meanwhile changed the replicas and the pause and the Deployment, which was created again"
    )

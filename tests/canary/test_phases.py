"""How long the canary counts as being in its phase: what starts the clock, what stops it, and what it never counts."""

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediator.canary.phases import time_in_phase, window
from remediator.core.durations import format_duration
from remediator.core.effects import Effect
from remediator.core.field_owners import Write
from remediator.core.ledger import Entry, Ledger, Pause
from remediator.core.policy import Policy
from remediator.core.rollout import Rollout
from remediator.core.workload import Workload
from tests.canary.canaries import LONG, canary, paused
from tests.support.builders import HOUR, MINUTE, NOW, SECOND, entry, pause
from tests.support.service import shipped_policy

DAY = 24 * HOUR
POLICY = shipped_policy()


def step(ago: timedelta, after: int = 10, *, operator: str = "ada") -> Entry:
    """Somebody set the percentage."""
    return entry(ago, before=1, after=after, operator=operator)


def counted(workload: Workload) -> timedelta:
    """How much time counts."""
    return time_in_phase(workload, POLICY, NOW).counted


def test_time_counts_from_the_last_step() -> None:
    """Where the pods followed at once, the time since the ledger's last step counts, and names who took it."""
    stay = time_in_phase(canary(acts=(step(5 * HOUR),)), POLICY, NOW)
    assert (stay.since, stay.counted, stay.left) == (NOW - 5 * HOUR, 5 * HOUR, 19 * HOUR)
    assert stay.origin == "ada set 1 % -> 10 %"
    assert stay.stopped == ""


@pytest.mark.parametrize(
    ("age", "left"),
    [(DAY - SECOND, SECOND), (DAY, timedelta(0)), (DAY + SECOND, timedelta(0))],
    ids=["a second short", "to the second", "just over"],
)
def test_hold_is_served_to_the_second(age: timedelta, left: timedelta) -> None:
    """What is left reaches nothing exactly when the hold is over."""
    assert time_in_phase(canary(acts=(step(age),)), POLICY, NOW).left == left


def test_time_counts_from_when_all_pods_follow() -> None:
    """The time that the rollout took does not count."""
    stay = time_in_phase(canary(settled=4 * HOUR, acts=(step(5 * HOUR),)), POLICY, NOW)
    assert stay.counted == 4 * HOUR
    assert stay.origin == "all pods follow"


def test_pods_that_were_unavailable_start_it_again() -> None:
    """A canary whose pods came back an hour ago has been in its phase for an hour."""
    assert counted(canary(settled=HOUR, acts=(step(30 * HOUR),))) == HOUR


def test_rollback_starts_it_again() -> None:
    """Time at the same percentage before a rollback does not count."""
    back = entry(10 * HOUR, before=10, after=0)
    assert counted(canary(acts=(step(40 * HOUR), back, step(3 * HOUR)))) == 3 * HOUR


def test_change_by_another_manager_starts_it_again() -> None:
    """A flag that kubectl wrote after the last step is a change that the ledger does not know."""
    writers = {"RUNS_ENABLED": Write(manager="kubectl-set", time=NOW - 2 * HOUR)}
    stay = time_in_phase(canary(acts=(step(30 * HOUR),), writers=writers), POLICY, NOW)
    assert stay.counted == 2 * HOUR
    assert stay.origin == "kubectl-set wrote RUNS_ENABLED"


@pytest.mark.parametrize("manager", ["remediator", "remediator-cli"])
def test_own_writes_are_known_from_the_ledger(manager: str) -> None:
    """What the API server calls our last write may be a pause, so only the ledger tells our steps."""
    writers = {"DENIS_MATERIALIZERS_PCT": Write(manager=manager, time=NOW - HOUR)}
    assert counted(canary(acts=(step(30 * HOUR),), writers=writers)) == 30 * HOUR


def test_other_variables_do_not_matter() -> None:
    """Who writes a variable that is no flag of the canary starts nothing; its rollout does that."""
    writers = {"LOG_LEVEL": Write(manager="kubectl-set", time=NOW - HOUR)}
    assert counted(canary(acts=(step(30 * HOUR),), writers=writers)) == 30 * HOUR


def test_percentage_that_is_not_the_ledgers_began_after_it() -> None:
    """Where the ledger's last step leads elsewhere, what is now began later, whatever went before."""
    assert counted(canary(acts=(step(40 * HOUR, 10), step(6 * HOUR, 50)))) == 6 * HOUR


def test_pods_alone_tell_the_start_where_nothing_else_does() -> None:
    """Without a ledger and without another writer, it counts from when the pods follow."""
    assert counted(canary(settled=7 * HOUR)) == 7 * HOUR


def test_act_a_moment_in_the_future_counts_as_now() -> None:
    """Clocks that differ by a second never make negative time."""
    stay = time_in_phase(canary(acts=(step(-SECOND),)), POLICY, NOW)
    assert (stay.counted, stay.left) == (timedelta(0), DAY)


def test_pauses_beyond_the_ledgers_memory_are_not_counted() -> None:
    """When the ledger is full of people's acts, what was before the oldest is unknown and does not count."""
    acts = tuple(paused(number * HOUR, MINUTE) for number in range(30, 0, -1))
    stay = time_in_phase(canary(acts=acts), POLICY, NOW)
    assert stay.since == NOW - 20 * HOUR
    assert stay.counted == 20 * HOUR - 20 * MINUTE


PAUSES = {
    "inside": ((paused(5 * HOUR, HOUR),), None, 9 * HOUR),
    "over before": ((paused(15 * HOUR, HOUR),), None, 10 * HOUR),
    "reaching into it": ((paused(11 * HOUR, 2 * HOUR),), None, 9 * HOUR),
    "resumed early": ((paused(5 * HOUR, 4 * HOUR), paused(4 * HOUR, 0 * HOUR)), None, 9 * HOUR),
    "prolonged": ((paused(5 * HOUR, HOUR), paused(4.5 * HOUR, HOUR)), pause(-3.5 * HOUR), 8.5 * HOUR),
    "shortened": ((paused(5 * HOUR, 4 * HOUR), paused(4.5 * HOUR, HOUR)), pause(-3.5 * HOUR), 8.5 * HOUR),
    "two": ((paused(9 * HOUR, HOUR), paused(2 * HOUR, HOUR)), None, 8 * HOUR),
    "open": ((paused(HOUR, 2 * HOUR),), pause(HOUR), 9 * HOUR),
    "longer than a pause can be": ((paused(9 * HOUR, 10_000_000 * HOUR),), None, HOUR),
    "by hand, open": ((), pause(HOUR), timedelta(0)),
    "by hand, over": ((), pause(-2 * HOUR), 2 * HOUR),
    "by hand, over before": ((), pause(-10 * HOUR), 10 * HOUR),
    "by hand, after one in the ledger": ((paused(5 * HOUR, HOUR),), pause(HOUR), 5 * HOUR),
    "by hand, after two in the ledger": ((paused(9 * HOUR, HOUR), paused(5 * HOUR, HOUR)), pause(HOUR), 4 * HOUR),
    "by hand, longer than the ledger says": ((paused(HOUR, HOUR / 2),), pause(HOUR), 9 * HOUR),
    "by hand, shorter than the ledger says": ((paused(5 * HOUR, 4 * HOUR),), pause(-3 * HOUR), 6 * HOUR),
    "by hand, more than a day after the ledger's": ((paused(40 * HOUR, HOUR),), pause(-9 * HOUR), 9 * HOUR),
    "by hand, over before the last in the ledger": ((paused(3 * HOUR, HOUR),), pause(-4 * HOUR), 9 * HOUR),
}


@pytest.mark.parametrize(("acts", "held", "expected"), PAUSES.values(), ids=PAUSES)
def test_pauses_do_not_count(acts: tuple[Entry, ...], held: Pause | None, expected: timedelta) -> None:
    """Of ten hours, those count in which nobody had paused the canary; where that is unknown, they do not."""
    assert counted(canary(settled=10 * HOUR, acts=acts, pause=held)) == expected


def test_clock_stands_still_while_paused() -> None:
    """A pause that holds now says whose it is, and an end of it removed by hand is not believed."""
    held = canary(settled=10 * HOUR, acts=(paused(HOUR, 2 * HOUR),), pause=pause(HOUR))
    assert time_in_phase(held, POLICY, NOW).stopped == "paused by ada for another 1h: load test"
    removed = canary(settled=10 * HOUR, acts=(paused(HOUR, 2 * HOUR),))
    assert "removed by hand" in time_in_phase(removed, POLICY, NOW).stopped
    assert counted(removed) == 9 * HOUR


def test_clock_runs_again_from_the_moment_of_the_resume() -> None:
    """Right after the pause was taken off, nothing stops the clock."""
    acts = (paused(HOUR, 2 * HOUR), paused(0 * HOUR, 0 * HOUR))
    assert time_in_phase(canary(settled=10 * HOUR, acts=acts), POLICY, NOW).stopped == ""


def test_longest_pause_by_hand_reaches_back_a_day() -> None:
    """A pause without an entry may have begun 24 h before its end, and what was before that counts."""
    assert counted(canary(settled=40 * HOUR, pause=pause(-HOUR))) == 16 * HOUR


FOLLOWS = canary().rollout
STOPPED = {
    "pods are behind": (canary(rollout=replace(FOLLOWS, updated=3)), "3 of 4 pods updated"),
    "a pod is not available": (canary(rollout=replace(FOLLOWS, available=3)), "3 available"),
    "old pods are left": (canary(rollout=replace(FOLLOWS, total=5, available=5)), "1 old ones left"),
    "the controller has not seen it": (canary(rollout=replace(FOLLOWS, seen=False)), "has not seen it yet"),
    "the Deployment is paused": (canary(rollout=replace(FOLLOWS, paused=True)), "a rollback would reach no pod"),
    "there are no pods": (canary(replicas=0), "0 replicas"),
    "nothing tells since when": (canary(settled=None), "since when all its pods follow"),
    "a flag is another": (canary(flags={"RUNS_ENABLED": "true"}), "the flags are 10 %, but RUNS_ENABLED=true"),
    "a flag is elsewhere": (canary(flags={"ASYNC_ENABLED": None}), "valueFrom"),
    "the percentage is none": (
        canary(flags={"DENIS_MATERIALIZERS_PCT": "many"}),
        "the flags are no step of the canary: DENIS_MATERIALIZERS_ENABLED=true, DENIS_MATERIALIZERS_PCT=many",
    ),
    "the percentage is no step": (
        canary(flags={"DENIS_MATERIALIZERS_PCT": "37"}),
        "the flags are no step of the canary",
    ),
    "the ledger is unreadable": (replace(canary(), ledger=Ledger(problem="unreadable")), "unreadable"),
    "an act is of tomorrow": (canary(acts=(step(-DAY),)), "from the future"),
    "the pause is too long": (canary(pause=pause(2 * DAY)), "longer than 1d"),
}


@pytest.mark.parametrize(("workload", "why"), STOPPED.values(), ids=STOPPED)
def test_clock_does_not_run(workload: Workload, why: str) -> None:
    """While the canary is not what a step means, or that cannot be told, there is no time, but the reason."""
    stay = time_in_phase(workload, POLICY, NOW)
    assert (stay.since, stay.counted) == (None, timedelta(0))
    assert why in stay.stopped


def test_flag_that_is_missing_stops_the_clock() -> None:
    """A profile counts only where all of its flags are there."""
    made = canary()
    without = replace(made, env=tuple(pair for pair in made.env if pair[0] != "ASYNC_ENABLED"))
    assert time_in_phase(without, POLICY, NOW).stopped == "the flags are 10 %, but ASYNC_ENABLED is not set"


@pytest.mark.parametrize("percentage", [0, 100])
def test_percentages_without_a_phase_have_a_time_and_nothing_left(percentage: int) -> None:
    """At 0 and 100 % the time is shown, and nothing is to be waited for."""
    stay = time_in_phase(canary(percentage=percentage, settled=3 * HOUR), POLICY, NOW)
    assert (stay.percentage, stay.phase, stay.counted, stay.left) == (percentage, None, 3 * HOUR, None)


@pytest.mark.parametrize(
    ("percentage", "settled", "expected"),
    [
        (10, 30 * HOUR, DAY),
        (10, 3 * HOUR, 3 * HOUR),
        (10, MINUTE, 5 * MINUTE),
        (100, LONG, 48 * HOUR),
        (0, LONG, 5 * MINUTE),
    ],
    ids=["served", "under way", "just begun", "after the last phase", "not started"],
)
def test_rates_are_judged_over_the_stay_up_to_the_hold(
    percentage: int, settled: timedelta, expected: timedelta
) -> None:
    """Evidence is about this phase alone: no longer than the hold, no longer than the stay, no less than 5 minutes."""
    stay = time_in_phase(canary(percentage=percentage, settled=settled), POLICY, NOW)
    assert window(stay, POLICY, NOW) == expected


def test_rates_are_judged_over_the_hold_where_the_stay_is_unknown() -> None:
    """Without a running clock the window is the whole hold."""
    stay = time_in_phase(canary(rollout=Rollout()), POLICY, NOW)
    assert window(stay, POLICY, NOW) == DAY


def test_window_of_a_short_hold_is_the_hold() -> None:
    """A hold of less than 5 minutes is judged by no more than itself."""
    short = replace(POLICY, phases=(replace(POLICY.phases[1], hold=2 * MINUTE),))
    stay = time_in_phase(canary(settled=MINUTE), short, NOW)
    assert window(stay, short, NOW) == 2 * MINUTE


minutes = st.integers(0, 600).map(lambda number: number * MINUTE)


@given(st.lists(st.tuples(minutes, minutes), max_size=6, unique_by=lambda span: span[0]))
def test_time_is_what_no_pause_covers(spans: list[tuple[timedelta, timedelta]]) -> None:
    """The time that counts is the number of minutes that no pause of the ledger covers, each cut by the next."""
    acts = tuple(paused(ago, length) for ago, length in spans)
    entries = sorted(spans, reverse=True)

    def is_paused(ago: timedelta) -> bool:
        before = [(start, length) for start, length in entries if start >= ago]
        return bool(before) and ago > before[-1][0] - before[-1][1]

    free = [number for number in range(1, 301) if not is_paused(number * MINUTE)]
    assert counted(canary(settled=300 * MINUTE, acts=acts)) == len(free) * MINUTE


@given(st.sampled_from([1, 10, 50]), st.sampled_from([1, 10, 50]), minutes)
def test_higher_percentage_never_needs_less_time(first: int, second: int, age: timedelta) -> None:
    """With the shipped phases, what is left at a higher percentage is never less after the same time."""
    lower, higher = sorted((first, second))

    def left(percentage: int) -> timedelta | None:
        return time_in_phase(canary(percentage=percentage, settled=age), POLICY, NOW).left

    assert (left(lower) or timedelta(0)) <= (left(higher) or timedelta(0))


def test_policy_without_phases_still_tells_the_time() -> None:
    """A file without phases has nothing to hold, and the time is shown all the same."""
    policy = Policy(targets=POLICY.targets, profiles=POLICY.profiles, remediations=POLICY.remediations)
    stay = time_in_phase(canary(settled=HOUR), policy, NOW)
    assert (stay.counted, stay.left, window(stay, policy, NOW)) == (HOUR, None, 5 * MINUTE)


def test_scaling_acts_do_not_matter() -> None:
    """Only steps start the clock; other acts on the same Deployment do not."""
    assert counted(canary(settled=10 * HOUR, acts=(entry(HOUR, effect=Effect.SCALE, before=4, after=6),))) == 10 * HOUR


@pytest.mark.parametrize(
    ("set_ago", "settled_ago", "paused_ago", "shown"),
    [
        (timedelta(hours=20, minutes=2), 20 * HOUR, 14 * HOUR, "was 18h, restarts at 10:05"),
        (timedelta(hours=33), timedelta(hours=12, minutes=55), timedelta(hours=26, minutes=58), "12h55m; the verdict"),
        (timedelta(hours=44, minutes=5), 24 * HOUR, timedelta(hours=38, minutes=3), "24h; every check passes"),
    ],
    ids=["Tuesday 10:02", "Tuesday 23:00", "Wednesday 10:05"],
)
def test_the_example_of_the_page_is_right(
    set_ago: timedelta, settled_ago: timedelta, paused_ago: timedelta, shown: str
) -> None:
    """docs/phases.md counts as the program does: from when the pods follow, without the pause, again after an image."""
    page = (Path(__file__).parents[2] / "docs" / "phases.md").read_text()
    assert f"| {shown}" in page
    stay = time_in_phase(canary(settled=settled_ago, acts=(step(set_ago), paused(paused_ago, 2 * HOUR))), POLICY, NOW)
    said = re.match(r"(?:was )?([\dhm]+)", shown)
    assert said
    assert format_duration(stay.counted) in (said[1], {"24h": "1d"}.get(said[1]))

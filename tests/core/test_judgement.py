"""Was it right? Each judgement, its edge, and what is not known."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from remediator.core.judgement import Health, Judged, Judgement, Truth, judge, judge_act, missed
from remediator.core.recorded_value import Change, RecordedValue, name_people, read_recorded
from remediator.core.sampled_series import Grid, SampledSeries

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
GRID = Grid(start=int(NOON.timestamp()), step=60, count=181)
ACT = NOON + timedelta(minutes=30)
COOLDOWN = timedelta(minutes=10)


def at(minutes: float) -> datetime:
    """So many minutes after the act."""
    return ACT + timedelta(minutes=minutes)


def health(bad_until: int = 40, *, gap: tuple[int, int] = (0, 0), again: tuple[int, int] = (0, 0)) -> Health:
    """Bad from 2 minutes before the act until so many after it; a gap and another breach, in minutes after the act."""
    bad, known = bytearray(GRID.count), bytearray(b"\1" * GRID.count)
    for first, after in ((-2, bad_until), again):
        bad[30 + first : 30 + after] = b"\1" * (after - first)
    for index in range(30 + gap[0], 30 + gap[1]):
        bad[index] = known[index] = 0
    return Health(bad=bytes(bad), known=bytes(known))


def recorded(*changes: tuple[int, int], ours: Sequence[int] = ()) -> RecordedValue:
    """At 10 % from noon on; then other percentages, by minutes after the act. Remediator's own are those of `ours`."""
    series = SampledSeries.empty({}, GRID.count)
    value, left = 10, dict(changes)
    for index in range(GRID.count):
        value = left.get(index - 30, value)
        series.values[index], series.present[index] = value, 1
    return read_recorded(series, GRID, 10, [at(minute) for minute in ours], rises=False)


def judged(
    health: Health, recorded: RecordedValue, truths: Sequence[Truth] | None = None, *, rises: bool = False
) -> Judged:
    """The judgement on the act."""
    return judge(ACT, rises, at(-2), health, recorded, truths, cooldown=COOLDOWN)


def test_a_person_who_did_the_same_later_is_followed() -> None:
    """Within an hour; the minutes in between are what the act would have saved."""
    found = judged(health(20), recorded((18, 0)))
    assert found == Judged(
        judgement=Judgement.FOLLOWED, why="people set 10 to 0 18m later", saved=timedelta(minutes=18)
    )
    assert judged(health(20), recorded((60, 0))).judgement is Judgement.FOLLOWED
    assert judged(health(62), recorded((61, 0))).judgement is Judgement.UNKNOWN
    assert judged(health(20), recorded((18, 50))).judgement is Judgement.UNKNOWN


def test_what_was_well_again_by_itself_was_not_needed() -> None:
    """Within 15 minutes, for 30, with samples, and nobody did anything."""
    assert str(judged(health(10), recorded())) == "NotNeeded: well again by itself after 12m"
    assert judged(health(15), recorded()).judgement is Judgement.NOT_NEEDED
    assert str(judged(health(16), recorded())) == "Unknown: it went on, and nobody acted"
    assert judged(health(5, again=(30, 32)), recorded()).judgement is Judgement.UNKNOWN


def test_what_was_well_by_itself_is_known_when_nobody_can_follow_any_more() -> None:
    """A person may still do the same within the hour."""
    for now, judgement in ((59, Judgement.UNKNOWN), (60, Judgement.NOT_NEEDED)):
        grid = replace(GRID, count=31 + now)
        value = replace(recorded(), grid=grid, values=recorded().values[: grid.count])
        found = judged(Health(bad=health(5).bad[: grid.count], known=health(5).known[: grid.count]), value)
        assert found.judgement is judgement
        assert now == 60 or found.why == "not yet: this is known 1h after it would have been"


@pytest.mark.parametrize("gap", [(3, 40), (8, 20), (0, 100)])
def test_no_samples_are_no_recovery(gap: tuple[int, int]) -> None:
    """A signal that is gone after the act says nothing, and that is what is said."""
    found = judged(health(3, gap=gap), recorded())
    assert found.judgement is Judgement.UNKNOWN
    assert found.why.startswith("no samples for ")


def test_a_short_gap_does_not_hide_a_recovery() -> None:
    """A failed scrape or two are not the end of knowledge."""
    assert judged(health(5, gap=(20, 22)), recorded()).judgement is Judgement.NOT_NEEDED


def test_where_nobody_recorded_what_people_did_nothing_is_said() -> None:
    """Not even that an act was not needed."""
    nothing = read_recorded(None, GRID, 10)
    assert str(judged(health(5), nothing)) == "Unknown: what people did is not recorded"


def test_the_end_of_the_history_is_named() -> None:
    """What was still going on is not known."""
    act = GRID.moment(GRID.count - 10)
    found = judge(act, False, act, health(0), recorded(), None, cooldown=COOLDOWN)
    assert str(found) == "Unknown: the history ends before that is known"


OWN = recorded((0, 0), ours=(0,))
"""Remediator's rollback, and nothing else."""


def raised(minute: int) -> RecordedValue:
    """Remediator's rollback, and a person's raise so many minutes later."""
    return recorded((0, 0), (minute, 10), ours=(0,))


def rolled_back(
    health: Health, recorded: RecordedValue = OWN, *, converged: float | None = 0, now: int = 150
) -> Judged:
    """The judgement on Remediator's rollback where history ends so many minutes after it."""
    grid = replace(GRID, count=31 + now)
    followed = None if converged is None else at(converged)
    recorded = replace(recorded, grid=grid, values=recorded.values[: grid.count])
    recorded = replace(recorded, by_people=tuple(one for one in recorded.by_people if one.time <= at(now)))
    health = Health(bad=health.bad[: grid.count], known=health.known[: grid.count])
    return judge_act(ACT, False, health, recorded, cooldown=COOLDOWN, converged=followed)


def test_a_back_test_judges_what_remediator_really_did_by_what_followed() -> None:
    """Right where the signals were well soon after it, Elsewhere where they stayed bad, Undone where people raised."""
    assert judged(health(4), OWN).judgement is Judgement.RIGHT
    assert judged(health(30), OWN).judgement is Judgement.ELSEWHERE
    assert judged(health(4), raised(29)).judgement is Judgement.UNDONE
    assert judged(health(4), raised(31)).judgement is Judgement.RIGHT
    assert judged(health(4, gap=(2, 40)), OWN).judgement is Judgement.UNKNOWN


def test_a_later_act_than_the_real_one_is_judged_by_the_real_one() -> None:
    """What a longer `for` would have done when Remediator had acted already was not well by itself."""
    early = recorded((-5, 0), ours=(-5,))
    assert judge(ACT, False, at(-8), health(1), early, None, cooldown=COOLDOWN).judgement is Judgement.RIGHT
    assert judge(ACT, False, at(-4), health(1), early, None, cooldown=COOLDOWN).judgement is Judgement.NOT_NEEDED


@pytest.mark.parametrize(
    ("minute", "judgement"), [(1, Judgement.UNDONE), (30, Judgement.UNDONE), (31, Judgement.RIGHT)]
)
def test_a_raise_within_half_an_hour_undoes_a_rollback(minute: int, judgement: Judgement) -> None:
    """By whomever, and even where the signals were well; a minute later it is another decision."""
    assert rolled_back(health(4), raised(minute)).judgement is judgement


def test_a_raise_soon_after_the_act_is_a_persons_and_not_the_act() -> None:
    """An act of Remediator only lowers, so what rises within the time of a scrape or two was a person."""
    assert raised(1).by_people == (Change(time=at(1), before=0, after=10),)
    assert str(rolled_back(health(4), raised(1))) == "Undone: people set 10 again 1m after Remediator's act"


def test_a_raise_is_said_with_the_name_and_the_time_of_the_ledger() -> None:
    """The gauge sees it a scrape later, and it is one change."""
    known = Change(time=at(11.5), before=0, after=10, by="ada", reason="was the load test")
    found = rolled_back(health(4), name_people(raised(12), [known]))
    assert str(found) == "Undone: ada set 10 again 11m30s after Remediator's act"
    assert name_people(raised(12), [known]).by_people == (known,)
    assert len(name_people(raised(20), [known]).by_people) == 2


@pytest.mark.parametrize(("now", "judgement"), [(3, Judgement.UNKNOWN), (29, Judgement.UNKNOWN), (30, Judgement.RIGHT)])
def test_no_rollback_is_right_before_the_time_in_which_it_is_undone(now: int, judgement: Judgement) -> None:
    """Well after 4 minutes, and still not known until half an hour is over."""
    found = rolled_back(health(3), now=now)
    assert found.judgement is judgement
    assert now >= 30 or found.why == "not yet: this is known 30m after the act"


def test_undone_is_known_at_once() -> None:
    """It wins over everything, so nothing has to be waited for."""
    assert rolled_back(health(40), raised(5), now=4).why.startswith("not yet")
    assert rolled_back(health(40), raised(5), now=5).judgement is Judgement.UNDONE


@pytest.mark.parametrize(
    ("bad_until", "converged", "judgement"),
    [
        (10, 0, Judgement.RIGHT),
        (11, 0, Judgement.ELSEWHERE),
        (18, 8, Judgement.RIGHT),
        (19, 8, Judgement.ELSEWHERE),
        (4, None, Judgement.UNKNOWN),
        (40, None, Judgement.UNKNOWN),
    ],
)
def test_ten_minutes_after_the_pods_followed_it_is_bad_or_it_was_the_canary(
    bad_until: int, converged: float | None, judgement: Judgement
) -> None:
    """Counted from when the pods followed: before, the canary still served. Where none followed nothing is known."""
    assert rolled_back(health(bad_until), converged=converged).judgement is judgement


def test_pods_that_follow_late_are_waited_for() -> None:
    """The ten minutes go on after the half hour."""
    assert rolled_back(health(35), converged=29, now=38).why == "not yet: this is known 10m after the pods followed"
    assert rolled_back(health(35), converged=29, now=39).judgement is Judgement.RIGHT


@pytest.mark.parametrize(
    ("gap", "judgement"),
    [
        ((1, 15), Judgement.RIGHT),
        ((1, 16), Judgement.UNKNOWN),
        ((1, 60), Judgement.UNKNOWN),
    ],
)
def test_a_rollback_is_right_where_the_rates_were_good_within_a_quarter_of_an_hour_with_samples(
    gap: tuple[int, int], judgement: Judgement
) -> None:
    """Two minutes of samples that begin within 15 minutes; silence is no recovery."""
    found = rolled_back(health(1, gap=gap))
    assert found.judgement is judgement
    assert judgement is Judgement.RIGHT or found.why.startswith("no samples for")


def test_a_rollback_is_right_only_where_the_rates_stay_good() -> None:
    """A minute between two breaches is no recovery, nor is what was neither bad in the end nor well for long."""
    flapping = bytearray(health(10).bad)
    flapping[30:50] = b"\1\0" * 10
    found = rolled_back(Health(bad=bytes(flapping), known=health().known))
    assert found.judgement is Judgement.ELSEWHERE
    flapping[30:50] = b"\0\1" * 10
    found = rolled_back(Health(bad=bytes(flapping), known=health().known))
    assert str(found) == "Unknown: neither well for long enough, nor bad"


def test_nothing_is_said_where_what_people_did_is_not_recorded() -> None:
    """An act that might have been undone while nobody looked is not right; a scrape or two do not matter."""
    values = list(OWN.values)
    values[40:50] = [None] * 10
    found = rolled_back(health(4), replace(OWN, values=values))
    assert str(found) == "Unknown: what people did is not recorded for 10m after the act"
    values[43:50] = [0] * 7
    assert rolled_back(health(4), replace(OWN, values=values)).judgement is Judgement.RIGHT
    nothing = read_recorded(None, GRID, 10)
    assert rolled_back(health(4), nothing).judgement is Judgement.UNKNOWN


def scaled(
    value: Callable[[int], float | None], *lowered: tuple[int, int], now: int = 150, cooldown: timedelta = COOLDOWN
) -> Judged:
    """The judgement on two more workers, by the queue at so many minutes after that; over 500 is bad."""
    count = 31 + now
    queue = [value(index - 30) for index in range(count)]
    values = [8 if index < 30 else dict(lowered).get(index - 30, 10) for index in range(count)]
    people = tuple(Change(time=at(minute), before=10, after=after) for minute, after in lowered)
    workers = RecordedValue(assumed=1, grid=replace(GRID, count=count), values=values, by_people=people)
    health = Health(
        bad=bytes(one is not None and one > 500 for one in queue),
        known=bytes(one is not None for one in queue),
        value=lambda index: queue[index] if 0 <= index < count else None,
    )
    return judge_act(ACT, True, health, workers, cooldown=cooldown, converged=None)


@pytest.mark.parametrize(
    ("minute", "after", "judgement"),
    [
        (1, 500, "Helped: well 1m after Remediator's act"),
        (20, 500, "Helped: well 20m after Remediator's act"),
        (21, 500, "NoEffect: 1000 -> 1000 at the end of the cooldown after Remediator's act"),
        (20, 501, "NoEffect: 1000 -> 1000 at the end of the cooldown after Remediator's act"),
        (8, 600, "Unknown: 1000 -> 600 at the end of the cooldown: less, and not half"),
        (10, 1000, "NoEffect: 1000 -> 1000 at the end of the cooldown after Remediator's act"),
        (10, 999, "Unknown: 1000 -> 999 at the end of the cooldown: less, and not half"),
    ],
)
def test_workers_helped_where_the_queue_came_under_its_threshold(minute: int, after: float, judgement: str) -> None:
    """Within two cooldowns; where it is not lower at the end of the first one they had no effect."""
    assert str(scaled(lambda at: 1000 if at < minute else after)) == judgement


def test_workers_helped_where_the_queue_came_under_half() -> None:
    """Of what it was at the act, although that is still over the threshold."""
    assert str(scaled(lambda at: 1400 if at < 12 else 699)) == "Helped: 1400 -> 699 12m after Remediator's act"
    assert scaled(lambda at: 1400 if at < 12 else 700).judgement is Judgement.NO_EFFECT


def test_workers_are_undone_by_a_person_who_takes_them_away() -> None:
    """Within half an hour; more workers are no undoing."""
    assert str(scaled(lambda at: 100, (30, 8))) == "Undone: people set 8 again 30m after Remediator's act"
    assert scaled(lambda at: 100, (31, 8)).judgement is Judgement.HELPED
    assert scaled(lambda at: 100, (5, 20)).judgement is Judgement.HELPED


def test_workers_without_samples_of_the_queue_are_unknown() -> None:
    """At the act, and at the end of the cooldown; an empty queue is seen, and never guessed."""
    assert str(scaled(lambda at: None if at < 5 else 900)) == "Unknown: no sample at the act"
    assert (
        str(scaled(lambda at: 900 if at < 5 else None)) == "Unknown: no sample at the end of the cooldown after the act"
    )


def test_workers_are_not_judged_before_two_cooldowns_or_half_an_hour_are_over() -> None:
    """Whichever is longer: the queue may still come down, and a person may still take them away."""
    assert scaled(lambda at: 100, now=29).why == "not yet: this is known 30m after the act"
    assert scaled(lambda at: 100, now=30).judgement is Judgement.HELPED
    longer = timedelta(minutes=20)
    assert scaled(lambda at: 900, now=39, cooldown=longer).why == "not yet: this is known 40m after the act"
    assert scaled(lambda at: 900, now=40, cooldown=longer).judgement is Judgement.NO_EFFECT


def test_a_file_of_incidents_is_the_truth() -> None:
    """An act within one is right, any other was not needed, whatever was recorded."""
    truths = [Truth(start=at(-10), end=at(0), name="payment outage")]
    assert str(judged(health(5), recorded(), truths)) == "Right: payment outage"
    assert judged(health(40), recorded((10, 0)), []).judgement is Judgement.NOT_NEEDED


def test_a_persons_rollback_without_an_alert_is_missed() -> None:
    """Unless an alert that asks for it fired within the 15 minutes before; a smaller share is no rollback."""
    value = recorded((10, 0), (50, 10), (100, 1))
    assert [moment for moment, _ in missed(value, [], 0, None)] == [at(10)]
    assert missed(value, [(at(-8), at(-5))], 0, None) == []
    assert len(missed(value, [(at(-8), at(-6))], 0, None)) == 1
    assert missed(recorded((10, 0), ours=(10,)), [], 0, None) == []


def test_an_incident_of_the_file_without_an_alert_is_missed() -> None:
    """By its name, at its beginning."""
    truths = [Truth(start=at(0), end=at(10), name="one"), Truth(start=at(60), end=at(70), name="two")]
    found = missed(recorded(), [(at(5), at(6))], 0, truths)
    assert [(moment, judged.why) for moment, judged in found] == [(at(60), "two")]

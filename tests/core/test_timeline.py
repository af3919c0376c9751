"""One ordered list from several sources: what is one thing, what is in which order, and what is never dropped."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediator.core.timeline import Kind, Line, Source, Window, arrange
from tests.support.builders import HOUR, MINUTE, NOW, SECOND

WINDOW = Window(start=NOW - HOUR, end=NOW)
SCRAPE = 15 * SECOND


def line(ago: timedelta, text: str = "", *sources: Source, **fields: Any) -> Line:
    """A line so long before NOW, by default a decision in the audit log."""
    fields = {"kind": Kind.DECISION, "topics": frozenset(), **fields}
    return Line(time=NOW - ago, text=text or f"{ago}", sources=sources or (Source.AUDIT,), **fields)


def counted(ago: timedelta, alerts: int, **fields: Any) -> Line:
    """What a counter shows at a scrape: so many alerts, some time since the last one."""
    return line(ago, "counted", Source.PROMETHEUS, within=SCRAPE, topics=frozenset({"a"}), alerts=alerts, **fields)


def arranged(*lines: Line) -> list[Line]:
    """The list of these, in whatever order they come."""
    found = arrange(reversed(lines), WINDOW)
    assert found == arrange(lines, WINDOW)
    return found


def test_lines_are_in_the_order_of_time() -> None:
    """Whoever says them, and whatever order they were read in."""
    found = arranged(line(MINUTE), line(3 * MINUTE, "", Source.EVENT), line(2 * MINUTE, "", Source.PROMETHEUS))
    assert [one.time for one in found] == [NOW - 3 * MINUTE, NOW - 2 * MINUTE, NOW - MINUTE]


def test_of_one_moment_the_cause_comes_first() -> None:
    """An alert before the decision, the decision before the act, the act before its verification."""
    kinds = [Kind.ALERT, Kind.DECISION, Kind.ACT, Kind.ROLLOUT, Kind.VERIFICATION]
    assert [one.kind for one in arranged(*(line(MINUTE, kind, kind=kind) for kind in kinds))] == kinds


def test_a_time_without_a_fraction_comes_last_in_its_second() -> None:
    """A ReplicaSet of 12:00:39 was made after the act of 12:00:39.4 that caused it."""
    act = line(MINUTE - timedelta(milliseconds=400), "act", Source.LEDGER, kind=Kind.ACT)
    rollout = line(MINUTE, "rollout", Source.REPLICA_SET, kind=Kind.ROLLOUT, to_second=True)
    assert [one.text for one in arranged(act, rollout)] == ["act", "rollout"]


def test_only_the_time_that_was_asked_for_is_listed() -> None:
    """Both ends belong to it."""
    assert [one.time for one in arranged(line(HOUR), line(HOUR + SECOND), line(timedelta()), line(-SECOND))] == [
        NOW - HOUR,
        NOW,
    ]


def test_one_act_in_three_places_is_one_line() -> None:
    """The ledger's time and words count, and all who say so are named."""
    same = {"id": "act/1", "kind": Kind.ACT}
    event = line(MINUTE - 2 * SECOND, "event", Source.EVENT, **same)
    audit = line(MINUTE - SECOND, "audit", Source.AUDIT, **same)
    ledger = line(MINUTE, "ledger", Source.LEDGER, **same)
    (found,) = arranged(event, audit, ledger)
    assert (found.text, found.time) == ("ledger", NOW - MINUTE)
    assert found.sources == (Source.LEDGER, Source.AUDIT, Source.EVENT)


def test_two_acts_stay_two() -> None:
    """Another id is another act, also in the same second and in the same words."""
    assert len(arranged(line(MINUTE, "act", id="act/1"), line(MINUTE, "act", id="act/2"), line(MINUTE, "act"))) == 3


def test_what_a_counter_shows_belongs_to_the_exact_line() -> None:
    """Where the audit log has it, a scrape afterwards adds a source and no line."""
    (found,) = arranged(line(MINUTE, "audit", topics=frozenset({"a"}), alerts=2), counted(MINUTE - 10 * SECOND, 2))
    assert (found.text, found.sources) == ("audit", (Source.AUDIT, Source.PROMETHEUS))


@pytest.mark.parametrize("ago", [MINUTE + 3 * SECOND, MINUTE - SCRAPE - 3 * SECOND])
def test_a_counter_at_another_time_is_a_line_of_its_own(ago: timedelta) -> None:
    """Before the exact line, or later than a scrape after it."""
    assert len(arranged(line(MINUTE, topics=frozenset({"a"}), alerts=2), counted(ago, 2))) == 2


def test_clocks_that_differ_are_allowed_for() -> None:
    """How far they do is known, so that a thing stays one line."""
    lines = (line(MINUTE, topics=frozenset({"a"}), alerts=1), counted(MINUTE + 40 * SECOND, 1))
    assert len(arrange(lines, WINDOW)) == 2
    assert len(arrange(lines, WINDOW, slack=MINUTE)) == 1


def test_what_was_counted_and_nobody_else_has_stays() -> None:
    """Three alerts were counted and the audit log has two: one line says that there was one more."""
    first, more = arranged(line(MINUTE, topics=frozenset({"a"}), alerts=2), counted(MINUTE - 10 * SECOND, 3))
    assert (first.alerts, more.alerts, more.sources) == (2, 1, (Source.PROMETHEUS,))


def test_one_exact_line_does_not_cover_two_scrapes() -> None:
    """Its alerts are counted once, so the second scrape shows another notification."""
    lines = (
        line(MINUTE, topics=frozenset({"a"}), alerts=1),
        counted(MINUTE - SECOND, 1),
        counted(MINUTE - 14 * SECOND, 1),
    )
    assert [one.alerts for one in arranged(*lines)] == [1, 1]


def test_the_less_exact_line_goes_into_the_more_exact_one() -> None:
    """Without an exact line, the gauge with the act's time is better than the counter."""
    gauge = line(MINUTE, "gauge", Source.PROMETHEUS, within=SECOND, topics=frozenset({"a"}))
    (found,) = arranged(counted(MINUTE - 10 * SECOND, 1), gauge)
    assert found.text == "gauge"


def test_a_run_of_repetitions_is_one_line() -> None:
    """How often, and until when; another thing of the subject in between ends it, one of others does not."""
    cooling = {"subject": "rollback", "repeats": "CoolingDown"}
    found = arranged(
        line(9 * MINUTE, **cooling),
        line(8 * MINUTE, subject="scale"),
        line(7 * MINUTE, **cooling),
        line(6 * MINUTE, subject="rollback"),
        line(5 * MINUTE, **cooling),
    )
    assert [(one.time, one.times, one.until) for one in found if one.repeats] == [
        (NOW - 9 * MINUTE, 2, NOW - 7 * MINUTE),
        (NOW - 5 * MINUTE, 1, None),
    ]


def test_repetitions_of_two_incidents_are_two_lines() -> None:
    """Within an hour of the last one it goes on, later it is another one."""
    wide = Window(start=NOW - 9 * HOUR, end=NOW)
    moments = (5 * HOUR, 4 * HOUR, 3 * HOUR - SECOND, 2 * HOUR)
    found = arrange([line(ago, subject="rollback", repeats="Observing") for ago in moments], wide)
    assert [(one.time, one.times) for one in found] == [(NOW - 5 * HOUR, 2), (NOW - 3 * HOUR + SECOND, 2)]


def test_what_is_not_a_repetition_is_never_put_together() -> None:
    """Two lines without a word for it stay two, whatever they say."""
    assert len(arranged(line(2 * MINUTE, "x", subject="a"), line(MINUTE, "x", subject="a"))) == 2


LINES = st.builds(
    lambda seconds, source, topic, alerts, vague, word: Line(
        time=NOW - seconds * SECOND,
        kind=Kind.DECISION,
        text="",
        sources=(source,),
        topics=frozenset({topic}),
        alerts=alerts,
        within=SCRAPE if vague else timedelta(0),
        repeats=word,
    ),
    st.integers(0, 60),
    st.sampled_from(Source),
    st.sampled_from("ab"),
    st.integers(1, 3),
    st.booleans(),
    st.sampled_from(["", "again"]),
)


@given(st.lists(LINES, max_size=20))
def test_nothing_is_lost(lines: list[Line]) -> None:
    """Every exact line is in the list or counted in one; every source that said something is named; order is kept."""
    found = arrange(lines, WINDOW)
    assert sum(one.times for one in found) >= sum(not one.within for one in lines)
    assert {source for one in found for source in one.sources} == {one.sources[0] for one in lines}
    assert [one.time for one in found] == sorted(one.time for one in found)

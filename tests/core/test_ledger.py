"""What is remembered on the target: read and written without loss, and never believed blindly."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediator.canary.history import list_acts
from remediator.core.effects import Effect
from remediator.core.ledger import (
    CLOCK_SKEW,
    FINGERPRINTS_WITH_CAUSE,
    LEDGER,
    MAX_CHARACTERS,
    MAX_ENTRIES,
    MAX_FINGERPRINT,
    MAX_FINGERPRINTS,
    PAUSE,
    Entry,
    KillSwitch,
    Ledger,
    Pause,
    decode_kill_switch,
    decode_ledger,
    decode_pause,
    encode_ledger,
)
from tests.support.builders import HOUR, MINUTE, NOW, SECOND, entry, workload

ACT: dict[str, Any] = {
    "id": "0123456789abcdef",
    "time": "2026-11-23T11:59:00.000Z",
    "effect": "SetPercentage",
    "from": 10,
    "to": 0,
    "remediation": "rollback",
    "fingerprints": ["d329fabb8ad6f2c8"],
}


def annotation(*acts: dict[str, Any], **more: Any) -> str:
    """The annotation with these acts."""
    return json.dumps({"version": 1, "acts": acts, **more})


# The format.


def test_the_format_of_the_annotation() -> None:
    """An act is written as compact JSON with the keys that the documentation names, and without empty ones."""
    by_hand = replace(entry(HOUR, before=None, after=50, operator="ada"), id="op")
    ledger = Ledger().with_entries((by_hand, *decode_ledger(annotation(ACT)).entries))

    assert re.sub(r"\.0+Z", "Z", encode_ledger(ledger)) == (
        '{"version":1,"acts":['
        '{"id":"op","time":"2026-11-23T11:00:00Z","effect":"SetPercentage","from":null,"to":50,"operator":"ada"},'
        '{"id":"0123456789abcdef","time":"2026-11-23T11:59:00Z","effect":"SetPercentage","from":10,"to":0,'
        '"remediation":"rollback","fingerprints":["d329fabb8ad6f2c8"]}]}'
    )


def test_a_ledger_that_is_not_there_is_empty_and_no_problem() -> None:
    """A target that was never acted on has no annotation."""
    assert decode_ledger(None) == Ledger()


def test_acts_written_by_hand_may_be_in_any_order_and_say_more() -> None:
    """Acts are sorted by time, and keys that nobody knows are passed over."""
    later = {**ACT, "id": "later", "time": "2026-11-23T13:59:30+02:00", "note": "by hand"}
    ledger = decode_ledger(annotation(later, ACT, author="ada"))

    assert [act.id for act in ledger.entries] == ["0123456789abcdef", "later"]
    assert ledger.entries[1].time == datetime(2026, 11, 23, 11, 59, 30, tzinfo=UTC)
    assert ledger.problem == ""


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("null", id="null"),
        pytest.param("[]", id="list"),
        pytest.param("{", id="cut short"),
        pytest.param("[" * 100_000, id="bomb of nesting"),
        pytest.param('{"acts":[]}', id="no version"),
        pytest.param('{"version":2,"acts":[]}', id="another version"),
        pytest.param('{"version":1,"acts":{}}', id="acts are a map"),
        pytest.param(annotation({**ACT, "time": "yesterday"}), id="time that is none"),
        pytest.param(annotation({**ACT, "time": "2026-11-23T11:59:00"}), id="time without zone"),
        pytest.param(annotation({**ACT, "to": "none"}), id="number that is none"),
        pytest.param(annotation({**ACT, "effect": "Pause", "to": 10**15}), id="number too large"),
        pytest.param(annotation({**ACT, "from": 2**31}), id="number over by one"),
        pytest.param(annotation({**ACT, "to": -1}), id="number below 0"),
        pytest.param(annotation({**ACT, "effect": "x" * 65}), id="effect too long"),
        pytest.param(annotation({key: value for key, value in ACT.items() if key != "from"}), id="key missing"),
        pytest.param(annotation(ACT, {}), id="one act unreadable"),
    ],
)
def test_a_ledger_that_cannot_be_read_is_empty_with_a_problem(text: str) -> None:
    """A corrupt annotation is never half believed; the problem names it and shows nothing of it."""
    ledger = decode_ledger(text)

    assert ledger.entries == ()
    assert ledger.problem.startswith(f"the annotation {LEDGER} cannot be read: ")


LINES = st.text(st.characters(exclude_categories=["C", "Z"], include_characters=" "), max_size=10)


def named(effect: str, **fields: Any) -> Entry:
    """An act with the effect of this name."""
    known = Effect.of(effect)
    return Entry(effect=known, unknown_effect="" if known == effect else effect, **fields)


entries = st.builds(
    named,
    id=st.text("0123456789abcdef", min_size=1, max_size=16),
    time=st.datetimes(
        min_value=datetime(2000, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
        max_value=datetime(2100, 1, 1),  # noqa: DTZ001
        timezones=st.just(UTC),
    ).map(lambda time: time.replace(microsecond=time.microsecond // 1000 * 1000)),
    effect=st.sampled_from([*Effect, "Restart"]),
    before=st.none() | st.integers(min_value=0, max_value=100),
    after=st.integers(min_value=0, max_value=100),
    remediation=LINES,
    operator=LINES,
    reason=LINES,
    starts_at=st.none() | st.datetimes(timezones=st.just(UTC)).map(lambda time: time.replace(microsecond=0)),
    fingerprints=st.lists(st.text("0123456789abcdef", max_size=MAX_FINGERPRINT), max_size=FINGERPRINTS_WITH_CAUSE).map(
        tuple
    ),
)


@given(st.lists(entries, max_size=MAX_ENTRIES))
def test_what_is_written_is_read_again(acts: list[Entry]) -> None:
    """A ledger comes back from its annotation as it was."""
    ledger = Ledger().with_entries(tuple(acts))

    assert decode_ledger(encode_ledger(ledger)) == ledger


numbers = st.sampled_from([10**20, 10**15, 2**31, 2**31 - 1, 0, -1]) | st.integers()


@given(st.sampled_from([*Effect, "Restart"]), st.none() | numbers, numbers, st.datetimes(timezones=st.just(UTC)))
def test_any_act_that_is_read_can_be_told(effect: str, before: int | None, after: int, time: datetime) -> None:
    """Whatever numbers stand in the annotation, what is read of it can be told in words and in the history."""
    text = annotation({**ACT, "effect": effect, "from": before, "to": after, "time": time.isoformat()})
    ledger = decode_ledger(text)

    assert all(entry.change for entry in ledger.entries)
    list_acts({"denis": workload(acts=ledger.entries)}, NOW)


def test_a_time_is_read_again_to_the_microsecond() -> None:
    """The time that is written is the time of the act, so that no cooldown is a bit too short."""
    ledger = Ledger().with_entries((entry(timedelta(microseconds=-999)),))

    assert decode_ledger(encode_ledger(ledger)).entries[0].time == NOW + timedelta(microseconds=999)


def test_times_are_written_in_utc() -> None:
    """Whatever zone an act by hand was written in, it is written again in UTC."""
    by_hand = replace(entry(HOUR), time=(NOW - HOUR).astimezone(timezone(timedelta(hours=2))))

    assert '"time":"2026-11-23T11:00:00' in encode_ledger(Ledger(entries=(by_hand,)))


@given(st.text() | st.recursive(st.none() | st.integers(), st.lists).map(json.dumps))
def test_any_text_is_a_ledger_a_pause_and_a_kill_switch_or_is_not(text: str) -> None:
    """Whatever stands in the annotations, reading them gives an answer."""
    ledger = decode_ledger(text)
    assert ledger.entries == ()
    assert ledger.problem
    with pytest.raises(ValueError, match="cannot be read"):
        decode_pause(text)
    assert "the switch counts as on" in decode_kill_switch(text).reason


AUTOMATIC = (Effect.SET_PERCENTAGE, Effect.SCALE)
LOUD = """"'ä\\\n\u2603""" * 10_000
"""Quotes, line breaks and letters from elsewhere, far too much of them for any text."""


def loud(number: int, effect: str, **texts: Any) -> Entry:
    """An act with as many fingerprints as there can be, and these texts."""
    made = entry(
        number * MINUTE, effect=effect, before=2**31 - 1, after=2**31 - 1, action_id=f"{number:012}-{effect[:3]}"
    )
    return replace(made, **{"remediation": "", "fingerprints": (LOUD,) * 100, **texts})


@pytest.mark.parametrize("text", ["f" * 40_000, LOUD], ids=["long", "loud"])
def test_the_largest_ledger_fits_with_every_act(text: str) -> None:
    """Three times twenty acts, and as much said of each as there is room for, are all kept within the bound."""
    acts = [loud(number, effect, remediation="r" * 63) for effect in AUTOMATIC for number in range(30)]
    said: dict[str, Any] = {"operator": text, "reason": text, "overrode": (text,) * 9, "fingerprints": ()}
    people = [loud(number, Effect.PAUSE, **said) for number in range(30)]
    written = encode_ledger(Ledger().with_entries((*acts, *people)))

    read = json.loads(written)["acts"]
    assert 20_000 < len(written) <= MAX_CHARACTERS
    assert len(read) == 3 * MAX_ENTRIES
    assert {len(act["fingerprints"]) for act in read if "remediation" in act} == {MAX_FINGERPRINTS}
    assert all(act["reason"] for act in read if "operator" in act)
    assert encode_ledger(decode_ledger(written)) == written


@pytest.mark.parametrize("text", ["f" * 40_000, LOUD], ids=["long", "loud"])
@pytest.mark.parametrize("older", [0, 7, 20])
@pytest.mark.parametrize("because", ["", "error rate 8.3 % > 5 %" * 1000], ids=["not asked", "evidence"])
def test_the_largest_ledger_fits_with_every_cause(text: str, older: int, because: str) -> None:
    """Acts with what caused and confirmed them, beside older ones without, are all kept within the bound."""
    caused = {"reason": text, "starts_at": NOW, "because": because}
    acts = [
        loud(number, effect, remediation="r" * 63, **(caused if number >= older else {}))
        for effect in AUTOMATIC
        for number in range(20)
    ]
    said: dict[str, Any] = {"operator": text, "reason": text, "overrode": (text,) * 9, "fingerprints": ()}
    people = [loud(number, Effect.PAUSE, **said) for number in range(20)]
    written = encode_ledger(Ledger().with_entries((*acts, *people)))

    assert len(written) <= MAX_CHARACTERS
    assert len(json.loads(written)["acts"]) == 3 * MAX_ENTRIES
    assert encode_ledger(decode_ledger(written)) == written


def test_what_caused_an_act_stands_beside_it() -> None:
    """The alerts and when they began are written with the act, and read again."""
    began = NOW - 2 * MINUTE
    because = "error rate 10.1 % > 5 % since 03:10:05Z, confirmed 4 s ago"
    act = replace(entry(HOUR), reason="DenisErrorRateHigh 0.1006", starts_at=began, because=because)
    written = encode_ledger(Ledger(entries=(act,)))

    assert f'"reason":"DenisErrorRateHigh 0.1006","because":"{because}","startsAt":"2026-11-23T11:58:00Z"' in written
    assert decode_ledger(written).entries == (act,)


def test_an_act_of_an_older_version_stays_as_it_was_written() -> None:
    """Acts without a cause keep all their fingerprints, so that a policy that compares acts sees no change."""
    old = json.loads(annotation({**ACT, "fingerprints": [f"{number:016}" for number in range(MAX_FINGERPRINTS)]}))
    written = json.loads(encode_ledger(decode_ledger(json.dumps(old))))

    assert written["acts"][0]["fingerprints"] == old["acts"][0]["fingerprints"]
    assert not {"reason", "startsAt"} & written["acts"][0].keys()


def test_forged_acts_leave_room_for_those_that_count() -> None:
    """Whatever stands in a ledger, it fits when it is written again, and its newest acts are there."""
    forged = {"remediation": LOUD, "operator": LOUD, "reason": LOUD, "overrode": (LOUD,) * 9}
    known = [effect for effect in Effect if effect is not Effect.UNKNOWN]
    acts = [loud(number, effect, **forged) for effect in known for number in range(1, 21)]
    people = [loud(number, "\x01" * 64, operator=LOUD) for number in range(1, 21)]
    ledger = Ledger().with_entries((*acts, *people, entry(0 * MINUTE)))
    written = encode_ledger(ledger)

    kept = decode_ledger(written).entries
    assert len(written) <= MAX_CHARACTERS
    assert len(kept) < len(ledger.entries)
    for effect in known:
        every = [act.id for act in ledger.automatic(effect)]
        assert every[-5:] == [act.id for act in kept if act.effect == effect][-5:]
    assert kept[-1].id == entry(0 * MINUTE).id
    assert len([act for act in kept if act.effect is Effect.UNKNOWN]) == 1


def test_people_make_room_before_remediations() -> None:
    """Where it has to be, it is the oldest acts of people that are forgotten, and no cooldown and no budget."""
    more = {"reason": LOUD, "overrode": (LOUD,) * 9}
    acts = [loud(number, effect, remediation="r" * 63, **more) for effect in AUTOMATIC for number in range(20)]
    people = [loud(number, Effect.PAUSE, operator=LOUD, reason=LOUD) for number in range(20)]
    kept = decode_ledger(encode_ledger(Ledger().with_entries((*acts, *people)))).entries

    assert [len([act for act in kept if act.effect == effect]) for effect in AUTOMATIC] == [MAX_ENTRIES, MAX_ENTRIES]
    mine = [act.id for act in kept if act.effect == Effect.PAUSE]
    assert 0 < len(mine) < MAX_ENTRIES
    assert mine == [act.id for act in reversed(people[: len(mine)])]


# What is kept.


def test_the_newest_acts_are_kept() -> None:
    """A full ledger forgets the oldest acts first."""
    acts = tuple(entry(minutes * MINUTE, action_id=str(minutes)) for minutes in range(30))

    kept = Ledger().with_entries(acts).entries
    assert [act.id for act in kept] == [str(minutes) for minutes in reversed(range(MAX_ENTRIES))]


def test_an_act_is_kept_once() -> None:
    """What the process remembers and what the target remembers are one act, known by its id."""
    ledger = Ledger().with_entries((entry(HOUR, action_id="a"),))

    assert ledger.with_entries((entry(HOUR, action_id="a"),)) == ledger
    assert ledger.holds("a")
    assert not ledger.holds("b")


def test_acts_of_one_second_keep_the_order_in_which_they_were_written() -> None:
    """Neither their kinds nor their identifiers reorder what happened within a second."""
    written = [entry(SECOND, action_id="z"), entry(SECOND, action_id="m", operator="ada"), entry(SECOND, action_id="a")]
    ledger = Ledger()
    for act in written:
        ledger = decode_ledger(encode_ledger(ledger.with_entries((act,))))
    assert [act.id for act in ledger.entries] == ["z", "m", "a"]


def test_a_problem_stays_when_acts_are_added() -> None:
    """A ledger that could not be read is not repaired by what the process remembers."""
    assert decode_ledger("{").with_entries((entry(HOUR),)).problem == decode_ledger("{").problem


@pytest.mark.parametrize(
    "others",
    [
        pytest.param([entry(n * SECOND, operator="ada", action_id=f"op{n}") for n in range(MAX_ENTRIES)], id="person"),
        pytest.param([entry(n * SECOND, effect=Effect.SCALE, action_id=f"s{n}") for n in range(20)], id="scale"),
    ],
)
def test_no_others_acts_end_a_cooldown(others: list[Entry]) -> None:
    """However much people or other effects write, an act is remembered until its cooldown has passed."""
    ledger = Ledger().with_entries((entry(MINUTE),)).with_entries(tuple(others))

    assert ledger.cooling_until(Effect.SET_PERCENTAGE, 30 * MINUTE, NOW) == NOW + 29 * MINUTE


def test_no_acts_from_the_future_end_a_cooldown() -> None:
    """Acts that cannot have happened yet do not make the process forget its own, once they are dropped."""
    future = [{**ACT, "id": str(number), "time": f"9999-01-01T00:00:{number:02}Z"} for number in range(MAX_ENTRIES)]
    ledger = decode_ledger(annotation(*future)).as_of(NOW).with_entries((entry(MINUTE),))

    assert ledger.cooling_until(Effect.SET_PERCENTAGE, 30 * MINUTE, NOW) == NOW + 29 * MINUTE


# What cannot be believed.


@pytest.mark.parametrize(
    ("ahead", "believed"),
    [(CLOCK_SKEW - SECOND, True), (CLOCK_SKEW, True), (CLOCK_SKEW + SECOND, False)],
    ids=["one second short", "exactly", "one second over"],
)
def test_an_act_from_beyond_the_skew_is_dropped(ahead: timedelta, believed: bool) -> None:
    """An act from further in the future than clocks differ is dropped, and the rest is kept with a problem."""
    ledger = Ledger().with_entries((entry(HOUR), entry(-ahead))).as_of(NOW)

    assert len(ledger.entries) == (2 if believed else 1)
    assert ledger.problem == ("" if believed else "the ledger holds an act from the future")


def test_an_earlier_problem_is_kept() -> None:
    """A ledger that could not be read says so, rather than that it holds an act from the future."""
    assert decode_ledger("{").with_entries((entry(-HOUR),)).as_of(NOW).problem == decode_ledger("{").problem


def test_an_act_outside_of_the_calendar_is_not_believed() -> None:
    """A time that no clock can show makes the ledger unreadable, and not every decision a failure."""
    ledger = decode_ledger(annotation({**ACT, "time": "0001-01-01T00:00:00+14:00"}))

    assert ledger.entries == ()
    assert "is outside of the calendar" in ledger.problem


# Cooldown and budget.


@pytest.mark.parametrize(
    ("ago", "until"),
    [
        (timedelta(0), NOW + 10 * MINUTE),
        (10 * MINUTE - SECOND, NOW + SECOND),
        (10 * MINUTE, None),
        (10 * MINUTE + SECOND, None),
        (-SECOND, NOW + 10 * MINUTE + SECOND),
    ],
    ids=["at once", "one second short", "exactly", "one second over", "clock ahead"],
)
def test_a_cooldown_ends_its_length_after_the_act(ago: timedelta, until: datetime | None) -> None:
    """The cooldown runs from the act on, and is over at its very end."""
    ledger = Ledger().with_entries((entry(ago),))

    assert ledger.cooling_until(Effect.SET_PERCENTAGE, 10 * MINUTE, NOW) == until


def test_an_empty_ledger_cools_nothing_down_and_spends_nothing() -> None:
    """Where nothing was done there is nothing to wait for."""
    assert Ledger().cooling_until(Effect.SCALE, 10 * MINUTE, NOW) is None
    assert Ledger().budget_spent_until(Effect.SCALE, 1, HOUR, NOW) is None


@pytest.mark.parametrize(
    ("acts", "until"),
    [(1, NOW + 50 * MINUTE), (2, NOW + 40 * MINUTE), (3, NOW + 30 * MINUTE), (4, None)],
)
def test_a_budget_is_free_again_when_enough_acts_have_left_the_window(acts: int, until: datetime | None) -> None:
    """With three acts in the window, a budget of n is free when the n-th youngest leaves it."""
    ledger = Ledger().with_entries((entry(10 * MINUTE), entry(20 * MINUTE), entry(30 * MINUTE), entry(HOUR)))

    assert ledger.budget_spent_until(Effect.SET_PERCENTAGE, acts, HOUR, NOW) == until


def test_automatic_acts_are_those_of_remediations() -> None:
    """Acts of people, of other effects and of nobody are not automatic acts of an effect."""
    nobody = replace(entry(HOUR, action_id="nobody"), remediation="")
    mine = entry(MINUTE, action_id="mine")
    others = (entry(HOUR, operator="ada"), entry(HOUR, effect=Effect.SCALE), nobody)

    assert Ledger().with_entries((*others, mine)).automatic(Effect.SET_PERCENTAGE) == (mine,)


# Pause and kill switch.


def test_a_pause_is_read() -> None:
    """A pause has a reason, an author and an end."""
    text = '{"reason": "load test", "author": "ada", "until": "2026-11-23T14:00:00+01:00"}'

    assert decode_pause(text) == Pause(reason="load test", author="ada", until=NOW + HOUR)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("true", id="true"),
        pytest.param('{"reason":"r","author":"a"}', id="without an end"),
        pytest.param('{"author":"a","until":"2026-11-23T13:00:00Z"}', id="without a reason"),
        pytest.param('{"reason":"r","until":"2026-11-23T13:00:00Z"}', id="without an author"),
        pytest.param('{"reason":"r","author":"a","until":"tomorrow"}', id="end that is none"),
        pytest.param('{"reason":"r","author":"a","until":"2026-11-23T13:00:00"}', id="end without zone"),
    ],
)
def test_a_pause_that_cannot_be_read_is_refused(text: str) -> None:
    """A pause without reason, author or end is none; the message names the annotation."""
    with pytest.raises(ValueError, match=f"the annotation {PAUSE} cannot be read: "):
        decode_pause(text)


def test_a_kill_switch_is_read() -> None:
    """A kill switch has a reason, an author, a beginning and the replicas to return to."""
    text = '{"reason": "migration", "author": "ada", "since": "2026-11-23T12:00:00Z", "replicas": 4}'

    assert decode_kill_switch(text) == KillSwitch(reason="migration", author="ada", since=NOW, replicas=4)


@pytest.mark.parametrize("text", ["{}", '{"unknown": 1}'])
def test_a_kill_switch_needs_no_words(text: str) -> None:
    """That the annotation is there is what latches."""
    assert decode_kill_switch(text) == KillSwitch()


@pytest.mark.parametrize("text", ["", "off", "false", "null", '{"since": "yesterday"}'])
def test_a_kill_switch_that_cannot_be_read_is_on(text: str) -> None:
    """Not even the word `off` takes the switch off: only removing the annotation does."""
    assert decode_kill_switch(text).reason.endswith("cannot be read; the switch counts as on")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("SetPercentage", 10, 0), "10 % -> 0 %"),
        (("SetPercentage", None, 0), "unknown -> 0 %"),
        (("Scale", 4, 6), "4 -> 6 replicas"),
        (("Scale", None, 6), "unknown -> 6 replicas"),
        (("KillSwitch", 4, 0), "kill switch on, 4 -> 0 replicas"),
        (("KillSwitch", 0, 4), "kill switch off, 0 -> 4 replicas"),
        (("Pause", None, 7200), "paused for 2h"),
        (("Pause", 60, 0), "resumed"),
        (("Restart", None, 1), "unknown -> 1"),
    ],
)
def test_a_change_in_words(change: tuple[str, int | None, int], words: str) -> None:
    """A change is told with its unit, and an unknown beginning is called so."""
    effect, before, after = change
    assert Effect.of(effect).format_change(before, after) == words

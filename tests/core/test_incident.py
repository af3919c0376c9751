"""Which alerts are a new incident: those that began after someone had raised the canary again, and no others."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediator.core.effects import Effect
from remediator.core.field_owners import REPLICAS, Write
from remediator.core.forecast import forecast
from remediator.core.incident import last_raise, may_become_new
from remediator.core.ladder import Act, Skip, decide
from remediator.core.ledger import CLOCK_SKEW, Entry
from remediator.core.reasons import Reason
from remediator.core.workload import Workload
from tests.support.builders import HOUR, MINUTE, NOW, SECOND, entry, rollback, scale, workload

ACT = 10 * MINUTE
"""How long ago the reflex acted."""

RAISED = 5 * MINUTE
"""How long ago someone raised the canary again."""


def by_ada(ago: timedelta = RAISED, *, before: int = 0, after: int = 10) -> Entry:
    """A step of a person, with a record of it."""
    return entry(ago, before=before, after=after, operator="ada", action_id=f"ada-{ago}")


def by_hand(found: Workload, ago: timedelta = RAISED, *, manager: str = "kubectl-set") -> Workload:
    """The workload with its flags written without a record, as `kubectl set env` does; times are in full seconds."""
    write = Write(manager=manager, time=(NOW - ago).replace(microsecond=0))
    return replace(found, writers={name: write for name, _ in found.env})


def reason(found: Workload, began: datetime | None, **rules: timedelta | int) -> str:
    """What an alert comes to that began at this moment."""
    decision = decide(rollback(**rules), found, NOW, began)  # type: ignore[arg-type]
    return "act" if isinstance(decision, Act) else str(decision.reason)


RECORDED = workload(percentage=10, acts=(entry(ACT), by_ada()))
UNRECORDED = by_hand(workload(percentage=10, acts=(entry(ACT),)))


@pytest.mark.parametrize("found", [RECORDED, UNRECORDED], ids=["canary set", "kubectl set env"])
@pytest.mark.parametrize(
    ("began", "expected"),
    [
        pytest.param(NOW - RAISED + SECOND, "act", id="after the raise"),
        pytest.param(NOW - SECOND, "act", id="just now"),
        pytest.param(NOW + CLOCK_SKEW, "act", id="by a clock ahead"),
        pytest.param(NOW - RAISED, "CoolingDown", id="with the raise"),
        pytest.param(NOW - RAISED - SECOND, "CoolingDown", id="before the raise"),
        pytest.param(NOW - ACT - MINUTE, "CoolingDown", id="before the act"),
        pytest.param(NOW + CLOCK_SKEW + SECOND, "CoolingDown", id="in the future"),
        pytest.param(None, "CoolingDown", id="unknown"),
    ],
)
def test_an_alert_that_began_after_the_raise_is_a_new_incident(
    found: Workload, began: datetime | None, expected: str
) -> None:
    """The old act's cooldown withholds only alerts that the person who raised the canary knew of."""
    assert reason(found, began) == expected


def test_within_the_second_of_a_write_without_a_record_an_alert_is_new() -> None:
    """managedFields round down; an alert of the same second may have begun before the write, and goes the safe way."""
    moment = NOW - RAISED + timedelta(milliseconds=400)

    assert reason(UNRECORDED, moment) == "act"
    assert reason(workload(percentage=10, acts=(entry(ACT), by_ada(RAISED - timedelta(seconds=0.9)))), moment) == (
        "CoolingDown"
    )


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(workload(percentage=0, acts=(entry(ACT),)), id="nobody raised it"),
        pytest.param(by_hand(workload(percentage=0, acts=(entry(ACT),))), id="someone else wrote 0 %"),
        pytest.param(workload(percentage=0, flags={"ASYNC_ENABLED": "true"}, acts=(entry(ACT),)), id="other flags"),
        pytest.param(by_hand(workload(acts=(entry(ACT),)), manager="remediator"), id="written by the service"),
        pytest.param(by_hand(workload(acts=(entry(ACT),)), ACT + 2 * SECOND), id="written before the act"),
        pytest.param(workload(acts=(by_ada(HOUR), entry(ACT))), id="raised before the act"),
        pytest.param(workload(acts=(entry(ACT), by_ada(RAISED, after=0))), id="set to 0 %"),
        pytest.param(by_hand(workload(acts=(entry(ACT),)), -CLOCK_SKEW - MINUTE), id="written in the future"),
    ],
)
def test_without_a_raise_since_the_act_every_alert_is_withheld(found: Workload) -> None:
    """Where nobody is known to have raised the canary after the act, the cooldown holds for all alerts."""
    assert last_raise(found, rollback(), NOW) is None
    assert reason(found, NOW - SECOND) == "CoolingDown"


def test_the_last_write_counts() -> None:
    """Who changed the canary last knew of what fired then, however it was raised before."""
    twice = workload(percentage=50, acts=(entry(ACT), by_ada(5 * MINUTE), by_ada(2 * MINUTE, before=10, after=50)))
    synced = by_hand(replace(RECORDED), 2 * MINUTE, manager="argocd-controller")

    for found in (twice, synced):
        assert reason(found, NOW - 3 * MINUTE) == "CoolingDown"
        assert reason(found, NOW - MINUTE) == "act"


def test_a_raise_in_the_second_of_the_act_counts() -> None:
    """A write that follows the act within a second has a time before it; what fired before the act stays withheld."""
    act = replace(entry(ACT), time=NOW - ACT + timedelta(milliseconds=700))
    found = by_hand(workload(acts=(act,)), ACT)

    assert reason(found, NOW - MINUTE) == "act"
    assert reason(found, NOW - ACT + timedelta(milliseconds=300)) == "CoolingDown"


def test_the_alert_that_the_act_was_for_is_never_new() -> None:
    """With Prometheus's clock ahead, the old alert seems to begin after the raise; its recorded beginning tells."""
    ahead = NOW - MINUTE
    act = replace(entry(ACT), starts_at=ahead.replace(microsecond=0))
    found = workload(acts=(act, by_ada()))

    assert reason(found, ahead + timedelta(milliseconds=900)) == "CoolingDown"
    assert reason(found, ahead + SECOND) == "act"


def test_the_budget_counts_on() -> None:
    """A new incident is withheld once the acts of the window are spent."""
    acts = (entry(3 * HOUR), entry(2 * HOUR), entry(ACT), by_ada())

    assert reason(workload(acts=acts), NOW - MINUTE, acts=3) == "BudgetSpent"
    assert reason(workload(acts=acts), NOW - MINUTE, acts=4) == "act"


def test_scaling_waits_for_its_cooldown_whoever_changed_the_replicas() -> None:
    """Only what makes things safer passes over a cooldown; workers are never added early."""
    acts = (entry(MINUTE, effect=Effect.SCALE, before=4, after=6),)
    found = replace(workload(replicas=2, acts=acts), writers={REPLICAS: Write(manager="kubectl", time=NOW - SECOND)})

    decision = decide(scale(), found, NOW, NOW)
    assert isinstance(decision, Skip)
    assert decision.reason is Reason.COOLING_DOWN


def test_an_alert_that_is_withheld_says_which_ones_are_not() -> None:
    """The message names who raised the canary and when, so that it is clear which alerts still act."""
    decision = decide(rollback(), RECORDED, NOW, NOW - HOUR)

    assert isinstance(decision, Skip)
    assert decision.message.endswith(
        ". The cooldown does not apply to alerts that began after 2026-11-23T11:55:00Z, when ada set 10 %"
    )


def test_the_forecast_is_about_an_alert_that_begins_now() -> None:
    """A raised canary is guarded again, and the forecast says which alerts the cooldown still withholds."""
    told = forecast(rollback(), UNRECORDED, NOW, dry_run=False)

    assert told.reason is Reason.APPLIED
    assert "if it began after 2026-11-23T11:55:00Z, when kubectl-set set 10 %" in told.message
    assert "if it began" not in forecast(rollback(), workload(percentage=10), NOW, dry_run=False).message


ages = st.timedeltas(min_value=timedelta(0), max_value=2 * HOUR)
percentages = st.sampled_from([0, 1, 10, 50, 100])
begun = st.none() | st.timedeltas(min_value=-HOUR, max_value=3 * HOUR).map(lambda ago: NOW - ago)


@given(percentages, st.lists(ages, max_size=4), st.lists(st.tuples(ages, percentages), max_size=3), ages, begun)
def test_a_cooldown_is_passed_over_for_a_raise_and_a_later_alert_alone(
    percentage: int, acts: list[timedelta], steps: list[tuple[timedelta, int]], hand: timedelta, began: datetime | None
) -> None:
    """Whatever was done: more acts than before only above 0 %, after a raise, for an alert since, and in the budget."""
    done = tuple(entry(ago, action_id=f"r-{index}") for index, ago in enumerate(acts))
    people = tuple(replace(by_ada(ago, after=to), id=f"p-{index}") for index, (ago, to) in enumerate(steps))
    found = by_hand(workload(percentage=percentage, acts=done + people), hand)
    before, after = decide(rollback(), found, NOW), decide(rollback(), found, NOW, began)

    if isinstance(before, Act) or isinstance(after, Skip):
        assert isinstance(after, Act) == isinstance(before, Act)
        return
    raised = last_raise(found, rollback(), NOW)
    assert before.reason is Reason.COOLING_DOWN
    assert percentage > 0
    assert raised is not None
    assert began is not None
    assert began > raised.time >= max(act.time for act in done)
    assert sum(act.time + 24 * HOUR > NOW for act in done) < 3


@given(st.lists(st.tuples(st.sampled_from(["alert", "raise", "repeat"]), st.integers(1, 600)), max_size=30))
def test_no_incident_is_acted_on_twice(story: list[tuple[str, int]]) -> None:
    """Alerts that begin, alerts that fire on, and raises in any order: no beginning leads to two acts."""
    now, found, began = NOW, workload(percentage=10), [NOW - MINUTE]
    acted: list[datetime] = []
    for step, seconds in story:
        now += timedelta(seconds=seconds)
        if step == "raise":
            ledger = found.ledger.with_entries((replace(by_ada(), id=str(now), time=now),))
            found = replace(workload(percentage=10), ledger=ledger)
            continue
        if step == "alert":
            began.append(now)
        decision = decide(rollback(acts=100), found, now, began[-1])
        if isinstance(decision, Act):
            acts = found.ledger.automatic(Effect.SET_PERCENTAGE)
            # What fires on after the whole cooldown is acted on again, as ever.
            assert began[-1] not in acted or now - acts[-1].time >= 30 * MINUTE
            acted.append(began[-1])
            act = replace(entry(MINUTE), id=str(now), time=now, starts_at=began[-1].replace(microsecond=0))
            found = replace(workload(percentage=0), ledger=found.ledger.with_entries((act,)))


@given(st.lists(ages, min_size=1, max_size=4), begun, ages, st.sampled_from([1, 10, 100]), st.booleans())
def test_an_old_read_withholds_only_what_no_raise_could_make_new(
    acts: list[timedelta], began: datetime | None, raised: timedelta, percentage: int, by_a_record: bool
) -> None:
    """Whatever raise an old read does not show: an alert that may not become new by it is withheld with it as well."""
    done = tuple(entry(ago, action_id=f"r-{index}") for index, ago in enumerate(acts))
    old = workload(percentage=0, acts=done)
    if by_a_record:
        now_found = workload(percentage=percentage, acts=(*done, by_ada(raised, after=percentage)))
    else:
        now_found = by_hand(workload(percentage=percentage, acts=done), raised)
    decision = decide(rollback(acts=100), old, NOW, began)

    if isinstance(decision, Skip) and decision.reason is Reason.COOLING_DOWN:
        newer = decide(rollback(acts=100), now_found, NOW, began)
        assert isinstance(newer, Skip) or may_become_new(old, rollback(), began, NOW)


@pytest.mark.parametrize(
    ("began", "expected"),
    [(NOW - ACT, False), (NOW - ACT + timedelta(microseconds=1), True), (NOW, True), (None, False)],
    ids=["with the act", "after the act", "now", "unknown"],
)
def test_an_alert_from_before_the_act_becomes_no_new_incident(began: datetime | None, expected: bool) -> None:
    """The act's own time is the edge; more workers are never a matter of raises."""
    assert may_become_new(workload(percentage=0, acts=(entry(ACT),)), rollback(), began, NOW) == expected
    scaled = workload(replicas=6, acts=(entry(ACT, effect=Effect.SCALE, before=4, after=6),))
    assert not may_become_new(scaled, scale(), began, NOW)

"""Judges an act, done or simulated, by what happened around it. Pure.

The rule of this file: the first judgement that matches wins, and what cannot be known is Unknown. Missing samples are
no recovery; if people's changes were not recorded, nothing is assumed about them; no act is judged right too early.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from remediator.core.durations import format_duration
from remediator.core.recorded_value import NEAR, Change, RecordedValue

UNDONE_WITHIN = timedelta(minutes=30)
FOLLOWED_WITHIN = timedelta(minutes=60)
SETTLED_AFTER = timedelta(minutes=10)
WELL_WITHIN = timedelta(minutes=15)
WELL_FOR = timedelta(minutes=30)
WELL_AFTER_ACT_FOR = timedelta(minutes=2)
ENOUGH_SAMPLES = 0.9
BEFORE_PEOPLE = timedelta(minutes=15)
"""How long before a person's rollback an alert may have ended and still be about the same incident."""


def judged_after(cooldown: timedelta, *, rises: bool) -> timedelta:
    """How long after an act everything that its judgement depends on has happened."""
    return max(UNDONE_WITHIN, 2 * cooldown) if rises else UNDONE_WITHIN + WELL_WITHIN + WELL_AFTER_ACT_FOR


class Judgement(StrEnum):
    """The closed list of judgements."""

    UNDONE = "Undone"
    ELSEWHERE = "Elsewhere"
    RIGHT = "Right"
    HELPED = "Helped"
    """More workers, and the queue came down."""
    NO_EFFECT = "NoEffect"
    """More workers, and the queue did not come down."""
    FOLLOWED = "Followed"
    NOT_NEEDED = "NotNeeded"
    MISSED = "Missed"
    UNKNOWN = "Unknown"


GOOD = frozenset({Judgement.RIGHT, Judgement.HELPED, Judgement.FOLLOWED})
"""The judgements that speak for acting. Missed and Unknown are neither good nor wrong."""

WRONG = frozenset({Judgement.UNDONE, Judgement.ELSEWHERE, Judgement.NO_EFFECT, Judgement.NOT_NEEDED})


def judgements_of_acts(*, rises: bool) -> tuple[Judgement, ...]:
    """The judgements that an act that was done can get, except Unknown."""
    if rises:
        return Judgement.HELPED, Judgement.NO_EFFECT, Judgement.UNDONE
    return Judgement.RIGHT, Judgement.ELSEWHERE, Judgement.UNDONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A judgement, why, and the time that the act would have saved."""

    judgement: Judgement
    why: str
    saved: timedelta = timedelta(0)

    def __str__(self) -> str:
        return f"{self.judgement}: {self.why}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """An incident from the file of known incidents."""

    start: datetime
    end: datetime
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """The health of the signals behind an act at each evaluation."""

    bad: bytes
    """1 where an alert had a result."""
    known: bytes
    """1 where all its series had a number."""
    value: Callable[[int], float | None] = lambda index: None
    """The worst value at an evaluation, if known."""


def judge(
    act: datetime,
    rises: bool,
    active: datetime,
    health: Health,
    recorded: RecordedValue,
    truths: Sequence[Truth] | None,
    *,
    cooldown: timedelta,
) -> Judged:
    """Judge the first act of an incident, done or simulated.

    `rises` means that it raises its value; `active` is when the breach began.
    """
    if truths is not None:
        name = next((truth.name for truth in truths if truth.start <= act <= truth.end), None)
        if name is None:
            return Judged(judgement=Judgement.NOT_NEEDED, why="no incident in the file of incidents")
        return Judged(judgement=Judgement.RIGHT, why=name)
    # With other thresholds, the simulated act may come later than the real one on the same breach.
    since, until = min(active, act - NEAR), act + SETTLED_AFTER
    same = (one.time for one in recorded.by_remediator if since <= one.time <= until and one.rises == rises)
    if ours := next(same, None):
        # The gauges do not show when its pods followed. A rollout takes a minute or two.
        return judge_act(ours, rises, health, recorded, cooldown=cooldown, converged=ours)
    return judge_wish(act, rises, active, health, recorded)


def judge_act(
    act: datetime,
    rises: bool,
    health: Health,
    recorded: RecordedValue,
    *,
    cooldown: timedelta,
    converged: datetime | None,
) -> Judged:
    """Judge an act that Remediator did.

    `rises` means that it added workers; otherwise it was a rollback. `converged` is when its pods followed, or None if
    that is not recorded.
    """
    change = next(
        (one for one in recorded.by_people if act < one.time <= act + UNDONE_WITHIN and one.rises != rises), None
    )
    if change:
        why = f"{change.by} set {change.after} again {format_duration(change.time - act)} after Remediator's act"
        return Judged(judgement=Judgement.UNDONE, why=why)
    grid = recorded.grid
    end, over = grid.moment(grid.count - 1), act + max(UNDONE_WITHIN, 2 * cooldown if rises else timedelta(0))
    if end < over:
        return _unknown(f"not yet: this is known {format_duration(over - act)} after the act")
    window = range(grid.index(act) + 1, grid.index(act + UNDONE_WITHIN) + 1)
    known = sum(recorded.known(grid.moment(index)) for index in window)
    if known < ENOUGH_SAMPLES * len(window):
        unknown = format_duration(grid.length(len(window) - known))
        return _unknown(f"what people did is not recorded for {unknown} after the act")
    return _helped(act, health, recorded, cooldown) if rises else _rolled_back(act, health, recorded, converged)


def _rolled_back(act: datetime, health: Health, recorded: RecordedValue, converged: datetime | None) -> Judged:
    if converged is None:
        return _unknown("when its pods followed is not recorded")
    grid = recorded.grid
    first, settled = grid.index(converged) + 1, grid.index(converged + SETTLED_AFTER)
    if settled >= grid.count:
        return _unknown(f"not yet: this is known {format_duration(SETTLED_AFTER)} after the pods followed")
    if health.bad[settled]:
        why = f"bad {format_duration(SETTLED_AFTER)} after Remediator's act as well"
        return Judged(judgement=Judgement.ELSEWHERE, why=why)
    well = _well(health, first, grid.index(converged + WELL_WITHIN), WELL_AFTER_ACT_FOR // grid.length(1))
    if well is not None:
        why = f"well {format_duration(max(grid.moment(well) - act, grid.length(1)))} after Remediator's act"
        return Judged(judgement=Judgement.RIGHT, why=why)
    return _unknown(_why_unknown(act, health, recorded, "neither well for long enough, nor bad"))


def _helped(act: datetime, health: Health, recorded: RecordedValue, cooldown: timedelta) -> Judged:
    grid = recorded.grid
    at_act, last = health.value(grid.index(act)), grid.index(act + 2 * cooldown)
    for index in range(max(grid.index(act) + 1, 0), last + 1):
        value = health.value(index)
        if not health.known[index] or value is None:
            continue
        after = format_duration(grid.moment(index) - act)
        if not health.bad[index]:
            return Judged(judgement=Judgement.HELPED, why=f"well {after} after Remediator's act")
        if at_act is not None and value < at_act / 2:
            return Judged(judgement=Judgement.HELPED, why=f"{at_act:.4g} -> {value:.4g} {after} after Remediator's act")
    value = health.value(grid.index(act + cooldown))
    if at_act is None or value is None:
        return _unknown(f"no sample {'at' if at_act is None else 'at the end of the cooldown after'} the act")
    if value >= at_act:
        why = f"{at_act:.4g} -> {value:.4g} at the end of the cooldown after Remediator's act"
        return Judged(judgement=Judgement.NO_EFFECT, why=why)
    return _unknown(f"{at_act:.4g} -> {value:.4g} at the end of the cooldown: less, and not half")


def judge_wish(act: datetime, rises: bool, active: datetime, health: Health, recorded: RecordedValue) -> Judged:
    """Judge an act that Remediator would have done, in mode observe or in a back-test."""
    if not recorded.known(act):
        return _unknown("what people did is not recorded")
    for change in recorded.by_people:
        if act < change.time <= act + FOLLOWED_WITHIN and change.rises == rises:
            saved = change.time - act
            why = f"{change.by} set {change.before} to {change.after} {format_duration(saved)} later"
            return Judged(judgement=Judgement.FOLLOWED, why=why, saved=saved)
    return _left_alone(act, active, health, recorded)


def _left_alone(act: datetime, active: datetime, health: Health, recorded: RecordedValue) -> Judged:
    grid = recorded.grid
    well = _well(health, grid.index(act), grid.index(act + WELL_WITHIN), WELL_FOR // grid.length(1))
    if well is not None and all(
        recorded.known(grid.moment(index)) for index in (well, well + WELL_FOR // grid.length(1))
    ):
        if grid.moment(grid.count - 1) < act + FOLLOWED_WITHIN:
            return _unknown(f"not yet: this is known {format_duration(FOLLOWED_WITHIN)} after it would have been")
        why = f"well again by itself after {format_duration(grid.moment(well) - active)}"
        return Judged(judgement=Judgement.NOT_NEEDED, why=why)
    return _unknown(_why_unknown(act, health, recorded, "it went on, and nobody acted"))


def _unknown(why: str) -> Judged:
    return Judged(judgement=Judgement.UNKNOWN, why=why)


def _well(health: Health, first: int, last: int, moments: int) -> int | None:
    """The first moment from which the signals were good, with samples, for this many moments."""
    for index in range(max(first, 0), last + 1):
        window = slice(index, index + moments)
        if (
            index + moments <= len(health.bad)
            and health.known[index]
            and not any(health.bad[window])
            and sum(health.known[window]) >= ENOUGH_SAMPLES * moments
        ):
            return index
    return None


def _why_unknown(act: datetime, health: Health, recorded: RecordedValue, otherwise: str) -> str:
    grid = recorded.grid
    first, after = grid.index(act), grid.index(act + WELL_WITHIN + WELL_FOR)
    absent = health.known[first:after].count(0)
    if absent > (1 - ENOUGH_SAMPLES) * (WELL_FOR // grid.length(1)):
        return f"no samples for {format_duration(grid.length(absent))} afterwards"
    if after >= grid.count:
        return "the history ends before that is known"
    return otherwise


def missed(
    recorded: RecordedValue, firing: Iterable[tuple[datetime, datetime]], target: int, truths: Sequence[Truth] | None
) -> list[tuple[datetime, Judged]]:
    """Rollbacks by people to `target`, or incidents they listed, during which no alert that asks for one fired."""
    times = list(firing)
    if truths is not None:
        return [
            (truth.start, Judged(judgement=Judgement.MISSED, why=truth.name))
            for truth in truths
            if not any(start <= truth.end and truth.start <= end for start, end in times)
        ]
    return [
        (change.time, Judged(judgement=Judgement.MISSED, why=_missed(change)))
        for change in recorded.by_people
        if change.after <= target < change.before
        and not any(start <= change.time and change.time - BEFORE_PEOPLE <= end for start, end in times)
    ]


def _missed(change: Change) -> str:
    reason = f': "{change.reason}"' if change.reason else ""
    return f"{change.by} set {change.before} % to {change.after} %{reason}"

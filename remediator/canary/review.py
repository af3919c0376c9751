"""Judges the past acts of Remediator, or in mode observe the acts that it would have done, by what followed each.

The rule of this file: acts come from the ledgers and from Prometheus's history; nothing is simulated. What neither of
them has is reported as missing, and never counted.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from remediator.canary.backtest.alert_history import (
    LATE,
    AlertHistory,
    Fetch,
    merge_health,
)
from remediator.canary.backtest.recorded import own_series
from remediator.canary.review_past import Past, concerned, followed, increases, load_past
from remediator.config.rule_files import ZERO
from remediator.core.durations import format_duration
from remediator.core.effects import AUTOMATIC, Effect
from remediator.core.judgement import (
    BEFORE_PEOPLE,
    ENOUGH_SAMPLES,
    GOOD,
    UNDONE_WITHIN,
    WRONG,
    Judged,
    Judgement,
    judge_act,
    judge_wish,
    missed,
)
from remediator.core.ledger import MAX_ENTRIES, Entry, Ledger
from remediator.core.policy import Policy, Remediation, Target
from remediator.core.reasons import Reason
from remediator.core.recorded_value import NEAR, Change, RecordedValue, name_people
from remediator.core.sampled_series import Grid
from remediator.core.simulation import past_workload
from remediator.core.workload import Workload
from remediator.monitoring.expressions import select
from remediator.monitoring.prometheus import AlertRule
from remediator.monitoring.promql import Inlined


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewedAct:
    """An act, done or only observed, and its judgement."""

    time: datetime
    before: int | None
    after: int | None
    done: bool
    """False for an act that would have been done."""
    judged: Judged
    alerts: tuple[str, ...]
    """The alerts that it is judged by."""
    reason: str = ""
    """The alerts that caused it, from the ledger."""
    id: str = ""
    """Its id in the ledger, or empty if only Prometheus recorded it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewedRemediation:
    """The acts of one remediation, with their judgements."""

    remediation: Remediation
    acts: tuple[ReviewedAct, ...]
    missed: tuple[tuple[datetime, Judged], ...]
    """Rollbacks by people while no rollback alert fired."""
    alerts: tuple[str, ...]
    """The alerts that ask for it."""

    def count(self, judgement: Judgement) -> int:
        """How many have this judgement."""
        judged = [*(act.judged for act in self.acts), *(judged for _, judged in self.missed)]
        return sum(one.judgement is judgement for one in judged)

    @property
    def good(self) -> int:
        """How many acts were right: they helped, or a person did the same later."""
        return sum(act.judged.judgement in GOOD for act in self.acts)

    @property
    def judged(self) -> int:
        """How many acts can be judged."""
        return self.good + sum(act.judged.judgement in WRONG for act in self.acts)

    @property
    def saved(self) -> timedelta:
        """The sum of the times by which people acted later."""
        return sum((act.judged.saved for act in self.acts), ZERO)


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """The result of a review."""

    grid: Grid
    remediations: tuple[ReviewedRemediation, ...]
    notes: tuple[str, ...]
    """What is not known, in sentences."""
    blind: Mapping[str, str]
    """Why a remediation cannot be judged at all, by its name."""

    def only(self, names: Sequence[str]) -> "Review":
        """This review, limited to these remediations."""
        reviewed = tuple(one for one in self.remediations if one.remediation.name in names)
        return replace(
            self, remediations=reviewed, blind={name: why for name, why in self.blind.items() if name in names}
        )


def review(
    policy: Policy,
    workloads: Mapping[Target, Workload],
    rules: Sequence[AlertRule],
    fetch: Fetch,
    grid: Grid,
    cluster: str,
) -> Review:
    """Review the acts on these targets over a history, by the loaded rules. Raises NoAnswer, CannotTest.

    Remediations of other targets are left out.
    """
    notes: list[str] = []
    asked = {one.name for one in policy.remediations if one.target in workloads}
    past = load_past(policy, rules, fetch, grid, cluster, asked, notes)
    blind: dict[str, str] = {}
    reviewed = tuple(
        _review(policy, one, workloads[one.target], past, notes, blind)
        for one in policy.remediations
        if one.name in asked
    )
    return Review(grid=grid, remediations=reviewed, notes=tuple(dict.fromkeys(notes)), blind=blind)


def _review(
    policy: Policy, remediation: Remediation, workload: Workload, past: Past, notes: list[str], blind: dict[str, str]
) -> ReviewedRemediation:
    target, effect, grid = remediation.target, remediation.action.effect, past.grid
    recorded = past.recorded[target, effect]
    workload = replace(workload, ledger=workload.ledger.as_of(grid.moment(grid.count - 1)))
    histories = past.histories.get(remediation.name, ())
    if not histories:
        blind[remediation.name] = "Prometheus has loaded no alert that asks for it, so no act can be judged"
    elif not any(any(history.known) for history in histories):
        blind[remediation.name] = (
            "Prometheus has no sample of its alerts in the whole period; check that it scrapes DENIS"
        )
    value = AUTOMATIC[effect].value.capitalize()
    if not recorded.moments:
        notes.append(f"{value} of {target.name}: not recorded, so what people did by hand is not known.")
    elif grid.length(grid.count - recorded.moments) > LATE:
        known = format_duration(grid.length(recorded.moments))
        notes.append(f"{value} of {target.name}: recorded for {known}; for the rest nothing is known.")
    notes += _about_ledger(target, effect, workload, grid)
    recorded = name_people(recorded, [*_people(remediation, workload, recorded)])
    acts = [
        *_done(policy, remediation, workload, recorded, past, notes),
        *_wishes(policy, remediation, recorded, past, notes, blind),
    ]
    return ReviewedRemediation(
        remediation=remediation,
        acts=tuple(sorted(acts, key=lambda act: act.time)),
        missed=tuple(_missed(policy, remediation, recorded, past)),
        alerts=_names(histories),
    )


def _names(histories: Sequence[AlertHistory]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(history.alert.name for history in histories))


def _about_ledger(target: Target, effect: Effect, workload: Workload, grid: Grid) -> Iterator[str]:
    """Notes about acts that the ledger may lack: how far back it goes, and what cannot be read."""
    ledger = workload.ledger
    if ledger.problem:
        yield f"Ledger of {target.name}: {ledger.problem}; only acts that Prometheus recorded are known."
    if unknown := sum(entry.effect is Effect.UNKNOWN for entry in ledger.entries):
        yield f"Ledger of {target.name}: acts of a kind that only a newer version knows are left out: {unknown}."
    acts = ledger.automatic(effect)
    if len(acts) >= MAX_ENTRIES and acts[0].time > grid.moment(0):
        since = f"{acts[0].time:%d %b %H:%M:%S}"
        yield (
            f"Ledger of {target.name}: it keeps {MAX_ENTRIES} acts and goes back to {since}; "
            "earlier acts are known only to Prometheus."
        )


def _people(remediation: Remediation, workload: Workload, recorded: RecordedValue) -> Iterator[Change]:
    """What people did: from the ledger, and the last write if another program made it."""
    effect = remediation.action.effect
    for entry in workload.ledger.entries:
        before = recorded.at(entry.time - NEAR) if entry.before is None else entry.before
        if not entry.remediation and entry.sets == effect.field and before != entry.after:
            by = entry.operator or "an operator"
            yield Change(time=entry.time, before=before, after=entry.after, by=by, reason=entry.reason)
    write, value = workload.writers.get(effect.field), effect.read(workload)
    if write and write.time and not write.ours and value is not None:
        before = recorded.at(write.time - NEAR)
        acts = workload.ledger.automatic(effect)
        # A later write by hand changed the value that Remediator set last, even if no scrape saw it.
        if acts and acts[-1].time <= write.time <= acts[-1].time + UNDONE_WITHIN:
            before = acts[-1].after
        if before != value:
            yield Change(time=write.time, before=before, after=value, by=write.manager)


def _done(
    policy: Policy,
    remediation: Remediation,
    workload: Workload,
    recorded: RecordedValue,
    past: Past,
    notes: list[str],
) -> Iterator[ReviewedAct]:
    """What Remediator did: the ledger's acts, and those that only Prometheus recorded."""
    target, effect, grid = remediation.target, remediation.action.effect, past.grid
    entries = workload.ledger.automatic(effect)
    changes = [
        Entry(id="", time=one.time, effect=effect, before=one.before, after=one.after)
        for one in recorded.by_remediator
        if not any(abs(entry.time - one.time) <= NEAR for entry in entries)
    ]
    ours = policy.acts_of(remediation, (*entries, *changes))
    if any(act in ours for act in changes):
        notes.append(f"Ledger of {target.name}: without {len(changes)} of the acts that Prometheus recorded.")
    converged = [] if remediation.action.rises else followed(target, effect, past, notes)
    for entry in ours:
        if not grid.moment(0) <= entry.time <= grid.moment(grid.count - 1):
            continue
        histories = concerned(remediation, entry.time, entry.reason, past)
        if histories:
            judged = judge_act(
                entry.time,
                remediation.action.rises,
                merge_health([history.at(grid) for history in histories]),
                recorded,
                cooldown=remediation.cooldown,
                converged=next((one for one in converged if ZERO <= one - entry.time <= UNDONE_WITHIN), None),
            )
        else:
            judged = Judged(judgement=Judgement.UNKNOWN, why="no alert that asks for it is loaded")
        yield ReviewedAct(
            time=entry.time,
            before=entry.before,
            after=entry.after,
            done=True,
            judged=judged,
            alerts=_names(histories),
            reason=entry.reason,
            id=entry.id,
        )


def _wishes(
    policy: Policy,
    remediation: Remediation,
    recorded: RecordedValue,
    past: Past,
    notes: list[str],
    blind: dict[str, str],
) -> Iterator[ReviewedAct]:
    """What it would have done: alerts that the service counted as Observing or DryRun. Repetitions are one act."""
    counters = [
        Inlined(text=select("remediator_outcomes_total", {"remediation": remediation.name, "reason": reason}, {}))
        for reason in (Reason.OBSERVING, Reason.DRY_RUN)
    ]
    found = [
        series
        for counter in counters
        for series in own_series(past.fetch, counter, remediation.target, past.cluster, notes)
    ]
    if remediation.mode == "observe" and not found:
        blind[remediation.name] = (
            "it observes, and Prometheus has no remediator_outcomes_total, which counts what it would have done; check "
            "that Prometheus scrapes Remediator"
        )
    last: datetime | None = None
    for time in increases(found, past.grid):
        repeated = last is not None and time - last <= remediation.cooldown
        last = time
        histories = concerned(remediation, time, "", past)
        if repeated or not histories:
            continue
        before = recorded.at(time) if recorded.known(time) else None
        after = None
        if before is not None:
            workload = past_workload(policy, remediation, before, Ledger())
            after = remediation.action.plan(workload, remediation.target).after
        health = merge_health([history.at(past.grid) for history in histories])
        active = _began(health.bad, past.grid, time)
        rises = remediation.action.rises
        judged = judge_wish(time, rises, active, health, recorded)
        yield ReviewedAct(time=time, before=before, after=after, done=False, judged=judged, alerts=_names(histories))


def _began(bad: bytes, grid: Grid, moment: datetime) -> datetime:
    """When the breach behind an act at this moment began."""
    index = grid.index(moment)
    while index > 0 and bad[index - 1]:
        index -= 1
    return grid.moment(index)


def _missed(
    policy: Policy, remediation: Remediation, recorded: RecordedValue, past: Past
) -> Iterator[tuple[datetime, Judged]]:
    """Rollbacks by people while no rollback alert fired; counted once per target."""
    rollbacks = policy.rollbacks(remediation.target)
    if not rollbacks or rollbacks[0] is not remediation:
        return
    names = {one.name for one in rollbacks}
    times = [(start, end) for name in names for _, start, end in past.fired.get(name, ())]
    histories = [history for name in names for history in past.histories.get(name, ())]
    alerts = (history.known for history in histories)
    known = bytes(max(flags) for flags in zip(bytes(past.grid.count), *alerts, strict=True))
    # The only percentage that a file can have for a rollback.
    for moment, judged in missed(recorded, times, 0, None):
        first, after = past.grid.index(moment - BEFORE_PEOPLE), past.grid.index(moment)
        window = known[max(first, 0) : after]
        if first < 0 or window.count(1) < ENOUGH_SAMPLES * len(window):
            why = f"{judged.why}; whether an alert fired before is not recorded"
            yield moment, replace(judged, judgement=Judgement.UNKNOWN, why=why)
        else:
            yield moment, judged

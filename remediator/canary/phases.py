"""How long the canary has been at its percentage, counted towards the phase's hold.

Pure. One rule: time counts from the last change of anything about the canary, while all pods follow and it is not
paused. Time about which something is not known does not count.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import zip_longest

from remediator.canary.flags import read_setting
from remediator.core.durations import format_duration
from remediator.core.effects import Effect
from remediator.core.ledger import MAX_ENTRIES, MAX_PAUSE, Entry
from remediator.core.policy import Phase, Policy
from remediator.core.workload import Workload
from remediator.monitoring.evidence import RECENT

_ZERO = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """A canary's time at one percentage, without interruption."""

    percentage: int | None
    phase: Phase | None
    """The phase of this percentage in the file."""
    since: datetime | None = None
    """When it began, or None if the clock is not running."""
    origin: str = ""
    """The change that it began with."""
    counted: timedelta = _ZERO
    """How much of it counts."""
    stopped: str = ""
    """Why the clock is stopped now, or empty."""

    @property
    def left(self) -> timedelta | None:
        """What is left of the phase's hold, or None without a phase."""
        return max(self.phase.hold - self.counted, _ZERO) if self.phase else None


def time_in_phase(canary: Workload, policy: Policy, now: datetime) -> Stay:
    """How long the canary has been in its present state."""
    percentage = canary.percentage()
    stay = Stay(percentage=percentage, phase=policy.phase(percentage))
    why = (
        mixture(canary, policy)
        or canary.unbelievable(now)
        or _behind(canary)
        or ("" if canary.rollout.settled else "the Deployment does not show since when all its pods follow")
    )
    if why:
        return Stay(percentage=stay.percentage, phase=stay.phase, stopped=why)
    since, origin = max(_changes(canary, policy, now), key=lambda change: change[0])
    paused = sum((max(end - start, _ZERO) for start, end in _pauses(canary, since, now)), _ZERO)
    return Stay(
        percentage=stay.percentage,
        phase=stay.phase,
        since=since,
        origin=origin,
        counted=max(now - since - paused, _ZERO),
        stopped=_stopped(canary, now),
    )


def mixture(canary: Workload, policy: Policy) -> str:
    """Why the canary is not at any step, or empty: a flag is missing, unreadable, or differs from the profile."""
    setting = read_setting(canary, policy.profiles)
    if setting.percentage is not None and (problem := canary.env_problem(policy.profiles[setting.percentage])):
        return problem
    return "" if setting.is_profile else f"the flags are {setting}"


def _behind(canary: Workload) -> str:
    """Why not all pods follow the Deployment, or empty."""
    if canary.replicas == 0:
        return "the Deployment is at 0 replicas"
    rollout = canary.rollout
    if rollout.paused:
        return "the Deployment is paused, so a rollback would reach no pod"
    return "" if rollout.converged(canary.replicas) else rollout.spell(canary.replicas)


def window(stay: Stay, policy: Policy, now: datetime) -> timedelta:
    """The period up to now over which rates are judged: the phase's hold, or the stay so far if shorter."""
    phase = yardstick(stay.percentage, policy)
    if phase is None:
        return RECENT
    return min(phase.hold, max(now - stay.since, min(RECENT, phase.hold))) if stay.since else phase.hold


def yardstick(percentage: int | None, policy: Policy) -> Phase | None:
    """The phase whose thresholds apply at a percentage: the highest one that is not above it."""
    below = [phase for phase in policy.phases if percentage is not None and phase.percentage <= percentage]
    return below[-1] if below else None


def _changes(canary: Workload, policy: Policy, now: datetime) -> Iterator[tuple[datetime, str]]:
    """The last change of each kind, with the words for it."""
    entries = canary.ledger.as_of(now).entries
    if settled := canary.rollout.settled:
        yield settled, "all pods follow"
    acts = [entry for entry in entries if entry.effect is Effect.SET_PERCENTAGE]
    if acts:
        last = acts[-1]
        yield last.time, f"{last.by} set {last.change}"
    for name in sorted({name for profile in policy.profiles.values() for name in profile}):
        write = canary.writers.get(name)
        if write and write.time and not write.ours:
            yield write.time, f"{write.manager} wrote {name}"
    people = [entry for entry in entries if not entry.remediation]
    if len(people) >= MAX_ENTRIES:
        yield people[0].time, f"the ledger keeps only the last {MAX_ENTRIES} acts of people"


def _pauses(canary: Workload, since: datetime, now: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The pauses since then, as spans that do not overlap."""
    entries = _pause_entries(canary, now)
    reached = since
    for entry, later in zip_longest(entries, entries[1:]):
        # A later entry ends the pause before it: it is another pause, or a resume.
        end = min(entry.time + _length(entry.after), later.time if later else now)
        yield max(entry.time, since), end
        reached = max(end, since)
    if canary.pause and canary.pause.until > reached:
        # Written by hand, at an unknown time after the last entry; no pause is longer than MAX_PAUSE.
        yield max(canary.pause.until - MAX_PAUSE, reached), min(canary.pause.until, now)


def _pause_entries(canary: Workload, now: datetime) -> list[Entry]:
    return [entry for entry in canary.ledger.as_of(now).entries if entry.effect is Effect.PAUSE]


def _length(seconds: int) -> timedelta:
    """The length of a pause by its entry, limited to what a pause can be."""
    return timedelta(seconds=min(max(seconds, 0), MAX_PAUSE.total_seconds()))


def _stopped(canary: Workload, now: datetime) -> str:
    if pause := canary.held_by(now):
        return f"paused by {pause.author} for another {format_duration(pause.until - now)}: {pause.reason}"
    if any(entry.time + _length(entry.after) > now for entry in _pause_entries(canary, now)[-1:]):
        return "the ledger shows a pause that was removed by hand"
    return ""

"""How long the canary has been at its percentage, as far as that counts towards the phase's hold.

Pure. One rule: time counts from the last moment at which anything about the canary changed, while its pods follow and
nobody has paused it. What cannot be told does not count.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from remediator.durations import format_duration
from remediator.evidence import RECENT
from remediator.ledger import MAX_ENTRIES, MAX_PAUSE, Effect, spell_change
from remediator.ownership import OWN_MANAGERS
from remediator.policy import Phase, Policy
from remediator.workload import Workload

_ZERO = timedelta(0)
_ROUNDING = timedelta(seconds=1)
"""Ledger and pause spell times with different precision."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """A canary's time at one percentage, without interruption."""

    percentage: int | None
    phase: Phase | None
    """The phase that the file has for this percentage."""
    since: datetime | None = None
    """When it began, or None where the clock is not running."""
    origin: str = ""
    """What it began with."""
    counted: timedelta = _ZERO
    """How much of it counts."""
    stopped: str = ""
    """Why no more of it counts now, or empty."""

    @property
    def left(self) -> timedelta | None:
        """What is left of the phase's hold, or None without a phase."""
        return max(self.phase.hold - self.counted, _ZERO) if self.phase else None


def time_in_phase(canary: Workload, policy: Policy, now: datetime) -> Stay:
    """How long the canary has been what it is at this moment."""
    percentage = canary.percentage()
    stay = Stay(percentage=percentage, phase=policy.phase(percentage))
    why = (
        mixture(canary, policy)
        or canary.unbelievable(now)
        or _behind(canary)
        or ("" if canary.rollout.settled else "the Deployment does not say since when its pods follow")
    )
    if why:
        return Stay(percentage=stay.percentage, phase=stay.phase, stopped=why)
    since, origin = max(_changes(canary, policy, now), key=lambda change: change[0])
    pauses = [(max(start, since), min(end, now)) for start, end in _pauses(canary, since, now)]
    return Stay(
        percentage=stay.percentage,
        phase=stay.phase,
        since=since,
        origin=origin,
        counted=max(now - since - _total(pauses), _ZERO),
        stopped=_stopped(canary, pauses, now),
    )


def mixture(canary: Workload, policy: Policy) -> str:
    """Why the canary is not at any step, or empty: a flag is missing, unreadable, or not what the profile says."""
    percentage = canary.percentage()
    if percentage is None:
        return "the flags do not tell the percentage"
    profile = policy.profiles.get(percentage)
    if profile is None:
        return f"{percentage} % is not a step of the canary"
    if problem := canary.env_problem(profile):
        return problem
    flags = canary.flags()
    for name, wanted in profile.items():
        if flags.get(name) != wanted:
            found = f"is {flags[name]!r}" if name in flags else "is missing"
            return f"{name} {found}, and {percentage} % means {wanted!r}"
    return ""


def _behind(canary: Workload) -> str:
    """Why the pods are not what the Deployment asks for, or empty."""
    if canary.replicas == 0:
        return "the Deployment is at 0 replicas"
    rollout = canary.rollout
    return "" if rollout.converged(canary.replicas) else rollout.spell(canary.replicas)


def window(stay: Stay, policy: Policy, now: datetime) -> timedelta:
    """The time back from now that the canary's rates are judged over: its hold, or its stay while that is shorter."""
    phase = yardstick(stay.percentage, policy)
    if phase is None:
        return RECENT
    return min(phase.hold, max(now - stay.since, min(RECENT, phase.hold))) if stay.since else phase.hold


def yardstick(percentage: int | None, policy: Policy) -> Phase | None:
    """The phase whose thresholds hold at a percentage: its own, or after the last phase that one."""
    below = [phase for phase in policy.phases if percentage is not None and phase.percentage <= percentage]
    return below[-1] if below else None


def _changes(canary: Workload, policy: Policy, now: datetime) -> Iterator[tuple[datetime, str]]:
    """The last change of each kind, with the words for it."""
    entries = canary.ledger.as_of(now).entries
    if settled := canary.rollout.settled:
        yield settled, "all pods follow"
    acts = [entry for entry in entries if entry.effect == Effect.SET_PERCENTAGE]
    if acts:
        last = acts[-1]
        yield last.time, f"{last.by} set {spell_change(last.effect, last.before, last.after)}"
    for name in sorted({name for profile in policy.profiles.values() for name in profile}):
        write = canary.writers.get(name)
        if write and write.time and write.manager not in OWN_MANAGERS:
            yield write.time, f"{write.manager} wrote {name}"
    people = [entry for entry in entries if not entry.remediation]
    if len(people) >= MAX_ENTRIES:
        yield people[0].time, f"what was before the oldest of {MAX_ENTRIES} acts of people is forgotten"


def _pauses(canary: Workload, since: datetime, now: datetime) -> Iterator[tuple[datetime, datetime]]:
    """When acts were withheld, as far as it lies after `since`."""
    entries = [entry for entry in canary.ledger.as_of(now).entries if entry.effect == Effect.PAUSE]
    # A later entry ends the pause before: it is another pause, or the end of this one.
    ends = [entry.time + _length(entry.after) for entry in entries]
    for index, (entry, end) in enumerate(zip(entries, ends, strict=True)):
        later = entries[index + 1].time if index + 1 < len(entries) else end
        if min(end, later) > since:
            yield entry.time, min(end, later)
    pause = canary.pause
    if pause and pause.until > since and not (ends and abs(ends[-1] - pause.until) <= _ROUNDING):
        # Written by hand. When is not known, but after the last entry, and no pause is longer than MAX_PAUSE.
        yield max([pause.until - MAX_PAUSE, *(entry.time for entry in entries[-1:])]), pause.until


def _length(seconds: int) -> timedelta:
    """What a pause's entry says, within what a pause can be."""
    return timedelta(seconds=min(max(seconds, 0), MAX_PAUSE.total_seconds()))


def _total(spans: list[tuple[datetime, datetime]]) -> timedelta:
    """The time that is in any of the spans."""
    total, reached = _ZERO, None
    for start, end in sorted(spans):
        begin = max(start, reached) if reached else start
        total += max(end - begin, _ZERO)
        reached = max(end, reached) if reached else end
    return total


def _stopped(canary: Workload, pauses: list[tuple[datetime, datetime]], now: datetime) -> str:
    if pause := canary.held_by(now):
        return f"paused by {pause.author} for another {format_duration(pause.until - now)}: {pause.reason}"
    if any(end == now > start for start, end in pauses):
        return "the ledger says that it is paused, although the pause was removed by hand"
    return ""

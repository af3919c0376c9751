"""What the canary's flags mean, and what stands against raising them.

Pure: no clock, no I/O. What people do by hand is seen as it is: a percentage counts as set only where all its flags are
there; anything between is a mixture, and named.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from remediator.durations import format_duration
from remediator.policy import ENABLED_FLAG, PERCENTAGE_FLAG, Remediation
from remediator.workload import Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What the flags say: a share of traffic, and where they are not those of its profile."""

    percentage: int | None
    """None where it cannot be told, or is no step of the canary."""
    differing: tuple[str, ...] = ()
    """Flags that differ from the profile, as `RUNS_ENABLED=true`."""

    @property
    def is_profile(self) -> bool:
        """Whether the flags are exactly those of a percentage."""
        return self.percentage is not None and not self.differing

    def __str__(self) -> str:
        if self.percentage is None:
            return f"no step of the canary: {', '.join(self.differing)}"
        return f"{self.percentage} %" + (f", but {', '.join(self.differing)}" if self.differing else "")


def read_setting(workload: Workload, profiles: Mapping[int, Mapping[str, str]]) -> Setting:
    """What the flags of a Deployment mean."""
    flags, percentage = workload.flags(), workload.percentage()
    if percentage is None or percentage not in profiles:
        return Setting(
            percentage=None, differing=tuple(_spell(flags, name) for name in (ENABLED_FLAG, PERCENTAGE_FLAG))
        )
    profile = profiles[percentage]
    differing = (name for name, value in profile.items() if flags.get(name) != value)
    return Setting(percentage=percentage, differing=tuple(_spell(flags, name) for name in differing))


def _spell(flags: Mapping[str, str | None], name: str) -> str:
    if name not in flags:
        return f"{name} is not set"
    value = flags[name]
    return f"{name} comes from elsewhere (valueFrom)" if value is None else f"{name}={value}"


def raises(workload: Workload, profile: Mapping[str, str]) -> bool:
    """Whether a profile would give the canary more traffic, or switch anything on."""
    flags, before, after = workload.flags(), workload.percentage(), int(profile[PERCENTAGE_FLAG])
    if after and (before is None or after > before):
        return True
    return any(value == "true" and flags.get(name) != "true" for name, value in profile.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """A rollback alert that fires, or why that could not be told."""

    firing: tuple[str, ...] = ()
    unknown: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """What stands against raising the canary; only a person may pass over it, and that is recorded."""

    word: str
    message: str


def obstacles(
    workload: Workload,
    workers: Workload | None,
    remediation: Remediation | None,
    alarm: Alarm | None,
    now: datetime,
) -> tuple[Obstacle, ...]:
    """What stands against raising the canary now; the words are those of the ladder where it has one.

    `remediation` is the one that takes it back. `alarm` is None where nobody was asked.
    """
    return tuple(_obstacles(workload, workers, remediation, alarm, now))


def _obstacles(
    workload: Workload,
    workers: Workload | None,
    remediation: Remediation | None,
    alarm: Alarm | None,
    now: datetime,
) -> Sequence[Obstacle]:
    found: list[Obstacle] = []

    def stands(word: str, message: str) -> None:
        found.append(Obstacle(word=word, message=message))

    if pause := workload.held_by(now):
        left = format_duration(pause.until - now)
        stands("Paused", f"the target is paused by {pause.author} for another {left}: {pause.reason}")
    for one in filter(None, (workload, workers)):
        if one.kill_switch or one.replicas == 0:
            switch = one.kill_switch
            by = f" by {switch.author}: {switch.reason}" if switch and switch.author else ""
            which = "the workers are" if one is workers else "the Deployment is"
            stands("KillSwitchOn", f"{which} latched at 0{by}; first: remediator kill-switch off")
    if problem := workload.unbelievable(now):
        stands("TargetInvalid", f"what is recorded on the target cannot be believed: {problem}")
    if remediation:
        acts = workload.ledger.as_of(now)
        if until := acts.cooling_until(remediation.action.effect, remediation.cooldown, now):
            ago = format_duration(remediation.cooldown - (until - now))
            left = format_duration(until - now)
            stands("CoolingDown", f"{remediation.name} took the canary back {ago} ago, cooling down for another {left}")
    if alarm and alarm.firing:
        stands("AlertFiring", f"{', '.join(alarm.firing)} fires, and would take the canary back")
    if alarm and alarm.unknown:
        stands("AlertsUnknown", f"whether a rollback alert fires cannot be told: {alarm.unknown}")
    return found

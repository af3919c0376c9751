"""What the canary's flags mean.

Pure: no clock, no I/O. Flags may be set by hand: a percentage counts as set only if every flag has its
profile's value; otherwise the flags are a mixture, and those that differ are named.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from remediator.core.policy import ENABLED_FLAG, PERCENTAGE_FLAG
from remediator.core.workload import Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """The percentage that the flags set, and the flags that differ from its profile."""

    percentage: int | None
    """None if not known, or not a step of the canary."""
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


def differing(workload: Workload, profile: Mapping[str, str]) -> str:
    """The first flag that differs from a profile, or empty."""
    flags = workload.flags()
    return next((name for name, value in profile.items() if flags.get(name) != value), "")


def _spell(flags: Mapping[str, str | None], name: str) -> str:
    if name not in flags:
        return f"{name} is not set"
    value = flags[name]
    return f"{name} comes from elsewhere (valueFrom)" if value is None else f"{name}={value}"


def raises(workload: Workload, profile: Mapping[str, str]) -> bool:
    """Whether a profile would give the canary more traffic, or turn anything on."""
    flags, before, after = workload.flags(), workload.percentage(), int(profile[PERCENTAGE_FLAG])
    if after and (before is None or after > before):
        return True
    return any(value == "true" and flags.get(name) != "true" for name, value in profile.items())

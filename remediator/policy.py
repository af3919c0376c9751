"""What SREs write, as this service understands it: targets, and for each kind of alert the one act that answers it.

Everything here is already checked (policy_file.py does that), so nothing in it can raise a percentage or leave the
bounds of a scale. Pure: no I/O, no clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from remediator.ledger import Effect
from remediator.matchers import Matcher

PERCENTAGE_FLAG = "DENIS_MATERIALIZERS_PCT"
ENABLED_FLAG = "DENIS_MATERIALIZERS_ENABLED"
PERCENTAGES = (0, 1, 10, 50, 100)
"""The shares of traffic in percent that DENIS knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A Deployment that may be changed; `container` holds the canary's flags, where it has any."""

    name: str
    namespace: str
    deployment: str
    container: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetPercentage:
    """Set the canary's share of traffic by the profile of flags that belongs to it."""

    percentage: int
    profile: Mapping[str, str]

    @property
    def effect(self) -> Effect:
        """What the cooldown and the budget count."""
        return Effect.SET_PERCENTAGE


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Add `step` replicas, to no fewer than `min` and no more than `max`."""

    step: int
    min: int
    max: int

    @property
    def effect(self) -> Effect:
        """What the cooldown and the budget count."""
        return Effect.SCALE


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How many acts the remediations of a target may do in a window before a human has to look."""

    acts: int
    window: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Remediation:
    """The answer to every alert that all the matchers match."""

    name: str
    matchers: tuple[Matcher, ...]
    target: Target
    action: SetPercentage | Scale
    cooldown: timedelta
    budget: Budget
    mode: Literal["act", "observe"]

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether an alert with these labels is answered by this remediation."""
        return all(matcher.matches(labels) for matcher in self.matchers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """What a step of the canary has to show before people take the next one."""

    percentage: int
    hold: timedelta
    """How long the canary stays at this percentage, at the least."""
    min_success_rate: float
    """A ratio, 0 to 1, on average over `hold`."""
    max_error_rate: float
    """A ratio, 0 to 1, on average over `hold`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A whole remediations.yaml."""

    targets: tuple[Target, ...]
    profiles: Mapping[int, Mapping[str, str]]
    remediations: tuple[Remediation, ...]
    phases: tuple[Phase, ...] = ()
    """By rising percentage."""

    def rollbacks(self, target: Target) -> tuple[Remediation, ...]:
        """The remediations that take this target's canary back."""
        return tuple(
            remediation
            for remediation in self.remediations
            if remediation.target == target and isinstance(remediation.action, SetPercentage)
        )

    def scaled(self) -> tuple[Target, ...]:
        """The targets that remediations scale, each once."""
        return tuple(
            dict.fromkeys(
                remediation.target for remediation in self.remediations if isinstance(remediation.action, Scale)
            )
        )

    def most_replicas(self, target: Target) -> int:
        """The most replicas that a remediation gives this target, 0 where none scales it."""
        actions = [remediation.action for remediation in self.remediations if remediation.target == target]
        return max((action.max for action in actions if isinstance(action, Scale)), default=0)

    def phase(self, percentage: int | None) -> Phase | None:
        """The phase at this percentage, or None where the canary is not in one."""
        return next((phase for phase in self.phases if phase.percentage == percentage), None)

    def next_percentage(self, percentage: int) -> int | None:
        """The next step up, or None from the last one."""
        return min((step for step in self.profiles if step > percentage), default=None)

    def match(self, labels: Mapping[str, str]) -> Remediation | None:
        """The first remediation in the file's order that answers an alert with these labels."""
        return next((remediation for remediation in self.remediations if remediation.matches(labels)), None)

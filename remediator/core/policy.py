"""The policy of remediations.yaml: targets, profiles, phases, and for each kind of alert its remediation.

It is already validated (by config/loader.py), so nothing in it can raise a percentage or exceed the bounds of a scale.
Pure: no I/O, no clock.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from remediator.core.matchers import Matcher

if TYPE_CHECKING:
    from remediator.core.actions import Action
    from remediator.core.ledger import Entry

PERCENTAGE_FLAG = "DENIS_MATERIALIZERS_PCT"
ENABLED_FLAG = "DENIS_MATERIALIZERS_ENABLED"
HEARTBEAT = "heartbeat"
"""The value of the label `remediation` that no remediation can match: such an alert only proves that alerts arrive."""

HEARTBEAT_ALERT = "RemediatorHeartbeat"
"""The shipped alert with that value."""

PERCENTAGES = (0, 1, 10, 50, 100)
"""The percentages of traffic that DENIS supports."""


def is_heartbeat(labels: Mapping[str, str]) -> bool:
    """Whether an alert with these labels is a heartbeat."""
    return labels.get("remediation") == HEARTBEAT


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A Deployment that may be changed; `container` is the one with the canary's flags, if it has any."""

    name: str
    namespace: str
    deployment: str
    container: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How many acts a target's remediations may do in a window before a human has to step in."""

    acts: int
    window: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Remediation:
    """The action for every alert that all the matchers match."""

    name: str
    matchers: tuple[Matcher, ...]
    target: Target
    action: "Action"
    cooldown: timedelta
    budget: Budget
    mode: Literal["act", "observe"]

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether all the matchers match these labels, and the alert is not a heartbeat."""
        return not is_heartbeat(labels) and all(matcher.matches(labels) for matcher in self.matchers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """A step of the canary, and the thresholds to meet before the next one."""

    percentage: int
    hold: timedelta
    """How long the canary stays at this percentage at least."""
    min_success_rate: float
    """A ratio, 0 to 1, on average over `hold`."""
    max_error_rate: float
    """A ratio, 0 to 1, on average over `hold`."""
    max_latency_p99: float | None = None
    """Seconds, of the slowest pod, on average over `hold`; None if it is not judged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A whole remediations.yaml."""

    targets: tuple[Target, ...]
    profiles: Mapping[int, Mapping[str, str]]
    remediations: tuple[Remediation, ...]
    phases: tuple[Phase, ...] = ()
    """By rising percentage."""

    def rollbacks(self, target: Target) -> tuple[Remediation, ...]:
        """The remediations that roll this target's canary back."""
        return tuple(
            remediation
            for remediation in self.remediations
            if remediation.target == target and remediation.action.takes_back
        )

    def acts_of(self, remediation: Remediation, acts: Iterable["Entry"]) -> tuple["Entry", ...]:
        """The acts that are this remediation's, of those on its target with its effect.

        An act of a remediation that the file no longer has is the first one's.
        """
        effect = remediation.action.effect
        same = [one for one in self.remediations if (one.target, one.action.effect) == (remediation.target, effect)]
        names, first = {one.name for one in same}, same[0] is remediation
        return tuple(
            act for act in acts if act.remediation == remediation.name or (first and act.remediation not in names)
        )

    def scaled(self) -> tuple[Target, ...]:
        """The targets that remediations scale, each once."""
        scaling = (remediation for remediation in self.remediations if remediation.action.most_replicas)
        return tuple(dict.fromkeys(remediation.target for remediation in scaling))

    def most_replicas(self, target: Target) -> int:
        """The most replicas that a remediation sets on this target, or 0 if none scales it."""
        actions = (remediation.action for remediation in self.remediations if remediation.target == target)
        return max((action.most_replicas for action in actions), default=0)

    def phase(self, percentage: int | None) -> Phase | None:
        """The phase at this percentage, or None if there is none."""
        return next((phase for phase in self.phases if phase.percentage == percentage), None)

    def next_percentage(self, percentage: int) -> int | None:
        """The next step up, or None from the last one."""
        return min((step for step in self.profiles if step > percentage), default=None)

    def steps_between(self, before: int, after: int) -> tuple[int, ...]:
        """The steps that a raise from one percentage to another skips."""
        steps = {percentage for percentage in self.profiles if percentage} | {one.percentage for one in self.phases}
        return tuple(sorted(step for step in steps if before < step < after))

    def match(self, labels: Mapping[str, str]) -> Remediation | None:
        """The first remediation in the file's order that matches these labels."""
        return next((remediation for remediation in self.remediations if remediation.matches(labels)), None)

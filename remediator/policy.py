"""What SREs write, as this service understands it: targets, and for each kind of alert the one act that answers it.

Everything here is already checked (policy_file.py does that), so nothing in it can raise a percentage or leave the
bounds of a scale. Pure: no I/O, no clock.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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
        for matcher in self.matchers:  # noqa: SIM110 - a generator would cost more than most matchers
            if not matcher.matches(labels):
                return False
        return True


class _Index:
    """Which remediations an alert has to be compared with: those that one of its labels does not rule out already.

    Each remediation stands under the values that it wants of one label. Of its labels that is the one that tells the
    most remediations apart; one without such a label is always compared.
    """

    def __init__(self, remediations: Sequence[Remediation]) -> None:
        wanted = [
            {matcher.name: matcher.values for matcher in remediation.matchers if matcher.values}
            for remediation in remediations
        ]
        values: defaultdict[str, set[str]] = defaultdict(set)
        for labels in wanted:
            for label, listed in labels.items():
                values[label].update(listed)
        always: list[int] = []
        by_label: defaultdict[str, defaultdict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        for position, labels in enumerate(wanted):
            if not labels:
                always.append(position)
                continue
            label = max(labels, key=lambda label: len(values[label]))
            for value in dict.fromkeys(labels[label]):
                by_label[label][value].append(position)
        self._always = always
        self._by_label = [(label, dict(by_value)) for label, by_value in by_label.items()]

    def candidates(self, labels: Mapping[str, str]) -> Sequence[int]:
        """The positions of the remediations that can match these labels, by rising position."""
        found = self._always
        for label, by_value in self._by_label:
            if positions := by_value.get(labels.get(label, "")):
                found = sorted(found + positions) if found else positions
        return found


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
    _index: _Index = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_index", _Index(self.remediations))

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
        for position in self._index.candidates(labels):
            remediation = self.remediations[position]
            if remediation.matches(labels):
                return remediation
        return None

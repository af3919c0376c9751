"""What SREs write, as this service understands it: targets, and for each kind of alert the one act that answers it.

Everything here is already checked (policy_file.py does that), so nothing in it can raise a percentage or leave the
bounds of a scale. Pure: no I/O, no clock.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from operator import itemgetter
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


class _Index:
    """Finds the first remediation that answers an alert, among those that none of its labels rules out at once.

    Each remediation stands under the values that it wants of one label. Of its labels that is the one that tells the
    most remediations apart; one without such a label is always tried.
    """

    def __init__(self, remediations: Sequence[Remediation]) -> None:
        listed = [[matcher for matcher in remediation.matchers if matcher.values] for remediation in remediations]
        values: defaultdict[str, set[str]] = defaultdict(set)
        for matchers in listed:
            for matcher in matchers:
                values[matcher.name].update(matcher.values)
        always: list[_Candidate] = []
        by_label: defaultdict[str, defaultdict[str, list[_Candidate]]] = defaultdict(lambda: defaultdict(list))
        for position, remediation in enumerate(remediations):
            if not listed[position]:
                always.append((position, remediation.matchers))
                continue
            decisive = max(listed[position], key=lambda matcher: len(values[matcher.name]))
            # The value says it all where it is the only one; an expression may still hold no value of that length.
            left = tuple(one for one in remediation.matchers if one is not decisive or one.operator != "=")
            for value in dict.fromkeys(decisive.values):
                by_label[decisive.name][value].append((position, left))
        self._always = always
        self._by_label = [(label, dict(by_value)) for label, by_value in by_label.items()]

    def find(self, labels: Mapping[str, str]) -> int | None:
        """The position of the first remediation whose matchers all match, or None."""
        candidates = self._always
        for label, by_value in self._by_label:
            if more := by_value.get(labels.get(label, "")):
                candidates = sorted(candidates + more, key=_position) if candidates else more
        for position, left in candidates:
            if not left or all(matcher.matches(labels) for matcher in left):
                return position
        return None


_Candidate = tuple[int, tuple[Matcher, ...]]
"""The position of a remediation, and what an alert has to meet besides."""

_position = itemgetter(0)


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
        position = self._index.find(labels)
        return None if position is None else self.remediations[position]

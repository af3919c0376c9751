"""What can be done to a target: the effects that its record knows, and what an action that answers alerts has to say.

The rule of this package: all that differs between one action and another is in the action's own file, and nothing
outside of it asks which one it is. Pure.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, assert_never

from remediator.core.durations import format_duration
from remediator.core.field_owners import REPLICAS
from remediator.core.policy import PERCENTAGE_FLAG, Target
from remediator.core.reasons import Reason

if TYPE_CHECKING:
    # The emergency commands need the effects, and no ladder.
    from remediator.core.confirmation import Confirmation
    from remediator.core.ladder import Act, Found, Skip, TargetFacts
    from remediator.core.workload import Workload


class Effect(StrEnum):
    """What is changed; cooldown and budget are counted per target and effect."""

    SET_PERCENTAGE = "SetPercentage"
    SCALE = "Scale"
    KILL_SWITCH = "KillSwitch"
    """To 0 replicas and latched, or back; people only."""
    PAUSE = "Pause"
    """Seconds for which acts are withheld, 0 for resumed; people only."""
    UNKNOWN = "Unknown"
    """What a newer version wrote: its acts are kept, and nothing is read into them."""

    @classmethod
    def of(cls, name: str) -> "Effect":
        """The effect of this name."""
        return cls(name) if name in _NAMES else cls.UNKNOWN

    @property
    def field(self) -> str:
        """What it sets, as `Workload.writers` has it, or empty. An act ends another one that set the same."""
        match self:
            case Effect.SET_PERCENTAGE:
                return PERCENTAGE_FLAG
            case Effect.SCALE | Effect.KILL_SWITCH:
                return REPLICAS
            case Effect.PAUSE | Effect.UNKNOWN:
                return ""
            case _:
                assert_never(self)

    def read(self, workload: "Workload") -> int | None:
        """What the workload has now of what it sets, None where that is not known."""
        match self:
            case Effect.SET_PERCENTAGE:
                return workload.percentage()
            case Effect.SCALE | Effect.KILL_SWITCH:
                return workload.replicas
            case Effect.PAUSE | Effect.UNKNOWN:
                return None
            case _:
                assert_never(self)

    def stands(self, after: int, workload: "Workload") -> bool:
        """Whether the workload has what an act has set. Safer than asked for is not taken back."""
        match self:
            case Effect.SET_PERCENTAGE:
                percentage = workload.percentage()
                return percentage is not None and percentage <= after
            case Effect.SCALE | Effect.KILL_SWITCH:
                return workload.replicas >= after or workload.replicas == 0
            case Effect.PAUSE | Effect.UNKNOWN:
                return True
            case _:
                assert_never(self)

    def format_value(self, value: int | None) -> str:
        """A value that it sets, in words, as in `10 %` or `6 replicas`."""
        text = "unknown" if value is None else str(value)
        match self:
            case Effect.SET_PERCENTAGE:
                return text if value is None else f"{text} %"
            case Effect.SCALE | Effect.KILL_SWITCH:
                return f"{text} replicas"
            case Effect.PAUSE:
                return f"paused for {format_duration(timedelta(seconds=value))}" if value else "resumed"
            case Effect.UNKNOWN:
                return text
            case _:
                assert_never(self)

    def format_change(self, before: int | None, after: int) -> str:
        """A change in words, as in `10 % -> 0 %` or `4 -> 6 replicas`."""
        if self is Effect.PAUSE:
            return self.format_value(after)
        change = f"{self.format_value(before).removesuffix(' replicas')} -> {self.format_value(after)}"
        return f"kill switch {'off' if after else 'on'}, {change}" if self is Effect.KILL_SWITCH else change


_NAMES = frozenset(Effect)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """What the acts of an effect are called, and what they set."""

    one: str
    due: str
    """What an alert does that asks for one."""
    many: str
    heading: str
    spared: str
    """Of what people would have been spared some time."""
    value: str
    gauge: str
    """The metric that shows the value."""


AUTOMATIC: Mapping[Effect, Wording] = {
    Effect.SET_PERCENTAGE: Wording(
        one="a rollback",
        due="would take the canary back",
        many="rollbacks",
        heading="Rollbacks",
        spared="a bad canary",
        value="percentage",
        gauge="remediator_canary_percentage",
    ),
    Effect.SCALE: Wording(
        one="this act",
        due="asks for it",
        many="scale-ups",
        heading="Workers",
        spared="a long queue",
        value="replicas",
        gauge="remediator_replicas",
    ),
}
"""The effects of the actions that answer alerts."""


class Action(ABC):
    """The act that answers an alert."""

    __slots__ = ()

    @property
    @abstractmethod
    def effect(self) -> Effect:
        """What the cooldown and the budget count."""

    @property
    @abstractmethod
    def urgency(self) -> int:
        """Of the acts that one notification asks for, the lowest comes first."""

    @property
    @abstractmethod
    def takes_back(self) -> bool:
        """Whether it takes the canary back."""

    @property
    @abstractmethod
    def rises(self) -> bool:
        """Whether it raises the value that it sets; else it lowers it."""

    @property
    @abstractmethod
    def reads_autoscalers(self) -> bool:
        """Whether it needs to know who owns the replicas, which is not on the Deployment itself."""

    @property
    @abstractmethod
    def longest_question(self) -> float:
        """Seconds that it may wait for Prometheus to confirm its alerts, where one is asked."""

    @property
    @abstractmethod
    def most_replicas(self) -> int:
        """The most replicas that it leads to, 0 where it leaves them alone."""

    @property
    def least_replicas(self) -> int:
        """The fewest replicas that it leads to, 0 where it leaves them alone."""
        return 0

    @property
    @abstractmethod
    def signals(self) -> tuple[str, ...]:
        """The signals of DENIS that the shipped alerts which ask for it go by."""

    @property
    @abstractmethod
    def guards(self) -> "Mapping[Reason, Callable[[Any, TargetFacts], Found | Skip]]":
        """Its own rungs of the ladder, by their reasons, as methods of its class."""

    @abstractmethod
    def describe(self, target: Target) -> str:
        """What it does, as in `canary denis/denis to 0 %`."""

    @abstractmethod
    def unusable(self, workload: "Workload", target: Target, now: datetime) -> str:
        """Why this act, and perhaps no other, cannot be done on the workload, or empty."""

    @abstractmethod
    def usable(self, target: Target) -> str:
        """What was found where it is not unusable."""

    @abstractmethod
    def plan(self, workload: "Workload", target: Target) -> "Act":
        """What is to be written, once every rung is passed."""

    @abstractmethod
    def past(self, value: int, profiles: Mapping[int, Mapping[str, str]]) -> "Workload":
        """A target that had this value once, as far as that is recorded."""

    @abstractmethod
    def forbidden(
        self, workload: "Workload", target: Target, profiles: Mapping[int, Mapping[str, str]]
    ) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """What the service may never write to such a target, in words and as a part of the spec."""

    def satisfied(self, workload: "Workload") -> str:
        """Why an alert would change nothing, or empty. In the cooldown after the act, no reason says so."""
        return ""

    @property
    def needs_confirmation(self) -> bool:
        """Whether it waits until Prometheus confirms its alerts, where one is asked."""
        return Reason.UNCONFIRMED in self.guards

    def once_confirmed(self, confirmation: "Confirmation") -> str:
        """What is said of an act that is not done anyway, where it would still wait for Prometheus; or empty."""
        waits = self.needs_confirmation and confirmation.answer == "unknown"
        return " once Prometheus confirms the alert" if waits else ""

    def warnings(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """What is valid in remediations.yaml and most likely a mistake, each with its keys."""
        yield from ()

"""The effects that an act can have on a target, named as in its record and the metrics. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, assert_never

from remediator.core.durations import format_duration
from remediator.core.field_owners import REPLICAS
from remediator.core.policy import PERCENTAGE_FLAG

if TYPE_CHECKING:
    # It has a ledger, whose entries have effects.
    from remediator.core.workload import Workload


class Effect(StrEnum):
    """What is changed; cooldown and budget are counted per target and effect."""

    SET_PERCENTAGE = "SetPercentage"
    SCALE = "Scale"
    KILL_SWITCH = "KillSwitch"
    """To 0 replicas and latched, or back; people only."""
    PAUSE = "Pause"
    """Seconds for which acts are withheld, 0 for a resume; people only."""
    UNKNOWN = "Unknown"
    """An effect that only a newer version knows: its acts are kept, and not interpreted."""

    @classmethod
    def of(cls, name: str) -> "Effect":
        """The effect of this name."""
        return cls(name) if name in _NAMES else cls.UNKNOWN

    @property
    def field(self) -> str:
        """The field that it sets, as a key of `Workload.writers`, or empty. Acts on one field end each other."""
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
        """The current value of the field that it sets, or None if not known."""
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
        """Whether the value that an act has set is still there, or a safer one."""
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
        """Format a value that it sets, as in `10 %` or `6 replicas`."""
        text = "unknown" if value is None else str(value)
        match self:
            case Effect.SET_PERCENTAGE:
                return text if value is None else f"{text} %"
            case Effect.SCALE | Effect.KILL_SWITCH:
                return f"{text} replica{'s' * (value != 1)}"
            case Effect.PAUSE:
                return f"paused for {format_duration(timedelta(seconds=value))}" if value else "resumed"
            case Effect.UNKNOWN:
                return text
            case _:
                assert_never(self)

    def format_change(self, before: int | None, after: int) -> str:
        """Format a change, as in `10 % -> 0 %` or `4 -> 6 replicas`."""
        if self is Effect.PAUSE:
            return self.format_value(after)
        change = f"{self.format_value(before).partition(' replica')[0]} -> {self.format_value(after)}"
        return f"kill switch {'off' if after else 'on'}, {change}" if self is Effect.KILL_SWITCH else change


_NAMES = frozenset(Effect)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """The words for the acts of an effect, and for the value that they set."""

    one: str
    due: str
    """What an alert that asks for one does."""
    many: str
    heading: str
    spared: str
    """What would have been shorter."""
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

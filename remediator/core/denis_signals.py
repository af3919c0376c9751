"""The signals of DENIS that the canary and its workers are judged by: one row each.

One rule: everything specific to a signal is in its row. Pure.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """A gauge that DENIS exports."""

    name: str
    """DENIS's name for it, and the value of the label `signal` of denis:signal, which the shipped rules record."""
    aliases: tuple[str, ...] = ()
    """Its names in some versions of DENIS."""
    title: str
    unit: Literal["rate", "s", "jobs"]
    """Its unit; DENIS exports a rate as a ratio or in percent."""
    worse: Literal["less", "more"]
    most: float
    """The highest plausible value, in its unit; 1 means 100 % for a rate."""
    too_much: str = ""
    """The message for a higher value."""
    of_materializer: bool = False
    """Whether it is NaN, or 0, until the materializer has measured something."""
    recorded: str = ""
    """The series of its ratio recorded by the shipped rules, or empty."""
    phase_key: str = ""
    """The key of its bound in a phase, or empty."""

    @property
    def names(self) -> tuple[str, ...]:
        """Its name and its aliases."""
        return (self.name, *self.aliases)


SUCCESS_RATE = Signal(
    name="materializer_success_rate",
    title="success rate",
    unit="rate",
    worse="less",
    most=1.01,
    of_materializer=True,
    recorded="denis:materializer_success_rate:avg_ratio",
    phase_key="min_success_rate",
)
ERROR_RATE = Signal(
    name="error_rate",
    title="error rate",
    unit="rate",
    worse="more",
    most=1.01,
    recorded="denis:error_rate:avg_ratio",
    phase_key="max_error_rate",
)
QUEUE_DEPTH = Signal(
    name="async_queue_depth",
    aliases=("queue_depth",),
    title="queue",
    unit="jobs",
    worse="more",
    most=1_000_000_000,
    too_much="are more than there can be",
)
LATENCY = Signal(
    name="materializer_latency_p99",
    title="latency p99",
    unit="s",
    worse="more",
    most=600,
    too_much="is longer than 600 s; are these milliseconds?",
    of_materializer=True,
    phase_key="max_latency_p99",
)

SIGNALS = {signal.name: signal for signal in (SUCCESS_RATE, ERROR_RATE, QUEUE_DEPTH, LATENCY)}
"""Every signal by its name."""


def concerns(expression: str, signals: Collection[str]) -> bool:
    """Whether an expression is about one of these signals, or about none at all."""
    named = {name for name in SIGNALS if name in expression}
    return not named or not named.isdisjoint(signals)

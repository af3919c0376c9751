"""The signals of DENIS that the canary and its workers are judged by: one row each.

One rule: what differs between signals is in their rows. Pure.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """A gauge that DENIS exports."""

    name: str
    """As DENIS calls it, and the label `signal` of denis:signal, which the shipped rules record."""
    aliases: tuple[str, ...] = ()
    """What some versions of DENIS call it."""
    title: str
    unit: Literal["rate", "s", "jobs"]
    """A rate is a ratio or in percent, as DENIS exports it."""
    worse: Literal["less", "more"]
    most: float
    """The most that can be believed, in its unit; of a rate, in hundred percents."""
    too_much: str = ""
    """What is said of more."""
    of_materializer: bool = False
    """Whether it is NaN, or 0, until the materializer has measured something."""
    recorded: str = ""
    """The series of its ratio that the shipped rules record, or empty."""
    phase_key: str = ""
    """The key of a phase that bounds it, or empty."""

    @property
    def names(self) -> tuple[str, ...]:
        """Whatever DENIS may call it."""
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
    """Whether an expression is about one of these signals, or names none at all."""
    named = {name for name in SIGNALS if name in expression}
    return not named or not named.isdisjoint(signals)

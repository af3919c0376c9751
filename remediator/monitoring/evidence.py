"""What is known about the canary from outside of Kubernetes: its rates, and the alerts that ask for a rollback.

The rule of this file: what is not known is a value of its own with the reason, never a number and never nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import timedelta

RECENT = timedelta(minutes=5)
"""What `recent` and `worst` are averaged over: longer than a scrape gap or a pod's restart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """Something that could not be found out."""

    why: str


Value = float | Unknown
FoundAlerts = tuple[Mapping[str, str], ...] | Unknown
"""The labels of alerts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A rate of the canary, every value a ratio, 0 to 1; or its latency, in seconds."""

    current: Value
    recent: Value
    """On average over the last RECENT, or the window where that is shorter."""
    average: Value
    """On average over the window."""
    worst: Value
    """The worst average over RECENT within the window."""
    coverage: Value
    """The share of the window in which there were samples."""
    recent_coverage: Value
    """The share of the time of `recent` in which there were samples."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything that a promotion is judged by, apart from the Deployments."""

    window: timedelta
    """The time back from now that averages and alerts are about."""
    success_rate: Rate
    error_rate: Rate
    firing: FoundAlerts
    """The alerts that ask for a rollback of the canary now."""
    fired: FoundAlerts
    """The alerts that asked for one at any time in the window."""
    queue_depth: Value
    """Jobs; shown, not judged."""
    latency_p99: Value
    """Seconds; shown, not judged."""
    latency: Rate
    """That of the slowest pod."""


def unknown_rate(why: str) -> Rate:
    """A rate of which nothing is known."""
    return Rate(**dict.fromkeys((field.name for field in fields(Rate)), Unknown(why=why)))


def no_evidence(window: timedelta, why: str) -> Evidence:
    """What is known where nobody could be asked."""
    unknown, rate = Unknown(why=why), unknown_rate(why)
    return Evidence(
        window=window,
        success_rate=rate,
        error_rate=rate,
        firing=unknown,
        fired=unknown,
        queue_depth=unknown,
        latency_p99=unknown,
        latency=rate,
    )

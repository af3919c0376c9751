"""The evidence about the canary from outside Kubernetes: its rates, and the alerts that ask for a rollback.

The rule of this file: an unknown is a value of its own with a reason, never a number and never missing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import timedelta

RECENT = timedelta(minutes=5)
"""The period of the averages `recent` and `worst`: longer than a scrape gap or a pod's restart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """A value that is not known, and why."""

    why: str


Value = float | Unknown
FoundAlerts = tuple[Mapping[str, str], ...] | Unknown
"""The labels of alerts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A rate of the canary, every value a ratio, 0 to 1; or its latency, in seconds."""

    current: Value
    recent: Value
    """The average over the last RECENT, or over the window if shorter."""
    average: Value
    """The average over the window."""
    worst: Value
    """The worst average over RECENT within the window."""
    coverage: Value
    """The share of the window that has samples."""
    recent_coverage: Value
    """The share of `recent`'s period that has samples."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything that a promotion is judged by, apart from the Deployments."""

    window: timedelta
    """The period, up to now, of averages and alerts."""
    success_rate: Rate
    error_rate: Rate
    firing: FoundAlerts
    """The alerts that ask for a rollback of the canary now."""
    fired: FoundAlerts
    """The alerts that asked for a rollback at any time in the window."""
    queue_depth: Value
    """Jobs; shown, not judged."""
    latency_p99: Value
    """Seconds; shown, not judged."""
    latency: Rate
    """The latency of the slowest pod."""


def unknown_rate(why: str) -> Rate:
    """A rate with all values unknown."""
    return Rate(**dict.fromkeys((field.name for field in fields(Rate)), Unknown(why=why)))


def no_evidence(window: timedelta, why: str) -> Evidence:
    """Evidence with everything unknown."""
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

"""Canaries whose pods follow, and what Prometheus would say about healthy ones."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from remediator.core.field_owners import Write
from remediator.core.ledger import Entry, Pause
from remediator.core.rollout import Rollout
from remediator.core.workload import Workload
from remediator.monitoring.evidence import Evidence, Rate, Value
from tests.support.builders import HOUR, NOW, entry, workload

LONG = 1000 * HOUR


def canary(
    *,
    percentage: int = 10,
    settled: timedelta | None = LONG,
    acts: tuple[Entry, ...] = (),
    pause: Pause | None = None,
    writers: Mapping[str, Write] | None = None,
    flags: Mapping[str, str | None] | None = None,
    replicas: int = 4,
    rollout: Rollout | None = None,
) -> Workload:
    """A Deployment whose pods follow since so long before NOW; `rollout` replaces that."""
    follows = Rollout(
        seen=True,
        updated=replicas,
        total=replicas,
        available=replicas,
        settled=None if settled is None else NOW - settled,
    )
    made = workload(percentage=percentage, flags=flags, replicas=replicas, acts=acts, pause=pause)
    return replace(made, rollout=rollout or follows, writers=writers or {})


def paused(ago: timedelta, length: timedelta) -> Entry:
    """A pause in the ledger; of no length it is its end."""
    return entry(ago, effect="Pause", before=None, after=int(length.total_seconds()), operator="ada")


def rate(value: Value, **values: Value) -> Rate:
    """A rate that was always this, with samples all the time; `values` replaces single values."""
    same = dict.fromkeys(("current", "recent", "average", "worst"), value)
    return Rate(**{**same, "coverage": 1.0, "recent_coverage": 1.0, **values})


def healthy(window: timedelta, *, success_rate: Rate | None = None, error_rate: Rate | None = None) -> Evidence:
    """Evidence that nothing is wrong, but for the rates that are given."""
    return Evidence(
        window=window,
        success_rate=success_rate or rate(0.99),
        error_rate=error_rate or rate(0.01),
        firing=(),
        fired=(),
        queue_depth=12.0,
        latency_p99=0.3,
        latency=rate(0.3),
    )

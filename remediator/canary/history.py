"""What happened on the targets: acts of people and of remediations in one list, and how long each held.

Pure: no clock, no I/O. It is computed from the ledgers, so it goes back as far as they do.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from remediator.ledger import Effect, Entry, spell_change, value_of
from remediator.ownership import REPLICAS
from remediator.policy import PERCENTAGE_FLAG
from remediator.workload import Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One act on a target."""

    target: str
    entry: Entry
    held: timedelta
    """How long it held, up to now where it still does."""
    ended_by: str = ""
    """What ended it, or empty where it still holds."""

    @property
    def change(self) -> str:
        """The change in words."""
        return spell_change(self.entry.effect, self.entry.before, self.entry.after)

    def as_data(self) -> dict[str, Any]:
        """Plain data, times in UTC, durations in seconds."""
        entry = self.entry
        return {
            "time": entry.time.isoformat(),
            "target": self.target,
            "effect": entry.effect,
            "from": entry.before,
            "to": entry.after,
            "remediation": entry.remediation,
            "operator": entry.operator,
            "reason": entry.reason,
            "overrode": list(entry.overrode),
            "heldSeconds": round(self.held.total_seconds()),
            "endedBy": self.ended_by,
            "id": entry.id,
        }


def list_acts(workloads: Mapping[str, Workload], now: datetime) -> list[Act]:
    """The acts on all targets, by the target's name, the newest first."""
    acts = [act for target, workload in workloads.items() for act in _acts_on(target, workload, now)]
    return sorted(acts, key=lambda act: act.entry.time, reverse=True)


def _acts_on(target: str, workload: Workload, now: datetime) -> Iterable[Act]:
    entries = workload.ledger.as_of(now).entries
    for index, entry in enumerate(entries):
        later = next(
            (other for other in entries[index + 1 :] if value_of(other.effect) == value_of(entry.effect)), None
        )
        if later:
            yield Act(target=target, entry=entry, held=_seconds(later.time - entry.time), ended_by=later.by)
            continue
        ended, by = _ended_by_hand(entry, workload, now)
        yield Act(target=target, entry=entry, held=_seconds(ended - entry.time), ended_by=by)


def _ended_by_hand(entry: Entry, workload: Workload, now: datetime) -> tuple[datetime, str]:
    """When the last act on a value ended without another one in the ledger, and by what; now and nobody if it holds."""
    if entry.effect == Effect.PAUSE:
        ends = entry.time + timedelta(seconds=entry.after)
        return (ends, "its end") if entry.after and ends <= now else (now, "")
    if entry.effect == Effect.SET_PERCENTAGE:
        found, field = workload.percentage(), PERCENTAGE_FLAG
    else:
        found, field = workload.replicas, REPLICAS
    if found == entry.after:
        return now, ""
    write = workload.writers.get(field)
    return (write.time or now, write.manager) if write else (now, "somebody")


def _seconds(duration: timedelta) -> timedelta:
    return timedelta(seconds=max(duration, timedelta(0)) // timedelta(seconds=1))

"""What happened on the targets: acts of people and of remediations in one list, and how long each held.

Pure: no clock, no I/O. It is computed from the ledgers, so it goes back as far as they do. A change by hand is in no
ledger: only the last one is seen, in the Deployment's managed fields, which name the program but not the person.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from remediator.core.effects import Effect
from remediator.core.ledger import Entry
from remediator.core.workload import Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One act on a target."""

    target: str
    entry: Entry
    held: timedelta
    """How long it held, up to now if it still holds."""
    ended_by: str = ""
    """What ended it, or empty if it still holds."""
    manager: str = ""
    """The program that wrote it, for a change that is in no ledger; else empty."""

    @property
    def by(self) -> str:
        """Who did it: a remediation, a person, or a program if the person is not known."""
        return self.manager or self.entry.by

    @property
    def change(self) -> str:
        """The change in words."""
        return self.entry.change

    def as_data(self) -> dict[str, Any]:
        """Plain data, times in UTC, durations in seconds."""
        entry = self.entry
        return {
            "time": entry.time.isoformat(),
            "target": self.target,
            "effect": entry.effect_name,
            "from": entry.before,
            "to": entry.after,
            "remediation": entry.remediation,
            "operator": entry.operator,
            "reason": entry.reason,
            "overrode": list(entry.overrode),
            "heldSeconds": round(self.held.total_seconds()),
            "endedBy": self.ended_by,
            "id": entry.id,
            **({"manager": self.manager} if self.manager else {}),
            **({"because": entry.because} if entry.because else {}),
            **({"startsAt": entry.starts_at.isoformat()} if entry.starts_at else {}),
        }


def list_acts(workloads: Mapping[str, Workload], now: datetime) -> list[Act]:
    """The acts on all targets, sorted by target and then newest first."""
    acts = [act for target, workload in workloads.items() for act in _acts_on(target, workload, now)]
    return sorted(acts, key=lambda act: act.entry.time, reverse=True)


def _acts_on(target: str, workload: Workload, now: datetime) -> Iterable[Act]:
    entries = workload.ledger.as_of(now).entries
    for index, entry in enumerate(entries):
        later = next((other for other in entries[index + 1 :] if other.sets == entry.sets), None)
        if later:
            by_hand = entry.effect is not Effect.PAUSE and later.before not in (None, entry.after)
            by = f"a change by hand, then {later.by}" if by_hand else later.by
            yield Act(target=target, entry=entry, held=_seconds(later.time - entry.time), ended_by=by)
            continue
        ended, by = _ended_by_hand(entry, workload, now)
        yield Act(target=target, entry=entry, held=_seconds(ended - entry.time), ended_by=by)
        if by and (found := entry.effect.read(workload)) is not None:
            change = Entry(id="", time=ended, effect=entry.effect, before=entry.after, after=found)
            yield Act(target=target, entry=change, held=_seconds(now - ended), manager=by)


def _ended_by_hand(entry: Entry, workload: Workload, now: datetime) -> tuple[datetime, str]:
    """When, and by what, the last recorded act on a value was undone outside the ledger; now and empty if it holds."""
    if entry.effect is Effect.PAUSE:
        ends = entry.time + timedelta(seconds=entry.after)
        return (ends, "its end") if entry.after and ends <= now else (now, "")
    if not entry.effect.field or entry.effect.read(workload) == entry.after:
        return now, ""
    write = workload.writers.get(entry.effect.field)
    return (write.time or now, write.manager) if write else (now, "someone")


def _seconds(duration: timedelta) -> timedelta:
    return timedelta(seconds=max(duration, timedelta(0)) // timedelta(seconds=1))

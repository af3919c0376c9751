"""Whether an alert is a new incident: one that began after someone raised the canary again.

Pure. The rule of this file: an act has a cooldown because its own alert keeps firing until the act has helped. Someone
who raises the canary after that act ends the incident, knowing which alerts fire at that moment. An alert that begins
later was not known to them, so the canary is rolled back; that can only make things safer, and the budget still counts.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from remediator.core.ledger import CLOCK_SKEW
from remediator.core.policy import ENABLED_FLAG, PERCENTAGE_FLAG, Remediation
from remediator.core.times import format_time
from remediator.core.workload import Workload

_GRAIN = timedelta(seconds=1)
"""managedFields have times in full seconds, rounded down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Raise:
    """The last write by which someone raised the canary after the reflex had rolled it back."""

    time: datetime
    by: str
    percentage: int | None
    caused: datetime | None
    """When the alert began that the reflex had acted on, by its record, in full seconds."""

    def __str__(self) -> str:
        share = "an unknown percentage" if self.percentage is None else f"{self.percentage} %"
        return f"{format_time(self.time, 'seconds')}, when {self.by} set {share}"

    def precedes(self, began: datetime | None, now: datetime) -> bool:
        """Whether an alert that began at this time is a new incident; one without a time, or from the future, is not.

        The start is by Prometheus's clock. If that is ahead, an alert from just before the write counts as new, which
        is the safer error. The alert that the act was for never counts as new, whatever any clock says.
        """
        if began is None or began > now + CLOCK_SKEW:
            return False
        return began > self.time and (self.caused is None or began.replace(microsecond=0) > self.caused)


def last_raise(workload: Workload, remediation: Remediation, now: datetime) -> Raise | None:
    """The raise after this remediation's last act, or None if there was none or it is not known."""
    ledger = workload.ledger.as_of(now)
    acts = ledger.automatic(remediation.action.effect)
    if not remediation.action.takes_back or not acts:
        return None
    last = acts[-1]
    if last.effect.stands(last.after, workload):
        return None
    acts_of_people = [
        (entry.time, entry.operator or "someone")
        for entry in ledger.entries
        if entry.effect is last.effect and not entry.remediation and entry.after > last.after
    ]
    flags = (workload.writers.get(flag) for flag in (PERCENTAGE_FLAG, ENABLED_FLAG))
    by_hand = [(write.time, write.manager) for write in flags if write and write.time and not write.ours]
    later = [(time, by) for time, by in (*acts_of_people, *by_hand) if last.time - _GRAIN < time <= now + CLOCK_SKEW]
    if not later:
        return None
    time, by = max(later)
    return Raise(time=max(time, last.time), by=by, percentage=workload.percentage(), caused=last.starts_at)


def may_become_new(workload: Workload, remediation: Remediation, began: datetime | None, now: datetime) -> bool:
    """Whether a raise that this read does not show yet could make an alert a new incident.

    Such a raise follows the last act, so an alert that began before that act cannot be a new incident.
    """
    if began is None or not remediation.action.takes_back:
        return False
    acts = workload.ledger.as_of(now).automatic(remediation.action.effect)
    return not acts or began > acts[-1].time

"""A look at a target, shared by those who asked for it before it began: what was read, and what was withheld on it."""

from dataclasses import replace

from remediator.alerts import Alert, MalformedAlert
from remediator.decision import Skip
from remediator.outcome import Outcome
from remediator.policy import Remediation
from remediator.workload import TargetInvalid, TargetMissing, Workload

Alerts = tuple[Alert | MalformedAlert, ...]
Snapshot = Workload | TargetInvalid | TargetMissing


class Look:
    """The target as it was read, and for each remediation that was withheld why.

    What was withheld from one of those who share it is withheld from all, so that a storm costs one decision, as it
    costs one read.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self._withheld: dict[str, Outcome] = {}

    @property
    def uid(self) -> str:
        """The target's, empty where it was not found."""
        return self.snapshot.uid if isinstance(self.snapshot, Workload) else ""

    def withhold(self, remediation: Remediation, alerts: Alerts, skip: Skip) -> Outcome:
        """Nothing is to be done for these alerts, nor for others of this remediation."""
        outcome = self._withheld[remediation.name] = Outcome(
            alerts=alerts,
            remediation=remediation,
            reason=skip.reason,
            message=skip.message,
            until=skip.until,
            uid=self.uid,
        )
        return outcome

    def withheld(self, remediation: Remediation, alerts: Alerts) -> Outcome | None:
        """The same for these alerts, or None where this remediation was not withheld yet."""
        outcome = self._withheld.get(remediation.name)
        # A reload may have put another in its place.
        return replace(outcome, alerts=alerts) if outcome and outcome.remediation is remediation else None

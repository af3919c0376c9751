"""What one decision came to, for the alerts that were decided together."""

from dataclasses import dataclass
from datetime import datetime

from remediator.alerts import Alert, MalformedAlert
from remediator.policy import Remediation
from remediator.reasons import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A reason with all that goes into the answer, the metric, the Event and the audit line."""

    alerts: tuple[Alert | MalformedAlert, ...]
    reason: Reason
    message: str
    remediation: Remediation | None = None
    """What answers these alerts, or None where they were set aside before that was asked."""
    before: int | None = None
    after: int | None = None
    action_id: str = ""
    changed_at: datetime | None = None
    """When the target was changed, as its ledger has it; None where it was not."""
    until: datetime | None = None
    """When the same alerts could lead to an act again, where that is known."""
    uid: str = ""
    """The target's, empty where it was not read."""

    @property
    def remediation_name(self) -> str:
        """The remediation's name, or empty."""
        return self.remediation.name if self.remediation else ""

    @property
    def target_name(self) -> str:
        """The target's name in remediations.yaml, or empty."""
        return self.remediation.target.name if self.remediation else ""

    @property
    def effect(self) -> str:
        """What was to be changed, or empty."""
        return self.remediation.action.effect if self.remediation else ""

"""The outcome of one decision, shared by all alerts it covers, and the failure that can take its place."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, ClassVar

from remediator.core.reasons import Reason

if TYPE_CHECKING:
    # The API server's errors need no alert, and the emergency commands no reader of notifications.
    from remediator.core.alerts import Alerts
    from remediator.core.confirmation import Confirmation
    from remediator.core.policy import Remediation, Target


class ClusterError(Exception):
    """A request to the API server that did not do what was asked; kube/errors.py has the kinds."""

    reason: ClassVar[Reason]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A reason with all that goes into the answer, the metric, the Event and the audit line."""

    alerts: "Alerts"
    reason: Reason
    message: str
    remediation: "Remediation | None" = None
    """What answers these alerts, or None where they were set aside before that was asked."""
    before: int | None = None
    after: int | None = None
    action_id: str = ""
    changed_at: datetime | None = None
    """When the target was changed, as its ledger has it; None where it was not."""
    until: datetime | None = None
    """When the same alerts could lead to an act again, where that is known."""
    confirmation: "Confirmation | None" = None
    """What Prometheus said of the alerts, None where it was not asked."""
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


def act_or_span(action_id: str, cooldown: timedelta, now: datetime) -> str:
    """What one Event stands for: an act, or all refusals in a span of the cooldown."""
    return action_id or str(int(now.timestamp() // cooldown.total_seconds()))


def event_name(target: "Target", *identity: str) -> str:
    """The same for the same, so that replicas and repeats write one Event together."""
    return f"{target.deployment}.{hashlib.sha256(chr(0).join(identity).encode()).hexdigest()[:16]}"

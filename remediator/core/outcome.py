"""The outcome of one decision, shared by all alerts it covers, and the failure that can take its place."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, ClassVar

from remediator.core.reasons import Reason

if TYPE_CHECKING:
    # Keeps the notification parser out of the emergency commands' imports.
    from remediator.core.alerts import Alerts
    from remediator.core.confirmation import Confirmation
    from remediator.core.policy import Remediation, Target


class ClusterError(Exception):
    """A failed request to the API server; kube/errors.py has the kinds."""

    reason: ClassVar[Reason]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A reason, with everything for the response, the metric, the Event and the audit line."""

    alerts: "Alerts"
    reason: Reason
    message: str
    remediation: "Remediation | None" = None
    """The remediation of these alerts, or None if they were withheld before the match."""
    before: int | None = None
    after: int | None = None
    action_id: str = ""
    changed_at: datetime | None = None
    """When the target was changed, by its ledger; None if it was not."""
    until: datetime | None = None
    """When the same alerts could lead to an act again, if known."""
    confirmation: "Confirmation | None" = None
    """Prometheus's answer about the alerts, or None if it was not asked."""
    uid: str = ""
    """The target's uid, or empty if it was not read."""

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
        """The name of the effect, or empty."""
        return self.remediation.action.effect if self.remediation else ""


def act_or_span(action_id: str, cooldown: timedelta, now: datetime) -> str:
    """What one Event represents: an act, or all refusals in a slot of the cooldown."""
    return action_id or str(int(now.timestamp() // cooldown.total_seconds()))


def event_name(target: "Target", *identity: str) -> str:
    """Equal for equal outcomes, so that replicas and repetitions write the same Event."""
    return f"{target.deployment}.{hashlib.sha256(chr(0).join(identity).encode()).hexdigest()[:16]}"

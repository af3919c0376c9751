"""Why an alert did or did not lead to an act: the closed list of reasons.

The same word is the metric's label, the Event's reason, the audit line's field and the answer's field.
"""

from enum import StrEnum
from typing import Literal


class Reason(StrEnum):
    """The outcome of an alert. The order is that of the ladder, where the first rung that withholds wins."""

    MALFORMED_ALERT = "MalformedAlert"
    NOT_FIRING = "NotFiring"
    NO_REMEDIATION = "NoRemediation"
    FOREIGN_CLUSTER = "ForeignCluster"
    HEARTBEAT = "Heartbeat"
    TARGET_NOT_FOUND = "TargetNotFound"
    TARGET_INVALID = "TargetInvalid"
    PAUSED = "Paused"
    KILL_SWITCH_ON = "KillSwitchOn"
    ALREADY_SAFE = "AlreadySafe"
    AT_LIMIT = "AtLimit"
    AUTOSCALER_OWNED = "AutoscalerOwned"
    COOLING_DOWN = "CoolingDown"
    INEFFECTIVE = "Ineffective"
    BUDGET_SPENT = "BudgetSpent"
    RECOVERED = "Recovered"
    OBSERVING = "Observing"
    UNCONFIRMED = "Unconfirmed"

    APPLIED = "Applied"
    DRY_RUN = "DryRun"
    CONFLICT = "Conflict"
    FORBIDDEN = "Forbidden"
    REJECTED = "Rejected"
    UNAVAILABLE = "Unavailable"
    INTERNAL_ERROR = "InternalError"

    @property
    def kind(self) -> "Kind":
        """Whether it was an act, withheld, nothing to do, or a failure."""
        return _KINDS.get(self, "withheld")

    @property
    def failed(self) -> bool:
        """Whether an act that should have been done was not, so that Alertmanager has to deliver again."""
        return self.kind == "failed"


Kind = Literal["acted", "withheld", "ignored", "failed"]

_KINDS: dict[Reason, Kind] = {
    Reason.MALFORMED_ALERT: "ignored",
    Reason.NOT_FIRING: "ignored",
    Reason.NO_REMEDIATION: "ignored",
    Reason.FOREIGN_CLUSTER: "ignored",
    Reason.HEARTBEAT: "ignored",
    Reason.APPLIED: "acted",
    Reason.DRY_RUN: "acted",
    Reason.TARGET_NOT_FOUND: "failed",
    Reason.TARGET_INVALID: "failed",
    Reason.UNCONFIRMED: "failed",
    Reason.CONFLICT: "failed",
    Reason.FORBIDDEN: "failed",
    Reason.REJECTED: "failed",
    Reason.UNAVAILABLE: "failed",
    Reason.INTERNAL_ERROR: "failed",
}

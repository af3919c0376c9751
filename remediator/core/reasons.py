"""Why an alert did or did not become an act: one closed list of words.

The same word is the metric's label, the Event's reason, the audit line's field and the answer's field.
"""

from enum import StrEnum
from typing import Literal


class Reason(StrEnum):
    """What became of an alert. The order is that of the ladder: of the rungs that withhold, the first match wins."""

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
        """Whether this was an act, a wish that was withheld, nothing to do, or a failure."""
        return _KINDS.get(self, "withheld")

    @property
    def failed(self) -> bool:
        """Whether something that should have been done was not, so that Alertmanager has to deliver again."""
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

"""What an alert of a remediation would lead to at this moment, as far as the last look at its target tells.

Pure: the ladder itself is asked, with no alert at hand. Whether an alert is really of this remediation and of this
cluster is decided when it comes.
"""

from dataclasses import dataclass
from datetime import datetime

from remediator.api_errors import ClusterError
from remediator.decision import Skip, decide
from remediator.policy import Remediation, Scale, SetPercentage
from remediator.reasons import Reason
from remediator.workload import TargetInvalid, TargetMissing, Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """The reason that an alert would end with, in the words that it would be told with."""

    reason: Reason
    message: str
    until: datetime | None = None
    """When another answer is to be expected, where that is known."""
    nothing_to_do: bool = False
    """Whether what the alert asks for is so already; in the cooldown after a rollback the reason does not tell."""


def forecast(
    remediation: Remediation,
    seen: Workload | TargetInvalid | TargetMissing | ClusterError | None,
    now: datetime,
    *,
    dry_run: bool,
) -> Forecast:
    """The answer to a firing alert of this remediation; `seen` is what the last look found, None before the first."""
    if seen is None:
        return Forecast(reason=Reason.UNAVAILABLE, message="the target has not been looked at yet")
    if isinstance(seen, ClusterError):
        return Forecast(reason=seen.reason, message=str(seen))
    decision = decide(remediation, seen, now)
    if isinstance(decision, Skip):
        message = decision.message
        if decision.reason is Reason.ALREADY_SAFE and isinstance(seen, Workload):
            # The ladder speaks of an alert that fires; here there is none.
            message = f"at {seen.percentage()} % already, so an alert would change nothing"
        if decision.reason is Reason.AUTOSCALER_OWNED:
            message += ". Whether it still does is looked up when an alert comes"
        return Forecast(
            reason=decision.reason,
            message=message,
            until=decision.until,
            nothing_to_do=decision.reason in (Reason.ALREADY_SAFE, Reason.COOLING_DOWN) and _is_so(remediation, seen),
        )
    message = f"would set {decision.message}"
    if isinstance(remediation.action, Scale):
        # The regular look does not ask for the autoscalers; the one before an act does.
        message += ", unless a HorizontalPodAutoscaler owns the replicas: that is looked up when an alert comes"
    if dry_run:
        return Forecast(reason=Reason.DRY_RUN, message=f"{message}; in the dry run nothing is written")
    return Forecast(reason=Reason.APPLIED, message=message)


def _is_so(remediation: Remediation, seen: Workload | TargetInvalid | TargetMissing) -> bool:
    action = remediation.action
    return (
        isinstance(action, SetPercentage)
        and isinstance(seen, Workload)
        and seen.at_or_below(action.percentage, action.profile)
    )

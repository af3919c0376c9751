"""What an alert of a remediation would lead to now, judged by the last read of its target.

Pure: the ladder itself decides, without an alert. Whether an alert really matches this remediation and this cluster is
decided when it arrives.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from remediator.core.incident import last_raise
from remediator.core.ladder import Skip, decide
from remediator.core.outcome import ClusterError
from remediator.core.policy import Remediation
from remediator.core.reasons import Reason
from remediator.core.workload import TargetInvalid, TargetMissing, Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """The reason that an alert would end with, and the message that it would be reported with."""

    reason: Reason
    message: str
    until: datetime | None = None
    """When the answer is expected to change, if known."""
    nothing_to_do: bool = False
    """Whether what the alert asks for is done already, which the reason does not show in the cooldown after a rollback.

    It is not done if the rollout to it is stuck.
    """
    unreached: str = ""
    """Why the act would be written but reach no pod, or empty."""
    refused: str = ""
    """Why the API server refused the act in its last dry run, or empty."""

    @property
    def armed(self) -> bool:
        """Whether an alert would lead to an act that reaches pods, or has nothing left to do."""
        would_act = self.nothing_to_do or (self.reason is Reason.APPLIED and not self.unreached)
        return would_act and not self.refused


def forecast(
    remediation: Remediation,
    seen: Workload | TargetInvalid | TargetMissing | ClusterError | None,
    now: datetime,
    *,
    dry_run: bool,
    since: datetime | None = None,
) -> Forecast:
    """Forecast a firing alert of this remediation; `seen` is the last read of the target, None before the first.

    `since` is when the oldest known firing alert began, or None if none is firing.
    """
    if seen is None:
        return Forecast(reason=Reason.UNAVAILABLE, message="the target has not been read yet")
    if isinstance(seen, ClusterError):
        return Forecast(reason=seen.reason, message=str(seen))
    # For an alert that begins now; the cooldown may not apply to it.
    decision = decide(remediation, seen, now, now + timedelta(seconds=1), since=since)
    if isinstance(decision, Skip):
        message = decision.message
        satisfied = remediation.action.satisfied(seen) if isinstance(seen, Workload) else ""
        if decision.reason is Reason.ALREADY_SAFE:
            # The ladder's message is about a firing alert; here there is none.
            message = satisfied or message
        if decision.reason is Reason.AUTOSCALER_OWNED:
            message += ". This is checked again when an alert arrives"
        return Forecast(
            reason=decision.reason,
            message=message,
            until=decision.until,
            nothing_to_do=decision.reason in (Reason.ALREADY_SAFE, Reason.COOLING_DOWN) and bool(satisfied),
        )
    message = f"would set {decision.message}"
    raised = last_raise(decision.workload, remediation, now)
    if raised and isinstance(decide(remediation, seen, now), Skip):
        message += f", if it began after {raised}; the cooldown withholds it from others"
    if remediation.action.reads_autoscalers:
        # The observer does not read the autoscalers; the read before an act does.
        message += " (unless an autoscaler owns them)"
    if dry_run:
        return Forecast(reason=Reason.DRY_RUN, message=f"{message}; in the dry run nothing is written")
    if decision.unreached:
        message += f", and no pod would follow: {decision.unreached}"
    return Forecast(reason=Reason.APPLIED, message=message, unreached=decision.unreached)

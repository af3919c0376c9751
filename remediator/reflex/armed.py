"""`remediator_armed`: whether an alert of a remediation would lead to an act now, as far as this replica knows.

Pure. The ladder's forecast says whether an act would follow, and the heartbeat whether the alert would arrive.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from remediator.core.forecast import Forecast
from remediator.core.policy import Remediation
from remediator.core.reasons import Reason
from remediator.reflex.heartbeat import LATE, Heartbeat

SILENCE = timedelta(minutes=15)
"""Without a heartbeat for this long, alerts no longer arrive at a replica that had some: they repeat more often."""

UNREACHED = "Unreached"
NO_HEARTBEAT = "NoHeartbeat"
REFUSED = "Refused"
"""The API server refused the act in the last dry run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Armed:
    """Whether it is armed, and why: a reason of the ladder, Unreached, NoHeartbeat or Refused."""

    armed: bool
    reason: str


def armed(
    remediation: Remediation,
    forecast: Forecast,
    heartbeat: Heartbeat | None,
    now: datetime,
    *,
    dry_run: bool,
) -> Armed:
    """Combine the forecast with the last heartbeat of this replica; never having had one proves nothing."""
    if forecast.unreached:
        return Armed(armed=False, reason=UNREACHED)
    if forecast.reason is not Reason.APPLIED and not forecast.nothing_to_do:
        return Armed(armed=False, reason=forecast.reason)
    # At 0 % the ladder stops before it asks Prometheus.
    if remediation.mode == "observe":
        return Armed(armed=False, reason=Reason.OBSERVING)
    if dry_run:
        return Armed(armed=False, reason=Reason.DRY_RUN)
    if forecast.refused:
        return Armed(armed=False, reason=REFUSED)
    if heartbeat and now - heartbeat.at > SILENCE:
        return Armed(armed=False, reason=NO_HEARTBEAT)
    return Armed(armed=True, reason=forecast.reason)


def acts_possible(forecasts: Iterable[tuple[Remediation, Forecast]], heartbeat: Heartbeat, *, dry_run: bool) -> bool:
    """Whether a rollback would come in time now, and every other target could be acted on.

    A reason that only withholds workers, such as a cooldown or the maximum, must not trigger the dead man's switch.
    """
    acting = [(remediation, forecast) for remediation, forecast in forecasts if remediation.mode == "act"]
    if dry_run or not acting or heartbeat.delay is None or heartbeat.delay > LATE:
        return False
    return all(
        forecast.armed if remediation.action.takes_back else not (forecast.reason.failed or forecast.refused)
        for remediation, forecast in acting
    )

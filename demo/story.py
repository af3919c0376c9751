"""The story: a canary goes bad and is taken back, its alert repeats, a queue grows and gets workers."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from demo.alerting import SECONDS, Alerting
from demo.denis import JOBS_PER_WORKER, Denis, Scenario
from demo.signals import ERRORS, QUEUE, Signal
from demo.stack import Deployments, Remediator
from demo.timeline import Hop, Mood, Timeline, moment, spell_seconds
from demo.waiting import until

SETTLING_SECONDS = 10.0
INFLOW = 260.0
FIRST_JOBS = 420.0
SHRINKS_BY = 30

BAD_CANARY = Scenario(canary_error_rate=0.97, settling_seconds=SETTLING_SECONDS)
BUSY = Scenario(canary_error_rate=0.97, settling_seconds=SETTLING_SECONDS, inflow=INFLOW)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """Everyone who takes part."""

    timeline: Timeline
    denis: Denis
    remediator: Remediator
    deployments: Deployments
    alerting: Alerting


def tell(cast: Cast) -> None:
    """Tell it, as it happens. Raises TimeoutError or Ended where it does not."""
    errors = cast.alerting.value(ERRORS)
    cast.timeline.begin()
    _rollback(cast, errors)
    _repeat(cast)
    _scale(cast)
    _aftermath(cast)


def _rollback(cast: Cast, errors: float) -> None:
    timeline = cast.timeline
    timeline.heading("A canary goes bad")
    percentage = cast.deployments.percentage()
    timeline.happened("Kubernetes", f"the canary of denis is at {percentage} %")
    timeline.happened("DENIS", f"{ERRORS.spell(errors)} of the requests fail", "good")
    cast.denis.becomes(BAD_CANARY)
    timeline.happened("DENIS", "from now on the canary fails; the error rate is a mean, so it climbs")
    stations = cast.alerting.fires(ERRORS, timeline).stations
    act, received = _applied(cast, "rollback", ERRORS)
    until("the percentage is 0", lambda: cast.deployments.percentage() == 0, SECONDS)
    denis = cast.deployments.get("denis")["metadata"]
    told = f"the canary of denis is at 0 %, in one patch: generation {denis['generation']}"
    timeline.happened("Kubernetes", told, "good")
    way = [*cast.alerting.hops([*stations, received], ERRORS), _own_hop(act)]
    total = (moment(act["time"]) - stations[0]).total_seconds()
    timeline.hops(f"From over {ERRORS.spell(ERRORS.threshold)} to a canary at 0 % in {spell_seconds(total)}", way)


def _repeat(cast: Cast) -> None:
    timeline = cast.timeline
    timeline.heading("The alert comes again: the cooldown answers")
    cast.alerting.repeats(ERRORS, timeline)
    line = until("the repeat is suppressed", lambda: _audit(cast, "CoolingDown", "rollback"), SECONDS)
    received = _received(line)
    timeline.happened("Remediator", "notification received", at=received)
    timeline.happened("Remediator", f"CoolingDown: {line['message']}", "doubtful", moment(line["time"]))
    generation = cast.deployments.generation("denis")
    timeline.happened("Kubernetes", f"denis is untouched: still generation {generation}", "good")


def _scale(cast: Cast) -> None:
    timeline, workers = cast.timeline, cast.deployments.workers()
    timeline.heading("A queue grows")
    cast.denis.becomes(BUSY, queue=FIRST_JOBS)
    finished = f"{workers} workers finish {workers * JOBS_PER_WORKER:.0f} a second"
    timeline.happened("DENIS", f"{FIRST_JOBS:.0f} jobs wait, {INFLOW:.0f} more come every second, {finished}")
    first = cast.alerting.fires(QUEUE, timeline).value
    _applied(cast, "scale-workers", QUEUE)
    more = until("there are more workers", lambda: _more_than(cast, workers), SECONDS)
    timeline.happened("Kubernetes", f"denis-workers goes from {workers} to {more} replicas", "good")
    peak = max(first, cast.alerting.value(QUEUE))
    if peak > first:
        timeline.happened("DENIS", f"the queue has grown to {QUEUE.spell(peak)}")
    less = until("the queue shrinks", lambda: _below(cast, QUEUE, peak - SHRINKS_BY), SECONDS)
    timeline.happened("DENIS", f"the queue shrinks: {QUEUE.spell(less)}", "good")


def _aftermath(cast: Cast) -> None:
    timeline = cast.timeline
    timeline.heading("In the end")
    healthy = until("the error rate recovers", lambda: _below(cast, ERRORS, ERRORS.threshold / 2), SECONDS)
    timeline.happened("DENIS", f"{ERRORS.spell(healthy)} of the requests fail", "good")
    _verified(cast, "denis")
    _verified(cast, "denis-workers")
    decisions = len(cast.remediator.decisions())
    rollbacks, steps = (len(cast.deployments.acts(name)) for name in ("denis", "denis-workers"))
    told = f"{decisions} decisions, {rollbacks + steps} acts: {rollbacks} rollback, {steps} step of workers"
    timeline.happened("Remediator", told, "good")


def _verified(cast: Cast, target: str) -> None:
    """Tell whether the act on a target has held."""

    def look() -> Mapping[str, Any] | None:
        return next((line for line in cast.remediator.verifications() if line["target"] == target), None)

    line = until(f"the act on {target} is verified", look, SECONDS)
    mood: Mood = "good" if line["verdict"] == "Converged" else "bad"
    # The line's time is that of the look that saw it, a moment after it was so.
    told = f"{line['verdict']}, {target}: {line['message']}; seen at this time"
    cast.timeline.happened("Remediator", told, mood, moment(line["time"]))


def _applied(cast: Cast, remediation: str, signal: Signal) -> tuple[Mapping[str, Any], datetime]:
    """Tell of the act for a signal; the audit line and when its notification came."""
    line = until(f"Remediator acts on {signal.alert}", lambda: _audit(cast, "Applied", remediation), SECONDS)
    received = _received(line)
    cast.timeline.happened("Remediator", "notification received", at=received)
    names = ", ".join(alert["alertname"] for alert in line["alerts"])
    told = f"Applied: {line['message']}, because of {names}"
    cast.timeline.happened("Remediator", told, "good", moment(line["time"]))
    return line, received


def _audit(cast: Cast, reason: str, remediation: str) -> Mapping[str, Any] | None:
    lines = cast.remediator.decisions()
    return next((line for line in lines if (line["reason"], line.get("remediation")) == (reason, remediation)), None)


def _received(line: Mapping[str, Any]) -> datetime:
    return moment(line["time"]) - timedelta(seconds=line["durationSeconds"])


def _own_hop(line: Mapping[str, Any]) -> Hop:
    return Hop("Remediator", line["durationSeconds"], "read, decide, write")


def _more_than(cast: Cast, workers: int) -> int | None:
    now = cast.deployments.workers()
    return now if now > workers else None


def _below(cast: Cast, signal: Signal, limit: float) -> float | None:
    now = cast.alerting.value(signal)
    return now if now < limit else None

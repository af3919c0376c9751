"""What a person on call needs first: is the canary safe, does the reflex work, do alerts arrive, is an act withheld.

Pure. Each answer is a word or two and a sentence, and claims no more than this replica knows. No text changes every
second, because a screen reader reads every change aloud.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Literal

from remediator.core.forecast import Forecast
from remediator.core.policy import Policy, Remediation, Target
from remediator.core.reasons import Reason
from remediator.core.rollout import Rollout
from remediator.core.workload import Workload
from remediator.reflex.heartbeat import LATE, OVERDUE, Heartbeat
from remediator.reflex.observer import Observation
from remediator.web.certificates import Loaded
from remediator.web.notifications import Refusal

Standing = Literal["good", "attention", "bad"]

STALE = timedelta(seconds=30)
"""The observer reads every 5 s, and a read takes at most 3 s per target."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The answer to one question; `target` is set if it is about one target only."""

    about: Literal["canary", "reflex", "alerts", "withheld"]
    standing: Standing
    answer: str
    message: str
    target: str = ""


Forecasts = Sequence[tuple[Remediation, Forecast]]


def about_canary(
    target: Target, observation: Observation | None, forecasts: Forecasts, off: Mapping[str, str]
) -> Answer:
    """Whether this target's canary is off, guarded by a rollback, or not guarded; `off` is the profile of 0 %."""
    workload = observation.workload if observation else None
    if observation is None or workload is None:
        problem = observation.problem if observation else "It has not been read yet"
        return _canary(target, "bad", "Unknown", problem)
    percentage = workload.percentage()
    if percentage is None:
        return _canary(target, "bad", "Unknown", "The flags do not show the canary's percentage")
    answers = [
        (remediation, forecast)
        for remediation, forecast in forecasts
        if remediation.target == target and remediation.action.takes_back
    ]
    if percentage == 0:
        on = sorted(workload.others_than(off)) if answers else []
        return _on_at_0(target, on) if on else _off(target, workload, observation.at)
    word = f"{percentage} %, not guarded"
    for _, forecast in answers:
        if forecast.reason is Reason.APPLIED and forecast.unreached:
            return _canary(target, "bad", word, _unreached(workload))
        if forecast.reason is Reason.APPLIED and forecast.refused:
            return _canary(target, "bad", word, f"The API server would refuse the act: {forecast.refused}")
        if forecast.reason is Reason.APPLIED:
            return _canary(target, "good", f"{percentage} %, guarded", f"An alert {forecast.message}")
    if not answers:
        return _canary(target, "bad", word, "No remediation would lower it")
    standing: Standing = "bad" if any(forecast.reason.failed for _, forecast in answers) else "attention"
    reasons = ", ".join(f"{remediation.name}: {_until(forecast)}" for remediation, forecast in answers)
    return _canary(target, standing, word, f"No alert would lower it now: {reasons}")


def about_reflex(
    policy: Policy,
    observations: Mapping[str, Observation],
    now: datetime,
    *,
    alive: bool,
    dry_run: bool,
    config_problem: str,
    credentials_problem: str,
    tls: Loaded | None = None,
    refusals: Sequence[Refusal],
) -> Answer:
    """Whether an alert would be accepted now, and has everything that an act needs.

    The word is that of the worst problem; the message has them all.
    """
    looks = {target.name: observations.get(target.name) for target in policy.targets}
    problems: list[tuple[Standing, str, str]] = []
    if not alive:
        problems.append(("bad", "Broken", "A thread of the service has died; its log says why"))
    if not all(looks.values()):
        problems.append(("bad", "Starting", "Not every target has been read yet"))
    if impaired := [f"{name}: {look.problem}" for name, look in looks.items() if look and look.problem]:
        problems.append(("bad", "Impaired", "; ".join(impaired)))
    if any(look and now - look.at > STALE for look in looks.values()):
        problems.append(("bad", "Blind", "The targets have not been read for more than 30 s"))
    if tls and (expired := [name for name, end in tls.ends().items() if end <= now]):
        problems.append(("bad", "Certificate expired", f"Alertmanager cannot connect; expired: {', '.join(expired)}"))
    if refusals:
        reasons = ", ".join(f"{refusal.code or ''} {refusal.reason}".strip() for refusal in refusals)
        problems.append(("attention", "Refusing requests", f"Refused within 15 min: {reasons}"))
    if dry_run:
        problems.append(("attention", "Dry run", "It decides, and writes nothing"))
    if credentials_problem:
        message = f"The credentials could not be reloaded, the previous ones are in force: {credentials_problem}"
        problems.append(("attention", "Working", message))
    if tls and tls.problem:
        problems.append(
            ("attention", "Working", f"The new certificate cannot be used, the previous one stays: {tls.problem}")
        )
    if config_problem:
        message = "The new remediations.yaml is invalid; the previous one is in force"
        problems.append(("attention", "Working", message))
    if not problems:
        return _reflex("good", "Working", "Every target can be read, and remediations.yaml is in force")
    standing, word, _ = problems[0]
    return _reflex(standing, word, ". ".join(message for _, _, message in problems))


def about_alerts(heartbeat: Heartbeat | None, now: datetime) -> Answer:
    """Whether heartbeats reach this replica, and in time.

    No heartbeat is not green: it is not known whether alerts arrive. It is not red either: they may go to another
    replica.
    """
    answer = partial(Answer, about="alerts")
    if heartbeat is None:
        message = "No heartbeat has reached this replica: none is set up, alerts do not arrive, or others get them"
        return answer(standing="attention", answer="Not known", message=message)
    if now - heartbeat.at > OVERDUE:
        message = "No heartbeat for more than 10 min: alerts may not reach this replica"
        return answer(standing="attention", answer="No longer", message=message)
    if heartbeat.delay is None:
        message = "Heartbeats arrive, but without the time of their samples"
        return answer(standing="good", answer="They arrive", message=message)
    if heartbeat.delay > LATE:
        message = "The last heartbeat took more than 150 s: rules are not evaluated, or a clock is wrong"
        return answer(standing="attention", answer="Late", message=message)
    return answer(standing="good", answer="They arrive", message="Heartbeats arrive regularly and in time")


def about_withheld(forecasts: Forecasts) -> Answer:
    """Which remediations would not do what their alert asks for."""
    held = [
        (remediation, forecast)
        for remediation, forecast in forecasts
        if forecast.reason is not Reason.APPLIED and not forecast.nothing_to_do
    ]
    if not held:
        return Answer(about="withheld", standing="good", answer="Nothing", message="No act is held back")
    failed = any(forecast.reason.failed for _, forecast in held)
    return Answer(
        about="withheld",
        standing="bad" if failed else "attention",
        answer=f"{len(held)} of {len(forecasts)} acts",
        message=", ".join(f"{remediation.name}: {_until(forecast)}" for remediation, forecast in held),
    )


def _on_at_0(target: Target, flags: Sequence[str]) -> Answer:
    """At 0 %, but with other flags than after a rollback."""
    message = f"0 % is set, but other flags differ from its profile: {', '.join(flags)}. canary set 0 fixes that"
    return _canary(target, "attention", "Not all off at 0 %", message)


def _unreached(workload: Workload) -> str:
    """Why a rollback would be written but change nothing."""
    if workload.rollout.paused:
        return "The Deployment is paused, so a rollback would reach no pod"
    return f"The last change is stuck, so a rollback may reach no pod either: {workload.rollout.stuck}"


def _off(target: Target, workload: Workload, now: datetime) -> Answer:
    """At 0 %: safe only once no pod serves more, whatever the flags say."""
    rollout, replicas = workload.rollout, workload.replicas
    if rollout.reached(replicas):
        if ending := rollout.ending(now):
            return _canary(target, "attention", "Going to 0 %", f"0 % is set, all {replicas} pods follow, and {ending}")
        message = f"The flags say 0 %, and all {replicas} pods run with them"
        if rollout.available < replicas:
            message += f", {rollout.available} of them available"
        if rollout.paused:
            message += ". The Deployment is paused, so the next change reaches no pod"
        return _canary(target, "good", "Safe at 0 %", message)
    if rollout.paused:
        message = f"0 % is set, and the Deployment is paused, so no pod follows: {_left(rollout)}"
        return _canary(target, "bad", "Not yet at 0 %", message)
    if not rollout.seen:
        return _canary(target, "attention", "Going to 0 %", "0 % is set, but no pod follows yet")
    message = f"0 % is set, and {rollout.updated} of {replicas} pods follow"
    stuck = rollout.failure or ("they are not available in time" if rollout.deadline_exceeded else "")
    if stuck:
        return _canary(target, "bad", "Not yet at 0 %", f"{message}: {stuck}")
    return _canary(target, "attention", "Going to 0 %", f"{message}, {_left(rollout)}")


def _left(rollout: Rollout) -> str:
    return f"{rollout.old} old pods still serve" if rollout.old else "no old pod is left"


def _until(forecast: Forecast) -> str:
    """The reason, and the time at which it ends: not a duration, because that would change all the time."""
    until = forecast.until
    return f"{forecast.reason} until {until.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if until else str(forecast.reason)


def _canary(target: Target, standing: Standing, answer: str, message: str) -> Answer:
    return Answer(about="canary", standing=standing, answer=answer, message=message, target=target.name)


def _reflex(standing: Standing, answer: str, message: str) -> Answer:
    return Answer(about="reflex", standing=standing, answer=answer, message=message)

"""What a person who was just woken has to know first: is the canary safe, does the reflex work, is an act withheld.

Pure. Each answer is one word or two, and one sentence that says no more than is known here. Nothing in them changes
with each second, for a screen reader reads every change aloud.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from remediator.forecast import Forecast
from remediator.observation import Observation
from remediator.policy import Policy, Remediation, SetPercentage, Target
from remediator.reasons import Reason
from remediator.workload import Workload

Standing = Literal["good", "attention", "bad"]

STALE = timedelta(seconds=30)
"""The observer looks every 5 s, and a look takes 3 s per target at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The answer to one of the questions; `target` where it is about one target alone."""

    about: Literal["canary", "reflex", "withheld"]
    standing: Standing
    answer: str
    message: str
    target: str = ""


Forecasts = Sequence[tuple[Remediation, Forecast]]


def about_canary(target: Target, observation: Observation | None, forecasts: Forecasts) -> Answer:
    """Whether the canary of this target is off, or would be taken back, or is on its own."""
    workload = observation.workload if observation else None
    if observation is None or workload is None:
        problem = observation.problem if observation else "It has not been looked at yet"
        return _canary(target, "bad", "Unknown", problem)
    percentage = workload.percentage()
    if percentage is None:
        return _canary(target, "bad", "Unknown", "The flags do not tell the canary's share of traffic")
    answers = [
        (remediation, told)
        for remediation, told in forecasts
        if remediation.target == target and isinstance(remediation.action, SetPercentage)
    ]
    if percentage == 0:
        profiles = (answer.action.profile for answer, _ in answers if isinstance(answer.action, SetPercentage))
        on = sorted({name for profile in profiles for name in workload.others_than(profile)})
        return _on_at_0(target, on) if on else _off(target, workload)
    for _, told in answers:
        if told.reason is Reason.APPLIED:
            return _canary(target, "good", f"{percentage} %, guarded", f"An alert {told.message}")
    word = f"{percentage} %, not guarded"
    if not answers:
        return _canary(target, "bad", word, "No remediation would lower it")
    standing: Standing = "bad" if any(told.reason.failed for _, told in answers) else "attention"
    reasons = ", ".join(f"{remediation.name}: {_until(told)}" for remediation, told in answers)
    return _canary(target, standing, word, f"No alert would lower it now: {reasons}")


def about_reflex(
    policy: Policy,
    observations: Mapping[str, Observation],
    now: datetime,
    *,
    alive: bool,
    dry_run: bool,
    config_problem: str,
) -> Answer:
    """Whether an alert that came now would find everything that an act needs."""
    if not alive:
        return _reflex("bad", "Broken", "A thread of the service is lost; its log says why")
    looks = {target.name: observations.get(target.name) for target in policy.targets}
    if not all(looks.values()):
        return _reflex("bad", "Starting", "Not every target has been looked at yet")
    problems = [f"{name}: {look.problem}" for name, look in looks.items() if look and look.problem]
    if problems:
        return _reflex("bad", "Impaired", "; ".join(problems))
    if any(look and now - look.at > STALE for look in looks.values()):
        return _reflex("bad", "Blind", "The targets have not been looked at for more than 30 s")
    if dry_run:
        return _reflex("attention", "Dry run", "It decides, and writes nothing")
    if config_problem:
        message = "The file of remediations is bad; the last good one is in force"
        return _reflex("attention", "Working", message)
    return _reflex("good", "Working", "Every target can be read, and the file of remediations is in force")


def about_withheld(forecasts: Forecasts) -> Answer:
    """Which remediations would leave something undone that their alert asks for."""
    held = [
        (remediation, told)
        for remediation, told in forecasts
        if told.reason is not Reason.APPLIED and not told.nothing_to_do
    ]
    if not held:
        return Answer(about="withheld", standing="good", answer="Nothing", message="No act is held back")
    failed = any(told.reason.failed for _, told in held)
    return Answer(
        about="withheld",
        standing="bad" if failed else "attention",
        answer=f"{len(held)} of {len(forecasts)} acts",
        message=", ".join(f"{remediation.name}: {_until(told)}" for remediation, told in held),
    )


def _on_at_0(target: Target, flags: Sequence[str]) -> Answer:
    """At 0 %, and not as a rollback leaves it."""
    message = f"The share is 0 %, but not as in its profile: {', '.join(flags)}. canary set 0 puts that right"
    return _canary(target, "attention", "Not all off at 0 %", message)


def _off(target: Target, workload: Workload) -> Answer:
    """At 0 %: safe once the pods know it too."""
    rollout = workload.rollout
    if rollout.converged(workload.replicas):
        message = f"The flags say 0 %, and all {workload.replicas} pods run with them"
        return _canary(target, "good", "Safe at 0 %", message)
    if rollout.paused:
        message = "0 % is set, and the Deployment is paused, so no pod follows"
        return _canary(target, "bad", "Not yet at 0 %", message)
    message = "0 % is set, and the pods are still to follow"
    if rollout.seen:
        message = f"0 % is set, and {rollout.updated} of {workload.replicas} pods follow"
    stuck = rollout.failure or ("they are not available in time" if rollout.deadline_exceeded else "")
    if rollout.seen and stuck:
        return _canary(target, "bad", "Not yet at 0 %", f"{message}: {stuck}")
    return _canary(target, "attention", "Going to 0 %", message)


def _until(told: Forecast) -> str:
    """The reason, and the moment at which it ends: no duration, for that would change all the time."""
    return f"{told.reason} until {told.until.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if told.until else str(told.reason)


def _canary(target: Target, standing: Standing, answer: str, message: str) -> Answer:
    return Answer(about="canary", standing=standing, answer=answer, message=message, target=target.name)


def _reflex(standing: Standing, answer: str, message: str) -> Answer:
    return Answer(about="reflex", standing=standing, answer=answer, message=message)

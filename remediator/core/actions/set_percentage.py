"""Set the canary's percentage; an alert can only set it to 0 %, to roll the canary back. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from remediator.core.actions import Action
from remediator.core.denis_signals import ERROR_RATE, SUCCESS_RATE
from remediator.core.effects import Effect
from remediator.core.ladder import Act, Found, Guard, Skip, TargetFacts
from remediator.core.policy import ENABLED_FLAG, PERCENTAGE_FLAG, Target
from remediator.core.reasons import Reason
from remediator.core.workload import Workload, flags_patch


@dataclass(frozen=True, slots=True, kw_only=True)
class SetPercentage(Action):
    """Set the canary's percentage, by writing all flags of its profile."""

    percentage: int
    profile: Mapping[str, str]

    effect: ClassVar[Effect] = Effect.SET_PERCENTAGE
    urgency: ClassVar[int] = 0
    takes_back: ClassVar[bool] = True
    rises: ClassVar[bool] = False
    reads_autoscalers: ClassVar[bool] = False
    longest_question: ClassVar[float] = 0.9  # At most a second in total, including the handover to the asking thread.
    most_replicas: ClassVar[int] = 0
    signals: ClassVar[tuple[str, ...]] = (SUCCESS_RATE.name, ERROR_RATE.name)

    def describe(self, target: Target) -> str:
        """The share."""
        return f"canary {target.namespace}/{target.deployment} to {self.percentage} %"

    def unusable(self, workload: Workload, target: Target, now: datetime) -> str:
        """A rollback needs little evidence, so only flags that a patch cannot set stop it."""
        problem = workload.env_problem(self.profile)
        return problem and f"container {target.container}: {problem}"

    def usable(self, target: Target) -> str:
        """That the container was found, with each flag at most once."""
        return f"container {target.container} and its flags can be written"

    def plan(self, workload: Workload, target: Target) -> Act:
        """All flags of the profile in one patch."""
        return Act(
            workload=workload,
            effect=self.effect,
            patch=flags_patch(workload, target, self.profile),
            before=workload.percentage(),
            after=self.percentage,
            unreached=workload.rollout.stuck,
        )

    def past(self, value: int, profiles: Mapping[int, Mapping[str, str]]) -> Workload:
        """A canary with the flags of this percentage."""
        flags = profiles.get(value) or {ENABLED_FLAG: "true" if value else "false", PERCENTAGE_FLAG: f"{value}"}
        return Workload(uid="past", resource_version="1", replicas=1, env=tuple(flags.items()))

    def forbidden(
        self, workload: Workload, target: Target, profiles: Mapping[int, Mapping[str, str]]
    ) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """More traffic, another image, and fewer replicas."""
        for step in sorted(profiles, reverse=True):
            if step and step != workload.percentage():
                yield f"{step} %", flags_patch(workload, target, profiles[step])
                break
        image = {"name": target.container, "image": "remediator.invalid/doctor:dry-run"}
        yield "another image", {"template": {"spec": {"containers": [image]}}}
        if workload.replicas:
            yield "fewer replicas", {"replicas": 0}

    def satisfied(self, workload: Workload) -> str:
        """Whether percentage and flags are as wanted, and the rollout to them is not stuck."""
        there = workload.rollout.reached(workload.replicas) or not workload.rollout.stuck
        if not there or not workload.at_or_below(self.percentage, self.profile):
            return ""
        return f"at {workload.percentage()} % already, so an alert would change nothing"

    def _already_safe(self, facts: TargetFacts) -> Found | Skip:
        workload = facts.workload
        percentage, rollout = workload.percentage(), workload.rollout
        if workload.at_or_below(self.percentage, self.profile):
            # Right after our own rollback the alert is expected to keep firing: the cooldown rung covers that.
            if facts.cooling_until:
                return lambda: f"at {percentage} % by an act that is still cooling down"
            message = f"already at {percentage} %, and the alert still fires: the cause is elsewhere"
            if (rollout.seen or rollout.stuck) and not rollout.reached(workload.replicas):
                message = f"{percentage} % is written already, but not all pods follow: "
                message += rollout.spell(workload.replicas)
            return Skip(reason=Reason.ALREADY_SAFE, message=message)
        if percentage is None:
            return lambda: "the percentage is not known, so it may be high"
        if percentage > self.percentage:
            return lambda: f"at {percentage} %, wanted is {self.percentage} %"
        return lambda: f"at {percentage} %, but other flags differ from its profile"

    guards: ClassVar[Mapping[Reason, Guard]] = {Reason.ALREADY_SAFE: _already_safe}

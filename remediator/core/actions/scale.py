"""Add replicas, within bounds, and only if nothing else controls the number of replicas. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar

from remediator.core.actions import Action
from remediator.core.denis_signals import QUEUE_DEPTH
from remediator.core.durations import format_duration
from remediator.core.effects import Effect
from remediator.core.field_owners import REPLICAS
from remediator.core.ladder import Act, Found, Guard, Skip, TargetFacts
from remediator.core.ledger import Entry
from remediator.core.policy import Target
from remediator.core.reasons import Reason
from remediator.core.workload import Workload

USUAL_REPLICAS = 200
"""A `max` above this is most likely a mistake."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale(Action):
    """Add `step` replicas, to at least `min` and at most `max`."""

    step: int
    min: int
    max: int
    give_up: int = 3
    """The most acts for one alert: if it still fires after them, there is no further one."""

    effect: ClassVar[Effect] = Effect.SCALE
    urgency: ClassVar[int] = 1
    takes_back: ClassVar[bool] = False
    rises: ClassVar[bool] = True
    reads_autoscalers: ClassVar[bool] = True
    longest_question: ClassVar[float] = 3.0
    signals: ClassVar[tuple[str, ...]] = (QUEUE_DEPTH.name,)

    @property
    def most_replicas(self) -> int:
        """The upper bound of an act."""
        return self.max

    @property
    def least_replicas(self) -> int:
        """The lower bound of an act."""
        return self.min

    def describe(self, target: Target) -> str:
        """The target, the step and the bound."""
        return f"{target.namespace}/{target.deployment} +{self.step} workers, at most {self.max}"

    def unusable(self, workload: Workload, target: Target, now: datetime) -> str:
        """Adding load needs complete evidence: an unreadable record may hold a pause."""
        problem = workload.unbelievable(now)
        return problem and f"adding replicas needs a readable record: {problem}"

    def usable(self, target: Target) -> str:
        """That every annotation was read."""
        return "what is recorded on it can be read"

    def plan(self, workload: Workload, target: Target) -> Act:
        """One step up. A paused Deployment still scales, so the pods follow."""
        after = min(max(workload.replicas + self.step, self.min), self.max)
        return Act(
            workload=workload, effect=self.effect, patch={"replicas": after}, before=workload.replicas, after=after
        )

    def past(self, value: int, profiles: Mapping[int, Mapping[str, str]]) -> Workload:
        """A Deployment with this many replicas."""
        return Workload(uid="past", resource_version="1", replicas=value)

    def forbidden(
        self, workload: Workload, target: Target, profiles: Mapping[int, Mapping[str, str]]
    ) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """More replicas than `max`, and fewer than there are."""
        more = max(self.max, workload.replicas) + 1
        yield f"{more} replicas", {"replicas": more}
        if workload.replicas:
            yield "fewer replicas", {"replicas": workload.replicas - 1}

    def warnings(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """A very high `max`, and a step that goes from `min` past `max` in one act."""
        if self.max > USUAL_REPLICAS:
            message = f"alerts could lead to {self.max} replicas; over {USUAL_REPLICAS} is most likely a mistake"
            yield ("scale", "max"), message
        if self.step > max(self.max - self.min, 1):
            message = f"{self.step} replicas at once go from min {self.min} past max {self.max} in one act"
            yield ("scale", "step"), f"{message}; write a smaller step"

    def _kill_switch_on(self, facts: TargetFacts) -> Found | Skip:
        workload = facts.workload
        if switch := workload.kill_switch:
            by = f" by {switch.author}" if switch.author else ""
            return Skip(reason=Reason.KILL_SWITCH_ON, message=f"latched at 0{by}: {switch.reason or 'no reason given'}")
        if workload.replicas == 0:
            message = "at 0 replicas by hand, which counts as a kill switch; scale to 1 or more to release it"
            return Skip(reason=Reason.KILL_SWITCH_ON, message=message)
        return lambda: "the kill switch is off"

    def _at_limit(self, facts: TargetFacts) -> Found | Skip:
        replicas = facts.workload.replicas
        if replicas >= self.max:
            message = f"already {replicas} replicas, and max is {self.max}; a human must look"
            return Skip(reason=Reason.AT_LIMIT, message=message)
        return lambda: f"{replicas} replicas, max is {self.max}"

    def _autoscaler_owned(self, facts: TargetFacts) -> Found | Skip:
        if owner := facts.workload.autoscaler:
            message = f"replicas are owned by {owner}, which would revert any change; raise its maximum"
            return Skip(reason=Reason.AUTOSCALER_OWNED, message=message)
        return lambda: "no autoscaler owns the replicas"

    def _ineffective(self, facts: TargetFacts) -> Found | Skip:
        if facts.since is None:
            return lambda: "when the alert began is not known"
        if len(acts := self._in_vain(facts, facts.since)) < self.give_up:
            return lambda: f"{len(acts)} acts for this alert, which gives up after {self.give_up}"
        change = self.effect.format_change(acts[0].before, acts[-1].after)
        ago = format_duration(timedelta(seconds=(facts.now - facts.since) // timedelta(seconds=1)))
        message = f"{len(acts)} acts ({change}) have not ended the alert, which began {ago} ago; "
        return Skip(reason=Reason.INEFFECTIVE, message=f"{message}more workers are not the cure; a human must look")

    def _in_vain(self, facts: TargetFacts, since: datetime) -> list[Entry]:
        """The acts since the alert began and since someone else last set the replicas, oldest first.

        Someone else set the replicas in between if an act started from another number than the previous act had set.
        """
        acts: list[Entry] = []
        replicas: int | None = facts.workload.replicas
        if (writer := facts.workload.writers.get(REPLICAS)) and not writer.ours:
            return acts
        for entry in reversed([one for one in facts.workload.ledger.entries if one.sets == REPLICAS]):
            if not entry.remediation or entry.after != replicas or entry.time < since:
                break
            acts.insert(0, entry)
            replicas = entry.before
        return acts

    def _unconfirmed(self, facts: TargetFacts) -> Found | Skip:
        confirmation = facts.confirmation
        if confirmation and confirmation.answer == "unknown":
            message = f"adding replicas needs Prometheus to confirm the alert: {confirmation.message}"
            return Skip(reason=Reason.UNCONFIRMED, message=message)
        return lambda: confirmation.text if confirmation else "Prometheus was not asked"

    guards: ClassVar[Mapping[Reason, Guard]] = {
        Reason.KILL_SWITCH_ON: _kill_switch_on,
        Reason.AT_LIMIT: _at_limit,
        Reason.AUTOSCALER_OWNED: _autoscaler_owned,
        Reason.INEFFECTIVE: _ineffective,
        Reason.UNCONFIRMED: _unconfirmed,
    }

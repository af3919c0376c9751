"""Why an alert does or does not lead to an act: the ladder rung by rung, and when the same alert would get further.

The rule of this file: it decides nothing; all results are those of LADDER's rungs. Pure.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from remediator.core.alerts import Alert, MalformedAlert
from remediator.core.durations import format_duration
from remediator.core.ladder import (
    LADDER,
    ON_TARGET,
    SCREENING,
    Act,
    AlertFacts,
    Found,
    Rung,
    Skip,
    Snapshot,
    TargetFacts,
    alert_facts,
    climb,
    decide,
    first_skip,
    target_facts,
)
from remediator.core.nearest import nearest
from remediator.core.policy import Policy, Remediation
from remediator.core.reasons import Kind, Reason
from remediator.core.times import format_time


class Step(StrEnum):
    """Whether an alert passed a rung."""

    PASSED = "passed"
    STOPPED = "stopped here"
    NOT_REACHED = "not reached"
    DOES_NOT_APPLY = "does not apply"


@dataclass(frozen=True, slots=True, kw_only=True)
class RungResult:
    """One rung's result for an alert: the rung's reason, whether it passed, and what was found."""

    reason: Reason
    step: Step
    found: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What an alert would lead to, and why."""

    alert: Alert | MalformedAlert
    remediation: Remediation | None
    decision: Act | Skip
    rungs: tuple[RungResult, ...]
    at: datetime
    """The time of the decision."""
    later: Act | Skip
    """What the same alert would lead to after everything that ends with time has ended."""
    later_at: datetime
    nearest: str = ""
    """If no remediation matches: the one that the alert most likely asks for."""

    @property
    def reason(self) -> Reason | None:
        """The rung that stopped it, or None where it would act."""
        return self.decision.reason if isinstance(self.decision, Skip) else None

    @property
    def kind(self) -> Kind:
        """Whether it would act, be withheld, have nothing to do, or fail."""
        return self.reason.kind if self.reason else "acted"

    @property
    def acts_at(self) -> datetime | None:
        """When it would act if only time passes, or None if time alone is not enough."""
        return self.later_at if isinstance(self.later, Act) else None

    @property
    def answer(self) -> str:
        """The outcome in one sentence."""
        if isinstance(self.decision, Act):
            unreached = f", and no pod would follow: {self.decision.unreached}" if self.decision.unreached else ""
            return f"It would act: set {self.decision.message}{unreached}."
        verdict = {"ignored": "Nothing would be done", "failed": "It could not act", "withheld": "It would not act"}
        return f"{verdict[self.kind]} ({self.decision.reason}): {self.decision.message}."

    @property
    def again(self) -> str:
        """When it would act, if not now; else empty."""
        if isinstance(self.decision, Act):
            return ""
        if self.reason is Reason.NO_REMEDIATION and isinstance(self.alert, Alert) and self.alert.without_data:
            return "No matcher makes it act."
        moment = f"At {format_time(self.later_at, 'seconds')}, in {format_duration(self.later_at - self.at)},"
        if isinstance(self.later, Act):
            return f"{moment} it would act again, if it is delivered then: set {self.later.message}."
        if self.later_at == self.at:
            return f"It would act {_ends(self.later.reason)}."
        return f"{moment} it would be {self.later.reason}, and act {_ends(self.later.reason)}."


def explain(
    alert: Alert | MalformedAlert,
    policy: Policy,
    fence: str | None,
    look: Callable[[Remediation], Snapshot],
    now: datetime,
) -> Explanation:
    """Explain what this alert would lead to now. `look` reads the remediation's target, if the alert gets that far.

    A fence of None is not known: it stops no alert, and its rung says so.
    """
    received = alert_facts(alert, policy, fence)
    results = dict(climb(SCREENING, received))
    if stopped := first_skip(results.items()):
        # An alert stopped by a rung above the match does not count for the remediation that its labels match.
        matched = received.remediation if callable(results.get(Reason.NO_REMEDIATION)) else None
        unanswered = alert if isinstance(alert, Alert) and stopped.reason is Reason.NO_REMEDIATION else None
        return Explanation(
            alert=alert,
            remediation=matched,
            decision=stopped,
            rungs=_rungs(results, matched),
            at=now,
            later=stopped,
            later_at=now,
            nearest=nearest(policy, unanswered.labels) if unanswered else "",
        )
    remediation = received.answering
    began = alert.began if isinstance(alert, Alert) else None
    facts = target_facts(remediation, look(remediation), now, began, since=began)
    results |= climb(ON_TARGET, facts)
    decision = first_skip(results.items()) or facts.planned
    at, later = now, decision
    while isinstance(later, Skip) and later.until:
        at = later.until
        later = decide(remediation, facts.snapshot, at, began, since=began)
    return Explanation(
        alert=alert,
        remediation=remediation,
        decision=decision,
        rungs=_rungs(results, remediation),
        at=now,
        later=later,
        later_at=at,
    )


def _rungs(results: Mapping[Reason, Found | Skip], remediation: Remediation | None) -> tuple[RungResult, ...]:
    return tuple(_rung_result(rung, results.get(rung.reason), remediation) for rung in LADDER)


def _rung_result(
    rung: Rung[AlertFacts] | Rung[TargetFacts], result: Found | Skip | None, remediation: Remediation | None
) -> RungResult:
    if remediation and not rung.applies_to(remediation):
        found = f"not for {remediation.action.effect}"
        return RungResult(reason=rung.reason, step=Step.DOES_NOT_APPLY, found=found)
    match result:
        case Skip(message=message):
            return RungResult(reason=rung.reason, step=Step.STOPPED, found=message)
        case None:
            return RungResult(reason=rung.reason, step=Step.NOT_REACHED, found="")
        case passed:
            return RungResult(reason=rung.reason, step=Step.PASSED, found=passed())


def _ends(reason: Reason) -> str:
    """What ends a reason that does not end with time."""
    return next(rung.ends for rung in LADDER if rung.reason is reason)

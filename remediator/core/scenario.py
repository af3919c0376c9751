"""Runs a scenario: a sequence of notifications against described Deployments, with the outcome of each alert.

Pure. The rule of this file: the ladder decides, on the same groups of alerts and in the same order as in the service,
and an act changes what the next notification finds.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from remediator.core.alerts import Alert, newest, oldest
from remediator.core.ladder import Skip, decide, screen_all
from remediator.core.outcome import Outcome
from remediator.core.policy import Policy, Remediation, Target
from remediator.core.reasons import Reason
from remediator.core.workload import TargetMissing, Workload, patched


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A notification, and when it arrives."""

    at: datetime
    alerts: Sequence[Alert]


def play(
    policy: Policy, fence: str, targets: Mapping[Target, Workload], deliveries: Iterable[Delivery]
) -> Iterator[tuple[Outcome, ...]]:
    """The outcome of each alert of each delivery. A target that is not described is missing."""
    found = dict(targets)
    for delivery in deliveries:
        skipped, wanted = screen_all(delivery.alerts, policy, fence)
        outcomes = {
            index: Outcome(alerts=(delivery.alerts[index],), reason=skip.reason, message=skip.message)
            for index, skip in skipped.items()
        }
        for remediation, indexes in wanted:
            alerts = tuple(delivery.alerts[index] for index in indexes)
            outcomes.update(dict.fromkeys(indexes, _settle(remediation, alerts, found, delivery.at)))
        yield tuple(outcomes[index] for index in range(len(delivery.alerts)))


def _settle(
    remediation: Remediation, alerts: tuple[Alert, ...], found: dict[Target, Workload], now: datetime
) -> Outcome:
    """The outcome of the alerts of one remediation; an act changes the described target."""
    target, began = remediation.target, newest(alerts)
    decision = decide(remediation, found.get(target, TargetMissing()), now, began, since=oldest(alerts))
    if isinstance(decision, Skip):
        return Outcome(
            alerts=alerts,
            remediation=remediation,
            reason=decision.reason,
            message=decision.message,
            until=decision.until,
        )
    entry = decision.entry(f"{decision.effect}-{now.isoformat()}", remediation, now, began)
    ledger = decision.workload.ledger.with_entries((entry,))
    found[target] = replace(patched(decision.workload, decision.patch), ledger=ledger)
    return Outcome(
        alerts=alerts,
        remediation=remediation,
        reason=Reason.APPLIED,
        message=f"set {decision.message}",
        before=decision.before,
        after=decision.after,
        changed_at=now,
    )

"""The judgements on the last acts, as a metric: whether they were right, were undone, or did not help.

The rule of this file: it only reports. No decision reads it, so a remediation stays armed even if its acts look wrong.
Nothing is stored: an act is judged from the ledger and Prometheus's history, once enough time has passed. So every
replica reaches the same judgement, and a restart loses nothing.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from remediator.core.judgement import Judged, Judgement, judged_after, judgements_of_acts
from remediator.core.ledger import Entry
from remediator.core.policy import Policy, Remediation
from remediator.core.workload import Workload
from remediator.reflex.metrics import Metrics
from remediator.reflex.rate_limit import RateLimit

log = logging.getLogger(__name__)

FIRST_SECONDS = 10.0
"""Delay of the first round: by then the service has started and has read its targets."""

INTERVAL_SECONDS = 300.0

LAST = 3
"""How many acts of each remediation count: the last ones that can be judged."""

AT_ONCE = 3
"""The most acts that are judged in one round; each takes about twenty small queries, once."""

LATE = timedelta(minutes=2)
"""How late the samples of a moment may be available: a scrape, and the step of the history."""

LONGEST = timedelta(days=30)
"""Older acts do not count, as by default in `remediator review`."""

LOG_SECONDS = 3600.0


class NotJudged(Exception):
    """No Prometheus can judge the act at present; the text says why."""


Judge = Callable[[Policy, Remediation, Workload, Entry], Judged]
"""Judges an act by Prometheus's history. Raises NotJudged."""


class Reviews:
    """Judges the last acts of each remediation, every few minutes."""

    def __init__(
        self,
        *,
        policy: Callable[[], Policy],
        workloads: Callable[[], Mapping[str, Workload]],
        judge: Judge,
        metrics: Metrics,
        now: Callable[[], datetime],
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._policy = policy
        self._workloads = workloads
        self._judge = judge
        self._metrics = metrics
        self._now = now
        self._steady = steady
        self._limit: RateLimit[str] = RateLimit(interval=LOG_SECONDS)
        self._judged: dict[Entry, Judged] = {}
        """A cache of judgements, which are final. If it is lost, Prometheus is queried again."""
        self._left = AT_ONCE

    def watch(self, stop: threading.Event) -> None:
        """Judge regularly until asked to stop. Until the first round, the metric is NaN."""
        self._show({})
        wait = FIRST_SECONDS
        while not stop.wait(wait):
            wait = INTERVAL_SECONDS
            try:
                self.run()
            except Exception:  # A bug of ours here only costs the metric, and must not end the service.
                log.exception("review failed")
                self._metrics.review_failures.inc()
                self._show({})

    def judged(self, act: Entry) -> Judged | None:
        """The judgement on an act; None if it is not judged yet, or is older than those that count."""
        return self._judged.get(act)

    def run(self) -> None:
        """Judge the acts whose time has come, at most AT_ONCE of them, and update the metric."""
        policy, workloads, now = self._policy(), self._workloads(), self._now()
        self._judged = {act: judged for act, judged in self._judged.items() if now - act.time <= LONGEST}
        self._left = AT_ONCE
        found = {}
        for remediation in policy.remediations:
            workload = workloads.get(remediation.target.name)
            judged = self._last(policy, remediation, workload, now) if workload else None
            if judged is not None:
                found[remediation.name] = judged
        self._show(found)

    def _last(
        self, policy: Policy, remediation: Remediation, workload: Workload, now: datetime
    ) -> list[Judgement] | None:
        """The judgements on the last acts that can be judged, or None if one of them is still missing."""
        found: list[Judgement] = []
        effect = remediation.action.effect
        over = judged_after(remediation.cooldown, rises=remediation.action.rises) + LATE
        acts = policy.acts_of(remediation, workload.ledger.as_of(now).automatic(effect))
        for act in reversed(acts):
            if len(found) == LAST or now - act.time > LONGEST:
                break
            if now - act.time < over:
                continue
            judged = self._judge_once(policy, remediation, workload, act)
            if judged is None:
                return None
            if judged.judgement is not Judgement.UNKNOWN:
                found.append(judged.judgement)
        return found

    def _judge_once(self, policy: Policy, remediation: Remediation, workload: Workload, act: Entry) -> Judged | None:
        if act not in self._judged:
            if not self._left:
                return None
            try:
                self._judged[act] = self._judge(policy, remediation, workload, act)
            except NotJudged as error:
                # Other remediations may still be judged: perhaps only the rule of this one is gone.
                self._failed(remediation, str(error))
                return None
            self._left -= 1
        return self._judged[act]

    def _failed(self, remediation: Remediation, why: str) -> None:
        self._metrics.review_failures.inc()
        if admitted := self._limit.admit(remediation.name, self._steady()):
            extra = {"remediation": remediation.name, "error": why, "times": admitted[1]}
            log.warning("acts not reviewed", extra=extra)

    def _show(self, found: Mapping[str, list[Judgement]]) -> None:
        """Show the judgements by remediation; without an entry, a remediation is shown as unknown."""
        counts: dict[tuple[str, str], dict[str, int | None]] = {}
        for remediation in self._policy().remediations:
            effect, judged = remediation.action.effect, found.get(remediation.name)
            counts[remediation.name, effect] = {
                judgement: None if judged is None else judged.count(judgement)
                for judgement in judgements_of_acts(rises=remediation.action.rises)
            }
        self._metrics.show_reviews(counts)

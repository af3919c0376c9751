"""Judges one act by the hour of history around it: a review of this act alone, for the service's metric.

The rule of this file: the judgement is that of `remediator review` on the same act, from no more history than it needs.
"""

from collections.abc import Sequence
from datetime import timedelta

from remediator.canary.backtest.setup import CannotTest
from remediator.canary.review import review
from remediator.canary.review_past import STEP
from remediator.core.judgement import BEFORE_PEOPLE, Judged, Judgement, judged_after
from remediator.core.ledger import Entry
from remediator.core.policy import Policy, Remediation
from remediator.core.sampled_series import Grid
from remediator.core.workload import Workload
from remediator.monitoring.archive import Archive
from remediator.monitoring.http_json import NoAnswer
from remediator.monitoring.prometheus import Prometheus
from remediator.monitoring.ranges import Ranges
from remediator.reflex.reviews import NotJudged


def judge_last_act(
    prometheis: Sequence[Prometheus],
    cluster: str,
    policy: Policy,
    remediation: Remediation,
    workload: Workload,
    act: Entry,
) -> Judged:
    """The judgement on an act, from the first Prometheus that knows it.

    It is Unknown only if all of them answer that; if one does not answer, this raises NotJudged.
    """
    unknown: Judged | None = None
    problem = ""
    for prometheus in prometheis:
        try:
            judged = _judge(prometheus, cluster, policy, remediation, workload, act)
        except (NoAnswer, CannotTest) as error:
            problem = problem or str(error)
            continue
        if judged.judgement is not Judgement.UNKNOWN:
            return judged
        unknown = unknown or judged
    # If one of a pair was down at the time, its Unknown does not speak for the other.
    if unknown is None or problem:
        raise NotJudged(problem)
    return unknown


def history_of(remediation: Remediation, act: Entry) -> Grid:
    """The moments of history that the judgement on an act needs."""
    after = judged_after(remediation.cooldown, rises=remediation.action.rises)
    return Grid.between(act.time - BEFORE_PEOPLE, act.time + after + timedelta(seconds=STEP), STEP)


def _judge(
    prometheus: Prometheus, cluster: str, policy: Policy, remediation: Remediation, workload: Workload, act: Entry
) -> Judged:
    """Raises NoAnswer, CannotTest."""
    grid = history_of(remediation, act)
    archive = Archive(grid, Ranges(prometheus, grid).fetch)
    found = review(policy, {remediation.target: workload}, prometheus.alert_rules(), archive, grid, cluster)
    (reviewed,) = found.only([remediation.name]).remediations
    if not reviewed.alerts:
        raise NoAnswer(found.blind[remediation.name])
    return next(one.judged for one in reviewed.acts if one.id == act.id and one.time == act.time)

"""The verdicts of a review on the acts of an incident, as lines of its timeline.

The rule of this file: a verdict stands beside its act, and why there is none is a sentence.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from remediator.canary.backtest.setup import CannotTest
from remediator.canary.review import STEP, ReviewedRemediation, review
from remediator.canary.timeline.findings import Findings
from remediator.core.judgement import FOLLOWED_WITHIN, WELL_FOR, WELL_WITHIN
from remediator.core.policy import Policy
from remediator.core.sampled_series import Grid
from remediator.core.text import printable
from remediator.core.timeline import Kind, Line, Source, Window
from remediator.monitoring.archive import Archive
from remediator.monitoring.http_json import NoAnswer
from remediator.monitoring.prometheus import Prometheus
from remediator.monitoring.ranges import Ranges

BEFORE = timedelta(minutes=15)
"""Of the history before the first act that a judgement looks at."""

AFTERWARDS = max(FOLLOWED_WITHIN, WELL_WITHIN + WELL_FOR)


def add_verdicts(
    prometheus: Prometheus, policy: Policy, cluster: str, window: Window, now: datetime, found: Findings
) -> None:
    """Add what became of each act in the window, by the history up to an hour after it."""
    targets = {remediation.target for remediation in policy.remediations}
    if missing := sorted(target.name for target in targets - found.workloads.keys()):
        found.notes.append(f"Verdicts are not here: {', '.join(missing)} cannot be read.")
        return
    try:
        # A moment more, for an act of the last one has to be within the history.
        last = min(window.end + AFTERWARDS, now + timedelta(seconds=STEP))
        grid = Grid.between(window.start - BEFORE, last, STEP)
        archive = Archive(grid, Ranges(prometheus, grid).fetch)
        reviewed = review(policy, found.workloads, prometheus.alert_rules(), archive, grid, cluster)
    except (NoAnswer, CannotTest, ValueError) as error:
        found.notes.append(f"Verdicts are not here: {error}.")
        return
    found.notes += (f"No verdicts of {name}: {why}." for name, why in reviewed.blind.items())
    for one in reviewed.remediations:
        if one.remediation.name not in reviewed.blind:
            found.lines += _lines(one)


def _lines(reviewed: ReviewedRemediation) -> Iterator[Line]:
    remediation = reviewed.remediation
    effect, name = remediation.action.effect, remediation.target.name
    for act in reviewed.acts:
        change = effect if act.after is None else effect.format_change(act.before, act.after)
        what = change if act.done else f"would have been {change}"
        yield _line(act.time, f"{name}: {what} by {remediation.name}: {act.judged}", name)
    for moment, judged in reviewed.missed:
        yield _line(moment, f"{name}: {judged}", name)


def _line(moment: datetime, text: str, subject: str) -> Line:
    return Line(time=moment, kind=Kind.VERDICT, text=printable(text), sources=(Source.REVIEW,), subject=subject)

"""The verdicts of `review` on an incident's acts, as lines of its timeline.

The rule of this file: a verdict is listed right after its act, and a missing one is explained in a note.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from remediator.canary.backtest.setup import CannotTest
from remediator.canary.review import ReviewedRemediation, review
from remediator.canary.review_past import STEP
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
"""How much history before the first act a judgement needs."""

AFTERWARDS = max(FOLLOWED_WITHIN, WELL_WITHIN + WELL_FOR)


def add_verdicts(
    prometheus: Prometheus, policy: Policy, cluster: str, window: Window, now: datetime, found: Findings
) -> None:
    """Add the verdict on each act in the window, judged by the history up to an hour after it."""
    targets = {remediation.target for remediation in policy.remediations}
    if missing := sorted(target.name for target in targets - found.workloads.keys()):
        found.notes.append(f"Verdicts are missing: {', '.join(missing)} cannot be read.")
        return
    try:
        # One moment more, so that an act at the last moment is within the history.
        last = min(window.end + AFTERWARDS, now + timedelta(seconds=STEP))
        grid = Grid.between(window.start - BEFORE, last, STEP)
        archive = Archive(grid, Ranges(prometheus, grid).fetch)
        reviewed = review(policy, found.workloads, prometheus.alert_rules(), archive, grid, cluster)
    except (NoAnswer, CannotTest, ValueError) as error:
        found.notes.append(f"Verdicts are missing: {error}.")
        return
    found.notes += (f"No verdicts on {name}: {why}." for name, why in reviewed.blind.items())
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

"""A back-test in words: what the table, the page and the comparison say in the same way."""

import statistics
from collections.abc import Iterator
from datetime import datetime, timedelta

from remediator.canary.backtest.alert_history import describe_gaps
from remediator.canary.backtest.report import JudgedIncident, Report
from remediator.core.denis_signals import SIGNALS
from remediator.core.durations import format_duration
from remediator.core.effects import AUTOMATIC, Effect
from remediator.core.judgement import Judgement
from remediator.core.reasons import Reason
from remediator.monitoring.evidence import Unknown

NO_GUESS = "History goes on as if there had been no act: what the act would have changed is not guessed."


def format_signal(signal: str, otherwise: str) -> str:
    """A signal's name in words, or `otherwise` for a signal that is not known."""
    return SIGNALS[signal].title if signal in SIGNALS else otherwise


def format_value(signal: str, value: float) -> str:
    """A value of a signal."""
    return f"{value * 100:.3g} %" if signal in SIGNALS and SIGNALS[signal].unit == "rate" else f"{value:.4g}"


def format_moment(moment: datetime) -> str:
    """A moment, in UTC."""
    return f"{moment:%d %b %H:%M:%S}"


def because(report: Report, one: JudgedIncident) -> str:
    """What was bad, and for how long."""
    signals = {alert.name: alert.signal for alert in report.setup.alerts}
    found: dict[str, str] = {}
    for name, value in one.because:
        # Two alerts on one signal are one cause.
        found.setdefault(format_signal(signals[name], name), format_value(signals[name], value))
    worst = ", ".join(f"{words} {value}" for words, value in found.items())
    lasted = format_duration(one.ended - one.active) if one.ended else "to the end"
    return f"{worst}, {lasted}"


def really(one: JudgedIncident) -> str:
    """What really happened."""
    reasons = [reason for reason in one.incident.withheld if reason not in EXPECTED or not one.incident.acts]
    then = f"; then {', '.join(reasons)}" if reasons and one.incident.acts else ""
    if one.judged:
        return f"{one.judged}{then}"
    if reasons[:1] == [Reason.ALREADY_SAFE]:
        return "the canary was at 0 %: the cause was elsewhere"
    return "-"


EXPECTED = (Reason.COOLING_DOWN, Reason.ALREADY_SAFE)
"""What the simulation assumes about notifications after an act."""


def rows(report: Report) -> Iterator[tuple[datetime, tuple[str, str, str, str]]]:
    """The lines of the table, by their time."""
    found = [*_incidents(report)]
    found += ((one.time, (format_moment(one.time), "-", "-", str(one.judged))) for one in report.missed)
    yield from sorted(found, key=lambda one: one[0])


def _incidents(report: Report) -> Iterator[tuple[datetime, tuple[str, str, str, str]]]:
    for one in report.incidents:
        acts = one.incident.acts
        if not acts:
            first = one.incident.decisions[0]
            would = f"nothing: {', '.join(one.incident.withheld)}"
            yield first.time, (format_moment(first.time), would, because(report, one), really(one))
            continue
        (time, act), *others = acts
        yield time, (format_moment(time), _would(act.effect, act.before, act.after), because(report, one), really(one))
        if others:
            change = _would(act.effect, others[0][1].before, others[-1][1].after)
            last = f"the last one {format_moment(others[-1][0])}"
            yield time + timedelta(microseconds=1), (f"  and {len(others)} more", change, last, "")


def _would(effect: Effect, before: int | None, after: int) -> str:
    return f"set {effect.format_change(before, after)}"


def heading(report: Report) -> list[str]:
    """What was tested, over which history, and how far the result can be trusted."""
    grid, end = report.grid, report.grid.moment(report.grid.count - 1)
    lines = [
        f"Back-test of {report.setup.name}, {grid.moment(0):%d %b %H:%M} to {end:%d %b %H:%M} UTC "
        f"({format_duration(grid.length(grid.count - 1))}, every {format_duration(timedelta(seconds=grid.step))})"
    ]
    holes = describe_gaps(report.histories)
    lines += [f"History: {hole}." for hole in holes] or ["History: complete."]
    for (target, effect), recorded in report.recorded.items():
        what, assumed = f"The {AUTOMATIC[effect].value} of {target.name}", effect.format_value(recorded.assumed)
        missing = grid.length(grid.count - recorded.moments)
        if not recorded.moments:
            lines.append(f"{what}: not recorded, taken as {assumed}; so what people did is not known.")
        elif missing:
            known = format_duration(grid.length(recorded.moments))
            lines.append(f"{what}: recorded for {known}, else taken as {assumed}.")
    agreement = report.agreement
    if isinstance(agreement, Unknown):
        lines.append(f"Check: {agreement.why}.")
    elif agreement.agreeing == agreement.recorded:
        firings = "the one firing" if agreement.recorded == 1 else f"all {agreement.recorded} firings"
        lines.append(f"Check: the simulation has {firings} that Prometheus recorded of these rules.")
    else:
        missed = agreement.recorded - agreement.agreeing
        lines.append(
            f"WARNING: of {agreement.recorded} firings that Prometheus recorded, the simulation lacks {missed}."
        )
    return [*lines, *report.notes]


def summary(report: Report) -> list[str]:
    """The sums."""
    lines = []
    saved = []
    for effect, wording in AUTOMATIC.items():
        acts, incidents = report.acts(effect), len(report.judgements(effect))
        counts = {judgement: report.count(effect, judgement) for judgement in Judgement}
        missed = counts.pop(Judgement.MISSED)
        judged = ", ".join(f"{count} {judgement}" for judgement, count in counts.items() if count)
        text = f"{acts} act{'s' * (acts != 1)} in {incidents} incident{'s' * (incidents != 1)}"
        text += f": {judged}" * bool(judged) + f"; and {missed} {Judgement.MISSED}" * bool(missed)
        delays = report.delays(effect)
        delay = f" First act after the breach began: {median(delays)} in the median." if delays else ""
        lines.append(f"{wording.heading:9}  {text}.{delay}")
        if report.saved(effect):
            saved.append(f"{format_duration(report.saved(effect))} of {wording.spared}")
    if saved:
        lines.append(f"{'Spared':9}  {', '.join(saved)}.")
    return [*lines, NO_GUESS]


def median(delays: list[timedelta]) -> str:
    """The median of some durations, in words."""
    if not delays:
        return "-"
    return format_duration(timedelta(seconds=statistics.median(one.total_seconds() for one in delays)))

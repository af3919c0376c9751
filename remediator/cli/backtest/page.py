"""A back-test as one page: signals, thresholds, gaps, would-be acts and what people did, on one axis of time.

The rule of this file: the page is self-contained. It has no script and loads nothing, and everything in the graphs is
also in the table below them.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape
from pathlib import Path

from remediator.canary.backtest.alert_history import AlertHistory
from remediator.canary.backtest.report import Report
from remediator.cli.backtest.words import (
    format_moment,
    format_signal,
    format_value,
    heading,
    rows,
    summary,
)
from remediator.core.effects import AUTOMATIC, Effect
from remediator.core.policy import Target
from remediator.core.recorded_value import RecordedValue
from remediator.core.sampled_series import Grid, Span, spans

WIDTH, HEIGHT, LEFT, TOP = 1000, 150, 70, 18
MOST_DAYS = 10
"""The most labels on the axis."""

NEAR = 16
"""Marks closer than this share a label."""

STYLE = """
:root { color-scheme: light dark; --ink: #1b1b1f; --soft: #5b5b66; --ground: #fff; --line: #2457c5; --limit: #a13d00;
  --act: #b3003b; --people: #00695c; --gap: #d9d9e0; }
@media (prefers-color-scheme: dark) { :root { --ink: #ececf1; --soft: #b4b4c0; --ground: #17171b; --line: #8fb0ff;
  --limit: #ffb07a; --act: #ff8fae; --people: #7fd8c9; --gap: #3c3c46; } }
body { margin: 0 auto; max-width: 75rem; padding: 1rem; font: 1rem/1.5 system-ui, sans-serif; color: var(--ink);
  background: var(--ground); overflow-wrap: anywhere; }
svg { width: 100%; height: auto; font: 12px system-ui, sans-serif; } text { fill: var(--ink); }
figure { margin: 1rem 0; } figcaption { color: var(--soft); }
.value { stroke: var(--line); fill: none; } .limit { stroke: var(--limit); stroke-dasharray: 6 4; fill: none; }
.gap { fill: var(--gap); } .axis { stroke: var(--soft); fill: none; } .soft { fill: var(--soft); }
.act { stroke: var(--act); stroke-width: 2; } text.act { fill: var(--act); stroke: none; font-weight: bold; }
.people { stroke: var(--people); stroke-width: 2; stroke-dasharray: 2 2; }
.scroll { overflow-x: auto; overflow-wrap: normal; } table { border-collapse: collapse; }
th, td { text-align: left; padding: .25rem .75rem; border-bottom: 1px solid var(--gap); vertical-align: top; }
"""


def write_page(path: Path, report: Report) -> None:
    """Write the page. Raises OSError."""
    path.write_text("\n".join(_page(report)), encoding="utf-8")


def _page(report: Report) -> Iterator[str]:
    first, *others = heading(report)
    yield (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<meta name="viewport" '
        'content="width=device-width">\n<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">\n<title>Back-test</title>"
    )
    yield f"<style>{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>Back-test</h1>"
    yield from (f"<p>{escape(line)}</p>" for line in (first, *others))
    marks = [*_marks(report)]
    for history in report.histories:
        own = [mark for mark in marks if history.alert.name in mark.alerts]
        yield from _figure(history.grid, history, own)
    for (target, effect), recorded in report.recorded.items():
        if recorded.moments:
            own = [mark for mark in marks if mark.target == target]
            yield from _recorded_figure(report.grid, target.name, effect, recorded, own)
    yield "<h2>What would have been done</h2>"
    yield from _table(report, {mark.time: mark.number for mark in marks})
    yield "<h2>In sum</h2>\n<ul>"
    yield from (f"<li>{escape(line)}</li>" for line in summary(report))
    yield "</ul>\n</main>\n</body>\n</html>\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mark:
    """The first act of an incident, numbered as in the table."""

    number: int
    time: datetime
    alerts: frozenset[str]
    target: Target


def _marks(report: Report) -> Iterator[_Mark]:
    acted = [one for one in report.incidents if one.incident.acts]
    for number, one in enumerate(sorted(acted, key=lambda one: one.incident.acts[0][0]), start=1):
        yield _Mark(
            number=number,
            time=one.incident.acts[0][0],
            alerts=frozenset(name for name, _ in one.because),
            target=one.incident.remediation.target,
        )


def _table(report: Report, numbers: dict[datetime, int]) -> Iterator[str]:
    found = [*rows(report)]
    if not found:
        yield "<p>No alert that asks for an act would have fired.</p>"
        return
    yield '<div class="scroll" tabindex="0" role="region" aria-label="What would have been done">\n<table>\n<tr>'
    yield from (f'<th scope="col">{name}</th>' for name in ("Mark", "When", "Would have", "Because", "And really"))
    yield "</tr>"
    for moment, cells in found:
        shown = "".join(f"<td>{escape(cell)}</td>" for cell in (str(numbers.get(moment, "")), *cells))
        yield f"<tr>{shown}</tr>"
    yield "</table>\n</div>"


def _figure(grid: Grid, history: AlertHistory, marks: Sequence[_Mark]) -> Iterator[str]:
    alert, columns = history.alert, _columns(history, grid)
    limit = alert.threshold.value if alert.threshold else 0.0
    values = [value for column in columns if column for value in column]
    low, high = min([*values, limit, 0.0] if limit < 0.5 else [*values, limit]), max([*values, limit])
    span = (high - low) or 1.0

    def y(value: float) -> float:
        return TOP + HEIGHT - (value - low) / span * HEIGHT

    name = format_signal(alert.signal, alert.name)
    threshold = f", threshold {alert.threshold}" if alert.threshold else ""
    shown = f"{name.capitalize()} of {alert.name}{threshold}"
    body = [_gap(grid, hole) for hole in spans(history.known, 0)]
    path = " ".join(
        f"M{LEFT + place:.0f} {y(column[0]):.1f}V{y(column[1]) - 0.5:.1f}"
        for place, column in enumerate(columns)
        if column
    )
    body.append(f'<path class="value" d="{path}"/>')
    if alert.threshold:
        body.append(f'<path class="limit" d="M{LEFT} {y(limit):.1f}H{WIDTH}"/>')
    body += [_label(format_value(alert.signal, value), y(value)) for value in dict.fromkeys((low, limit, high))]
    gaps = grid.length(history.known.count(0)) > timedelta(0)
    caption = f"{shown}. Solid marks: would-be acts.{' Grey: no samples.' if gaps else ''}"
    yield from _svg(grid, shown, caption, body, marks)


def _recorded_figure(
    grid: Grid, name: str, effect: Effect, recorded: RecordedValue, marks: Sequence[_Mark]
) -> Iterator[str]:
    known = [value for value in recorded.values if value is not None]
    high = max(*known, 1)

    def y(value: float) -> float:
        return TOP + HEIGHT - value / high * HEIGHT

    path, last = [], None
    for index, value in enumerate(recorded.values):
        if value != last and value is not None:
            path.append(
                f"{'M' if last is None else 'H'}{x(grid, index):.1f}{' ' if last is None else 'V'}{y(value):.1f}"
            )
        elif value is None and last is not None:
            path.append(f"H{x(grid, index):.1f}")
        last = value
    if last is not None:
        path.append(f"H{WIDTH}")
    body = [f'<path class="value" d="{"".join(path)}"/>', _label("0", y(0)), _label(f"{high}", y(high))]
    for change in recorded.by_people:
        place = x(grid, grid.index(change.time))
        title = f"{format_moment(change.time)}: people set {change.before} to {change.after}"
        body.append(f'<path class="people" d="M{place:.1f} {TOP}V{TOP + HEIGHT}"><title>{title}</title></path>')
    shown = f"The {AUTOMATIC[effect].value} of {name}"
    caption = f"{shown}, as recorded. Dotted marks: what people set. Solid marks: would-be acts."
    yield from _svg(grid, shown, caption, body, marks)


def _svg(grid: Grid, title: str, caption: str, body: Iterable[str], marks: Sequence[_Mark]) -> Iterator[str]:
    yield f'<figure>\n<svg viewBox="0 0 {WIDTH + 10} {TOP + HEIGHT + 22}" role="img" aria-label="{escape(title)}">'
    yield from body
    yield f'<path class="axis" d="M{LEFT} {TOP + HEIGHT}H{WIDTH}"/>'
    for index in _days(grid):
        yield f'<text class="soft" x="{x(grid, index):.1f}" y="{TOP + HEIGHT + 16}">{grid.moment(index):%d %b}</text>'
    labels: dict[float, str] = {}
    for mark in marks:
        place = x(grid, grid.index(mark.time))
        title = f"{mark.number}: {format_moment(mark.time)}"
        yield f'<path class="act" d="M{place:.1f} {TOP}V{TOP + HEIGHT}"><title>{title}</title></path>'
        near = next((other for other in labels if abs(other - place) < NEAR), place)
        labels[near] = f"{labels[near]}, {mark.number}" if near in labels else f"{mark.number}"
    yield from (f'<text class="act" x="{place - 3:.1f}" y="{TOP - 5}">{text}</text>' for place, text in labels.items())
    yield f"</svg>\n<figcaption>{escape(caption)}</figcaption>\n</figure>"


def _gap(grid: Grid, hole: Span) -> str:
    start, end = x(grid, hole.first), x(grid, hole.after)
    return f'<rect class="gap" x="{start:.1f}" y="{TOP}" width="{max(end - start, 1):.1f}" height="{HEIGHT}"/>'


def _label(text: str, y: float) -> str:
    return f'<text class="soft" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{escape(text)}</text>'


def x(grid: Grid, index: int) -> float:
    """The position of a moment on the axis."""
    return LEFT + index / (grid.count - 1) * (WIDTH - LEFT)


def _days(grid: Grid) -> Iterator[int]:
    """The moments at which days begin, at most MOST_DAYS of them."""
    day = 86_400
    first = -(-grid.start // day) * day
    whole = (grid.seconds(grid.count - 1) - first) // day + 1
    for seconds in range(first, grid.seconds(grid.count - 1), day * max(1, -(-whole // MOST_DAYS))):
        yield (seconds - grid.start) // grid.step


def _columns(history: AlertHistory, grid: Grid) -> list[tuple[float, float] | None]:
    """The smallest and largest value in each column of the graph, or None."""
    columns = WIDTH - LEFT
    found: list[tuple[float, float] | None] = []
    for column in range(columns):
        first, after = (
            column * grid.count // columns,
            max((column + 1) * grid.count // columns, column * grid.count // columns + 1),
        )
        values = [
            value
            for series in history.series
            for value in series.values[first:after]
            if value == value and abs(value) != float("inf")
        ]
        found.append((min(values), max(values)) if values else None)
    return found

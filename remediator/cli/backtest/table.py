"""A back-test as text: the table, the sweep, and two setups beside each other."""

from collections.abc import Iterator, Sequence

import click

from remediator.canary.backtest.report import Report
from remediator.canary.backtest.sweep import Sweep
from remediator.cli.backtest.words import format_moment, format_value, heading, median, rows, summary
from remediator.cli.output import print_fact, print_table
from remediator.core.durations import format_duration
from remediator.core.effects import AUTOMATIC
from remediator.core.judgement import Judgement

COLUMNS = ("when", "would have", "because", "and really")


def print_report(report: Report) -> None:
    """Print what would have been done."""
    print_head(report)
    found = [row for _, row in rows(report)]
    if found:
        print_table(COLUMNS, found)
    else:
        click.echo("No alert that asks for an act would have fired.")
    click.echo()
    for line in summary(report):
        print_fact("", line)


def print_head(report: Report) -> None:
    """Print what was tested, and what is not known."""
    for line in heading(report):
        print_fact("", line)
    click.echo()


def print_sweep(sweep: Sweep, days: str) -> None:
    """Print how many acts an alert would have led to, by threshold and `for`."""
    threshold = sweep.alert.threshold
    above = threshold is None or threshold.operator in (">", ">=")
    click.echo(f"{sweep.alert.name}: acts in {days} (of them not needed); * is what the rules have")
    header = [f"{'over' if above else 'under'} \\ for", *(format_duration(one) for one in sweep.durations)]
    table = [header]
    for value in sweep.thresholds:
        row = [format_value(sweep.alert.signal, value)]
        for duration in sweep.durations:
            acts, not_needed = sweep.cells[value, duration]
            ours = threshold is not None and (value, duration) == (threshold.value, sweep.alert.alarm.duration)
            row.append(f"{'*' if ours else ''}{acts}{f' ({not_needed})' if not_needed else ''}")
        table.append(row)
    widths = [max(len(row[index]) for row in table) for index in range(len(header))]
    for row in table:
        click.echo("  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True)))


def print_comparison(ours: Report, other: Report) -> None:
    """Print two setups side by side, and the acts that only one of them has."""
    click.echo(f"A: {ours.setup.name}\nB: {other.setup.name}\n")
    table = [*_compared(ours, other)]
    print_table(("", "A", "B"), table)
    click.echo()
    for sign, report, counterpart in (("<", ours, other), (">", other, ours)):
        known = _first_acts(counterpart)
        for moment, row in rows(report):
            if row[1].startswith("set") and not row[0].startswith(" ") and moment not in known:
                only = "A" if sign == "<" else "B"
                print_fact(f"{sign} ", f"{format_moment(moment)} only {only}: {row[1]}; {row[2]}; {row[3]}")
    if _first_acts(ours) == _first_acts(other):
        click.echo("Both would have done the same.")


def _first_acts(report: Report) -> set[object]:
    return {one.incident.acts[0][0] for one in report.incidents if one.incident.acts}


def _compared(ours: Report, other: Report) -> Iterator[Sequence[str]]:
    for effect, wording in AUTOMATIC.items():
        yield wording.many, f"{ours.acts(effect)}", f"{other.acts(effect)}"
        for judgement in Judgement:
            counts = ours.count(effect, judgement), other.count(effect, judgement)
            if any(counts):
                yield f"  {judgement}", f"{counts[0]}", f"{counts[1]}"
        yield "  act after breach, median", median(ours.delays(effect)), median(other.delays(effect))

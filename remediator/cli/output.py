"""Answers as people and programs read them: aligned tables, JSON, YAML."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import click

from remediator.checks import Check

MARKS = {True: ("✓", "green"), False: ("✗", "red"), None: ("?", "yellow")}


def print_data(value: Any, spelling: str) -> None:
    """Print plain data as `json` or `yaml`."""
    if spelling == "json":
        click.echo(json.dumps(value, indent=2, ensure_ascii=False))
        return
    import yaml

    # YAML knows no enums; JSON makes text of them.
    plain = json.loads(json.dumps(value))
    click.echo(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True), nl=False)


def printable(text: str) -> str:
    """A text without what would steer a terminal; labels, reasons and answers hold what others wrote."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def say(text: str, *, err: bool = False) -> None:
    """Print one line, whatever others have written into it."""
    click.echo(printable(text), err=err)


def print_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows in aligned columns under capital headings, as kubectl does."""
    table = [[name.upper() for name in header], *([printable(cell) for cell in row] for row in rows)]
    widths = [max(len(cell) for cell in column) for column in zip(*table, strict=True)]
    for row in table:
        click.echo("   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def print_checks(checks: Sequence[Check]) -> None:
    """Print a line for each check: a tick, a cross or a question mark, what was found, and what to do."""
    width = max((len(check.name) for check in checks), default=0)
    for check in checks:
        mark, colour = MARKS[check.passed]
        click.echo(f"{click.style(mark, fg=colour)} {printable(check.name):{width}}  {printable(check.found)}")
        if check.remedy and not check.passed:
            say(f"  {'':{width}}  -> {check.remedy}")


def check_data(checks: Iterable[Check]) -> list[dict[str, Any]]:
    """Checks as plain data."""
    return [
        {
            "name": check.name,
            "passed": check.passed,
            "found": check.found,
            **({"remedy": check.remedy} if check.remedy and not check.passed else {}),
        }
        for check in checks
    ]

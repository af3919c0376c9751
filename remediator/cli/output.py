"""Answers as people and programs read them: aligned tables, JSON, YAML.

The rule of this file: only a terminal has a width. What goes into a pipe is one line for each thing, however long.
"""

import json
import os
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import click

from remediator.core.checks import Check
from remediator.core.text import printable

MARKS = {True: ("✓", "green"), False: ("✗", "red"), None: ("?", "yellow")}
WARNING = ("!", "yellow")

NARROWEST = 20
"""A column with less room than this is no longer read: its text goes below instead."""


def wants_colour() -> bool | None:
    """False where people or their terminal want none (no-color.org); None leaves it to whether this is a terminal."""
    return False if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" else None


def terminal_width() -> int | None:
    """The columns of the terminal that the answer goes to, or None where it goes elsewhere."""
    if sys.stdout is None or not sys.stdout.isatty():
        return None
    return max(shutil.get_terminal_size().columns, NARROWEST)


def wrap(text: str, indent: int) -> Iterator[str]:
    """The lines of a text that begins at a column of the terminal, broken between words."""
    width = terminal_width()
    if width is None or indent + len(text) <= width:
        yield text
        return
    yield from textwrap.wrap(text, max(width - indent, NARROWEST), break_long_words=False, break_on_hyphens=False)


def print_fact(head: str, text: str, **style: Any) -> None:
    """Print a text behind its head, wrapped under itself; `head` is as wide as it looks and may have a style."""
    indent = len(click.unstyle(head))
    for number, line in enumerate(wrap(printable(text), indent)):
        click.echo(f"{' ' * indent if number else head}{click.style(line, **style)}")


def print_data(value: Any, spelling: str) -> None:
    """Print plain data as `json` or `yaml`."""
    if spelling == "json":
        click.echo(json.dumps(value, indent=2, ensure_ascii=False))
        return
    import yaml

    # YAML knows no enums; JSON makes text of them.
    plain = json.loads(json.dumps(value))
    click.echo(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True), nl=False)


def say(text: str, *, err: bool = False) -> None:
    """Print one line, whatever others have written into it."""
    click.echo(printable(text), err=err)


def print_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows in aligned columns under capital headings, as kubectl does.

    On a terminal that is too narrow the last column is wrapped; where even that has no room, each row is a block.
    """
    table = [[name.upper() for name in header], *([printable(cell) for cell in row] for row in rows)]
    widths = [max(len(cell) for cell in column) for column in zip(*table, strict=True)]
    terminal, before = terminal_width(), sum(widths[:-1]) + 3 * (len(widths) - 1)
    if terminal is not None and before + min(widths[-1], NARROWEST) > terminal:
        _print_blocks(header, table[1:])
        return
    for row in table:
        head = "".join(f"{cell:{width}}   " for cell, width in zip(row[:-1], widths[:-1], strict=True))
        for number, line in enumerate(wrap(row[-1], before)):
            click.echo(f"{' ' * before if number else head}{line}".rstrip())


def _print_blocks(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print each row as lines: the first cell, and the others below it with their names."""
    width = max(map(len, header))
    for row in rows:
        click.echo(row[0])
        for name, cell in zip(header[1:], row[1:], strict=True):
            if cell:
                print_fact(f"  {name:{width}}  ", cell)


def print_checks(checks: Sequence[Check]) -> None:
    """Print a line for each check: a mark, what was found, and what to do."""
    width = max((len(check.name) for check in checks), default=0)
    for check in checks:
        mark, colour = WARNING if check.passed and check.warning else MARKS[check.passed]
        print_fact(f"{click.style(mark, fg=colour)} {printable(check.name):{width}}  ", check.found)
        if check.remedy and (check.warning or not check.passed):
            print_fact(f"  {'':{width}}  -> ", check.remedy)


def check_data(checks: Iterable[Check]) -> list[dict[str, Any]]:
    """Checks as plain data."""
    return [
        {
            "name": check.name,
            "passed": check.passed,
            "found": check.found,
            **({"warning": True} if check.passed and check.warning else {}),
            **({"remedy": check.remedy} if check.remedy and (check.warning or not check.passed) else {}),
        }
        for check in checks
    ]


def format_short(seconds: float) -> str:
    """A number of seconds in words."""
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"

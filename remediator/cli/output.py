"""Output for people and programs: aligned tables, JSON, YAML.

The rule of this file: only a terminal has a width. In a pipe each item is one line, however long.
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
"""A column narrower than this is unreadable: its text goes below instead."""


def wants_colour() -> bool | None:
    """False if colours are switched off (no-color.org); None to decide by whether this is a terminal."""
    return False if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" else None


def terminal_width() -> int | None:
    """The width of the terminal that the output goes to, or None if it is not a terminal."""
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
    """Print a text after its head, with a hanging indent; styling in `head` does not count towards its width."""
    indent = len(click.unstyle(head))
    for number, line in enumerate(wrap(printable(text), indent)):
        click.echo(f"{' ' * indent if number else head}{click.style(line, **style)}")


def print_data(value: Any, spelling: str) -> None:
    """Print plain data as `json` or `yaml`."""
    if spelling == "json":
        click.echo(json.dumps(value, indent=2, ensure_ascii=False))
        return
    import yaml

    # YAML cannot represent enums; a round trip through JSON makes strings of them.
    plain = json.loads(json.dumps(value))
    click.echo(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True), nl=False)


def say(text: str, *, err: bool = False) -> None:
    """Print one line; control characters in it are escaped."""
    click.echo(printable(text), err=err)


def print_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows in aligned columns under capital headings, as kubectl does.

    On a narrow terminal the last column is wrapped; where even that does not fit, each row is a block.
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
    """Print each row as a block: the first cell, and below it the others with their headings."""
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

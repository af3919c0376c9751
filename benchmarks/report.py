"""The figures as a table, on the terminal and in docs/performance.md."""

import platform
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.figure import Figure
from remediator import __version__

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
HEAD = ("figure", "Remediator", "baseline in the same run", "ratio (quartiles)", "goal", "")


def lines(figures: Sequence[Figure]) -> list[str]:
    """The table as Markdown, which reads well on a terminal too, and the notes below it."""
    notes = [f"* {figure.name}: {note}" for figure in figures for note in figure.notes]
    text = table([HEAD, *map(_row, figures)])
    return [*text, "", *notes] if notes else text


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as Markdown, the first as the head."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    text = [f"| {' | '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))} |" for row in rows]
    text.insert(1, f"|{'|'.join('-' * (width + 2) for width in widths)}|")
    return text


def renew(command: str, text: Sequence[str]) -> None:
    """Put lines, and the machine, between the marks of a command in docs/performance.md.

    Raises ValueError where the page has no such marks.
    """
    begin, end = f"<!-- begin of what `{command}` writes -->", f"<!-- end of what `{command}` writes -->"
    page = PAGE.read_text(encoding="utf-8")
    written = "\n".join(
        [begin, "", f"Version {__version__}, {datetime.now(UTC):%Y-%m-%d}. {machine()}", "", *text, "", end]
    )
    before, begins, rest = page.partition(begin)
    _, ends, after = rest.partition(end)
    if not (begins and ends):
        raise ValueError(f"{PAGE} has no place for what `{command}` writes: {begin} and {end}")
    PAGE.write_text(before + written + after, encoding="utf-8")


def machine() -> str:
    """What it was measured on."""
    processors = re.findall(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    memory = int(re.findall(r"^MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text(), re.MULTILINE)[0])
    system = platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    processor = processors[0] if processors else platform.machine()
    python = platform.python_version()
    return f"Machine: {len(processors)} × {processor}, {memory / 2**20:.0f} GiB, {system}, Python {python}."


def _row(figure: Figure) -> tuple[str, ...]:
    verdict = {None: "", True: "reached", False: "**missed**"}[figure.reached]
    return (figure.name, figure.ours, figure.baseline, str(figure.ratio or ""), figure.goal, verdict)

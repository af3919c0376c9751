"""The figures as a table, on the terminal and in docs/performance.md."""

import platform
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.figure import Figure
from remediator import __version__

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
BEGIN, END = "<!-- begin of what `make performance` writes -->", "<!-- end of what `make performance` writes -->"

HEAD = ("figure", "Remediator", "baseline in the same run", "ratio (quartiles)", "goal", "")


def lines(figures: Sequence[Figure]) -> list[str]:
    """The table as Markdown, which reads well on a terminal too, and the notes below it."""
    rows = [HEAD, *map(_row, figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    text = [f"| {' | '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))} |" for row in rows]
    text.insert(1, f"|{'|'.join('-' * (width + 2) for width in widths)}|")
    notes = [f"* {figure.name}: {note}" for figure in figures for note in figure.notes]
    return [*text, "", *notes] if notes else text


def renew(figures: Sequence[Figure]) -> None:
    """Put the table and the machine between the marks in docs/performance.md."""
    page = PAGE.read_text(encoding="utf-8")
    written = "\n".join(
        [BEGIN, "", f"Version {__version__}, {datetime.now(UTC):%Y-%m-%d}. {machine()}", "", *lines(figures), "", END]
    )
    between = re.compile(f"{re.escape(BEGIN)}.*{re.escape(END)}", re.DOTALL)
    PAGE.write_text(between.sub(lambda _: written, page), encoding="utf-8")


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

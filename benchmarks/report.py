"""The results as a table, on the terminal and in docs/performance.md."""

import platform
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.results import Figure
from remediator import __version__

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
BEGIN = "<!-- begin of what `python -m benchmarks --write` writes -->"
END = "<!-- end of what `python -m benchmarks --write` writes -->"
HEAD = ("figure", "Remediator", "baseline in the same run", "ratio (quartiles)", "goal", "")


def lines(figures: Sequence[Figure]) -> list[str]:
    """A Markdown table, and the notes below it."""
    rows = [HEAD, *map(_row, figures)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    text = [f"| {' | '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))} |" for row in rows]
    text.insert(1, f"| {' | '.join('-' * width for width in widths)} |")
    notes = [f"* {figure.name}: {note}" for figure in figures for note in figure.notes]
    return [*text, "", *notes] if notes else text


def update(text: Sequence[str]) -> None:
    """Replace the table in docs/performance.md. Raises ValueError where the page lacks the marks around it."""
    before, begins, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, ends, after = rest.partition(END)
    if not (begins and ends):
        raise ValueError(f"{PAGE} lacks {BEGIN!r} or {END!r}")
    head = f"Version {__version__}, {datetime.now(UTC):%Y-%m-%d}. {_machine()}"
    PAGE.write_text(before + "\n".join([BEGIN, "", head, "", *text, "", END]) + after, encoding="utf-8")


def _machine() -> str:
    processors = re.findall(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    memory = int(re.findall(r"^MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text(), re.MULTILINE)[0])
    system = platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    processor, python = [*processors, platform.machine()][0], platform.python_version()
    return f"Machine: {len(processors)} × {processor}, {memory / 2**20:.0f} GiB, {system}, Python {python}."


def _row(figure: Figure) -> tuple[str, ...]:
    verdict = {None: "", True: "reached", False: "**missed**"}[figure.reached]
    return (figure.name, figure.ours, figure.baseline, str(figure.ratio or ""), figure.goal, verdict)

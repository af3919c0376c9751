"""The file of known incidents, as CSV: `from,to,name`."""

import csv
from datetime import UTC
from itertools import pairwise
from pathlib import Path

from remediator.cli.exits import InvalidConfiguration
from remediator.cli.period import read_time
from remediator.config.document import InvalidDocument, read_text
from remediator.core.judgement import Truth

HEADER = ["from", "to", "name"]

BYTE_ORDER_MARK = "\ufeff"
"""Spreadsheets write it before the header."""


def read_truths(path: Path) -> list[Truth]:
    """The incidents in a file, sorted by start. Raises InvalidConfiguration with every invalid line."""
    try:
        rows = [*csv.reader(read_text(path).removeprefix(BYTE_ORDER_MARK).splitlines(), skipinitialspace=True)]
    except InvalidDocument as error:
        raise InvalidConfiguration(str(error)) from error
    if not rows or [cell.strip() for cell in rows[0]] != HEADER:
        raise InvalidConfiguration(f"{path}:1: must begin with the line {','.join(HEADER)}")
    problems, found = [], []
    for number, row in enumerate(rows[1:], start=2):
        if not row:
            continue
        try:
            found.append((_truth(row), number))
        except ValueError as error:
            problems.append(f"{path}:{number}: {error}")
    found.sort(key=lambda one: one[0].start)
    for (earlier, line), (later, number) in pairwise(found):
        if later.start <= earlier.end:
            problems.append(f"{path}:{number}: overlaps line {line} ({earlier.name}); make one incident of both")
    if problems:
        raise InvalidConfiguration("\n".join(problems))
    return [truth for truth, _ in found]


def _truth(row: list[str]) -> Truth:
    if len(row) != len(HEADER):
        raise ValueError(f"has {len(row)} fields, not {len(HEADER)}; put a name with commas in quotes")
    start, end = (read_time(cell.strip()).astimezone(UTC) for cell in row[:2])
    if end < start:
        raise ValueError("ends before it begins")
    return Truth(start=start, end=end, name=row[2].strip() or "an incident without a name")

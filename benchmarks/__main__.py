"""`python -m benchmarks`: measure, print the table, and with `--write` update docs/performance.md."""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path

import pytest

from benchmarks.report import lines, update
from benchmarks.results import Effort, Figure

Measure = Callable[[Effort, Path], Iterator[Figure]]

SUBJECTS = ("latency", "rollback", "throughput", "storm", "memory", "start", "crossing", "backtest")
"""Modules of this package, in the order of the table; each has `measure(effort, directory)`."""


def main() -> int:
    """Measure; 0 if every goal was reached, else 1."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", help=f"what to measure: {', '.join(SUBJECTS)}")
    parser.add_argument("--quick", action="store_true", help="only check that everything works")
    parser.add_argument("--write", action="store_true", help="update the table in docs/performance.md")
    arguments = parser.parse_args()
    if unknown := set(arguments.subjects) - set(SUBJECTS):
        parser.error(f"unknown subject {', '.join(sorted(unknown))}; choose from {', '.join(SUBJECTS)}")
    # As in the image: else a start mostly compiles modules, and malloc keeps the memory of large bodies.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["MALLOC_MMAP_THRESHOLD_"] = "262144"
    figures, missing = _measure(arguments.subjects or SUBJECTS, Effort(quick=arguments.quick))
    print("\n".join(lines(figures)))
    if arguments.write:
        update(lines(figures))
    return 1 if missing or any(figure.reached is False for figure in figures) else 0


def _measure(subjects: Sequence[str], effort: Effort) -> tuple[list[Figure], bool]:
    figures, missing = list[Figure](), False
    for subject in subjects:
        measure: Measure = import_module(f"benchmarks.{subject}").measure
        with tempfile.TemporaryDirectory(prefix="remediator-") as directory:
            try:
                for figure in measure(effort, Path(directory)):
                    figures.append(figure)
                    print(f"  {figure.name}: {figure.ours} {figure.ratio or ''}", file=sys.stderr)
            except (pytest.skip.Exception, pytest.fail.Exception) as error:
                print(f"  {subject} was not measured: {error}", file=sys.stderr)
                missing = True
    return figures, missing


if __name__ == "__main__":
    sys.exit(main())

"""`python -m benchmarks`: measure, print the table, and renew it in docs/performance.md if asked to."""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

import pytest

from benchmarks.figure import Effort, Figure
from benchmarks.report import lines, renew

Measure = Callable[[Effort, Path], Iterator[Figure]]

SUBJECTS: Sequence[str] = (
    "latency",
    "peer",
    "throughput",
    "bodies",
    "fleet",
    "storm",
    "policies",
    "memory",
    "start",
    "crossing",
    "image",
)
"""Modules of this package, in the order of the table; each has `measure(effort, directory)`."""


def main() -> int:
    """Measure; 0 if every goal was reached, 1 if not, or if something could not be measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", help=f"what to measure: {', '.join(SUBJECTS)}")
    parser.add_argument("--quick", action="store_true", help="only show that everything works")
    parser.add_argument("-o", "--output", choices=["table", "json"], default="table")
    parser.add_argument("--write", action="store_true", help="renew the table in docs/performance.md")
    arguments = parser.parse_args()
    if unknown := set(arguments.subjects) - set(SUBJECTS):
        parser.error(f"unknown subject {', '.join(sorted(unknown))}; choose from {', '.join(SUBJECTS)}")
    figures, missing = _measure(arguments.subjects or SUBJECTS, Effort(quick=arguments.quick))
    if arguments.output == "json":
        print(json.dumps([asdict(figure) for figure in figures], ensure_ascii=False, indent=2))
    else:
        print("\n".join(lines(figures)))
    if arguments.write:
        renew("python -m benchmarks --write", lines(figures))
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

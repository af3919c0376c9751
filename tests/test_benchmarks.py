"""The benchmarks work: what they measure is right. How fast it is depends on the machine and is not tested."""

from importlib import import_module
from pathlib import Path

import pytest

from benchmarks.__main__ import SUBJECTS
from benchmarks.report import lines
from benchmarks.results import Effort


@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_subject_can_be_measured(subject: str, tmp_path: Path) -> None:
    """A quick run ends with figures: the subject itself checks every answer, every act, and that nothing is lost."""
    figures = list(import_module(f"benchmarks.{subject}").measure(Effort(quick=True), tmp_path))

    assert figures
    assert all(figure.name in "\n".join(lines(figures)) for figure in figures)

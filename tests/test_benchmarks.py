"""The benchmarks work: what they measure is right. How fast it is depends on the machine, and is not asked here."""

from importlib import import_module
from pathlib import Path

import pytest

from benchmarks import profile
from benchmarks.__main__ import SUBJECTS
from benchmarks.figure import Effort
from benchmarks.report import lines


@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_subject_can_be_measured(subject: str, tmp_path: Path) -> None:
    """A quick run ends with figures: the subject itself checks every answer, every act, and that nothing is lost."""
    figures = list(import_module(f"benchmarks.{subject}").measure(Effort(quick=True), tmp_path))

    assert figures
    assert all(figure.name in "\n".join(lines(figures)) for figure in figures)


def test_a_profile_knows_who_waits_for_the_api_server(tmp_path: Path) -> None:
    """An act and a cooldown do, and so does the floor; what is resolved, and a bare view, never ask it."""
    profiles = profile.measure(Effort(quick=True), tmp_path)

    assert [bool(one.samples[profile.WAITING]) for one in profiles] == [True, True, True, False, False]
    for one in profiles:
        rows = (profile.WAITING, *profile.PARTS, profile.REST)
        assert sum(map(one.spent, rows)) == pytest.approx(one.seconds / one.count)
        assert one.samples[profile.REST] < one.samples.total() / 20

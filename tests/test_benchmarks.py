"""The benchmarks work: what they measure is right. How fast it is depends on the machine and is not tested."""

import re
from importlib import import_module
from pathlib import Path

import pytest

from benchmarks import rooms
from benchmarks.__main__ import SUBJECTS
from benchmarks.report import lines
from benchmarks.results import Effort
from remediator.core.effects import Effect


@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_subject_can_be_measured(subject: str, tmp_path: Path) -> None:
    """A quick run ends with figures: the subject itself checks every answer, every act, and that nothing is lost."""
    figures = list(import_module(f"benchmarks.{subject}").measure(Effort(quick=True), tmp_path))

    assert figures
    assert all(figure.name in "\n".join(lines(figures)) for figure in figures)


def test_the_rooms_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    """The rooms, floors and arrows are counted, and the modules of a notification that leads to an act and of a set."""
    assert rooms.main(with_modules=True) == 0

    told = capsys.readouterr().out
    assert all(int(number) > 0 for number in re.findall(r"\d+", told.splitlines()[0]))
    walks = re.findall(r"^(.+): (\d+) modules, (\d+) ways, (\d+) switches$", told, re.MULTILINE)
    assert [name for name, *_ in walks] == ["one notification that leads to an act", "canary set"]
    assert all(0 < int(modules) <= int(ways) <= int(switches) for _, modules, ways, switches in walks)
    assert {"  core.ladder", "  kube.claim"} <= set(told.splitlines())


def test_a_walk_is_the_modules_that_a_call_enters() -> None:
    """Each entry from another module counts, in both of two calls, and nothing of the libraries does."""
    walk = rooms.Walk()
    with walk.followed():
        told = [Effect.PAUSE.format_change(None, seconds) for seconds in (60, 90)]

    assert told == ["paused for 1m", "paused for 1m30s"]
    assert walk.modules == {"core.effects", "core.durations"}
    assert walk.ways == {(None, "core.effects"), ("core.effects", "core.durations")}
    assert walk.switches == 4

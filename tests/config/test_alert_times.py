"""The times of alerts on their way, from the rule files and the route beside a remediations.yaml."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from remediator.config.alert_times import AlertTimes, AlertTimesReader
from tests.support.builders import MINUTE, SECOND
from tests.support.service import SHIPPED, shipped_policy

NOBODY = 65534
POLICY = shipped_policy()
UNROUTED = AlertTimes(evaluation=15 * SECOND, hold=2 * MINUTE)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The shipped files."""
    copy_shipped(tmp_path)
    return tmp_path


def copy_shipped(folder: Path) -> None:
    """Copy the shipped files into a folder."""
    for name in ("remediations.yaml", "denis.rules.yaml", "alertmanager.yaml"):
        shutil.copy(SHIPPED.parent / name, folder)


def rollback(folder: Path) -> AlertTimes:
    """The times of rollback alerts."""
    return AlertTimesReader(folder / "remediations.yaml").times(POLICY)["rollback"]


def edit(path: Path, old: str, new: str) -> None:
    """Change each place of a file."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_the_shipped_files_say_the_longest_times(folder: Path) -> None:
    """Of several alerts that lead to a rollback the slowest counts; workers have their own."""
    found = AlertTimesReader(folder / "remediations.yaml").times(POLICY)
    assert found["rollback"] == AlertTimes(evaluation=15 * SECOND, hold=2 * MINUTE, wait=5 * SECOND)
    assert found["scale-workers"] == AlertTimes(evaluation=15 * SECOND, hold=5 * MINUTE, wait=5 * SECOND)


def test_a_stuck_queue_is_no_measure_of_bad_rates(folder: Path) -> None:
    """The alert that takes the canary back for its queue is left out: what it waits for is no bad rate."""
    shutil.copy(SHIPPED.parent / "optional" / "denis-queue-stuck.rules.yaml", folder)
    assert rollback(folder).hold == 2 * MINUTE


def test_a_group_without_an_interval_has_that_of_prometheus(folder: Path) -> None:
    """No file here says what that is."""
    edit(folder / "denis.rules.yaml", "  interval: 15s\n", "")
    assert rollback(folder) == AlertTimes(evaluation=None, hold=2 * MINUTE, wait=5 * SECOND)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("other.rules.yaml", "groups: [", AlertTimes()),
        ("other.rules.yaml", "groups: [{name: x, query_offset: 1m, rules: []}]", AlertTimes()),
        ("alertmanager.yaml", "route: [", UNROUTED),
        (
            "alertmanager.yaml",
            "{route: {receiver: x}, receivers: [{name: x}]}",
            AlertTimes(evaluation=15 * SECOND, hold=2 * MINUTE),
        ),
    ],
    ids=["not YAML", "a key that delays", "a route that is not YAML", "a route to others"],
)
def test_what_cannot_be_understood_is_not_known(folder: Path, name: str, text: str, expected: AlertTimes) -> None:
    """A file that may change the times leaves them open, and is no error of the service."""
    (folder / name).write_text(text)
    assert rollback(folder) == expected


def test_group_wait_is_not_known_where_it_is_no_duration(folder: Path) -> None:
    """amtool says what is wrong with it."""
    edit(folder / "alertmanager.yaml", "group_wait: 5s", "group_wait: soon")
    assert rollback(folder).wait is None


def test_without_files_nothing_is_known(tmp_path: Path) -> None:
    """A remediations.yaml alone says nothing about the way of its alerts."""
    assert rollback(tmp_path) == AlertTimes()


def test_a_changed_file_counts_at_once(folder: Path) -> None:
    """Rules that are changed, come or go show at the next look, and so does another policy."""
    reader, rules = AlertTimesReader(folder / "remediations.yaml"), folder / "denis.rules.yaml"
    assert reader.times(POLICY)["rollback"].hold == 2 * MINUTE
    edit(rules, "for: 2m", "for: 90s")
    assert reader.times(POLICY)["rollback"].hold == 90 * SECOND
    assert set(reader.times(replace(POLICY, remediations=POLICY.remediations[1:]))) == {"scale-workers"}
    rules.unlink()
    assert reader.times(POLICY)["rollback"] == AlertTimes()


@contextmanager
def unreadable(path: Path) -> Iterator[None]:
    """A file of which no more than its name, size and time can be seen."""
    path.chmod(0)
    owner = os.geteuid()
    if not owner:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(owner)
        path.chmod(0o644)


@pytest.mark.parametrize(
    ("name", "expected"), [("denis.rules.yaml", AlertTimes()), ("alertmanager.yaml", UNROUTED)], ids=["rules", "route"]
)
def test_a_file_that_could_not_be_read_is_tried_again(name: str, expected: AlertTimes) -> None:
    """A moment without a descriptor or a right costs no more than that moment, also where the file stays as it is."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        folder.chmod(0o755)
        copy_shipped(folder)
        reader = AlertTimesReader(folder / "remediations.yaml")
        with unreadable(folder / name):
            assert reader.times(POLICY)["rollback"] == expected
        assert reader.times(POLICY)["rollback"] == AlertTimes(evaluation=15 * SECOND, hold=2 * MINUTE, wait=5 * SECOND)


OUT_OF_DESCRIPTORS = """
import os, resource, sys
from pathlib import Path
from remediator.config.alert_times import AlertTimesReader
from tests.config.test_alert_times import POLICY

reader = AlertTimesReader(Path(sys.argv[1]) / "remediations.yaml")
read = reader.times(POLICY)
os.close(lowest_free := os.dup(0))
resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
print(reader.times(POLICY) == read)
"""


def test_without_a_file_descriptor_the_last_times_stay(folder: Path) -> None:
    """Who asks again and again, as the service does, is answered: a moment without descriptors ends no thread."""
    # In a process of its own, for the limit is the whole process's.
    command = [sys.executable, "-c", OUT_OF_DESCRIPTORS, str(folder)]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert done.stdout == "True\n", done.stderr

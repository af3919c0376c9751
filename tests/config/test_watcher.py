"""remediations.yaml while it changes: the last good policy stays in force."""

import logging
import threading
from datetime import datetime
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from remediator.config.document import InvalidDocument
from remediator.config.watcher import PolicyFile
from remediator.reflex.metrics import Metrics
from tests.support.builders import NOW, SECOND

GOOD = (Path(__file__).parents[1] / "testdata" / "remediations" / "good" / "minimal.yaml").read_text(encoding="utf-8")
RENAMED = GOOD.replace("name: rollback", "name: renamed")
BAD = GOOD.replace("cooldown: 30m", "cooldown: soon")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A good file."""
    file = tmp_path / "remediations.yaml"
    file.write_text(GOOD)
    return file


@pytest.fixture
def metrics() -> Metrics:
    """Metrics on a registry of their own."""
    return Metrics(CollectorRegistry())


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    """The value of a metric, None where there is no such series."""
    return metrics.registry.get_sample_value(name, labels)


def names(file: PolicyFile) -> list[str]:
    """The names of the remediations in force."""
    return [remediation.name for remediation in file.current().remediations]


def test_a_bad_file_is_refused_at_the_start(path: Path) -> None:
    """Without a last good policy there is none to fall back on."""
    path.write_text(BAD)

    with pytest.raises(InvalidDocument, match=r"remediations.yaml:11: remediations\[0\].cooldown: 'soon' is not"):
        PolicyFile(path)


def test_a_changed_file_is_taken_over(path: Path, metrics: Metrics, caplog: pytest.LogCaptureFixture) -> None:
    """A good change is in force after the next look, and the metrics and the log say so."""
    file = PolicyFile(path)
    path.write_text(RENAMED)
    with caplog.at_level(logging.INFO):
        file.poll(metrics, NOW)

    assert names(file) == ["renamed"]
    assert value(metrics, "remediator_config_last_reload_successful") == 1
    assert value(metrics, "remediator_config_last_reload_success_timestamp_seconds") == NOW.timestamp()
    assert value(metrics, "remediator_outcomes_total", remediation="renamed", reason="Applied") == 0
    assert [record.message for record in caplog.records] == ["configuration reloaded"]


def test_an_unchanged_file_is_no_reload(path: Path, metrics: Metrics) -> None:
    """A look at an unchanged file leaves the policy and the time of the last reload alone."""
    file = PolicyFile(path)
    before = file.current()
    file.show(metrics, NOW)
    file.poll(metrics, NOW + SECOND)

    assert file.current() is before
    assert value(metrics, "remediator_config_last_reload_success_timestamp_seconds") == NOW.timestamp()


@pytest.mark.parametrize("break_file", ["bad", "gone", "not UTF-8", "empty"])
def test_a_file_gone_bad_keeps_the_last_good_policy(path: Path, metrics: Metrics, break_file: str) -> None:
    """Whatever is wrong with the file now, the last good policy stays, and the problem is told."""
    file = PolicyFile(path)
    file.show(metrics, NOW)
    match break_file:
        case "bad":
            path.write_text(BAD)
        case "gone":
            path.unlink()
        case "not UTF-8":
            path.write_bytes(b"\xff")
        case _:
            path.write_text("")
    file.poll(metrics, NOW + SECOND)

    assert names(file) == ["rollback"]
    assert file.problem.startswith(f"{path}:")
    assert value(metrics, "remediator_config_last_reload_successful") == 0
    assert value(metrics, "remediator_config_last_reload_success_timestamp_seconds") == NOW.timestamp()


def test_a_bad_file_is_logged_once(path: Path, metrics: Metrics, caplog: pytest.LogCaptureFixture) -> None:
    """A file that stays bad is one line, and another fault in it is another line."""
    file = PolicyFile(path)
    path.write_text(BAD)
    file.poll(metrics, NOW)
    file.poll(metrics, NOW)
    path.write_text(BAD.replace("soon", "later"))
    file.poll(metrics, NOW)

    assert [record.message for record in caplog.records] == [
        "failed to reload the configuration, keeping the previous one",
        "failed to reload the configuration, keeping the previous one",
    ]
    assert all(record.levelno == logging.ERROR for record in caplog.records)


def test_a_file_that_is_good_again_is_taken_over(path: Path, metrics: Metrics) -> None:
    """A file that was bad in between clears the problem, even where it says the same as before."""
    file = PolicyFile(path)
    path.write_text(BAD)
    file.poll(metrics, NOW)
    path.write_text(GOOD)
    file.poll(metrics, NOW + SECOND)

    assert file.problem == ""
    assert value(metrics, "remediator_config_last_reload_successful") == 1
    assert value(metrics, "remediator_config_last_reload_success_timestamp_seconds") == (NOW + SECOND).timestamp()


def test_a_change_of_a_mounted_config_map_is_seen(tmp_path: Path, metrics: Metrics) -> None:
    """The kubelet changes a ConfigMap by turning a symlink to another folder, and that is a change."""
    for folder, text in (("first", GOOD), ("second", RENAMED)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "remediations.yaml").write_text(text)
    (tmp_path / "data").symlink_to("first")
    file = PolicyFile(tmp_path / "data" / "remediations.yaml")
    (tmp_path / "new").symlink_to("second")
    (tmp_path / "new").rename(tmp_path / "data")
    file.poll(metrics, NOW)

    assert names(file) == ["renamed"]


def test_watching_takes_over_changes_until_told_to_stop(
    path: Path, metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The watch looks again and again, and ends when it is told to."""
    monkeypatch.setattr("remediator.config.watcher.POLL_SECONDS", 0.001)
    file, stop, looked = PolicyFile(path), threading.Event(), threading.Semaphore(0)

    def now() -> datetime:
        looked.release()
        return NOW

    watch = threading.Thread(target=file.watch, args=(metrics, now, stop))
    watch.start()
    try:
        assert looked.acquire(timeout=60)
        path.write_text(RENAMED)
        # The look under way may have read the file before; the one after it may be under way still at the third.
        for _ in range(3):
            assert looked.acquire(timeout=60)
        assert names(file) == ["renamed"]
    finally:
        stop.set()
        watch.join(timeout=60)
    assert not watch.is_alive()


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(GOOD + "\x00", id="NUL"),
        pytest.param(GOOD.replace('remediation="rollback"', "'a=~\"b{99999999999999999999}\"'"), id="regex"),
    ],
)
def test_no_change_of_the_file_ends_the_watch(path: Path, metrics: Metrics, text: str) -> None:
    """Whatever is written into the file, it is a bad file and nothing worse."""
    file = PolicyFile(path)
    path.write_text(text)
    file.poll(metrics, NOW)

    assert file.problem

"""Whoever waits for an API server is told so, however many requests are made at once."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Timer

import click
import pytest

from demo.waiting import until
from remediator.cli import patience
from remediator.cli.patience import PatientConnection
from remediator.core.workload import Workload
from remediator.kube.targets import Cluster
from tests.support.builders import DENIS


def test_requests_at_once_are_one_wait(
    kubeconfig: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Threads that share a connection do not get into each other's way, and nothing is said once all are answered."""
    monkeypatch.setattr(patience, "SILENCE_SECONDS", 60.0)
    with click.Context(click.Command("doctor")):
        cluster = Cluster(PatientConnection(kubeconfig, context=None, threads=8))
    barrier = Barrier(8)

    def read(_: int) -> bool:
        barrier.wait(60)
        return isinstance(cluster.read(DENIS), Workload)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(read, range(8 * 25)))
    # What was started and not ended would speak up in a minute.
    until("no timer runs", lambda: not any(isinstance(one, Timer) for one in threading.enumerate()), 60)
    assert "no answer" not in capsys.readouterr().err

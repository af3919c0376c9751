"""A back-test and a review of 30 days: how long they take, Prometheus included, and the memory of the command."""

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.results import Effort, Figure, duration
from demo.month import STEP, eventful, write_month
from demo.process import Process
from remediator.sandbox import EmbeddedCluster
from tests.support.alert_rules import RULES
from tests.support.components import component
from tests.support.replica import REMEDIATOR

GOAL_SECONDS = 30.0
GOAL_MEGABYTES = 200

MEASURED = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
"""
"""Runs a command from a small process: the system counts what its parent held as its own."""


def measure(effort: Effort, directory: Path) -> Iterator[Figure]:
    """The commands against a real Prometheus with a month that was never fetched before."""
    days = effort.of(30, 2)
    end = int(time.time()) // STEP * STEP
    promtool = component("promtool-newest", "promtool", on_path=False)
    data = write_month(promtool, directory, eventful(days), end=end)
    (directory / "prometheus.yml").write_text(f"rule_files: [{RULES}/denis.rules.yaml]\n")
    flags = [f"--config.file={directory}/prometheus.yml", f"--storage.tsdb.path={data}"]
    flags += ["--storage.tsdb.retention.time=1y", "--web.listen-address=127.0.0.1:0"]
    program = component("prometheus-newest", "prometheus")
    with EmbeddedCluster() as cluster, Process("prometheus", [program, *flags], directory) as process:
        address = process.says(r"msg=\"?Listening on\"? .*address=(\S+)")[1]
        process.says("Server is ready to receive web requests")
        asked = [f"--prometheus.url=http://{address}", f"--config.file={RULES}/remediations.yaml", f"--since={days}d"]
        to = datetime.fromtimestamp(end, UTC).isoformat()
        yield _figure(
            f"back-test of {days} days at 15 s",
            ["backtest", *asked, f"--to={to}"],
            "set 10 % -> 0 %",
            "five alerts with all records inside, Prometheus on the same machine",
        )
        yield _figure(
            f"review of {days} days",
            ["review", *asked, f"--kubeconfig={cluster.kubeconfig}"],
            "rollback, mode act: ",
            "by the five alerts that Prometheus has loaded, on the same machine",
        )


def _figure(name: str, arguments: Sequence[str | Path], expected: str, note: str) -> Figure:
    """The time that a command takes, and its memory."""
    began = time.monotonic()
    command: list[str | Path] = [sys.executable, "-c", MEASURED, REMEDIATOR, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    took, megabytes = time.monotonic() - began, int(done.stderr.split()[-1]) / 1024
    assert expected in done.stdout
    return Figure(
        name=name,
        ours=f"{duration(took)}, {megabytes:.0f} MB",
        goal=f"≤ {duration(GOAL_SECONDS)}, {GOAL_MEGABYTES} MB",
        reached=took <= GOAL_SECONDS and megabytes <= GOAL_MEGABYTES,
        notes=[note],
    )

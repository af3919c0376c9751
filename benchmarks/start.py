"""From exec to ready, and the processor time that it took, beside the imports that nobody could do without."""

import http.client
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.figure import Compared, Effort, Figure, percentile, spell_seconds
from benchmarks.footprint import family
from benchmarks.place import Place, place
from tests.acceptance.stack import free_address
from tests.replica import REMEDIATOR

IMPORTS = "import flask, pydantic, prometheus_client, urllib3"
WALL_SECONDS = 1.0
POLL_SECONDS = 0.005
"""Between two looks at whether it is ready; each look before it listens is one refused connection."""

Cost = tuple[float, float]
"""Seconds by the clock, and seconds of a processor."""


def measure(effort: Effort, directory: Path) -> Iterator[Figure]:
    """Starts of the service on a real API server and of Python with these imports, in turn."""
    with place(directory) as here:
        ours, imports = list[Cost](), list[Cost]()
        _start(here, directory), _import()  # Files and bytecode are in the cache from here on.
        for _ in range(effort.of(15, 2)):
            ours.append(_start(here, directory))
            imports.append(_import())
    for index, name, limit in ((0, "start to ready", WALL_SECONDS), (1, "processor time to start", None)):
        mine, others = [cost[index] for cost in ours], [cost[index] for cost in imports]
        middle = percentile(mine, 50)
        yield Figure(
            name=name,
            ours=spell_seconds(middle),
            baseline=f"`{IMPORTS}`: {spell_seconds(percentile(others, 50))}",
            ratio=Compared(ours=mine, baseline=others).ratio,
            goal=f"≤ {spell_seconds(limit)}" if limit else "",
            reached=middle <= limit if limit else None,
            notes=[f"median of {len(mine)} starts, the slowest {spell_seconds(max(mine))}; master and worker"],
        )


def _start(here: Place, directory: Path) -> Cost:
    """Start a service and ask until it is ready."""
    address = free_address()
    listening = ["--web.listen-address=127.0.0.1:0", f"--web.internal-listen-address={address}"]
    with (directory / "start.log").open("wb") as log:
        began = time.monotonic()
        command: list[str | Path] = [REMEDIATOR, "serve", *listening, *here.flags()]
        with _child(subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)) as service:
            while not _is_ready(address):
                if time.monotonic() > began + 60 or service.poll() is not None:
                    raise TimeoutError(f"the service did not start:\n{(directory / 'start.log').read_text()}")
                time.sleep(POLL_SECONDS)
            return time.monotonic() - began, sum(map(_processor_seconds, family(service.pid)))


@contextmanager
def _child(child: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    try:
        yield child
    finally:
        child.terminate()
        child.wait()


def _is_ready(address: str) -> bool:
    """What a readiness probe is told."""
    connection = http.client.HTTPConnection(address, timeout=5)
    try:
        connection.request("GET", "/-/ready")
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()


def _processor_seconds(process: int) -> float:
    """Of all threads that still run, to the nanosecond; a start ends none."""
    tasks = Path(f"/proc/{process}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


def _import() -> Cost:
    """Start Python, import, end."""
    began = time.monotonic()
    child = subprocess.Popen([sys.executable, "-c", IMPORTS])
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0
    return time.monotonic() - began, used.ru_utime + used.ru_stime

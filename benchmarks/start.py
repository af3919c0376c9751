"""From exec to ready, compared with the imports that the service cannot do without."""

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.canaries import Canaries, canaries
from benchmarks.clients.probes import problem
from benchmarks.results import Effort, Figure, alternate, duration
from tests.acceptance.stack import free_address
from tests.support.replica import REMEDIATOR

IMPORTS = "import flask, pydantic, prometheus_client, urllib3"
GOAL_SECONDS = 0.6
POLL_SECONDS = 0.005


def measure(effort: Effort, directory: Path) -> Iterator[Figure]:
    """Starts of the service on a real API server, and of Python with these imports."""
    with canaries(directory) as there:
        compared = alternate(lambda: _start(there, directory), _import, effort.of(15, 2))
    middle = statistics.median(compared.ours)
    yield Figure(
        name="start to ready",
        ours=duration(middle),
        baseline=f"`{IMPORTS}`: {duration(statistics.median(compared.baseline))}",
        ratio=compared.ratio,
        goal=f"≤ {duration(GOAL_SECONDS)}",
        reached=middle <= GOAL_SECONDS,
        notes=[f"median of {len(compared.ours)} starts, the slowest {duration(max(compared.ours))}"],
    )


def _start(there: Canaries, directory: Path) -> float:
    address = free_address()
    listening = ["--web.listen-address=127.0.0.1:0", f"--web.internal-listen-address={address}"]
    flags = [f"--config.file={there.config}", f"--kubeconfig={there.kubeconfig}", "--insecure-no-auth"]
    began = time.monotonic()
    with (directory / "start.log").open("wb") as log:
        service = subprocess.Popen([REMEDIATOR, "serve", *listening, *flags], stdout=log, stderr=log)
        try:
            while problem(address, "/-/ready"):
                if time.monotonic() > began + 60 or service.poll() is not None:
                    raise TimeoutError(f"the service did not start:\n{(directory / 'start.log').read_text()}")
                time.sleep(POLL_SECONDS)
            return time.monotonic() - began
        finally:
            service.terminate()
            service.wait()


def _import() -> float:
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", IMPORTS], check=True)
    return time.monotonic() - began

"""`canary rollback --no-wait` from Enter to written, compared with the `kubectl set env` that does the same."""

import os
import statistics
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.canaries import NAMESPACE, canaries
from benchmarks.results import Effort, Figure, alternate, duration
from tests.support.components import component
from tests.support.replica import REMEDIATOR

GOAL = 3.0
NAME = "denis"
WATCHED = 0.1
"""Seconds that a watch has to be in place before the command starts."""


def measure(effort: Effort, directory: Path) -> Iterator[Figure]:
    """Seconds from the start of each command until a watch of the API server reports its write."""
    kubectl = component("kubectl", "kubectl")
    with canaries(directory, [NAME]) as there, ThreadPoolExecutor(1) as pool:
        ours: list[str | Path] = [
            *(REMEDIATOR, "canary", "rollback", "--no-wait", f"--config.file={there.config}", "--target", NAME)
        ]
        theirs: list[str | Path] = [
            *(kubectl, "set", "env", f"deployment/{NAME}", "--namespace", NAMESPACE, "DENIS_MATERIALIZERS_PCT=0")
        ]
        environment = {**os.environ, "KUBECONFIG": str(there.kubeconfig), "KUBECACHEDIR": str(directory / "cache")}

        def run(command: list[str | Path]) -> float:
            there.reset(NAME)
            written = pool.submit(there.switched_off, NAME)
            time.sleep(WATCHED)
            began = time.time()
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            return written.result() - began

        compared = alternate(lambda: run(ours), lambda: run(theirs), effort.of(15, 2))
    yield Figure(
        name="canary rollback --no-wait, Enter to written",
        ours=duration(statistics.median(compared.ours)),
        baseline=f"`kubectl set env` of one flag: {duration(statistics.median(compared.baseline))}",
        ratio=compared.ratio,
        goal=f"≤ {GOAL:g}",
        reached=compared.ratio.median <= GOAL,
    )

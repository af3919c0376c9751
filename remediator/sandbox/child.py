"""The embedded cluster as a child process, which survives a worker's restart and ends with its parent."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

START_SECONDS = 10.0


class EmbeddedClusterFailed(Exception):
    """The embedded cluster did not start; the text says what to do."""


@contextmanager
def embedded_cluster(kubeconfig: Path | None) -> Iterator[Path]:
    """Run the embedded cluster; yields its kubeconfig, at the given path or a temporary one.

    Raises EmbeddedClusterFailed if it does not start, or if the path has another cluster's kubeconfig.
    """
    owner = os.getpid()
    directory = None if kubeconfig else tempfile.mkdtemp(prefix="remediator-")
    path = kubeconfig or Path(str(directory)) / "kubeconfig"
    if path.exists() and "name: embedded" not in path.read_text(errors="replace"):
        raise EmbeddedClusterFailed(f"{path} is the kubeconfig of another cluster; choose a new file")
    path.unlink(missing_ok=True)
    child = None
    try:
        child = subprocess.Popen(
            [sys.executable, "-m", "remediator.sandbox", f"--kubeconfig={path}", "--until-stdin-closes"],
            stdin=subprocess.PIPE,
            # Ignore Ctrl-C: the parent still needs the cluster for requests in flight.
            start_new_session=True,
        )
        _await(path, child)
        yield path
    finally:
        # A forked worker also exits through here, but must not stop the cluster.
        if os.getpid() == owner:
            if child is not None:
                child.terminate()
                child.wait()
            path.unlink(missing_ok=True)
            if directory:
                Path(directory).rmdir()


def _await(path: Path, child: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_SECONDS
    while not path.exists():
        if child.poll() is not None or time.monotonic() > deadline:
            raise EmbeddedClusterFailed("the embedded cluster did not start; its own message is above")
        time.sleep(0.01)

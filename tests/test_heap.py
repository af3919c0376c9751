"""What the service holds of the memory."""

import gc
import socket
import subprocess
import sys
import weakref
from pathlib import Path

from gunicorn.config import Config

from benchmarks.clients.flood import flood
from benchmarks.footprint import alone, family
from remediator.client_connection import ClientConnection
from remediator.embedded import EmbeddedCluster
from tests.replica import Replica
from tests.service import SHIPPED, alert, body

FREED_BUT_FOR_THE_LAST = """
from pathlib import Path
from remediator import heap

def resident():
    return 4096 * int(Path("/proc/self/statm").read_text().split()[1])

heap.settle()
blocks = [b"x" * 100_000 for _ in range(500)]
del blocks[:-1]
before = resident()
heap.give_back()
print(before - resident())
"""


def test_what_master_and_worker_share_stays_shared(embedded: EmbeddedCluster, tmp_path: Path) -> None:
    """After some thousand notifications they hold hardly more together than when they were ready."""
    embedded.write_kubeconfig(tmp_path / "kubeconfig")
    flags = (f"--config.file={SHIPPED}", f"--kubeconfig={tmp_path / 'kubeconfig'}", "--insecure-no-auth")
    with Replica(tmp_path, *flags) as replica:
        replica.wait_until_ready()
        ready = alone(family(replica.pid))
        flood(replica.address, body(alert("unmatched")), 3_000, 4)
        assert alone(family(replica.pid)) < 1.15 * ready


def test_what_is_free_goes_back_to_the_system() -> None:
    """Freed memory below a block that is still in use is held by the C library, until it is told to give it back."""
    code = [sys.executable, "-c", FREED_BUT_FOR_THE_LAST]
    returned = subprocess.run(code, check=True, capture_output=True, text=True, timeout=60).stdout
    assert int(returned) > 40_000_000


def test_nothing_of_a_request_outlives_its_connection() -> None:
    """Not even until garbage is collected, which may take hours: its parser, and the request that it read last."""
    ours, theirs = socket.socketpair()
    gc.disable()
    try:
        with theirs:
            theirs.sendall(b"POST /webhook HTTP/1.1\r\nHost: remediator\r\nContent-Length: 2\r\n\r\n{}")
            connection = ClientConnection(Config(), ours, ("127.0.0.1", 1), ("127.0.0.1", 2))
            assert connection.receive()
            connection.init()
            request = weakref.ref(next(connection.parser))
            assert request()
            connection.close()
            assert not request()
    finally:
        gc.enable()

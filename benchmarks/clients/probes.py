"""Probes and scrapes of the internal listener while something else is going on, several a second, also an open loop."""

import http.client
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from benchmarks.figure import percentile

INTERVAL_SECONDS = 0.2

GIVEN_UP_SECONDS = 5.0


@dataclass(slots=True)
class Probed:
    """How long each took, in seconds; one that got no 200 counts with GIVEN_UP_SECONDS."""

    seconds: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @property
    def p99(self) -> float:
        """What all but one in a hundred stay below."""
        return percentile(self.seconds, 99)

    @property
    def slowest(self) -> float:
        """The longest of all."""
        return max(self.seconds)


@contextmanager
def probing(address: str, paths: Sequence[str] = ("/-/healthy", "/metrics")) -> Iterator[Probed]:
    """Ask for each path in turn until the end of a `with`; each has a connection of its own, as the kubelet's has."""
    probed, stop = Probed(), threading.Event()
    threads = [threading.Thread(target=_probe, args=(address, path, probed, stop), daemon=True) for path in paths]
    for thread in threads:
        thread.start()
    try:
        yield probed
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _probe(address: str, path: str, probed: Probed, stop: threading.Event) -> None:
    due = time.monotonic()
    while not stop.wait(max(due - time.monotonic(), 0)):
        problem = _ask(address, path)
        probed.seconds.append(GIVEN_UP_SECONDS if problem else time.monotonic() - due)
        if problem:
            probed.failures.append(f"{path}: {problem}")
        due += INTERVAL_SECONDS


def _ask(address: str, path: str) -> str:
    """What was wrong with the answer, or empty."""
    connection = http.client.HTTPConnection(address, timeout=GIVEN_UP_SECONDS)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        response.read()
    except (OSError, http.client.HTTPException) as error:
        return repr(error)
    finally:
        connection.close()
    return "" if response.status == 200 else f"status {response.status}"

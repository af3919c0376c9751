"""Probes and scrapes of the internal listener, several a second, while something else happens."""

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

INTERVAL_SECONDS = 0.2
TIMEOUT_SECONDS = 5.0
PATHS = ("/-/healthy", "/metrics")


@dataclass(slots=True)
class Probes:
    """The seconds that each took; one without a 200 counts with TIMEOUT_SECONDS."""

    seconds: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


@contextmanager
def probing(address: str) -> Iterator[Probes]:
    """Request each path regularly during a `with`, each time over a new connection, as the kubelet does."""
    probes, stop = Probes(), threading.Event()
    threads = [threading.Thread(target=_probe, args=(address, path, probes, stop), daemon=True) for path in PATHS]
    for thread in threads:
        thread.start()
    try:
        yield probes
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _probe(address: str, path: str, probes: Probes, stop: threading.Event) -> None:
    due = time.monotonic()
    while not stop.wait(max(due - time.monotonic(), 0)):
        failure = problem(address, path)
        probes.seconds.append(TIMEOUT_SECONDS if failure else time.monotonic() - due)
        if failure:
            probes.failures.append(f"{path}: {failure}")
        due += INTERVAL_SECONDS


def problem(address: str, path: str) -> str:
    """What is wrong with the answer to a GET, or empty if it is a 200."""
    connection = http.client.HTTPConnection(address, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        response.read()
    except (OSError, http.client.HTTPException) as error:
        return repr(error)
    finally:
        connection.close()
    return "" if response.status == 200 else f"status {response.status}"

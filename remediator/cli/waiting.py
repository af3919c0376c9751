"""Shows a person at a terminal what a slow command is waiting for."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from remediator.cli.output import say
from remediator.monitoring.prometheus import Prometheus

SILENCE_SECONDS = 1.0
"""A command that is silent for longer seems to hang."""


@contextmanager
def querying(prometheus: Prometheus) -> Iterator[None]:
    """Say once on a terminal that a history is being queried, if that takes longer than a second."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield
        return
    text = f"querying the history of Prometheus at {prometheus.api.base}: it can take minutes, Ctrl-C to stop"
    timer = threading.Timer(SILENCE_SECONDS, say, [text], {"err": True})
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()

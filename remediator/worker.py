"""gunicorn's threaded worker with a hard end for every request.

gunicorn itself waits for ever for the rest of a header or a body, so that a handful of stalled clients would take
all threads. Here a request that is not answered in time loses its connection, and with that frees its thread.
"""

import contextlib
import logging
import socket
import time
from typing import Any

from gunicorn.workers.gthread import TConn, ThreadWorker

log = logging.getLogger(__name__)

REQUEST_SECONDS = 10.0
"""Alertmanager gives up after its group_interval, 10 s at the least; an answer after that reaches nobody."""


class DeadlineWorker(ThreadWorker):  # type: ignore[misc]
    """A ThreadWorker that cuts connections whose request takes too long."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._deadlines: dict[TConn, float] = {}

    def handle(self, conn: TConn) -> object:
        """Handle one request, on a thread of the pool."""
        self._deadlines[conn] = time.monotonic() + REQUEST_SECONDS
        try:
            return super().handle(conn)
        finally:
            del self._deadlines[conn]

    def handle_exit(self, sig: int, frame: object) -> None:
        """SIGTERM: refuse connections from now on, and finish the requests that are there."""
        super().handle_exit(sig, frame)
        self.method_queue.defer(self._stop_listening)

    def _stop_listening(self) -> None:
        self.set_accept_enabled(False)
        for listener in self.sockets:
            listener.close()
        log.info("stopping", extra={"inFlight": len(self._deadlines)})

    def notify(self) -> None:
        """Runs in the main loop, at least once a second."""
        super().notify()
        now = time.monotonic()
        for conn, deadline in list(self._deadlines.items()):
            if now > deadline:
                with contextlib.suppress(OSError):
                    # The plain socket's shutdown: that of a TLS socket takes the session from under its reader.
                    socket.socket.shutdown(conn.sock, socket.SHUT_RDWR)

"""gunicorn's threaded worker, in which no client can take a thread, a request's time or the memory of others.

The rule of this file: a thread gets a request when all of it is there. Until then it waits in the main loop, where a
client that stalls costs a socket and what it has sent. What cannot be served soon is refused at once: Alertmanager
delivers again within seconds, and an answer that comes later than it waits reaches nobody.
"""

import contextlib
import errno
import itertools
import logging
import selectors
import socket
import threading
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from http import HTTPStatus
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

from remediator.client_connection import ClientConnection

log = logging.getLogger(__name__)

REQUEST_SECONDS = 10.0
"""Alertmanager gives up after its group_interval, 10 s at the least; an answer after that reaches nobody."""

WAITING_SECONDS = 1.0
"""How long a request may wait for a thread. With the 8 s that a decision may take, it is answered in time."""

MAX_WAITING = 256
"""Requests that wait for a thread; a burst of as many is through in a fifth of a second."""

MAX_ARRIVING_BYTES = 32 * 1024 * 1024
"""What may be there of requests that no thread has yet: three bodies of the largest size. See _receive for who goes."""

MAX_HANDLED_BYTES = 12 * 1024 * 1024
"""Size of the requests that threads have. Read, the alerts of a body take several times its size: one of the largest is
answered after the other, and small ones beside it."""


class DeadlineWorker(ThreadWorker):  # type: ignore[misc]
    """A ThreadWorker that hands whole requests to its threads, and ends those that take too long.

    All of it but `handle` and `handle_request` runs in the main loop. The application is told of what no view sees:
    `refused(code)` of a request that is answered here, `cut(reason)` of a connection that is closed without an answer,
    and the size of the `crowd` of those whose request is there and who have no answer yet.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # In the order of age, which a dict keeps: all have the same time.
        self._open: dict[ClientConnection, None] = {}
        self._arriving: dict[ClientConnection, None] = {}
        self._waiting: deque[ClientConnection] = deque()
        self._handled: dict[ClientConnection, None] = {}
        self._held_bytes = 0
        self._threads = self.cfg.threads

    def get_thread_pool(self) -> ThreadPoolExecutor:
        """Start all threads: one for which there is no room is then an error of the start, and not of a request."""
        pool: ThreadPoolExecutor = super().get_thread_pool()
        all_there = threading.Barrier(self._threads + 1)
        for _ in range(self._threads):
            pool.submit(all_there.wait)
        all_there.wait()
        return pool

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Do what came up in a turn of the main loop, of which there is one a second at the least.

        What one event leads to may close the connection of another one, which is then passed over.
        """
        registered = self.poller.get_map()
        for key, _ in self.poller.select(min(timeout, 1.0)):
            if registered.get(key.fd) is key:
                key.data(key.fileobj)

    def handle_request(self, req: Any, conn: ClientConnection) -> Any:
        """Answer, on a thread. Where what has come in is not the request and nothing else, the connection ends with it:
        nothing is waited for after the answer, and nothing is taken for another request.
        """
        if conn.arrival.body_size != getattr(req.body.reader, "length", None):
            req.force_close()
        return super().handle_request(req, conn)

    def accept(self, listener: socket.socket) -> None:
        """Take a new connection; where there is room for no other, one goes that waits for its client."""
        if self.nr_conns >= self.worker_connections - 1:
            self._make_room()
        try:
            client, address = listener.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                log.warning("connection not accepted", extra={"error": str(error)})
                self._make_room()
            return
        self.nr_conns += 1
        self._keep(ClientConnection(self.cfg, client, address, listener.getsockname()))

    def enqueue_req(self, conn: ClientConnection) -> None:
        """Called by gunicorn when a connection without a request has something to say: a request's time begins."""
        conn.expect_request()
        conn.deadline = time.monotonic() + REQUEST_SECONDS
        self._open[conn] = None
        self._receive(conn)

    def finish_request(self, conn: ClientConnection, fs: "Future[Any]") -> None:
        """Called when a thread is done with a request."""
        del self._handled[conn]
        self._open.pop(conn, None)
        super().finish_request(conn, fs)
        self._hand_on()

    def handle_exit(self, sig: int, frame: object) -> None:
        """SIGTERM: refuse connections from now on, and finish the requests that are there."""
        super().handle_exit(sig, frame)
        self.method_queue.defer(self._stop_listening)

    def murder_pending(self) -> None:
        """Called in each turn of the main loop, at least once a second: end what takes too long."""
        now = time.monotonic()
        while self._waiting and now > self._waiting[0].whole_since + WAITING_SECONDS:
            self._refuse(self._waiting.popleft())
        self._hand_on()
        for conn in itertools.takewhile(lambda conn: now > conn.deadline, list(self._open)):
            self._cut(conn, "deadline")

    def _stop_listening(self) -> None:
        self.set_accept_enabled(False)
        for listener in self.sockets:
            listener.close()
        for conn in list(self.keepalived_conns):
            # It may have said something just now.
            self.on_client_socket_readable(conn, conn.sock)
            if conn in self._arriving and not conn.arrival.size:
                self._close(conn)
        log.info("stopping", extra={"inFlight": len(self._open)})

    def _keep(self, conn: ClientConnection) -> None:
        """Wait for a request that may come or not."""
        conn.set_timeout()
        self.keepalived_conns.append(conn)
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self.on_client_socket_readable, conn))

    def _wait_for(self, conn: ClientConnection) -> None:
        """Let the selector say when there is more."""
        self._arriving[conn] = None
        self.poller.register(conn.sock, selectors.EVENT_READ, lambda _: self._receive(conn))

    def _receive(self, conn: ClientConnection) -> None:
        """Take what has come in, and hand the request on when it is whole."""
        before = conn.arrival.size
        is_broken = is_whole = False
        try:
            is_whole = conn.receive()
        except (OSError, ValueError) as error:
            is_broken = True
            if conn.is_kept_out(error):
                self.app.cut("handshake")
        self._held_bytes += conn.arrival.size - before
        if is_broken or (is_whole and not conn.arrival.size):
            self._close(conn)
        elif is_whole:
            self._stop_waiting_for(conn)
            conn.whole_since = time.monotonic()
            self._waiting.append(conn)
            self._hand_on()
            if len(self._waiting) > MAX_WAITING:
                self._refuse(self._waiting.pop())
        elif conn.arrival.has_endless_head:
            self._refuse(conn, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        elif conn.is_silent and self.alive:
            self._stop_waiting_for(conn)
            del self._open[conn]
            self._keep(conn)
        elif conn not in self._arriving:
            self._wait_for(conn)
        elif self._held_bytes > MAX_ARRIVING_BYTES:
            # The youngest of those with more than their share: the older ones come to their end.
            share = MAX_ARRIVING_BYTES // self.worker_connections
            self._refuse(next((one for one in reversed(self._arriving) if _size(one) > share), conn))

    def _hand_on(self) -> None:
        """Give threads what waits for them; a large body waits for the memory of another, and holds up no small one."""
        bytes_handled = sum(map(_size, self._handled))
        for conn in list(self._waiting):
            if len(self._handled) >= self._threads:
                break
            if self._handled and bytes_handled + _size(conn) > MAX_HANDLED_BYTES:
                continue
            self._waiting.remove(conn)
            self._held_bytes -= _size(conn)
            bytes_handled += _size(conn)
            self._handled[conn] = None
            super().enqueue_req(conn)
        self.app.crowd.size = len(self._handled) + len(self._waiting)

    def _refuse(self, conn: ClientConnection, code: HTTPStatus = HTTPStatus.SERVICE_UNAVAILABLE) -> None:
        """Answer a request without a thread, and if need be without having read it."""
        self.app.refused(code)
        conn.refuse(code)
        self._close(conn)

    def _make_room(self) -> None:
        """The connection that has been without a request for longest goes, or else the oldest with half a one."""
        kept = self.keepalived_conns
        # One that has come just now is about to say something.
        if kept and (not self._arriving or kept[0].timeout < time.monotonic() + self.cfg.keepalive - WAITING_SECONDS):
            conn = kept.popleft()
            self.poller.unregister(conn.sock)
            self._close(conn)
            self.app.cut("connections")
        elif self._arriving:
            self._cut(next(iter(self._arriving)), "connections")

    def _cut(self, conn: ClientConnection, reason: str) -> None:
        """End a connection without an answer; one that waits for a thread is answered in its own time."""
        if conn in self._handled:
            # Whoever of them holds it will see it closed. The plain socket's shutdown: that of a TLS socket takes the
            # session from under its reader.
            with contextlib.suppress(OSError):
                socket.socket.shutdown(conn.sock, socket.SHUT_RDWR)
            del self._open[conn]
        elif conn in self._arriving:
            self._close(conn)
        else:
            return
        self.app.cut(reason)

    def _stop_waiting_for(self, conn: ClientConnection) -> None:
        if conn in self._arriving:
            del self._arriving[conn]
            self.poller.unregister(conn.sock)

    def _close(self, conn: ClientConnection) -> None:
        # What a thread had is counted no more.
        if conn in self._open:
            self._held_bytes -= conn.arrival.size
        self._stop_waiting_for(conn)
        self._open.pop(conn, None)
        self.nr_conns -= 1
        conn.close()


def _size(conn: ClientConnection) -> int:
    return conn.arrival.size

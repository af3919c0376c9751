"""gunicorn's threaded worker, in which no client blocks a thread for others and no request takes longer than 10 s.

The rule of this file: a connection gets a thread once its client has sent something, and may lose it to others while it
waits for its client. It is the only file that uses undocumented names of gunicorn; its test lists them.
"""

import logging
import selectors
import socket
import ssl
import threading
import time
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Any

from gunicorn.workers.gthread import TConn, ThreadWorker

from remediator.core.alerts import MAX_BODY_BYTES
from remediator.web.connections import Progress, UnexpectedTLS, cuts

log = logging.getLogger(__name__)


class Connection(Progress, TConn):  # type: ignore[misc]
    """A client's connection."""

    def close(self, graceful: bool = False) -> None:
        super().close()  # Not `graceful`: gunicorn would wait up to 2 s for the client, in the main loop.


class DeadlineWorker(ThreadWorker):  # type: ignore[misc]
    """A ThreadWorker with limits. Everything except `_serve` and what it calls runs in the main loop."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._served: dict[Connection, None] = {}  # Oldest first.
        self._thread = threading.local()
        self._turnstile = self.app.turnstile()

    def load_wsgi(self) -> None:
        """Have the application report when a request is complete."""
        super().load_wsgi()
        self.wsgi.arrived = lambda: self._thread.conn.arrive()

    def accept(self, listener: socket.socket) -> None:
        """Take a connection, which needs no thread until its client has sent something."""
        try:
            client, address = listener.accept()
        except OSError as error:
            self._turnstile.turn_away(listener, error)
            return
        self.nr_conns += 1
        conn = Connection(self.cfg, client, address, listener.getsockname())
        conn.data_ready = True
        conn.wait()
        conn.set_timeout()
        self.keepalived_conns.append(conn)
        self.poller.register(client, selectors.EVENT_READ, partial(self.on_client_socket_readable, conn))

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Handle events, and return in time for the next deadline."""
        super().wait_for_and_dispatch_events(min(timeout, 0.1) if self._served else timeout)

    def enqueue_req(self, conn: Connection) -> None:
        """Queue a connection that has sent something for a thread."""
        conn.queue()
        self._served[conn] = None
        with suppress(RuntimeError):  # The thread limit is reached; one of the existing threads takes it.
            self.tpool.submit(self._serve, conn)

    def _serve(self, conn: Connection) -> None:
        self._thread.conn = conn
        conn.wait()
        done: Future[bool] = Future()
        done.set_result(self.handle(conn))
        if not done.result():
            conn.linger(conn.sock)
        del self._thread.conn
        self.method_queue.defer(self.finish_request, conn, done)

    def handle(self, conn: Connection) -> bool:
        """Do the TLS handshake, or answer a request. Returns whether to keep the connection."""
        try:
            conn.sock.setblocking(True)
            if not conn.initialized and self.cfg.is_ssl:
                conn.init()
                if not conn.sock.pending():
                    return True
            elif not conn.initialized and conn.sock.recv(2, socket.MSG_PEEK) == b"\x16\x03":
                self.handle_error(None, conn.sock, conn.client, UnexpectedTLS())
                return False
        except OSError as error:
            if self.cfg.is_ssl and not (conn.is_cut or isinstance(error, ConnectionError | ssl.SSLEOFError)):
                self.app.cut("handshake", "TLS handshake failed", conn.client, str(error))
            return False
        return bool(super().handle(conn))

    def handle_request(self, req: Any, conn: Connection) -> bool:
        """Answer a request. If its body has no known or allowed size, it is not read and the connection ends."""
        if getattr(req.body.reader, "length", MAX_BODY_BYTES + 1) > MAX_BODY_BYTES:
            req.force_close()
        return bool(super().handle_request(req, conn))

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Called for a request that could not be parsed as HTTP, or handled."""
        if not self._thread.conn.is_cut:
            with suppress(OSError):
                client.send(self.app.failed(exc, addr))

    def finish_request(self, conn: Connection, fs: "Future[bool]") -> None:
        """Called when a thread is done with a connection."""
        del self._served[conn]
        conn.wait()
        super().finish_request(conn, fs)

    def murder_pending(self) -> None:
        """Called by gunicorn in each loop: stop listening at shutdown, end what takes too long, and make room."""
        if not self.alive and self.sockets:
            self.set_accept_enabled(False)
            while self.sockets:
                self.sockets.pop().close()
            log.info("stopping", extra={"inFlight": len(self._served)})
        now, bounds = time.monotonic(), (self.cfg.threads, self.worker_connections)
        for conn, kind, reason in cuts(self._served, self.keepalived_conns, now, *bounds):
            conn.cut(conn.sock)
            if kind:
                self.app.cut(kind, reason, conn.client)

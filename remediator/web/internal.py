"""The internal listener: metrics, health, readiness, and the status, for people and for programs.

It has threads and descriptors of its own, so that stalled webhook clients cannot delay a probe or a scrape. It has no
login, so its own clients are limited too: their number, what they may send, and one deadline for a whole request. If
there are too many, the one that has been longest without a complete request is cut.
"""

import io
import json
import logging
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, cast
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from flask import Flask, Response, request
from prometheus_client import make_wsgi_app
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as WrappedResponse
from werkzeug.wsgi import LimitedStream

from remediator.web.connections import UNFINISHED, Progress, Turnstile
from remediator.web.listeners import INTERNAL_CONNECTIONS
from remediator.web.page import render
from remediator.web.status import Knowledge, status

log = logging.getLogger(__name__)

MAX_REQUEST_BYTES = 65_536
"""The limit of a request, which has only a head here: nothing is posted."""

CONTENT_SECURITY_POLICY = "; ".join(
    [
        "default-src 'none'",
        *(f"{kind}-src 'self'" for kind in ("style", "script", "connect", "img")),
        *(f"{kind} 'none'" for kind in ("base-uri", "form-action", "frame-ancestors")),
    ]
)
"""Nothing inline and nothing external: text that got past the escaping still could not run."""

_BUSY = "Remediator has too many connections.\n"
_TURNED_AWAY = (
    "HTTP/1.0 503 Service Unavailable\r\nServer: remediator\r\nConnection: close\r\nContent-Type: text/plain\r\n"
    f"Content-Length: {len(_BUSY)}\r\n\r\n{_BUSY}"
).encode()


def create_internal_app(knowledge: Knowledge) -> Callable[..., Iterable[bytes]]:
    """The WSGI application of the internal listener."""
    app = Flask(__package__)
    scrape = make_wsgi_app(knowledge.registry)

    @app.after_request
    def secure(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
        response.headers["Cache-Control"] = "no-store"
        response.headers["Server"] = "remediator"
        return response

    @app.errorhandler(HTTPException)
    def refuse(error: HTTPException) -> Response:
        text = {
            404: "Only /, /api/v1/status, /metrics, /-/healthy and /-/ready exist here.",
            405: "Everything here is read-only: use GET.",
        }.get(error.code or 500, error.description or "")
        response = Response(f"{text}\n", status=error.code, mimetype="text/plain")
        if allow := dict(error.get_headers()).get("Allow"):
            response.headers["Allow"] = allow
        return response

    @app.get("/-/healthy")
    def healthy() -> Response:
        if not knowledge.alive():
            return Response("A thread of Remediator has died; its log says why.\n", status=503, mimetype="text/plain")
        return Response("Remediator is healthy.\n", mimetype="text/plain")

    @app.get("/-/ready")
    def ready() -> Response:
        if knowledge.observer.answered:
            return Response("Remediator is ready.\n", mimetype="text/plain")
        problems = {observation.problem for observation in knowledge.observer.observations.values()}
        text = "; ".join(sorted(filter(None, problems))) or "the API server has not been read yet"
        return Response(f"Remediator is not ready: {text}\n", status=503, mimetype="text/plain")

    @app.get("/metrics")
    def metrics() -> WrappedResponse:
        return Response.from_app(scrape, request.environ)

    @app.get("/api/v1/status")
    def data() -> Response:
        body = {"status": "success", "data": status(knowledge)}
        return Response(f"{json.dumps(body)}\n", mimetype="application/json")

    @app.get("/")
    def page() -> str:
        return render(status(knowledge))

    return app


class InternalServer(socketserver.ThreadingMixIn, WSGIServer):
    """Serves the internal listener's application, with one thread per connection and a limit on both."""

    daemon_threads = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # Oldest first: a dict keeps the order of insertion.
        self._clients: dict[socket.socket, Progress] = {}
        self._lock = threading.Lock()
        self._room = threading.Semaphore(INTERNAL_CONNECTIONS)
        self._turnstile = Turnstile(_TURNED_AWAY)
        super().__init__(*args, **kwargs)

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection; if there is no descriptor, the client gets 503."""
        try:
            return super().get_request()
        except OSError as error:
            self._turnstile.turn_away(self.socket, error)
            raise

    def process_request(self, request: Any, client_address: Any) -> None:
        """Give a connection a thread; if all are taken, another connection is cut."""
        if not self._room.acquire(blocking=False):
            self._make_room()
            # The thread of the cut connection ends at once; if it does not, it is stuck and not waited for.
            if not self._room.acquire(timeout=1):
                super().shutdown_request(request)
                return
        client = Progress()
        client.queue()
        client.wait()
        with self._lock:
            self._clients[request] = client
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Called by a connection's thread at its end."""
        with self._lock:
            known = self._clients.pop(request, None)
        super().shutdown_request(request)
        if known:
            self._room.release()

    def service_actions(self) -> None:
        """Called between connections and at least every half second: end what takes too long."""
        now = time.monotonic()
        with self._lock:
            for connection, client in self._clients.items():
                if now > client.deadline:
                    client.cut(connection)

    def begin_answer(self, connection: socket.socket) -> None:
        """Called with each request. Raises ConnectionResetError if it only ended because it was cut."""
        self._clients[connection].arrive()

    def handle_error(self, request: object, client_address: object) -> None:
        """Log nothing about a client that stalled or hung up."""
        log.debug("request not finished", extra={"error": repr(sys.exception())})

    def _make_room(self) -> None:
        """End the oldest connection without a complete request, or else the oldest of all."""
        with self._lock:
            clients = [(connection, client) for connection, client in self._clients.items() if not client.is_cut]
            unfinished = [(connection, client) for connection, client in clients if client.lost == UNFINISHED]
            for connection, client in (unfinished or clients)[:1]:
                client.cut(connection)


class InternalRequestHandler(WSGIRequestHandler):
    """Handles a request with limits, without a Server version and without access logs."""

    server: InternalServer
    server_version, sys_version = "remediator", ""
    error_content_type, error_message_format = "text/plain", "%(code)d %(message)s\n"

    def setup(self) -> None:
        """Called first: everything read is counted, because headers alone could add up to megabytes."""
        super().setup()
        # Unbuffered, because a buffer would wait until it is full.
        self._stream = self.connection.makefile("rb", 0)
        self.rfile = io.BufferedReader(cast(io.RawIOBase, LimitedStream(self._stream, MAX_REQUEST_BYTES)))

    def finish(self) -> None:
        """Called last."""
        super().finish()
        self._stream.close()

    def parse_request(self) -> bool:
        """Called when the head of a request is complete; not if it only ended because the connection was cut."""
        if is_read := super().parse_request():
            self.server.begin_answer(self.connection)
        return is_read

    def log_message(self, format: str, *args: object) -> None:
        """Probes and scrapes come every few seconds; the metrics count what matters."""

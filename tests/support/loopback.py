"""An HTTP server of a test, on a free port of loopback, for as long as a `with` lasts."""

import socket
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


class Handler(BaseHTTPRequestHandler):
    """Keeps connections open, as API servers do, and prints nothing."""

    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Nothing to say."""


class LoopbackServer:
    """Listens from the start, answers inside of `with`; each connection has a thread of its own."""

    def __init__(self, handler: type[Handler], *, tls: ssl.SSLContext | None = None) -> None:
        self._server = _Server(("127.0.0.1", 0), handler)
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.address = f"127.0.0.1:{self._server.server_port}"
        self.url = f"{'https' if tls else 'http'}://{self.address}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    @property
    def connections(self) -> int:
        """How many connections clients have opened."""
        return self._server.accepted

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # Of 5, clients that come at once are dropped, and try again in a second.
    accepted = 0

    def get_request(self) -> tuple[socket.socket, Any]:
        """The next connection."""
        request = super().get_request()
        self.accepted += 1
        return request

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that was killed, or had enough of an answer, is no news."""

"""HTTP on loopback: reads requests, passes them to the API, and writes the responses.

One rule: one thread per connection, kept alive until the client or the server closes it.
"""

import json
import socket
import socketserver
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from typing import Any, NamedTuple

from remediator.sandbox.api import Api
from remediator.sandbox.failure import Object
from remediator.sandbox.request import Request

POLL_SECONDS = 0.02


class Served(NamedTuple):
    """A request that was answered: its verb as RBAC knows it, its path without the query, the code."""

    verb: str
    path: str
    code: int


class Server(socketserver.ThreadingTCPServer):
    """Listens on `address`; every request is added to `requests` before the response is sent."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], api: Api, requests: list[Served]) -> None:
        super().__init__(address, Handler)
        self.api = api
        self.requests = requests
        self._connections: set[socket.socket] = set()
        self._thread = threading.Thread(
            target=self.serve_forever, args=(POLL_SECONDS,), name="embedded-cluster", daemon=True
        )

    def start(self) -> None:
        """Start to serve, in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop listening and close every connection."""
        self.shutdown()
        self._thread.join()
        self.server_close()
        for connection in list(self._connections):
            with suppress(OSError):  # The client has closed it already.
                connection.shutdown(socket.SHUT_RDWR)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember the connection, so that `stop` can end it."""
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget the connection."""
        self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print the error, unless the client just disconnected."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: Server

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing: `requests` is the record."""

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(method=self.command, target=self.path, headers=headers, body=body)
        verb, response = self.server.api.handle(request)
        self.server.requests.append(Served(verb, self.path.partition("?")[0], response.code))
        self.send_response(response.code)
        for warning in response.warnings:
            self.send_header("Warning", f"299 - {json.dumps(warning)}")
        if response.stream is not None:
            self._send_stream(response.stream)
        else:
            self._send_body(response.body)

    # Method names that http.server expects.
    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve

    def _send_body(self, body: Object | str) -> None:
        kind = "text/plain" if isinstance(body, str) else "application/json"
        content = body.encode() if isinstance(body, str) else _line(body)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _send_stream(self, stream: Iterator[Object]) -> None:
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()
        for item in stream:
            line = _line(item)
            self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")


def _line(item: Object) -> bytes:
    return json.dumps(item, separators=(",", ":")).encode() + b"\n"

"""HTTP on loopback: reads requests, hands them to the API, writes what it answers.

One rule: one thread for each connection, kept alive until the client or the server is done.
"""

import json
import socket
import socketserver
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any, NamedTuple

from remediator.embedded.api import Api, Response
from remediator.embedded.failure import ApiFailure, Object, bad_request, too_large
from remediator.embedded.request import Request

BODY_LIMIT = 3 * 1024 * 1024
DRAIN_LIMIT = 16 * 1024 * 1024
IDLE_SECONDS = 300
POLL_SECONDS = 0.02


class Served(NamedTuple):
    """A request that was answered: its verb as RBAC knows it, its path without the query, the code."""

    verb: str
    path: str
    code: int


class Server(socketserver.ThreadingTCPServer):
    """Listens on `address`; every request is added to `requests` before it is answered."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], api: Api, requests: list[Served]) -> None:
        super().__init__(address, Handler)
        self.api = api
        self.requests = requests
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._thread = threading.Thread(
            target=self.serve_forever, args=(POLL_SECONDS,), name="embedded-cluster", daemon=True
        )

    def start(self) -> None:
        """Answer requests from now on, in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop listening and hang up on every client."""
        self.shutdown()
        self._thread.join()
        self.server_close()
        with self._lock:
            for connection in self._connections:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # the client was faster

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember the connection, so that `stop` can end it."""
        with self._lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget the connection."""
        with self._lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Show what went wrong, unless the client just went away."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = IDLE_SECONDS
    server: Server

    def __getattr__(self, name: str) -> Any:
        # http.server looks for do_<method>: every method is answered, known or not.
        if name.startswith("do_"):
            return self._serve
        raise AttributeError(name)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: `requests` is the record."""

    def _serve(self) -> None:
        try:
            body = self._body()
        except ApiFailure as failure:
            self.close_connection = True
            self._finish(self.command.lower(), Response(code=failure.code, body=failure.status))
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(method=self.command, target=self.path, headers=headers, body=body)
        verb, response = self.server.api.handle(request)
        self._finish(verb, response)

    def _body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return b"".join(self._chunks())
        try:
            length = int(self.headers.get("Content-Length") or 0)
        except ValueError:
            raise bad_request("invalid Content-Length") from None
        if length > BODY_LIMIT:
            # Take some more, so that a client that still writes gets to read the answer.
            self.rfile.read(min(length, DRAIN_LIMIT))
            raise too_large(BODY_LIMIT)
        return self.rfile.read(length)

    def _chunks(self) -> Iterator[bytes]:
        total = 0
        while True:
            try:
                size = int(self.rfile.readline(100).partition(b";")[0], 16)
            except ValueError:
                raise bad_request("invalid chunk") from None
            total += size
            if size < 0 or total > BODY_LIMIT:
                raise too_large(BODY_LIMIT)
            yield self.rfile.read(size)
            self.rfile.readline(100)
            if size == 0:
                return

    def _finish(self, verb: str, response: Response) -> None:
        self.server.requests.append(Served(verb, self.path.partition("?")[0], response.code))
        self.send_response(response.code)
        for warning in response.warnings:
            self.send_header("Warning", f"299 - {json.dumps(warning)}")
        self.send_header("Cache-Control", "no-cache, private")
        if response.stream is not None:
            self._send_stream(response.stream)
        else:
            self._send_body(response.body)

    def _send_body(self, body: Object | str) -> None:
        if isinstance(body, str):
            kind, content = "text/plain; charset=utf-8", body.encode()
        else:
            kind, content = "application/json", json.dumps(body, separators=(",", ":")).encode() + b"\n"
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _send_stream(self, stream: Iterator[Object]) -> None:
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()
        for item in stream:
            line = json.dumps(item, separators=(",", ":")).encode() + b"\n"
            self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

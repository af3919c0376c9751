"""A program on loopback that answers what a test tells it to: for what the real one does only on a bad day."""

import threading
import urllib.parse
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

Answer = bytes | str | tuple[int, bytes]
"""A body, or a status and a body."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that had enough of an answer is no news."""


class StandIn:
    """Answers GETs by their path, or by what a function makes of the parameters; a path that nobody named is 404."""

    def __init__(self, answers: Mapping[str, Answer | Callable[[Mapping[str, str]], Answer]] | None = None) -> None:
        self.answers = dict(answers or {})
        self.paths: list[str] = []
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                stand_in.answer(self)

            def log_message(self, format: str, *args: object) -> None:
                """Nothing to say."""

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        self.url = f"http://{self.address}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Answer one request; called on a thread of the server."""
        path, _, fields = request.path.partition("?")
        self.paths.append(request.path)
        found = self.answers.get(path, (404, b"not found"))
        if callable(found):
            found = found(dict(urllib.parse.parse_qsl(fields)))
        status, body = found if isinstance(found, tuple) else (200, found.encode() if isinstance(found, str) else found)
        request.send_response(status)
        request.send_header("Content-Type", "text/plain")
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

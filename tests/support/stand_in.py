"""A program on loopback that answers what a test tells it to: for what the real one does only on a bad day."""

import ssl
import time
import urllib.parse
from collections.abc import Callable, Mapping

from tests.support.loopback import Handler, LoopbackServer

Answer = bytes | str | tuple[int, bytes]
"""A body, or a status and a body."""


class StandIn(LoopbackServer):
    """Answers by a path, or by what a function makes of the parameters; a path that is not named is 404."""

    def __init__(
        self,
        answers: Mapping[str, Answer | Callable[[Mapping[str, str]], Answer]] | None = None,
        *,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.answers = dict(answers or {})
        self.paths: list[str] = []
        self.posted: list[bytes] = []
        self.clock_ahead = 0.0
        """Seconds that its clock, as its answers say, is ahead of this machine's."""
        stand_in = self

        class Answering(Handler):
            def do_GET(self) -> None:
                stand_in.answer(self)

            def do_POST(self) -> None:
                stand_in.posted.append(self.rfile.read(int(self.headers["Content-Length"])))
                stand_in.answer(self)

            def date_time_string(self, timestamp: float | None = None) -> str:
                return super().date_time_string((timestamp or time.time()) + stand_in.clock_ahead)

        super().__init__(Answering, tls=tls)

    def answer(self, request: Handler) -> None:
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

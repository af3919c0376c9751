"""The way of one replica to a real API server; what is planned for a moment on it happens right there.

It is a proxy that speaks HTTP to the replica and TLS to the server, and that keeps everything else as it is. A moment
is a boundary of one request: what happens at it happens before anything else moves.
"""

import http.client
import select
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from tests.support.loopback import Handler, LoopbackServer


class Moment(StrEnum):
    """A boundary of a request."""

    SENT = "sent"
    """The replica has sent it, the API server does not know of it."""
    DONE = "done"
    """The API server has done it, the replica does not know of it."""
    ANSWERED = "answered"
    """The replica has been given the answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to happen, once, at a moment of the first request with this method that mentions something."""

    method: str
    mentions: str
    moment: Moment
    do: Callable[[], object]


class HangUp(ConnectionError):
    """What a plan raises in order to cut the replica's connection at that moment."""


class Crossing(LoopbackServer):
    """The proxy."""

    def __init__(self, upstream: str, trust: ssl.SSLContext) -> None:
        self._upstream = upstream
        self._trust = trust
        self._plan: Plan | None = None
        self._lock = threading.Lock()
        self.happened = threading.Event()
        crossing = self

        class Passing(_Handler):
            def pass_on(self) -> None:
                crossing.pass_on(self)

            do_GET = do_POST = do_PATCH = pass_on

        super().__init__(Passing)

    def plan(self, plan: Plan) -> None:
        """Let something happen; `happened` is set after it."""
        self.happened.clear()
        with self._lock:
            self._plan = plan

    def pass_on(self, request: "_Handler") -> None:
        """Pass a request on, and its answer back; called on a thread of the server."""
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        text = f"{request.path.partition('?')[0]}\n{body.decode()}"
        self._reach(request.command, text, Moment.SENT)
        try:
            upstream = request.connected(self._upstream, self._trust)
            upstream.request(request.command, request.path, body or None, dict(request.headers.items()))
            response = upstream.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException):
            request.close_connection = True
            return
        self._reach(request.command, text, Moment.DONE)
        try:
            request.send_response(response.status)
            request.send_header("Content-Type", response.headers["Content-Type"])
            request.send_header("Content-Length", str(len(answer)))
            request.end_headers()
            request.wfile.write(answer)
        finally:
            self._reach(request.command, text, Moment.ANSWERED)

    def _reach(self, method: str, text: str, moment: Moment) -> None:
        with self._lock:
            plan = self._plan
            if plan is None or (plan.method, plan.moment) != (method, moment) or plan.mentions not in text:
                return
            self._plan = None
        try:
            plan.do()
        finally:
            self.happened.set()


class _Handler(Handler):
    disable_nagle_algorithm = True
    upstream: http.client.HTTPSConnection | None = None

    def connected(self, address: str, trust: ssl.SSLContext) -> http.client.HTTPSConnection:
        """The connection to the API server that belongs to this one of the replica; another one if it is broken."""
        if self.upstream is None or self.upstream.sock is None or select.select([self.upstream.sock], [], [], 0)[0]:
            self.close_upstream()
            self.upstream = http.client.HTTPSConnection(address, timeout=60, context=trust)
            self.upstream.connect()
        return self.upstream

    def close_upstream(self) -> None:
        """End the connection to the API server."""
        if self.upstream is not None:
            self.upstream.close()

    def finish(self) -> None:
        """The replica is gone, or has been cut off."""
        self.close_upstream()
        super().finish()

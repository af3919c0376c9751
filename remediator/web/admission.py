"""Admission control of the webhook, as WSGI middleware: what to answer now, and what Alertmanager has to deliver again.

The rule of this file: a body is read before its request takes a turn, so that a stalled client delays no other. A
request that cannot be answered soon is refused at once: Alertmanager delivers again within seconds, but a response
after its timeout is lost.
"""

import io
import json
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from remediator.core.alerts import MAX_BODY_BYTES

if TYPE_CHECKING:
    from _typeshed.wsgi import InputStream, StartResponse, WSGIApplication, WSGIEnvironment

TURNS = 64
"""How many notifications are handled in parallel. They share their reads of the API server."""

MAX_WAITING = 128
"""How many notifications may wait for a turn; a burst of this size is done in a tenth of a second."""

WAITING_SECONDS = 1.0
"""How long they wait. With the 8 s that a decision may take, a notification is answered in time."""

SMALL_BYTES = 64 * 1024
"""Bodies up to this size never wait for the memory of others, and are never refused for it."""

PIECE_BYTES = 256 * 1024
"""The chunk in which a larger body is read and counted."""

MAX_READ_BYTES = 32 * 1024 * 1024
"""The memory for unfinished larger bodies, three of the largest. A body that would exceed it is refused."""

MAX_ANSWERED_BYTES = 12 * 1024 * 1024
"""The memory for bodies being handled.

Parsed alerts take several times the size of their body, so the largest bodies are handled one at a time, with small
ones in parallel.
"""

BUSY = "more notifications at once than can be answered in time; deliver again"


def body_size(environ: "WSGIEnvironment") -> int | None:
    """The size of a request's body, 0 without one; None if it is not given or over the limit."""
    length = environ.get("CONTENT_LENGTH") or "0"
    if "HTTP_TRANSFER_ENCODING" in environ or not length.isdecimal() or int(length) > MAX_BODY_BYTES:
        return None
    return int(length)


class Busy(Exception):
    """There is no room for a request."""


class Budget:
    """A budget of bytes shared by requests; a request for more than all of it gets it alone."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken = 0
        self._changed = threading.Condition()

    @contextmanager
    def hold(self, size: int, seconds: float = 0) -> Iterator[None]:
        """Reserve bytes in a `with` block, waiting at most this long for others to release some. Raises Busy."""
        with self._changed:
            if not self._changed.wait_for(lambda: not self._taken or self._taken + size <= self._most, seconds):
                raise Busy
            self._taken += size
        try:
            yield
        finally:
            with self._changed:
                self._taken -= size
                self._changed.notify_all()

    @contextmanager
    def share(self) -> Iterator[Callable[[int], None]]:
        """Yields a function that reserves more bytes until the end of the `with` block, or raises Busy."""
        taken = 0

        def take(size: int) -> None:
            nonlocal taken
            with self._changed:
                if self._taken + size > self._most:
                    raise Busy
                self._taken += size
            taken += size

        try:
            yield take
        finally:
            with self._changed:
                self._taken -= taken
                self._changed.notify_all()


class Admission:
    """The webhook's application, with limits. What this refuses gets 503.

    `refused` is called with status, reason and client.
    """

    def __init__(self, app: "WSGIApplication", *, refused: Callable[[int, str, object], None]) -> None:
        self._app = app
        self._refused = refused
        self.arrived: Callable[[], None] = lambda: None
        """Called when this thread has read the whole request."""
        self._read, self._answered = Budget(MAX_READ_BYTES), Budget(MAX_ANSWERED_BYTES)
        self._places, self._turns = threading.Semaphore(TURNS + MAX_WAITING), threading.Semaphore(TURNS)

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Read a request and pass it to the application, or answer 503."""
        size = body_size(environ) or 0
        large = size if size > SMALL_BYTES else 0
        try:
            with self._read.share() as take:
                # If part of it is missing, the application reports that.
                environ["wsgi.input"] = io.BytesIO(b"".join(_pieces(environ["wsgi.input"], size, take)))
                self.arrived()
                with (
                    _acquired(self._places, 0),
                    _acquired(self._turns, WAITING_SECONDS),
                    self._answered.hold(large, WAITING_SECONDS),
                ):
                    return self._app(environ, start_response)
        except Busy:
            self._refused(503, BUSY, (environ.get("REMOTE_ADDR"),))
            answer = f"{json.dumps({'error': BUSY})}\n".encode()
            headers = [("Content-Type", "application/json"), ("Content-Length", str(len(answer)))]
            start_response("503 Service Unavailable", headers)
            return [answer]


def _pieces(body: "InputStream", size: int, take: Callable[[int], None]) -> Iterator[bytes]:
    """A body as it arrives: only received bytes count, not announced ones. Its first piece is free."""
    piece = body.read(min(size, SMALL_BYTES))
    while piece:
        yield piece
        size -= len(piece)
        if not size:
            return
        take(min(size, PIECE_BYTES))
        piece = body.read(min(size, PIECE_BYTES))


@contextmanager
def _acquired(semaphore: threading.Semaphore, seconds: float) -> Iterator[None]:
    if not semaphore.acquire(timeout=seconds):
        raise Busy
    try:
        yield
    finally:
        semaphore.release()

"""Which notifications are answered now, and which have to be delivered again. Plain WSGI around the webhook.

The rule of this file: a body is read before its request takes a turn, so that a client that stalls holds up no other.
What cannot be answered soon is refused at once: Alertmanager delivers again within seconds, and an answer that comes
later than it waits reaches nobody.
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
"""Notifications that are answered at the same time. They share their reads of the API server."""

MAX_WAITING = 128
"""Notifications that wait for a turn; a burst of as many is through in a tenth of a second."""

WAITING_SECONDS = 1.0
"""How long they wait. With the 8 s that a decision may take, a notification is answered in time."""

SMALL_BYTES = 64 * 1024
"""Bodies up to this size never wait for the memory of others, and are never refused for it."""

PIECE_BYTES = 256 * 1024
"""Of a larger body, what is read and counted at a time."""

MAX_READ_BYTES = 32 * 1024 * 1024
"""What has arrived of all larger bodies: three of the largest. The one that would go beyond it is refused."""

MAX_ANSWERED_BYTES = 12 * 1024 * 1024
"""Size of those that are being answered. Read, the alerts of a body take several times its size: one of the largest is
answered after the other, and small ones beside it."""

BUSY = "more notifications at once than can be answered in time; deliver again"


def body_size(environ: "WSGIEnvironment") -> int | None:
    """The size of a request's body, 0 without one; None where it is not said, or is more than is accepted."""
    length = environ.get("CONTENT_LENGTH") or "0"
    if "HTTP_TRANSFER_ENCODING" in environ or not length.isdecimal() or int(length) > MAX_BODY_BYTES:
        return None
    return int(length)


class Busy(Exception):
    """There is no room for a request."""


class Budget:
    """A number of bytes that requests share; more than all of it is given to one alone."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken = 0
        self._changed = threading.Condition()

    @contextmanager
    def hold(self, size: int, seconds: float = 0) -> Iterator[None]:
        """Hold so many during a `with`, and wait so long for others to give them back. Raises Busy."""
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
        """A part that grows during a `with`, by calls of what it yields. They raise Busy where there is no room."""
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
    """The webhook's application, with bounds. What it refuses itself is answered 503.

    `refused` is called with status, reason and client.
    """

    def __init__(self, app: "WSGIApplication", *, refused: Callable[[int, str, object], None]) -> None:
        self._app = app
        self._refused = refused
        self.arrived: Callable[[], None] = lambda: None
        """Called when nothing more is read from the client of this thread."""
        self._read, self._answered = Budget(MAX_READ_BYTES), Budget(MAX_ANSWERED_BYTES)
        self._places, self._turns = threading.Semaphore(TURNS + MAX_WAITING), threading.Semaphore(TURNS)

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Read a request and let the application answer it, or answer 503."""
        size = body_size(environ) or 0
        large = size if size > SMALL_BYTES else 0
        try:
            with self._read.share() as take:
                # Where some of it is missing, that is for the application to say.
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
    """A body as it arrives: what a client has only announced holds up no other. Its first piece is not counted."""
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

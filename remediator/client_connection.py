"""A client's connection to the webhook: read without waiting, until a request is whole."""

import contextlib
import json
import logging
import ssl
from http import HTTPStatus
from typing import Any

from gunicorn.http import get_parser
from gunicorn.sock import ssl_wrap_socket
from gunicorn.workers.gthread import TConn

from remediator.alerts import MAX_BODY_BYTES
from remediator.arrival import Arrival

log = logging.getLogger(__name__)

_REFUSALS = {
    HTTPStatus.SERVICE_UNAVAILABLE: "more notifications at once than can be answered in time; deliver again",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: "the head of the request is over 64 KiB",
}

_FIRST_BYTES, _NEXT_BYTES = 16_384, 262_144
"""Most requests fit into the first; a buffer of the other size comes from the system and goes back there each time."""


class ClientConnection(TConn):  # type: ignore[misc]
    """A client's connection. It is the main loop's until its request has arrived, and then a thread's."""

    sock: Any

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.parser: Any = None
        self.initialized = not self.cfg.is_ssl
        self.data_ready = True
        self.arrival = Arrival(MAX_BODY_BYTES)
        self.deadline = 0.0
        """When its request has taken too long, as time.monotonic() counts."""
        self.whole_since = 0.0
        self._shakes_hands = False

    @property
    def is_silent(self) -> bool:
        """Whether nothing of a request has come in; a TLS handshake is none."""
        return self.initialized and not self.arrival.size

    def expect_request(self) -> None:
        """A request begins."""
        self.arrival = Arrival(MAX_BODY_BYTES)

    def init(self) -> None:
        """Called by a thread before each request: what TConn would do was done in receive()."""
        if self.parser is None:
            self.parser = get_parser(self.cfg, self, self.client)

    def close(self) -> None:
        """Close it, and let go of the parser, which holds the last request and leads back to here."""
        super().close()
        self.parser = None

    def recv(self, size: int) -> bytes:
        """What gunicorn's parser reads from: the bytes that have arrived, then the socket."""
        data: bytes = self.arrival.take(size) or self.sock.recv(size)
        return data

    def receive(self) -> bool:
        """Take what is there, without waiting; whether the request is whole. Raises OSError."""
        try:
            self._shake_hands()
            data = self.sock.recv(_NEXT_BYTES if self.arrival.size else _FIRST_BYTES)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return False
        # What TLS has decrypted already wakes no selector.
        while data and isinstance(self.sock, ssl.SSLSocket) and self.sock.pending():
            data += self.sock.recv(_FIRST_BYTES)
        self.arrival.add(data)
        if self.arrival.expects_continue:
            self.arrival.expects_continue = False
            self.sock.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        return self.arrival.is_whole

    def is_kept_out(self, error: OSError | ValueError) -> bool:
        """Whether TLS has kept the client out, for its fault or for ours, as the log then tells. A hang-up is none."""
        if self.initialized or isinstance(error, ConnectionError | ssl.SSLEOFError):
            log.debug("connection broke", extra={"error": str(error)})
            return False
        log.warning("TLS handshake failed", extra={"client": str(self.client), "error": str(error)})
        return True

    def refuse(self, code: HTTPStatus) -> None:
        """Say no, without waiting; a client that still sends may only see that its connection ends."""
        body = json.dumps({"error": _REFUSALS[code]}) + "\n"
        head = f"HTTP/1.1 {code} {code.phrase}\r\nConnection: close\r\nContent-Type: application/json\r\n"
        with contextlib.suppress(OSError):
            self.sock.send(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())

    def _shake_hands(self) -> None:
        if self.initialized:
            return
        if not self._shakes_hands:
            self.sock = ssl_wrap_socket(self.sock, self.cfg)
            self._shakes_hands = True
        self.sock.do_handshake()
        self.initialized = True

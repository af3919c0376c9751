"""What becomes of a client's connection that stalls, that is refused, or for which there is no file descriptor.

The rule of this file: nothing waits for a client without a bound, and neither clients that stall nor a want of
descriptors is a busy loop or a flood of log lines.
"""

import contextlib
import errno
import json
import logging
import math
import os
import socket
import time
from collections.abc import Callable, Collection, Sequence
from http import HTTPStatus
from typing import TypeVar

from remediator.reflex.rate_limit import RateLimit

log = logging.getLogger(__name__)

REQUEST_SECONDS = 9.5
"""From a request's first byte to the answer: Alertmanager gives up after its group_interval, 10 s at the least."""

LINGER_SECONDS, MAX_DISCARDED_BYTES = 5.0, 128 * 1024 * 1024
"""How long, and how much, an answered client may go on sending before its connection is closed."""

STALLED_SECONDS = 1.0
"""A request that has waited for its client for so long loses its thread to others that need one."""

PAUSE_SECONDS = 0.1
"""How long a listener is left alone after a connection could not even be turned away."""

UNFINISHED, LATE, ANSWERED = "request not whole within 10 s", "no answer within 10 s", ""
NO_ROOM, NO_DESCRIPTORS = "no room for a request that is not whole", "no file descriptor for a connection"

_TRANSIENT = frozenset({errno.EAGAIN, errno.EWOULDBLOCK, errno.ECONNABORTED, errno.EINTR, errno.EPROTO})
"""What accept() says of a client that has gone again."""

_discarded = bytearray(256 * 1024)
"""Where what nobody wants is written; its content is never read."""


class Progress:
    """How far the request of a connection is. Its thread and the main loop both know it."""

    deadline = math.inf
    since = 0.0
    """When it began to wait for its client."""
    lost = LATE
    """What its client would lose, were the connection cut now."""
    is_cut = False

    def wait(self) -> None:
        """It waits for its client from now on."""
        self.since, self.lost = time.monotonic(), UNFINISHED

    def queue(self) -> None:
        """It waits for a thread: the time of a request begins."""
        self.deadline, self.lost = time.monotonic() + REQUEST_SECONDS, LATE

    def arrive(self) -> None:
        """It is whole, and makes room for no other from now on. Raises ConnectionResetError where it just has."""
        self.lost = LATE
        if self.is_cut:
            raise ConnectionResetError(errno.ECONNRESET, "cut")

    def stalls(self, now: float) -> bool:
        """Whether it has waited for its client for so long that others may have its place."""
        return self.lost != LATE and now > self.since + STALLED_SECONDS

    def linger(self, connection: socket.socket) -> None:
        """It is answered. Read what its client still sends, which would reach it as a reset, maybe before the answer.

        Here and below by the plain socket's methods: those of a TLS socket would decrypt what nobody wants, and take
        the session from under its reader.
        """
        self.deadline, self.lost, left = time.monotonic() + LINGER_SECONDS, ANSWERED, MAX_DISCARDED_BYTES
        with contextlib.suppress(OSError):
            socket.socket.shutdown(connection, socket.SHUT_WR)
            while left > 0 and (size := socket.socket.recv_into(connection, _discarded)):
                left -= size

    def cut(self, connection: socket.socket) -> None:
        """End the connection; its thread, if it has one, sees it closed."""
        self.is_cut = True
        with contextlib.suppress(OSError):
            socket.socket.shutdown(connection, socket.SHUT_RDWR)


Client = TypeVar("Client", bound=Progress)


def cuts(
    served: Collection[Client], idle: Sequence[Client], now: float, threads: int, connections: int
) -> list[tuple[Client, str, str]]:
    """Which connections end without an answer, each with its kind in the metric, if it counts, and what it loses.

    Those over their deadline; and where others need their threads or descriptors, the oldest: of those that stall in a
    request, or of the idle ones. Never one that has come just now, for it is about to say something: where nothing has
    stalled yet, those that are still to be accepted wait for a second at most.
    """
    ended = [(one, "deadline" if one.lost and not one.is_cut else "", one.lost) for one in served if now > one.deadline]
    if len(served) <= threads and len(served) + len(idle) < connections:
        return ended
    live = [one for one in served if now <= one.deadline and not one.is_cut]
    stalled = [one for one in live if one.stalls(now)]
    surplus = max(len(live) - threads, 0)
    if len(live) + len(idle) >= connections:
        if idle and idle[0].stalls(now):
            ended.append((idle[0], "connections", ""))
        else:
            surplus = max(surplus, 1)
    return ended + [(one, "connections" if one.lost else "", NO_ROOM) for one in stalled[:surplus]]


class UnexpectedTLS(Exception):
    """A client speaks TLS on a port without it."""


def refusal(code: int, text: str) -> bytes:
    """A whole answer, after which the connection ends."""
    body = json.dumps({"error": text}) + "\n"
    head = f"HTTP/1.1 {code} {HTTPStatus(code).phrase}\r\nServer: gunicorn\r\nConnection: close\r\n"
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


class Turnstile:
    """What a listener does about a connection for which there is no descriptor: answer, and end it.

    One descriptor is held in reserve for that. `refused` is called with the address of each client.
    """

    def __init__(self, answer: bytes, refused: Callable[[object], None] = lambda address: None) -> None:
        self._answer = answer
        self._refused = refused
        self._limit: RateLimit[str] = RateLimit(interval=1)
        self._reserve: int | None = None
        self._keep_reserve()

    def turn_away(self, listener: socket.socket, error: OSError) -> None:
        """Called when accept() failed: log it, at most once a second, and answer the client.

        Where not even that is possible, it waits for a moment.
        """
        if error.errno in _TRANSIENT:
            return
        if admitted := self._limit.admit("", time.monotonic()):
            port = listener.getsockname()[1]
            log.warning("connection not accepted", extra={"port": port, "error": str(error), "count": admitted[1]})
        if self._reserve is None:
            self._keep_reserve()
        if self._reserve is None:
            time.sleep(PAUSE_SECONDS)
            return
        os.close(self._reserve)
        self._reserve = None
        try:
            client, address = listener.accept()
        except OSError:
            time.sleep(PAUSE_SECONDS)
        else:
            self._refused(address)
            with client, contextlib.suppress(OSError):
                client.setblocking(False)
                # What is left unread would turn the answer into a reset.
                with contextlib.suppress(BlockingIOError):
                    client.recv(65_536)
                client.send(self._answer)
                client.shutdown(socket.SHUT_WR)
                client.recv(65_536)
        finally:
            self._keep_reserve()

    def _keep_reserve(self) -> None:
        with contextlib.suppress(OSError):
            self._reserve = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)

"""Limits of client connections: those that stall, are refused, or for which there is no file descriptor.

The rule of this file: nothing waits for a client without a limit, and neither stalled clients nor a lack of descriptors
cause a busy loop or a flood of log lines.
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
"""From a request's first byte to the response: Alertmanager gives up after its group_interval, at least 10 s."""

LINGER_SECONDS, MAX_DISCARDED_BYTES = 5.0, 128 * 1024 * 1024
"""How long, and how much, a client may keep sending after the response before its connection is closed."""

STALLED_SECONDS = 1.0
"""A request that has waited this long for its client loses its thread if others need it."""

PAUSE_SECONDS = 0.1
"""How long a listener pauses after a connection could not even be refused."""

UNFINISHED, LATE, ANSWERED = "request incomplete after 10 s", "no answer within 10 s", ""
NO_ROOM, NO_DESCRIPTORS = "no room for an incomplete request", "no file descriptor for a connection"

_TRANSIENT = frozenset({errno.EAGAIN, errno.EWOULDBLOCK, errno.ECONNABORTED, errno.EINTR, errno.EPROTO})
"""Errors of accept() for a client that has disconnected."""

_discarded = bytearray(256 * 1024)
"""A buffer for discarded input."""


class Progress:
    """The progress of a connection's request, shared by its thread and the main loop."""

    deadline = math.inf
    since = 0.0
    """When it started to wait for its client."""
    lost = LATE
    """What the client would lose if the connection were cut now."""
    is_cut = False

    def wait(self) -> None:
        """It starts to wait for its client."""
        self.since, self.lost = time.monotonic(), UNFINISHED

    def queue(self) -> None:
        """It starts to wait for a thread: the request's time begins."""
        self.deadline, self.lost = time.monotonic() + REQUEST_SECONDS, LATE

    def arrive(self) -> None:
        """The request is complete, so it is no longer cut to make room. Raises ConnectionResetError if it just was."""
        self.lost = LATE
        if self.is_cut:
            raise ConnectionResetError(errno.ECONNRESET, "cut")

    def stalls(self, now: float) -> bool:
        """Whether it has waited for its client so long that it may be cut to make room."""
        return self.lost != LATE and now > self.since + STALLED_SECONDS

    def linger(self, connection: socket.socket) -> None:
        """The response is sent. Discard remaining input, which could cause a reset before the response arrives.

        Uses the plain socket's methods, here and below: those of a TLS socket would decrypt the input, and interfere
        with the thread that reads the session.
        """
        self.deadline, self.lost, left = time.monotonic() + LINGER_SECONDS, ANSWERED, MAX_DISCARDED_BYTES
        with contextlib.suppress(OSError):
            socket.socket.shutdown(connection, socket.SHUT_WR)
            while left > 0 and (size := socket.socket.recv_into(connection, _discarded)):
                left -= size

    def cut(self, connection: socket.socket) -> None:
        """Shut the connection down; its thread, if any, sees it closed."""
        self.is_cut = True
        with contextlib.suppress(OSError):
            socket.socket.shutdown(connection, socket.SHUT_RDWR)


Client = TypeVar("Client", bound=Progress)


def cuts(
    served: Collection[Client], idle: Sequence[Client], now: float, threads: int, connections: int
) -> list[tuple[Client, str, str]]:
    """The connections to end without a response, each with its label in the metric (or empty), and what it loses.

    These are connections over their deadline, and if threads or descriptors are needed, the oldest ones that stall in a
    request or are idle. A new connection is never cut, because it is about to send: if nothing has stalled yet,
    connections wait at most a second to be accepted.
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
    """A client uses TLS on a port without it."""


def refusal(code: int, text: str) -> bytes:
    """A complete response, after which the connection ends."""
    body = json.dumps({"error": text}) + "\n"
    head = f"HTTP/1.1 {code} {HTTPStatus(code).phrase}\r\nServer: gunicorn\r\nConnection: close\r\n"
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


class Turnstile:
    """Refuses connections when a listener has no descriptor left: answers, and closes them.

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

        If even that is impossible, it waits for a moment.
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
                # Unread input would turn the response into a reset.
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

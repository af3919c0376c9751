"""HTTP/1.1 as a client of the webhook speaks it, with as little work of its own as can be.

The clients share the machine with the service, so what they cost would be measured with it. What no client library
does is done here as well: an answer is told from a connection that was cut before one, or in the middle of one.
"""

import asyncio
import re
from dataclasses import dataclass
from typing import Self

Address = tuple[str, int]

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)


class Cut(ConnectionError):
    """The service closed the connection before it had given a whole answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the service said."""

    code: int
    body: bytes
    closes: bool
    """Whether it said that it closes the connection."""


class Connection(asyncio.Protocol):
    """One connection to the webhook, with one request on it at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._answer: asyncio.Future[Answer] | None = None
        self.lost = asyncio.Event()
        """Set once the connection is gone, whoever ended it."""
        self._since = 0.0
        self.told = asyncio.Event()
        """Set with the first bytes that come in."""
        self.used = 0
        """How many requests were answered on it."""

    @classmethod
    async def to(cls, address: Address) -> Self:
        """A new connection. Raises OSError."""
        _, connection = await asyncio.get_running_loop().create_connection(cls, *address)
        return connection

    @property
    def open(self) -> bool:
        """Whether a request may be sent on it."""
        return self._transport is not None and not self.lost.is_set()

    async def exchange(self, request: bytes) -> Answer:
        """Send a request, whole or not, and wait for the answer. Raises Cut."""
        if self._transport is None or not self.open:
            raise Cut
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        try:
            return await self._answer
        finally:
            self._answer = None

    def send(self, data: bytes, *, last: bool = False) -> None:
        """Send some bytes and wait for nothing; after the last ones, this side of the connection is closed."""
        if self._transport is not None and self.open:
            self._transport.write(data)
            if last:
                self._transport.write_eof()

    def close(self) -> None:
        """Hang up."""
        self.lost.set()
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio's call."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """asyncio's call."""
        self._received += data
        self.told.set()
        head, separator, body = bytes(self._received).partition(b"\r\n\r\n")
        length = int(found[1]) if (found := _LENGTH.search(head)) else 0
        if not separator or len(body) < length:
            return
        self._received.clear()
        self.used += 1
        self._since = asyncio.get_running_loop().time()
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(Answer(int(head.split(None, 2)[1]), body, bool(_CLOSE.search(head))))

    def connection_lost(self, problem: Exception | None) -> None:
        """asyncio's call."""
        self.lost.set()
        if self._answer is not None and not self._answer.done():
            idle = asyncio.get_running_loop().time() - self._since
            self._answer.set_exception(Cut(f"{idle:.2f} s after {self.used} answers" if self.used else "new"))


class Pool:
    """Connections that wait for their next request; the last one used is used next, as Go's client does."""

    def __init__(self, address: Address, *, fresh: int) -> None:
        self._address = address
        self._fresh = fresh
        self._idle: list[Connection] = []

    async def exchange(self, request: bytes) -> Answer:
        """Send a request on a connection that is open, or on a new one, and wait for the answer. Raises OSError."""
        connection = self._take() or await Connection.to(self._address)
        try:
            answer = await connection.exchange(request)
        except BaseException:
            connection.close()
            raise
        # After so many requests it is given up for a new one.
        if answer.closes or connection.used >= self._fresh:
            connection.close()
        else:
            self._idle.append(connection)
        return answer

    def close(self) -> None:
        """Hang up wherever nothing is under way."""
        while self._idle:
            self._idle.pop().close()

    def _take(self) -> Connection | None:
        while self._idle:
            if (connection := self._idle.pop()).open:
                return connection
        return None


def request(body: bytes, *headers: str, path: str = "/webhook") -> bytes:
    """A notification as Alertmanager posts it."""
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: remediator",
        "User-Agent: Alertmanager/0.33.1",
        f"Content-Length: {len(body)}",
        "Content-Type: application/json",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body

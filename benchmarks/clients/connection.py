"""HTTP/1.1 for clients of the webhook that send half a request, stall, or hang up, which no client library does."""

import asyncio
import re
from dataclasses import dataclass
from typing import Self

Address = tuple[str, int]

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer of the service."""

    code: int
    body: bytes
    closes: bool
    """Whether the service announces that it closes the connection."""


class Connection:
    """One connection to the webhook, with one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.used = 0
        """The number of requests that were answered on it."""

    @classmethod
    async def to(cls, address: Address) -> Self:
        """Connect. Raises OSError."""
        return cls(*await asyncio.open_connection(*address))

    @property
    def open(self) -> bool:
        """Whether a request may be sent on it."""
        return not (self._reader.at_eof() or self._writer.is_closing())

    async def exchange(self, request: bytes) -> Answer:
        """Send a request, or the rest of one, and wait for the answer. Raises OSError where none comes."""
        self.send(request)
        try:
            head = await self._reader.readuntil(b"\r\n\r\n")
            found = LENGTH.search(head)
            body = await self._reader.readexactly(int(found[1]) if found else 0)
        except asyncio.IncompleteReadError as error:
            raise ConnectionError(f"closed after {self.used} answers") from error
        self.used += 1
        return Answer(int(head.split(None, 2)[1]), body, bool(_CLOSE.search(head)))

    def send(self, data: bytes, *, last: bool = False) -> None:
        """Send, and wait for nothing; `last` also closes this side of the connection."""
        if self.open:
            self._writer.write(data)
            if last:
                self._writer.write_eof()

    async def closed(self) -> None:
        """Wait until the service closes the connection."""
        try:
            while await self._reader.read(65536):
                pass
        except OSError:
            return

    def close(self) -> None:
        """Hang up."""
        self._writer.transport.abort()


class Pool:
    """Idle connections, of which the one used last is used next, as Go's client does."""

    def __init__(self, address: Address, *, fresh: int) -> None:
        """Replace each connection after `fresh` requests."""
        self._address, self._fresh = address, fresh
        self._idle: list[Connection] = []

    async def exchange(self, request: bytes) -> Answer:
        """Send a request on an idle connection or a new one, and wait for the answer. Raises OSError."""
        while self._idle and not self._idle[-1].open:
            self._idle.pop().close()
        connection = self._idle.pop() if self._idle else await Connection.to(self._address)
        try:
            answer = await connection.exchange(request)
        except BaseException:
            connection.close()
            raise
        if answer.closes or connection.used >= self._fresh:
            connection.close()
        else:
            self._idle.append(connection)
        return answer

    def close(self) -> None:
        """Close all idle connections."""
        while self._idle:
            self._idle.pop().close()


def request(body: bytes, *headers: str) -> bytes:
    """A notification as Alertmanager posts it."""
    lines = ["POST /webhook HTTP/1.1", "Host: remediator", "User-Agent: Alertmanager/0.33.1"]
    lines += [f"Content-Length: {len(body)}", "Content-Type: application/json", *headers, "", ""]
    return "\r\n".join(lines).encode() + body

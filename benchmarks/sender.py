"""A lean HTTP client: one connection that is kept, as Alertmanager keeps its own, and next to nothing around it."""

import json
import socket
import time
from http import HTTPStatus
from types import TracebackType
from typing import Self

SECONDS = 30.0
"""Far longer than any answer takes."""


class Sender:
    """Posts to one path of one server; after `with`, the connection is closed."""

    def __init__(self, address: tuple[str, int], path: str = "/webhook") -> None:
        self._head = (
            f"POST {path} HTTP/1.1\r\nHost: {address[0]}:{address[1]}\r\n"
            "User-Agent: Alertmanager/0.33.1\r\nContent-Type: application/json\r\nContent-Length: "
        ).encode()
        self._socket = socket.create_connection(address, timeout=SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._rest = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def fileno(self) -> int:
        """For selectors: when there is something to receive."""
        return self._socket.fileno()

    def timed(self, body: bytes) -> tuple[float, int, bytes]:
        """Seconds from the first byte sent to the last one read, the status, and what was read."""
        message = self.message(body)
        began = time.perf_counter()
        self.send(message)
        code, answer = self.receive()
        return time.perf_counter() - began, code, answer

    def notify(self, body: bytes) -> tuple[float, str]:
        """As `timed`, of a notification of one alert to a service: the seconds, and the reason in its answer."""
        seconds, code, answer = self.timed(body)
        return seconds, outcome(code, answer)

    def message(self, body: bytes) -> bytes:
        """The whole request."""
        return b"%s%d\r\n\r\n%s" % (self._head, len(body), body)

    def send(self, message: bytes) -> None:
        """Send it, and do not wait."""
        self._socket.sendall(message)

    def receive(self) -> tuple[int, bytes]:
        """The status and the body of the next answer. Raises OSError where the connection ends or nothing comes."""
        head = self._until(b"\r\n\r\n").lower()
        code = int(head[9:12])
        if code == HTTPStatus.NO_CONTENT:
            return code, b""
        if b"\r\ntransfer-encoding: chunked" in head:
            return code, b"".join(iter(self._chunk, b""))
        return code, self._bytes(int(head.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0]))

    def _chunk(self) -> bytes:
        chunk = self._bytes(int(self._until(b"\r\n"), 16))
        self._until(b"\r\n")
        return chunk

    def _until(self, end: bytes) -> bytes:
        while end not in self._rest:
            self._read()
        found, _, self._rest = self._rest.partition(end)
        return found + b"\r\n"

    def _bytes(self, count: int) -> bytes:
        while len(self._rest) < count:
            self._read()
        found, self._rest = self._rest[:count], self._rest[count:]
        return found

    def _read(self) -> None:
        if not (data := self._socket.recv(65536)):
            raise ConnectionError("the server has hung up")
        self._rest += data


def outcome(code: int, answer: bytes) -> str:
    """The reason in a service's answer, which has to be 200 and to be about one alert."""
    assert code == HTTPStatus.OK, (code, answer)
    (alert,) = json.loads(answer)["outcomes"]
    return str(alert["reason"])

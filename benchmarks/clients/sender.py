"""A client that does one thing after another, for times in which an event loop's share would show."""

import json
import re
import socket
import time
from http import HTTPStatus
from types import TracebackType
from typing import Self

from benchmarks.clients.wire import Address, request

SECONDS = 30.0
"""Far longer than any answer takes."""

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class Sender:
    """Posts over one connection, which is kept, as Alertmanager keeps its own; `with` closes it in the end."""

    def __init__(self, address: Address, path: str = "/webhook") -> None:
        self._path = path
        self._socket = socket.create_connection(address, timeout=SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def notify(self, body: bytes) -> tuple[float, str]:
        """As `post`, of a notification of one alert to a service: the seconds, and the reason in its answer."""
        seconds, code, answer = self.post(body)
        return seconds, reason(code, answer)

    def post(self, body: bytes) -> tuple[float, int, bytes]:
        """Seconds from the first byte sent to the last one read, the status, and the body of the answer.

        Raises OSError where the connection ends or nothing comes.
        """
        message = request(body, path=self._path)
        began = time.perf_counter()
        self._socket.sendall(message)
        received = self._read()
        while b"\r\n\r\n" not in received:
            received += self._read()
        head, _, answer = received.partition(b"\r\n\r\n")
        length = int(found[1]) if (found := _LENGTH.search(head)) else 0
        while len(answer) < length:
            answer += self._read()
        return time.perf_counter() - began, int(head.split(None, 2)[1]), answer

    def _read(self) -> bytes:
        if not (data := self._socket.recv(65536)):
            raise ConnectionError("the server has hung up")
        return data


def reason(code: int, answer: bytes) -> str:
    """The reason in a service's answer, which has to be 200 and to be about one alert."""
    assert code == HTTPStatus.OK, (code, answer)
    (alert,) = json.loads(answer)["outcomes"]
    return str(alert["reason"])

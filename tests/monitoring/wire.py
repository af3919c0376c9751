"""A server on loopback that answers with whatever bytes it is told, as slowly as it is told."""

import re
import socket
import threading
from collections.abc import Iterable
from types import TracebackType
from typing import Self

JSON = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"


def answer(body: bytes, *, head: bytes = JSON) -> tuple[bytes]:
    """One whole answer."""
    return (head + b"Content-Length: %d\r\n\r\n" % len(body) + body,)


def _read(client: socket.socket) -> str:
    """A whole request, for closing one with something unread resets it; or what is no HTTP, as it comes."""
    came = b""
    while chunk := client.recv(65_536):
        came += chunk
        head, end, body = came.partition(b"\r\n\r\n")
        length = re.search(rb"^content-length: *(\d+)", head, re.IGNORECASE | re.MULTILINE)
        if not came[:1].isalpha() or (end and len(body) >= int(length[1] if length else 0)):
            break
    return came.decode("latin-1")


class Wire:
    """The server: it writes `parts` to each client that has sent a request, and hangs up."""

    def __init__(self, parts: Iterable[bytes], *, pause: float = 0.0) -> None:
        self._parts, self._pause = tuple(parts), pause
        self._closing = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)
        self.requests: list[str] = []
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self.url = f"http://{self.address}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        # Wakes up accept().
        socket.create_connection(self._socket.getsockname()).close()
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while True:
            client, _ = self._socket.accept()
            with client:
                if self._closing.is_set():
                    return
                self.requests.append(_read(client))
                self._answer(client)

    def _answer(self, client: socket.socket) -> None:
        try:
            for part in self._parts:
                client.sendall(part)
                if self._closing.wait(self._pause):
                    return
        except OSError:
            return  # The client has gone, which is its right.

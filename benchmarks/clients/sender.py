"""A client that posts one notification after the other, without an event loop whose time would count."""

import json
import socket
import time
from contextlib import ExitStack

from benchmarks.clients.connection import LENGTH, Address, request

TIMEOUT_SECONDS = 30.0


class Sender(ExitStack):
    """Posts over one connection, which `with` closes."""

    def __init__(self, address: Address) -> None:
        super().__init__()
        self._socket = self.enter_context(socket.create_connection(address, timeout=TIMEOUT_SECONDS))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def notify(self, body: bytes) -> tuple[float, str]:
        """Post a notification with one alert. Returns the seconds, and the reason in the answer."""
        seconds, code, answer = self.post(body)
        assert code == 200, (code, answer)
        (alert,) = json.loads(answer)["outcomes"]
        return seconds, str(alert["reason"])

    def post(self, body: bytes) -> tuple[float, int, bytes]:
        """Returns the seconds from the first byte sent to the last one read, the status, and the answer's body.

        Raises OSError where no answer comes.
        """
        message = request(body)
        began = time.perf_counter()
        self._socket.sendall(message)
        received = b""
        while b"\r\n\r\n" not in received:
            received += self._read()
        head, _, answer = received.partition(b"\r\n\r\n")
        length = int(found[1]) if (found := LENGTH.search(head)) else 0
        while len(answer) < length:
            answer += self._read()
        return time.perf_counter() - began, int(head.split(None, 2)[1]), answer

    def _read(self) -> bytes:
        if not (data := self._socket.recv(65536)):
            raise ConnectionError("the service closed the connection")
        return data

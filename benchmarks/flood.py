"""Notifications as fast as they are answered, over connections that are kept: small enough to leave the processor to
whom they are sent.
"""

import re
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

SECONDS = 60.0
"""Far more than any answer takes."""

_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)


def flood(address: tuple[str, int], body: bytes, count: int, connections: int) -> None:
    """Post a body so many times, each connection with one request at a time. Raises OSError for what is not a 2xx."""
    request = b"POST /webhook HTTP/1.1\r\nHost: remediator\r\nContent-Type: application/json\r\n"
    request += b"Content-Length: %d\r\n\r\n" % len(body) + body
    with ThreadPoolExecutor(connections) as pool:
        for done in [pool.submit(_post, address, request, share) for share in _shares(count, connections)]:
            done.result()


def _shares(count: int, connections: int) -> Sequence[int]:
    return [count // connections + (number < count % connections) for number in range(connections)]


def _post(address: tuple[str, int], request: bytes, count: int) -> None:
    with socket.create_connection(address, SECONDS) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(count):
            connection.sendall(request)
            _answer(connection)


def _answer(connection: socket.socket) -> None:
    """Read one answer to its end."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += _more(connection)
    head, _, rest = received.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 2"):
        raise OSError(head.splitlines()[0].decode(errors="replace"))
    length = _LENGTH.search(head + b"\r\n")
    left = int(length[1]) - len(rest) if length else 0
    while left > 0:
        left -= len(_more(connection))


def _more(connection: socket.socket) -> bytes:
    piece = connection.recv(65536)
    if not piece:
        raise OSError("the connection was closed before the answer")
    return piece

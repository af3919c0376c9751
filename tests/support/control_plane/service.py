"""A Service as kube-proxy makes it: connections to one address go to its ready endpoints in turn.

What the endpoints answer is kept, so that a test can see that nothing was lost.
"""

import contextlib
import itertools
import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from tests.contract.client import Client
from tests.support.control_plane.container import local_port
from tests.support.control_plane.node import loopback


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """One answer to whoever asked the Service."""

    code: int
    body: Any


class Service:
    """A port of a Service, while it is entered, at an `address` of loopback."""

    def __init__(self, api: Client, namespace: str, name: str, port: str) -> None:
        self._api = api
        self._path = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
        self._name = name
        self._port = port
        self._turns = itertools.count()
        self._sockets: list[socket.socket] = []
        self._streams: list[bytearray] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._accept, name=f"service {name}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Only a shutdown wakes a thread that waits.
        for one in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._thread.join()

    def endpoints(self) -> list[tuple[str, int]]:
        """Where its ready Pods listen."""
        slices = self._api.get(self._path, labelSelector=f"kubernetes.io/service-name={self._name}").body["items"]
        return [
            (loopback(endpoint["addresses"][0]), local_port(port["port"]))
            for one in slices
            for port in one.get("ports") or []
            if port["name"] == self._port
            for endpoint in one.get("endpoints") or []
            if endpoint["conditions"]["ready"]
        ]

    def answers(self) -> list[Answered]:
        """All whole answers so far, by connection."""
        return [answer for stream in self._streams for answer in _answers(bytes(stream))]

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._sockets.append(client)
                try:
                    self._connect(client)
                except (OSError, ZeroDivisionError):
                    # No endpoint, or one that does not listen: the client sees its connection closed.
                    client.close()

    def _connect(self, client: socket.socket) -> None:
        endpoints = self.endpoints()
        server = socket.create_connection(endpoints[next(self._turns) % len(endpoints)], timeout=30)
        server.settimeout(None)
        self._sockets.append(server)
        self._streams.append(kept := bytearray())
        for source, sink, copy in ((client, server, bytearray()), (server, client, kept)):
            threading.Thread(target=_pass_on, args=(source, sink, copy), daemon=True).start()


def _pass_on(source: socket.socket, sink: socket.socket, copy: bytearray) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            copy += data
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


def _answers(stream: bytes) -> Iterator[Answered]:
    """The whole HTTP answers in what a server has sent over one connection."""
    while b"\r\n\r\n" in stream:
        head, _, rest = stream.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0])
        if len(rest) < length:
            return
        yield Answered(code=int(head.split()[1]), body=json.loads(rest[:length]))
        stream = rest[length:]

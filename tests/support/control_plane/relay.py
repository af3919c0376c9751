"""Two small proxies of a test, which pass on whatever comes and count their connections: HTTP's CONNECT, and SOCKS5."""

import contextlib
import socket
import socketserver
import threading
from types import TracebackType
from typing import Self


class _Relay:
    """Listens from the start, answers inside of `with`."""

    scheme = ""
    passed = 0
    """Connections that were passed on."""

    def __init__(self) -> None:
        relay = self

        class Answering(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with contextlib.suppress(OSError, ValueError):
                    relay._answer(self.request)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Answering)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self.url = f"{self.scheme}://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, client: socket.socket) -> None:
        raise NotImplementedError

    def _pass_on(self, client: socket.socket, upstream: socket.socket) -> None:
        self.passed += 1
        there = threading.Thread(target=_copy, args=(client, upstream), daemon=True)
        there.start()
        _copy(upstream, client)


class ConnectProxy(_Relay):
    """An HTTP proxy that knows CONNECT only."""

    scheme = "http"

    def _answer(self, client: socket.socket) -> None:
        with client.makefile("rb") as lines:
            host, _, port = lines.readline().split()[1].decode().rpartition(":")
            while lines.readline().strip():
                pass
        with socket.create_connection((host.strip("[]"), int(port)), timeout=60) as upstream:
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            self._pass_on(client, upstream)


class SocksProxy(_Relay):
    """A SOCKS5 proxy without credentials."""

    scheme = "socks5"

    def _answer(self, client: socket.socket) -> None:
        with client.makefile("rb") as stream:
            _, methods = stream.read(2)
            stream.read(methods)
            client.sendall(b"\x05\x00")
            kind = stream.read(4)[3]
            if kind == 1:
                host = socket.inet_ntop(socket.AF_INET, stream.read(4))
            elif kind == 4:
                host = socket.inet_ntop(socket.AF_INET6, stream.read(16))
            else:
                host = stream.read(stream.read(1)[0]).decode()
            port = int.from_bytes(stream.read(2), "big")
        with socket.create_connection((host, port), timeout=60) as upstream:
            client.sendall(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
            self._pass_on(client, upstream)


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)

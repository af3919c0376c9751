"""A way to a program that can be shut: closed, it refuses connections and has cut those that were open."""

import contextlib
import itertools
import socket
import threading


class Gate:
    """Passes connections to its address on to another one while it is open; to several in turn, as a Service does."""

    def __init__(self, *upstreams: str) -> None:
        places = (upstream.rpartition(":") for upstream in upstreams)
        self._turns = itertools.cycle([(host, int(port)) for host, _, port in places])
        self._connections: list[socket.socket] = []
        self._listener = self._listen(0)
        self._port = self._listener.getsockname()[1]
        self.address = f"127.0.0.1:{self._port}"

    def open(self) -> None:
        """Let connections through again, at the same address."""
        self._listener = self._listen(self._port)

    def close(self) -> None:
        """Refuse new connections and cut the others."""
        # Only a shutdown wakes the thread that accepts.
        for connection in (self._listener, *self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        self._connections.clear()

    def _listen(self, port: int) -> socket.socket:
        listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        return listener

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(next(self._turns))
                self._connections += [client, server]
                for source, sink in ((client, server), (server, client)):
                    threading.Thread(target=_pass_on, args=(source, sink), daemon=True).start()


def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)

"""Sockets, certificates and file descriptors, tried before anything starts, so that an error is one line."""

import errno
import logging
import os
import re
import resource
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger(__name__)

BACKLOG = 2048
"""Connections that the kernel keeps until they are accepted."""

INTERNAL_CONNECTIONS = 128
"""Connections to the internal listener: probes, scrapes and readers of the page are a handful."""

WEBHOOK_CONNECTIONS = 1_000
"""Connections to the webhook, where the limit of open files allows that many."""

RESERVED = 192
"""For all else: a connection to the API server for each thread, listeners, pipes, and files that are read again."""

LEAST_WEBHOOK_CONNECTIONS = 128
"""Twice as many as are answered at the same time; with fewer, clients that stall could keep notifications out."""

_ADDRESS = re.compile(r"(?:\[(?P<v6>[^\[\]]+)\]|(?P<host>[^\[\]:]*)):(?P<port>[0-9]{1,5})")


class CannotServe(Exception):
    """A setting with which the service cannot start; the text says which and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TLS:
    """Files for TLS on the webhook listener; with a client CA, clients need a certificate that it signed."""

    cert_file: Path
    key_file: Path
    client_ca_file: Path | None = None


class Certificates:
    """Certificate, key and client CA, reloaded when a file changes. If that fails, the previous ones stay in use."""

    def __init__(self, tls: TLS) -> None:
        self._files = [file for file in (tls.cert_file, tls.key_file, tls.client_ca_file) if file]
        self._context: ssl.SSLContext | None = None
        self._read: object = None

    def context(self, config: object, make: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
        """The context for a new connection; `make` reads the files. gunicorn's hook `ssl_context`.

        Raises OSError where the files cannot be used and never could.
        """
        try:
            stamp = [(found.st_ino, found.st_mtime_ns, found.st_size) for found in map(os.stat, self._files)]
        except OSError as error:
            stamp = [(0, 0, error.errno or 0)]
        if stamp != self._read:
            try:
                self._context = make()
            except OSError as error:
                if self._context is None:
                    raise
                log.error("failed to reload the certificate, keeping the previous one", extra={"error": str(error)})
            self._read = stamp
        assert self._context  # noqa: S101 - for mypy
        return self._context


@contextmanager
def listening(address: str) -> Iterator[socket.socket]:
    """A socket that listens on HOST:PORT, :PORT or [IPv6]:PORT. Raises CannotServe.

    `:PORT` and `[::]:PORT` take IPv6 and IPv4, as in Go; on a kernel without IPv6 `:PORT` takes IPv4 alone.
    """
    parts = _ADDRESS.fullmatch(address)
    if not parts or int(parts["port"]) > 65535:
        raise CannotServe(f"{address!r} is not an address to listen on; write HOST:PORT, [IPv6]:PORT or :PORT")
    try:
        listener = _listen(parts["v6"] or parts["host"], int(parts["port"]))
    except OSError as error:
        raise CannotServe(f"cannot listen on {address}: {error.strerror}; choose another address or port") from None
    with listener:
        yield listener


def _listen(host: str, port: int) -> socket.socket:
    if not host:
        return _listen_anywhere(port)
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, address = found[0][0], found[0][4]
    both = family == socket.AF_INET6 and address[0] == "::" and socket.has_dualstack_ipv6()
    return socket.create_server(address[:2], family=family, backlog=BACKLOG, dualstack_ipv6=both)


def _listen_anywhere(port: int) -> socket.socket:
    """On every address of the machine, whatever its kernel has."""
    if socket.has_dualstack_ipv6():
        try:
            return socket.create_server(("::", port), family=socket.AF_INET6, backlog=BACKLOG, dualstack_ipv6=True)
        except OSError as error:
            if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                raise
    return socket.create_server(("0.0.0.0", port), backlog=BACKLOG)  # noqa: S104 - what was asked for


def webhook_connections() -> int:
    """How many connections the webhook may have, with the soft limit of open files raised to the hard one.

    Raises CannotServe where the limit is too low.
    """
    limit, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        limit = hard
    if limit == resource.RLIM_INFINITY:
        return WEBHOOK_CONNECTIONS
    left = limit - INTERNAL_CONNECTIONS - RESERVED
    if left < LEAST_WEBHOOK_CONNECTIONS:
        least = LEAST_WEBHOOK_CONNECTIONS + INTERNAL_CONNECTIONS + RESERVED
        raise CannotServe(f"the limit of open files is {limit}, and must be {least} or more: ulimit -n {least}")
    return min(left, WEBHOOK_CONNECTIONS)


def try_certificates(tls: TLS) -> None:
    """Load what the listener will use. Raises CannotServe where a file is missing, or key and certificate differ."""
    try:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=tls.client_ca_file)
        context.load_cert_chain(tls.cert_file, tls.key_file)
    except (OSError, ssl.SSLError) as error:
        raise CannotServe(f"the certificate, its key or the client CA cannot be used: {error}") from None


def format_address(listener: socket.socket) -> str:
    """Where a socket really listens, port 0 being any free one."""
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def format_client(address: object) -> str:
    """The address of a client without its port; one by IPv4 on a socket for both is written as IPv4."""
    host = str(address[0]) if isinstance(address, tuple) and address else str(address or "")
    return host.removeprefix("::ffff:") if "." in host else host

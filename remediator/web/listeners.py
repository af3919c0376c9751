"""Sockets and file descriptors, tried before anything starts, so that an error is one line."""

import errno
import re
import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress

BACKLOG = 2048
"""The backlog: connections that the kernel keeps until they are accepted."""

INTERNAL_CONNECTIONS = 128
"""The most connections to the internal listener: probes, scrapes and readers of the page are a handful."""

WEBHOOK_CONNECTIONS = 1_000
"""The most connections to the webhook, if the limit of open files allows that many."""

RESERVED = 192
"""Descriptors for everything else: a connection to the API server per thread, listeners, pipes, and reloaded files."""

LEAST_WEBHOOK_CONNECTIONS = 128
"""Twice as many as are handled in parallel; with fewer, stalled clients could keep notifications out."""

_ADDRESS = re.compile(r"(?:\[(?P<v6>[^\[\]]+)\]|(?P<host>[^\[\]:]*)):(?P<port>[0-9]{1,5})")


class CannotServe(Exception):
    """The service cannot start with this setting; the text says which and what to do."""


@contextmanager
def listening(address: str) -> Iterator[socket.socket]:
    """A socket that listens on HOST:PORT, :PORT or [IPv6]:PORT. Raises CannotServe.

    `:PORT` and `[::]:PORT` listen on IPv6 and IPv4, as in Go; on a kernel without IPv6, `:PORT` listens on IPv4 only.
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
    """Listen on every address of the machine, with or without IPv6."""
    if socket.has_dualstack_ipv6():
        try:
            return socket.create_server(("::", port), family=socket.AF_INET6, backlog=BACKLOG, dualstack_ipv6=True)
        except OSError as error:
            if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                raise
    return socket.create_server(("0.0.0.0", port), backlog=BACKLOG)  # noqa: S104 - what was asked for


def webhook_connections() -> int:
    """Raise the soft limit of open files to the hard one; returns how many connections the webhook may have.

    Raises CannotServe if the limit is too low.
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


def format_address(listener: socket.socket) -> str:
    """The actual address of a listening socket, in case port 0 was requested."""
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def format_client(address: object) -> str:
    """The address of a client without its port; an IPv4-mapped address is shown as IPv4."""
    host = str(address[0]) if isinstance(address, tuple) and address else str(address or "")
    return host.removeprefix("::ffff:") if "." in host else host

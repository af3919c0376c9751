"""Sockets and certificates, tried before anything is started, so that a wrong one is an error of one line."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


class CannotServe(Exception):
    """A setting with which the service cannot start; the text says which and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TLS:
    """Files for TLS on the webhook listener; with a client CA, clients need a certificate that it signed."""

    cert_file: Path
    key_file: Path
    client_ca_file: Path | None = None


@contextmanager
def listening(address: str) -> Iterator[socket.socket]:
    """A socket that listens on HOST:PORT, :PORT or [IPv6]:PORT. Raises CannotServe."""
    host, _, port = address.rpartition(":")
    if not port.isdecimal() or int(port) > 65535:
        raise CannotServe(f"{address!r} is not an address to listen on; write HOST:PORT or :PORT")
    host = host.strip("[]")
    try:
        found = socket.getaddrinfo(host or None, int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        listener = socket.create_server(found[0][4][:2], family=found[0][0], backlog=2048, dualstack_ipv6=False)
    except OSError as error:
        raise CannotServe(f"cannot listen on {address}: {error.strerror}; choose another address or port") from None
    with listener:
        yield listener


def try_certificates(tls: TLS) -> None:
    """Load what the listener will use. Raises CannotServe where a file is missing, or key and certificate differ."""
    try:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=tls.client_ca_file)
        context.load_cert_chain(tls.cert_file, tls.key_file)
    except (OSError, ssl.SSLError) as error:
        raise CannotServe(f"the certificate, its key or the client CA cannot be used: {error}") from None


def spell_address(listener: socket.socket) -> str:
    """Where a socket really listens, port 0 being any free one."""
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

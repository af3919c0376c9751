"""Sockets and certificates, tried before anything is started, so that a wrong one is an error of one line."""

import logging
import os
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger(__name__)


class CannotServe(Exception):
    """A setting with which the service cannot start; the text says which and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TLS:
    """Files for TLS on the webhook listener; with a client CA, clients need a certificate that it signed."""

    cert_file: Path
    key_file: Path
    client_ca_file: Path | None = None


class Certificates:
    """A TLS's files, read again when one has changed. A change that cannot be used leaves the last ones in use."""

    def __init__(self, tls: TLS) -> None:
        self._files = [file for file in (tls.cert_file, tls.key_file, tls.client_ca_file) if file]
        self._context: ssl.SSLContext | None = None
        self._read: object = None

    def context(self, config: object, make: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
        """What connections from now on are made with; `make` reads the files. gunicorn's hook `ssl_context`.

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
                log.error("certificate not read again, the last one stays in use", extra={"error": str(error)})
            self._read = stamp
        assert self._context  # noqa: S101 - for mypy
        return self._context


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

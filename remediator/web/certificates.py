"""The webhook's certificate and client CA: what a new connection gets, and when it expires.

The rule of this file: files that cannot be used leave the previous ones in use, and that is reported.
"""

import logging
import os
import ssl
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from remediator.kube.client_tls import not_after
from remediator.web.listeners import CannotServe

log = logging.getLogger(__name__)

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Ciphers of TLS 1.2; all of TLS 1.3 are fine."""

_NO_CHECK_TIME = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME of OpenSSL, so that an expired certificate can be read too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TLS:
    """Files for TLS on the webhook listener; with a client CA, clients need a certificate that it signed."""

    cert_file: Path
    key_file: Path
    client_ca_file: Path | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """All that are given."""
        return tuple(file for file in (self.cert_file, self.key_file, self.client_ca_file) if file)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """The files in use, which were loaded together."""

    context: ssl.SSLContext
    stamp: object
    """Identifies the files that were tried last: these, unless there is a problem. None to try again."""
    not_after: datetime | None
    """When the certificate expires; None if it could not be read in a handshake."""
    client_ca_not_after: datetime | None
    """When the last of the client CAs expires; None if there is none."""
    problem: str = ""
    """Why newer files are not in use, or empty."""

    def ends(self) -> dict[str, datetime]:
        """The known expiry times, by what expires."""
        named = {"the webhook's certificate": self.not_after, "the last client CA": self.client_ca_not_after}
        return {name: end for name, end in named.items() if end}


class Certificates:
    """Certificate, key and client CA, loaded again when a file changes. Thread-safe.

    Raises CannotServe if the files cannot be used.
    """

    def __init__(self, tls: TLS) -> None:
        self.tls = tls
        try:
            self._loaded = _load(tls, _stamp(tls))
        except OSError as error:
            raise CannotServe(
                f"the certificate, its key or the client CA cannot be used: {_said(tls, error)}"
            ) from None

    def current(self) -> Loaded:
        """What a new connection uses; files that have changed are loaded first."""
        # The stamp is older than what is loaded, and both are replaced together: if a slower thread puts older files
        # back, the next call loads the newer ones again.
        loaded, stamp = self._loaded, _stamp(self.tls)
        if stamp == loaded.stamp:
            return loaded
        try:
            loaded = _load(self.tls, stamp)
        except OSError as error:
            problem = _said(self.tls, error)
            if problem != loaded.problem:
                log.error("failed to reload the certificate, keeping the previous one", extra={"error": problem})
            # A file that could not be read (no descriptor, no permission) is tried again, even if it has not changed.
            tried = stamp if isinstance(error, ssl.SSLError) else None
            loaded = replace(loaded, stamp=tried, problem=problem)
        self._loaded = loaded
        return loaded


def _stamp(tls: TLS) -> object:
    try:
        return [(found.st_ino, found.st_mtime_ns, found.st_size) for found in map(os.stat, tls.files)]
    except OSError as error:
        return error.errno


def _said(tls: TLS, error: OSError) -> str:
    """The error with the names of all files, because OpenSSL does not say which one is wrong."""
    return f"{', '.join(map(str, tls.files))}: {error}"


def _load(tls: TLS, stamp: object) -> Loaded:
    """Load the files. Raises OSError, which includes SSLError."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=tls.client_ca_file)
    # Without it, OpenSSL would ask for a passphrase on the terminal.
    context.load_cert_chain(tls.cert_file, tls.key_file, password="")
    context.set_ciphers(CIPHERS)
    if tls.client_ca_file:
        context.verify_mode = ssl.CERT_REQUIRED
    authorities = filter(None, map(not_after, context.get_ca_certs()))
    return Loaded(
        context=context,
        stamp=stamp,
        not_after=_read(context, tls.cert_file),
        client_ca_not_after=max(authorities, default=None),
    )


def _read(context: ssl.SSLContext, cert_file: Path) -> datetime | None:
    """When the certificate that clients get expires, found by a handshake in memory."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | _NO_CHECK_TIME
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    served, asking = context.wrap_bio(to_server, to_client, server_side=True), client.wrap_bio(to_client, to_server)
    try:
        client.load_verify_locations(cert_file)
        for _ in range(3):
            try:
                asking.do_handshake()
            except ssl.SSLWantReadError:
                with suppress(ssl.SSLWantReadError):
                    served.do_handshake()
            else:
                # The server's side is not finished: it could refuse this client, which has no certificate.
                return not_after(asking.getpeercert() or {})
    except OSError as error:
        log.warning("failed to read when the certificate expires", extra={"error": str(error)})
    return None

"""How a server's certificate is verified: as strictly as in Go programs, and no more.

Chain, dates, host and CA are verified. Python 3.13 and newer also refuse certificates without key identifiers or key
usage (VERIFY_X509_STRICT), which the CAs of older clusters lack. As in Go, every certificate in the CA file counts as a
root, even an intermediate one, and a common name does not count as a host.
"""

import re
import ssl
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

_CERTIFICATE = re.compile("-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def client_context(*, authority: bytes | None, verify: bool, identity: bytes | None) -> ssl.SSLContext:
    """The SSL context of connections.

    `authority` is PEM, or None for the system's; `identity` is the client's certificate with its key, as PEM.
    Raises ssl.SSLError and OSError.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif authority is None:
        context.load_default_certs()
    else:
        load_authority(context, authority)
    if identity:
        load_identity(context, identity)
    return context


def load_authority(context: ssl.SSLContext, pem: bytes) -> None:
    """Trust the certificates of a file, skipping any that cannot be parsed. Raises ssl.SSLError if none is left."""
    problem = ssl.SSLError(0, "there is no certificate of an authority in PEM")
    loaded = 0
    for certificate in _CERTIFICATE.findall(pem.decode("ascii", "ignore")):
        try:
            context.load_verify_locations(cadata=certificate)
            loaded += 1
        except ssl.SSLError as error:
            problem = error
    if not loaded:
        raise problem


def load_identity(context: ssl.SSLContext, pem: bytes) -> None:
    """Present a certificate with its key. Raises ssl.SSLError, as for a key with a passphrase, and OSError."""
    # The ssl module only loads them from a file, which is deleted before this returns.
    with tempfile.NamedTemporaryFile(prefix="remediator-") as file:
        file.write(pem)
        file.flush()
        context.load_cert_chain(file.name, password="")


def not_after(certificate: Mapping[str, Any]) -> datetime | None:
    """When a certificate expires; None if it was not verified, because the ssl module then returns no fields."""
    ends = certificate.get("notAfter")
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(ends), UTC) if ends else None


def server_not_after(response: "BaseHTTPResponse") -> datetime | None:
    """When the server's certificate expires; None without TLS, or if it was not verified.

    Call this before the body is read, because the connection then returns to its pool.
    """
    sock = getattr(response.connection, "sock", None)
    return not_after(sock.getpeercert() or {}) if isinstance(sock, ssl.SSLSocket) else None

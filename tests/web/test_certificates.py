"""The webhook's certificate: when the one that is in use expires, whatever lies in its file meanwhile."""

import ssl
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from remediator.web.certificates import TLS, Certificates
from remediator.web.listeners import CannotServe
from tests.support.certificates import make_authority, make_certificate
from tests.support.components import component

TREE = Path(__file__).parents[2]


def tls(directory: Path, *, client_ca: bool = False) -> TLS:
    """The server's files; with a client CA, that of the same authority."""
    ca = directory / "ca.crt" if client_ca else None
    return TLS(cert_file=directory / "server.crt", key_file=directory / "server.key", client_ca_file=ca)


def days(end: datetime | None) -> int | None:
    """In how many days that is, to the nearest one."""
    return round((end - datetime.now(UTC)) / timedelta(days=1)) if end else None


@pytest.mark.parametrize("good_for", [90, 3, -1])
@pytest.mark.parametrize("client_ca", [False, True], ids=["anybody", "client certificates"])
def test_when_it_expires(certificates: Path, good_for: int, client_ca: bool) -> None:
    """In months, in 3 days, or a day ago; and that of the client CA, where clients need a certificate."""
    make_authority(certificates, 7)
    make_certificate(certificates, "server", good_for)
    loaded = Certificates(tls(certificates, client_ca=client_ca)).current()
    assert (days(loaded.not_after), days(loaded.client_ca_not_after)) == (good_for, 7 if client_ca else None)
    assert (loaded.context.verify_mode is ssl.CERT_REQUIRED) is client_ca


def test_the_last_client_ca_counts(certificates: Path) -> None:
    """While a CA is replaced its file has both, and clients with a certificate of the new one get in."""
    make_authority(certificates, 90, "new")
    both = (certificates / "ca.crt").read_text() + (certificates / "new.crt").read_text()
    (certificates / "ca.crt").write_text(both)
    assert days(Certificates(tls(certificates, client_ca=True)).current().client_ca_not_after) == 90


def test_a_new_certificate(certificates: Path) -> None:
    """It is in use at once, and its end is what counts."""
    found = Certificates(tls(certificates))
    before = found.current()
    assert (days(before.not_after), found.current()) == (1, before)
    make_certificate(certificates, "server", 90)
    assert (days(found.current().not_after), found.current().problem) == (90, "")


@pytest.mark.parametrize("broken", ["server.crt", "server.key", "ca.crt"])
@pytest.mark.parametrize("content", [b"", b"nonsense", None], ids=["empty", "nonsense", "gone"])
def test_a_new_certificate_that_cannot_be_used(
    certificates: Path, caplog: pytest.LogCaptureFixture, broken: str, content: bytes | None
) -> None:
    """The previous one stays in use, its end is what counts, and why is said once; until the file is good again."""
    found, file = Certificates(tls(certificates, client_ca=True)), certificates / broken
    before, good = found.current(), file.read_bytes()
    file.unlink() if content is None else file.write_bytes(content)
    for _ in range(3):
        kept = found.current()
        assert (kept.context, kept.not_after, kept.client_ca_not_after) == (
            before.context,
            before.not_after,
            before.client_ca_not_after,
        )
        assert str(file) in kept.problem
    assert [record.message for record in caplog.records] == [
        "failed to reload the certificate, keeping the previous one"
    ]
    file.write_bytes(good)
    assert found.current().problem == ""


OUT_OF_DESCRIPTORS = """
import resource, sys
from pathlib import Path
from tests.support.certificates import make_certificate
from tests.web.test_certificates import Certificates, days, tls

directory = Path(sys.argv[1])
found = Certificates(tls(directory))
make_certificate(directory, "server", 90)
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
problems = [found.current().problem for _ in range(3)]
before = days(found.current().not_after)
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
assert all("Too many open files" in problem for problem in problems), problems
print(before, days(found.current().not_after), repr(found.current().problem))
"""


def test_a_new_certificate_that_could_not_be_read_is_tried_again(certificates: Path) -> None:
    """A moment without a descriptor costs no more than that moment, though the file stays as it is."""
    # In a process of its own, for the limit is the whole process's.
    command = [sys.executable, "-c", OUT_OF_DESCRIPTORS, str(certificates)]
    done = subprocess.run(command, cwd=TREE, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == (
        "1 90 ''\n",
        "failed to reload the certificate, keeping the previous one\n",
    )


def test_a_key_of_another_certificate(certificates: Path) -> None:
    """Of a rotation that was half done nothing is in use."""
    found = Certificates(tls(certificates))
    (certificates / "server.key").write_bytes((certificates / "client.key").read_bytes())
    assert "mismatch" in found.current().problem
    assert days(found.current().not_after) == 1


def test_a_certificate_that_no_client_accepts(certificates: Path, caplog: pytest.LogCaptureFixture) -> None:
    """One for clients alone is served, as ever; when it expires is not known, and the log says why."""
    make_certificate(certificates, "server", 90, "extendedKeyUsage=clientAuth")
    assert Certificates(tls(certificates)).current().not_after is None
    assert "failed to read when the certificate expires" in caplog.text


def test_a_key_with_a_passphrase(certificates: Path) -> None:
    """It cannot be used, and nobody is asked for it on the terminal of a service."""
    openssl = component("openssl", "openssl")
    encrypted: list[str | Path] = [openssl, "ec", "-in", "server.key", "-out", "server.key", "-aes256"]
    subprocess.run([*encrypted, "-passout", "pass:s3cret"], cwd=certificates, check=True, capture_output=True)
    with pytest.raises(CannotServe, match="the certificate, its key or the client CA cannot be used: "):
        Certificates(tls(certificates))

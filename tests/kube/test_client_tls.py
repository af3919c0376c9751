"""The API server's certificate is accepted exactly where kubectl accepts it, under the Python of the image too."""

import os
import shutil
import ssl
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.components import component, lack
from tests.support.image import TREE
from tests.support.loopback import Handler, LoopbackServer

ASK = """
import socket, ssl, sys
from pathlib import Path
from remediator.kube.client_tls import client_context
context = client_context(authority=Path(sys.argv[2]).read_bytes(), verify=True, identity=None)
host, _, port = sys.argv[1].partition(":")
with socket.create_connection((host, int(port)), timeout=60) as raw, context.wrap_socket(raw, server_hostname=host):
    print("accepted")
"""
PLAIN = "subjectKeyIdentifier=none\nauthorityKeyIdentifier=none\n"
AUTHORITY = f"{PLAIN}basicConstraints=critical,CA:TRUE\n"
SERVER = f"{PLAIN}subjectAltName=IP:127.0.0.1\n"

Sign = Callable[..., str]


class Empty(Handler):
    """Answers an empty object."""

    def do_GET(self) -> None:
        """Any GET."""
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")


@pytest.fixture
def sign(tmp_path: Path) -> Sign:
    """Makes a certificate, `name.crt` with `name.key`, signed by another or by itself."""
    openssl = component("openssl", "openssl")

    def run(*arguments: str) -> None:
        subprocess.run([openssl, *arguments], cwd=tmp_path, check=True, capture_output=True)

    def make(name: str, extensions: str, by: str = "", *, days: int = 30, subject: str = "") -> str:
        (tmp_path / f"{name}.ext").write_text(extensions)
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key"]
        run("req", *key, "-out", f"{name}.csr", "-subj", f"/CN={subject or name}")
        signer = ["-CA", f"{by}.crt", "-CAkey", f"{by}.key", "-CAcreateserial"] if by else ["-signkey", f"{name}.key"]
        extra = ["-extfile", f"{name}.ext"] if extensions else []
        run("x509", "-req", "-in", f"{name}.csr", *signer, *extra, "-days", str(days), "-out", f"{name}.crt")
        return name

    return make


def _old_authority(sign: Sign) -> str:
    sign("ca", AUTHORITY)
    return sign("server", SERVER, "ca")


def _not_critical(sign: Sign) -> str:
    sign("ca", f"{PLAIN}basicConstraints=CA:TRUE\n")
    return sign("server", SERVER, "ca")


def _version_1(sign: Sign) -> str:
    sign("ca", "")
    return sign("server", SERVER, "ca")


def _usage(sign: Sign) -> str:
    sign("ca", f"{AUTHORITY}keyUsage=digitalSignature,keyCertSign\n")
    return sign("server", f"{SERVER}keyUsage=digitalSignature,keyEncipherment\nextendedKeyUsage=serverAuth\n", "ca")


def _intermediate_as_root(sign: Sign) -> str:
    sign("root", AUTHORITY)
    sign("ca", AUTHORITY, "root")
    return sign("server", SERVER, "ca")


def _itself(sign: Sign) -> str:
    return sign("ca", SERVER)


def _expired(sign: Sign) -> str:
    sign("ca", AUTHORITY)
    return sign("server", SERVER, "ca", days=-1)


def _expired_authority(sign: Sign) -> str:
    sign("ca", AUTHORITY, days=-1)
    return sign("server", SERVER, "ca")


def _another_address(sign: Sign) -> str:
    sign("ca", AUTHORITY)
    return sign("server", f"{PLAIN}subjectAltName=IP:127.0.0.2,DNS:127.0.0.1\n", "ca")


def _name_in_subject(sign: Sign) -> str:
    sign("ca", AUTHORITY)
    return sign("server", PLAIN, "ca", subject="127.0.0.1")


def _authority_of_the_same_name(sign: Sign) -> str:
    sign("ca", AUTHORITY)
    sign("other", AUTHORITY, subject="ca")
    return sign("server", SERVER, "other")


def _signed_by_no_authority(sign: Sign) -> str:
    sign("ca", f"{PLAIN}basicConstraints=critical,CA:FALSE\n")
    return sign("server", SERVER, "ca")


def _signed_by_itself(sign: Sign) -> str:
    sign("ca", AUTHORITY)
    return sign("server", SERVER)


def _for_clients(sign: Sign) -> str:
    sign("ca", AUTHORITY)
    return sign("server", f"{SERVER}extendedKeyUsage=clientAuth\n", "ca")


def _may_sign_nothing(sign: Sign) -> str:
    sign("ca", f"{AUTHORITY}keyUsage=critical,digitalSignature\n")
    return sign("server", SERVER, "ca")


ACCEPTED = [_old_authority, _not_critical, _version_1, _usage, _intermediate_as_root, _itself]
REFUSED = [
    *(_expired, _expired_authority, _another_address, _name_in_subject, _authority_of_the_same_name),
    *(_signed_by_no_authority, _signed_by_itself, _for_clients, _may_sign_nothing),
]


def _pythons() -> list[str]:
    """This Python, and the one of the image, whose defaults are stricter."""
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    newer = [*map(str, root.glob("versions/3.13.*/bin/python")), shutil.which("python3.13")]
    found = next((python for python in newer if python), None)
    if found is None and sys.version_info < (3, 13):
        raise lack("there is no Python 3.13")
    return [sys.executable, *([found] if found else [])]


@pytest.mark.parametrize("make", [*ACCEPTED, *REFUSED], ids=lambda make: make.__name__.strip("_"))
def test_certificates_are_judged_as_by_kubectl(sign: Sign, tmp_path: Path, make: Callable[[Sign], str]) -> None:
    """What kubectl accepts is accepted, and nothing else."""
    name = make(sign)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / f"{name}.crt", tmp_path / f"{name}.key")
    authority = str(tmp_path / "ca.crt")
    with LoopbackServer(Empty, tls=context) as server:
        flags = [
            f"--server={server.url}",
            f"--certificate-authority={authority}",
            "--kubeconfig=/dev/null",
            "--token=x",
        ]
        kubectl = subprocess.run(
            [component("kubectl", "kubectl"), *flags, "get", "--raw=/"], capture_output=True, text=True, timeout=60
        )
        found = {}
        for python in _pythons():
            ours = subprocess.run(
                [python, "-c", ASK, server.address, authority], cwd=TREE, capture_output=True, text=True, timeout=60
            )
            assert ours.stdout == "accepted\n" or "CERTIFICATE_VERIFY_FAILED" in ours.stderr, ours.stderr
            found[python] = ours.returncode == 0
    assert set(found.values()) == {make in ACCEPTED}, found
    assert (kubectl.returncode == 0) is (make in ACCEPTED), kubectl.stderr

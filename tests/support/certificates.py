"""Certificates of an authority that a test makes: for the server and a client, and for as many days as are wanted."""

import subprocess
from pathlib import Path

from tests.support.components import component

KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


def make_authority(directory: Path, days: int = 1, name: str = "ca") -> None:
    """NAME.crt and NAME.key."""
    files = ("-keyout", f"{name}.key", "-out", f"{name}.crt")
    _openssl(directory, "req", "-x509", *KEY, *files, "-days", str(days), "-subj", f"/CN={name}")


def make_certificate(
    directory: Path, name: str, days: int = 1, extensions: str = "subjectAltName=IP:127.0.0.1"
) -> None:
    """NAME.crt and NAME.key, of the authority in the same folder; one for -1 days expired a day ago."""
    _openssl(directory, "req", *KEY, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
    (directory / "extensions").write_text(extensions)
    signing = ("-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "extensions", "-days", str(days))
    _openssl(directory, "x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.crt", *signing)


def _openssl(directory: Path, *arguments: str) -> None:
    subprocess.run([component("openssl", "openssl"), *arguments], cwd=directory, check=True, capture_output=True)

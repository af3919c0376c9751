"""What a service account is to a Pod: a folder with a token and an authority, and tokens good and bad to put there."""

import base64
import json
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.components import component

FOLDER = "/var/run/secrets/kubernetes.io/serviceaccount"


class MountedAccount:
    """The folder as the kubelet fills it: all files change at once, by one symlink."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(parents=True)
        self._version = 0
        for name in ("token", "ca.crt"):
            (directory / name).symlink_to(f"..data/{name}")

    def project(self, *, token: str, authority: bytes) -> None:
        """Replace the files."""
        self._version += 1
        version = self.directory / f"..version-{self._version}"
        version.mkdir()
        (version / "token").write_text(token)
        (version / "ca.crt").write_bytes(authority)
        fresh = self.directory / "..data_tmp"
        fresh.symlink_to(version.name)
        fresh.rename(self.directory / "..data")


def new_key(path: Path) -> Path:
    """A key like the one that an API server signs tokens with."""
    _openssl("ecparam", "-genkey", "-noout", "-name", "prime256v1", "-out", path)
    return path


def new_authority(directory: Path) -> bytes:
    """The certificate of an authority that has signed nothing."""
    key, certificate = new_key(directory / "authority.key"), directory / "authority.crt"
    _openssl("req", "-x509", "-key", key, "-subj", "/CN=somebody-else", "-days", "1", "-out", certificate)
    return certificate.read_bytes()


def sign_token(key: Path, account: Mapping[str, Any], *, lifetime: float) -> str:
    """A token for a ServiceAccount object, as the API server itself would sign it with this key.

    The API server makes none that lives for less than ten minutes; here the lifetime may be over already.
    """
    now, name, namespace = int(time.time()), account["metadata"]["name"], account["metadata"]["namespace"]
    claims = {
        "iss": "https://kubernetes.default.svc",
        "aud": ["https://kubernetes.default.svc"],
        "sub": f"system:serviceaccount:{namespace}:{name}",
        "iat": now - 7200,
        "nbf": now - 7200,
        "exp": now + int(lifetime),
        "kubernetes.io": {
            "namespace": namespace,
            "serviceaccount": {"name": name, "uid": account["metadata"]["uid"]},
        },
    }
    signed = b".".join(_encode(json.dumps(part).encode()) for part in ({"alg": "ES256", "typ": "JWT"}, claims))
    signature = _openssl("dgst", "-sha256", "-sign", key, stdin=signed)
    return b".".join((signed, _encode(_raw(signature)))).decode()


def _openssl(*arguments: str | Path, stdin: bytes = b"") -> bytes:
    command = [str(part) for part in (component("openssl", "openssl"), *arguments)]
    return subprocess.run(command, input=stdin, check=True, capture_output=True).stdout


def _encode(part: bytes) -> bytes:
    return base64.urlsafe_b64encode(part).rstrip(b"=")


def _raw(signature: bytes) -> bytes:
    """The two numbers of a signature, 32 bytes each, out of the ASN.1 that openssl writes."""
    numbers, rest = [], signature[2:]
    while rest:
        length = rest[1]
        numbers.append(rest[2 : 2 + length].lstrip(b"\0").rjust(32, b"\0"))
        rest = rest[2 + length :]
    return b"".join(numbers)

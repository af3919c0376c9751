"""Who may post alerts: bearer tokens and Basic users, from files that are reloaded when they change.

Several are valid at once, so that a token can be rotated without losing a notification: add the new one, change
Alertmanager, remove the old one. A credential is compared as a digest with all valid ones every time, so that the
duration reveals nothing.
"""

import base64
import hashlib
import hmac
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

log = logging.getLogger(__name__)

REREAD_SECONDS = 1.0
"""How often files are checked. Mounted Secrets change by a symlink, so a check is cheap."""


class InvalidCredentials(ValueError):
    """A file of credentials cannot be used; the text says which and why, and shows no secret."""


class Credentials:
    """The credentials that are valid now. Raises InvalidCredentials if a file is invalid at the start."""

    def __init__(
        self,
        token_files: Sequence[Path],
        basic_auth_files: Sequence[Path],
        *,
        on_reload: Callable[[bool], None] = lambda successful: None,
    ) -> None:
        self._files = [(path, _tokens) for path in token_files] + [(path, _users) for path in basic_auth_files]
        self._on_reload = on_reload
        self._lock = threading.Lock()
        self._failing: dict[Path, str] = {}
        self._digests = {path: tuple(map(_digest, read(path))) for path, read in self._files}
        self._read_at = time.monotonic()
        self._on_reload(True)

    @property
    def schemes(self) -> tuple[str, ...]:
        """The schemes of HTTP authentication that a client may use."""
        kinds = {_tokens: "Bearer", _users: "Basic"}
        return tuple(dict.fromkeys(kinds[read] for _, read in self._files))

    @property
    def problem(self) -> str:
        """Why the current files are not in force, or empty; shows no secret."""
        with self._lock:
            return "; ".join(self._failing.values())

    def accept(self, authorization: str) -> bool:
        """Whether the value of an Authorization header is valid."""
        self._reread()
        presented = _digest(_normal(authorization))
        valid = [hmac.compare_digest(presented, digest) for digests in self._digests.values() for digest in digests]
        return any(valid)

    def watch(self, stop: threading.Event) -> None:
        """Notice changes, even while nobody posts, until asked to stop."""
        while not stop.wait(REREAD_SECONDS):
            self._reread()

    def _reread(self) -> None:
        with self._lock:
            if time.monotonic() - self._read_at < REREAD_SECONDS:
                return
            for path, read in self._files:
                try:
                    self._digests[path] = tuple(map(_digest, read(path)))
                    self._failing.pop(path, None)
                except InvalidCredentials as error:
                    if path not in self._failing:
                        message = "failed to reload credentials, keeping the previous ones"
                        log.error(message, extra={"error": str(error)})
                    self._failing[path] = str(error)
            self._on_reload(not self._failing)
            self._read_at = time.monotonic()


def _normal(authorization: str) -> bytes:
    """The header's bytes with the scheme in lower case, because schemes are case-insensitive."""
    scheme, _, rest = authorization.partition(" ")
    return f"{scheme.lower()} {rest.strip()}".encode("latin-1", "replace")


def _digest(secret: bytes) -> bytes:
    return hashlib.sha256(secret).digest()


def _tokens(path: Path) -> Iterator[bytes]:
    return iter([b"bearer " + line for _, line in _lines(path, "--web.token-file", "a token")])


def _users(path: Path) -> Iterator[bytes]:
    lines = _lines(path, "--web.basic-auth-file", "user:password")
    for number, line in lines:
        if not all(line.partition(b":")):
            raise InvalidCredentials(f"{path}:{number}: not of the form user:password")
    return iter([b"basic " + base64.b64encode(line) for _, line in lines])


def _lines(path: Path, flag: str, wanted: str) -> list[tuple[int, bytes]]:
    try:
        text = path.read_bytes()
    except OSError as error:
        raise InvalidCredentials(f"{flag}={path}: cannot be read: {error.strerror}") from None
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
    if not lines:
        raise InvalidCredentials(f"{path}: is empty; write {wanted} on a line of its own")
    return lines

"""Who asks the API server: the headers and the client certificate of a request, as new as they have to be.

A token file is read again every minute, a plugin is run again when its credentials end. What fails is said at the
request, and leaves the API server without one, so that nobody is asked as nobody.
"""

import base64
import logging
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from remediator.kube.credential_plugin import Plugin, PluginCredential, PluginFailed, PluginPatience
from remediator.kube.errors import Forbidden, Unavailable
from remediator.kube.kubeconfig import Access

log = logging.getLogger(__name__)

TOKEN_SECONDS = 60.0
"""For how long a token file is not read again; client-go's figure."""

_AFTER_FAILURE_SECONDS = 3.0
"""For how long a plugin that has failed is not run again: all who wait for it get the same error at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What goes with a request."""

    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    identity: bytes | None = field(default=None, repr=False)
    """The client's certificate and its key, as PEM."""


class ApiIdentity:
    """The credentials of a kubeconfig's user. Safe to share between threads."""

    def __init__(self, access: Access, patience: PluginPatience) -> None:
        user = access.user
        self._user = user
        self._impersonation = tuple(access.impersonation.headers())
        self._token_file = _TokenFile(user.token_file, user.token) if user.token_file else None
        self._plugin = _CachedPlugin(user.plugin, patience) if user.plugin else None

    def credentials(self, *, impersonate: bool = True) -> Credentials:
        """The credentials of now; without `impersonate`, of whom they belong to. Raises Forbidden, Unavailable."""
        headers, token, identity = [], self._user.token, self._user.identity
        if self._token_file:
            token = self._token_file.token()
        if self._plugin:
            found = self._plugin.credential()
            token, identity = found.token, identity or found.identity
        if token:
            headers.append(("Authorization", f"Bearer {token}"))
        elif self._user.basic:
            pair = ":".join(self._user.basic).encode()
            headers.append(("Authorization", f"Basic {base64.b64encode(pair).decode()}"))
        if impersonate:
            headers += self._impersonation
        return Credentials(headers=tuple(headers), identity=identity)


class _TokenFile:
    """The bearer token as the file has it, else as it was, else the one that the kubeconfig has beside it."""

    def __init__(self, path: Path, otherwise: str) -> None:
        self._path = path
        self._token = otherwise
        self._read_at = float("-inf")
        self._failing = False

    def token(self) -> str:
        """The token, without the newline that ends a file. Raises Forbidden without any."""
        now = time.monotonic()
        if now - self._read_at >= TOKEN_SECONDS:
            try:
                self._token = self._read()
            except (OSError, ValueError) as error:
                if not self._token:
                    raise Forbidden(f"the credentials cannot be read: {error}") from None
                if not self._failing:
                    log.error("failed to read the token again, keeping the last one", extra={"error": str(error)})
                self._failing = True
            else:
                self._failing, self._read_at = False, now
        return self._token

    def _read(self) -> str:
        if token := self._path.read_text().strip():
            return token
        raise ValueError(f"the token file {self._path} is empty")


class _CachedPlugin:
    """A plugin that runs once for all threads, and again when what it gave has ended."""

    def __init__(self, plugin: Plugin, patience: PluginPatience) -> None:
        self._plugin, self._patience = plugin, patience
        self._lock = threading.Lock()
        self._held: PluginCredential | None = None
        self._failure, self._failed_at = "", float("-inf")

    def credential(self) -> PluginCredential:
        """What it gave, if that is still good, or gives now. Raises Unavailable."""
        held = self._held
        if held and held.is_good(datetime.now(UTC)):
            return held
        with self._lock:
            if (held := self._held) and held.is_good(datetime.now(UTC)):
                return held
            if time.monotonic() - self._failed_at < _AFTER_FAILURE_SECONDS:
                raise Unavailable(self._failure)
            try:
                self._held = self._plugin.run(self._patience)
            except PluginFailed as problem:
                self._failure, self._failed_at = str(problem), time.monotonic()
                raise Unavailable(self._failure) from None
            return self._held

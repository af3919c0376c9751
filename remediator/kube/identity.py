"""The identity of requests to the API server: headers and client certificate, refreshed when needed.

A token file is reloaded every minute, and a plugin is run again when its credentials expire. On failure the request is
not sent at all, so it is never sent anonymously.
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
"""How long a token file is cached; the same as in client-go."""

_AFTER_FAILURE_SECONDS = 3.0
"""How long a plugin's failure is cached: all waiting threads get the same error at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """The headers and certificate of a request."""

    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    identity: bytes | None = field(default=None, repr=False)
    """The client's certificate and its key, as PEM."""


class ApiIdentity:
    """The credentials of a kubeconfig's user. Thread-safe."""

    def __init__(self, access: Access, patience: PluginPatience) -> None:
        user = access.user
        self._user = user
        self._impersonation = tuple(access.impersonation.headers())
        self._token_file = _TokenFile(user.token_file, user.token) if user.token_file else None
        self._plugin = _CachedPlugin(user.plugin, patience) if user.plugin else None

    def credentials(self, *, impersonate: bool = True) -> Credentials:
        """The current credentials; without `impersonate`, those of their own user. Raises Forbidden, Unavailable."""
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
    """The bearer token from the file, else the previous one, else the kubeconfig's `token`."""

    def __init__(self, path: Path, otherwise: str) -> None:
        self._path = path
        self._token = otherwise
        self._read_at = float("-inf")
        self._failing = False

    def token(self) -> str:
        """The token, without a trailing newline. Raises Forbidden if there is none."""
        now = time.monotonic()
        if now - self._read_at >= TOKEN_SECONDS:
            try:
                self._token = self._read()
            except (OSError, ValueError) as error:
                if not self._token:
                    raise Forbidden(f"the credentials cannot be read: {error}") from None
                if not self._failing:
                    log.error("failed to reload the token, keeping the previous one", extra={"error": str(error)})
                self._failing = True
            else:
                self._failing, self._read_at = False, now
        return self._token

    def _read(self) -> str:
        if token := self._path.read_text().strip():
            return token
        raise ValueError(f"the token file {self._path} is empty")


class _CachedPlugin:
    """A plugin that runs once for all threads, and again when its credentials have expired."""

    def __init__(self, plugin: Plugin, patience: PluginPatience) -> None:
        self._plugin, self._patience = plugin, patience
        self._lock = threading.Lock()
        self._held: PluginCredential | None = None
        self._failure, self._failed_at = "", float("-inf")

    def credential(self) -> PluginCredential:
        """Its credentials, cached while they are valid. Raises Unavailable."""
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

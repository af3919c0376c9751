"""Settings to reach Prometheus and Alertmanager: the format of promtool's and amtool's --http.config.file.

The rule of this file: an unsupported setting is refused with its line, before anything is sent. A secret in a file is
read for each request, so that rotation needs no restart.
"""

import os
import ssl
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import urllib3
from pydantic import BaseModel, ConfigDict, ValidationError
from urllib3.exceptions import InsecureRequestWarning

from remediator.config.document import Document, InvalidDocument, Problem, parse_document, read_text
from remediator.core.proxies import InvalidProxy, Proxy, environment_proxy, parse_proxy
from remediator.kube.client_tls import client_context, load_identity
from remediator.kube.pools import open_pool

_VERSIONS = {
    "TLS10": ssl.TLSVersion.TLSv1,
    "TLS11": ssl.TLSVersion.TLSv1_1,
    "TLS12": ssl.TLSVersion.TLSv1_2,
    "TLS13": ssl.TLSVersion.TLSv1_3,
}

_RESERVED = {
    *("authorization", "host", "content-encoding", "content-length", "content-type", "user-agent", "connection"),
    *("keep-alive", "proxy-authenticate", "proxy-authorization", "www-authenticate", "accept-encoding", "te"),
    *("trailer", "transfer-encoding", "upgrade"),
}
"""Headers that Prometheus does not allow in http_headers."""

Version = Literal["TLS10", "TLS11", "TLS12", "TLS13"]


class UnreadableSecret(Exception):
    """A file with a secret cannot be read; the error says which and why."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _BasicAuth(_Section):
    username: str = ""
    username_file: str = ""
    password: str = ""
    password_file: str = ""


class _Authorization(_Section):
    type: str = "Bearer"
    credentials: str = ""
    credentials_file: str = ""


class _Tls(_Section):
    ca: str = ""
    ca_file: str = ""
    cert: str = ""
    cert_file: str = ""
    key: str = ""
    key_file: str = ""
    server_name: str = ""
    insecure_skip_verify: bool = False
    min_version: Version | None = None
    max_version: Version | None = None


class _Header(_Section):
    values: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


class _Config(_Section):
    basic_auth: _BasicAuth | None = None
    authorization: _Authorization | None = None
    bearer_token: str = ""
    bearer_token_file: str = ""
    tls_config: _Tls = _Tls()
    proxy_url: str = ""
    no_proxy: str = ""
    proxy_from_environment: bool = False
    proxy_connect_header: dict[str, tuple[str, ...]] = {}
    follow_redirects: bool = True
    # Accepted, because files are shared with promtool. Requests here use HTTP/1.1.
    enable_http2: bool = True
    http_headers: dict[str, _Header] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Secret:
    """A text, or the file that contains it."""

    text: str = ""
    file: Path | None = None

    def read(self) -> str:
        """The text; from a file, without surrounding whitespace. Raises UnreadableSecret."""
        if self.file is None:
            return self.text
        try:
            return self.file.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise UnreadableSecret(f"{self.file} cannot be read: {why}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Headers:
    """The headers of a request, and the secrets in them that must never be shown."""

    fields: tuple[tuple[str, str], ...]
    secrets: tuple[str, ...]


class HttpConfig:
    """Load the settings of a file. Raises InvalidDocument with the line of each problem."""

    def __init__(self, file: Path) -> None:
        self.file = file
        document = parse_document(read_text(file), str(file))
        self._config = _validate(document)
        if problems := [document.problem(path, message) for path, message in _contradictions(self._config)]:
            raise InvalidDocument(problems)
        try:
            self._tls = tls_context(self._config.tls_config, self._path)
            self._proxy = parse_proxy(self._config.proxy_url, "proxy_url") if self._config.proxy_url else None
        except (ValueError, OSError) as error:
            field = "proxy_url" if isinstance(error, InvalidProxy) else "tls_config"
            why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            where = f"{error.filename}: " if isinstance(error, OSError) and error.filename else ""
            raise InvalidDocument([document.problem((field,), f"{where}{why}")]) from error

    @property
    def authorizes(self) -> bool:
        """Whether it has credentials."""
        config = self._config
        return bool(config.basic_auth or config.authorization or config.bearer_token or config.bearer_token_file)

    @property
    def follows_redirects(self) -> bool:
        """Whether redirects to the same server are followed."""
        return self._config.follow_redirects

    def headers(self) -> Headers:
        """The headers of a request; reads the files. Raises UnreadableSecret."""
        fields: list[tuple[str, str]] = []
        secrets: list[str] = []
        for name, header in self._config.http_headers.items():
            fields += [(name, value) for value in header.values]
            for secret in (*map(_text, header.secrets), *(_Secret(file=self._path(file)) for file in header.files)):
                text = secret.read()
                fields.append((name, text))
                secrets.append(text)
        if authorization := self._authorization(secrets):
            fields.append(("Authorization", authorization))
        for name, value in fields:
            if not value.isprintable():
                raise UnreadableSecret(f"the value of the header {name} has a line break or the like")
        return Headers(fields=tuple(fields), secrets=tuple(filter(None, secrets)))

    def pool(self, base: str) -> urllib3.PoolManager:
        """A connection pool for the server at this URL. Raises ValueError."""
        tls = self._config.tls_config
        options: dict[str, Any] = {"maxsize": 16}
        if tls.server_name:
            options |= {"server_hostname": tls.server_name, "assert_hostname": tls.server_name}
        if tls.insecure_skip_verify:
            # The file with this setting is named already.
            urllib3.disable_warnings(InsecureRequestWarning)
            options |= {"cert_reqs": "CERT_NONE", "assert_hostname": False}
        headers = self._config.proxy_connect_header
        return open_pool(self._proxy_for(base), context=self._tls, connect_headers=headers, **options)

    def _proxy_for(self, base: str) -> Proxy | None:
        config = self._config
        if config.proxy_from_environment:
            return environment_proxy(base, os.environ)
        if self._proxy and config.no_proxy:
            environment = {"HTTP_PROXY": config.proxy_url, "HTTPS_PROXY": config.proxy_url, "NO_PROXY": config.no_proxy}
            found = environment_proxy(base, environment)
            return found and replace(found, source="proxy_url")
        return self._proxy

    def _authorization(self, secrets: list[str]) -> str:
        config = self._config
        if basic := config.basic_auth:
            username = self._secret(basic.username, basic.username_file).read()
            password = self._secret(basic.password, basic.password_file).read()
            token = b64encode(f"{username}:{password}".encode()).decode()
            secrets += [password, token]
            return f"Basic {token}"
        found = config.authorization or _Authorization(
            credentials=config.bearer_token, credentials_file=config.bearer_token_file
        )
        token = self._secret(found.credentials, found.credentials_file).read()
        secrets.append(token)
        return f"{found.type.strip() or 'Bearer'} {token}" if self.authorizes else ""

    def _secret(self, text: str, file: str) -> _Secret:
        return _Secret(file=self._path(file)) if file else _Secret(text=text)

    def _path(self, text: str) -> Path:
        """A path in the file, relative to the file's folder."""
        return self.file.parent / text


def _text(value: str) -> _Secret:
    return _Secret(text=value)


def _validate(document: Document) -> _Config:
    value = _without_nulls({} if document.value is None else document.value)
    if isinstance(value, Mapping) and "oauth2" in value:
        message = "is not supported; give a token as authorization, or use a proxy that does it"
        raise InvalidDocument([document.problem(("oauth2",), message)])
    try:
        return _Config.model_validate(value)
    except ValidationError as error:
        raise InvalidDocument([_problem(document, one) for one in error.errors(include_url=False)]) from None


def _without_nulls(value: Any) -> Any:
    """Drop keys without a value, which count as missing."""
    if isinstance(value, Mapping):
        return {key: _without_nulls(one) for key, one in value.items() if one is not None}
    return tuple(map(_without_nulls, value)) if isinstance(value, list) else value


def _problem(document: Document, error: Any) -> Problem:
    path = error["loc"]
    match error["type"]:
        case "extra_forbidden":
            return document.problem(path, "is not a supported key of promtool's --http.config.file")
        case "string_type":
            return document.problem(path, "must be text; put it in quotes")
        case "model_type" | "dict_type":
            return document.problem(path, "must be a mapping")
        case _:
            return document.problem(path, error["msg"].removeprefix("Input ").lower())


def _contradictions(config: _Config) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Contradictory settings, each with its path."""
    basic, authorization, tls = config.basic_auth, config.authorization, config.tls_config
    given = {
        "basic_auth": basic,
        "authorization": authorization,
        "bearer_token": config.bearer_token,
        "bearer_token_file": config.bearer_token_file,
    }
    names = [name for name, value in given.items() if value]
    if len(names) > 1:
        yield (names[1],), f"cannot be combined with {names[0]}; give one of them"
    pairs: list[tuple[str, object, tuple[str, ...]]] = [("tls_config", tls, ("ca", "cert", "key"))]
    pairs += [("basic_auth", basic, ("username", "password")), ("authorization", authorization, ("credentials",))]
    for section, value, keys in pairs:
        for key in keys:
            if value and getattr(value, key) and getattr(value, f"{key}_file"):
                yield (section, f"{key}_file"), f"cannot be combined with {key}; give one of them"
    if authorization and authorization.type.strip().lower() == "basic":
        yield ("authorization", "type"), "cannot be Basic; write basic_auth"
    if authorization and not (authorization.credentials or authorization.credentials_file):
        yield ("authorization",), "has neither credentials nor credentials_file"
    if bool(tls.cert or tls.cert_file) != bool(tls.key or tls.key_file):
        yield ("tls_config",), "a client certificate needs both cert_file and key_file"
    if config.proxy_from_environment and (config.proxy_url or config.no_proxy):
        yield ("proxy_from_environment",), "cannot be combined with proxy_url or no_proxy; give one of them"
    if config.no_proxy and not config.proxy_url:
        yield ("no_proxy",), "needs proxy_url"
    for name in config.http_headers:
        if name.lower() in _RESERVED or not name.isascii() or not name.replace("-", "").replace("_", "").isalnum():
            yield ("http_headers", name), "cannot be set; credentials go into authorization or basic_auth"


def tls_context(tls: _Tls = _Tls(), resolve: Any = Path) -> ssl.SSLContext:  # noqa: B008 # it is frozen
    """The SSL context that verifies a server's certificate. Raises ValueError and OSError."""

    def pem(text: str, file: str) -> bytes | None:
        return text.encode() if text else resolve(file).read_bytes() if file else None

    authority, cert, key = pem(tls.ca, tls.ca_file), pem(tls.cert, tls.cert_file), pem(tls.key, tls.key_file)
    try:
        context = client_context(authority=authority, verify=not tls.insecure_skip_verify, identity=None)
    except ssl.SSLError as error:
        raise ValueError(f"{tls.ca_file or 'ca'} has no certificates in PEM") from error
    if cert and key:
        try:
            load_identity(context, cert + b"\n" + key)
        except ssl.SSLError as error:
            raise ValueError("the client certificate and its key are not PEM, or do not match") from error
    if tls.min_version:
        context.minimum_version = _VERSIONS[tls.min_version]
    if tls.max_version:
        context.maximum_version = _VERSIONS[tls.max_version]
    return context

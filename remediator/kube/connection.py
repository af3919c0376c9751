"""A connection to one API server as one identity: each request is sent once, and gives raw JSON or one error in time.

kubeconfig.py reads the server, the identity, the certificates and the proxy. JSON goes in and out, over a pool of
connections. Callers decide about retries; errors.py has the errors.
"""

import json
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any

import urllib3
import urllib3.exceptions
from urllib3.connection import HTTPConnection

from remediator import __version__
from remediator.kube.client_tls import client_context, server_not_after
from remediator.kube.clock import ApiClock
from remediator.kube.credential_plugin import UNATTENDED, PluginPatience
from remediator.kube.errors import (
    ClusterError,
    Forbidden,
    Rejected,
    certificate_problem,
    from_connection,
    from_status,
    unanswered,
)
from remediator.kube.identity import ApiIdentity, Credentials
from remediator.kube.impersonation import NO_IMPERSONATION, Impersonation
from remediator.kube.kubeconfig import Access, NoCluster, find_access
from remediator.kube.pools import open_pool
from remediator.kube.request import Request

REQUEST_SECONDS = 3.0
"""Timeout of one read or write, however many requests it takes; the decisions of a notification have 8 s in all."""

_ANONYMOUS = 'User "system:anonymous"'
"""The user of a request without a token, for example from an empty token file."""

_CHUNK_BYTES = 65_536

_KEEPALIVE = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}
"""TCP keepalive: idle seconds before the first probe, seconds between probes, and unanswered probes allowed.

A dead peer is noticed after 25 s, so that no act uses its connection. A load balancer does not drop a connection
that is never idle for longer than 10 s.
"""

_SOCKET_OPTIONS = [
    *HTTPConnection.default_socket_options,
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    # Not every system that people run commands on has all of them.
    *((socket.IPPROTO_TCP, getattr(socket, key), value) for key, value in _KEEPALIVE.items() if hasattr(socket, key)),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Failure:
    """Why a request failed; `stale` if newer credentials or certificates could help."""

    error: ClusterError
    cause: Exception | None = None
    stale: bool = False


class Connection:
    """A connection to an API server. Thread-safe.

    Nothing is opened before the first request, so it may be created before a fork. `threads` is the most connections it
    keeps open. `observe` is called for every request with its verb, and its HTTP status or `error`. `impersonation`
    overrides the kubeconfig's. `patience` limits a credential plugin, whose time does not count towards the timeout of
    the request. Raises NoCluster.
    """

    def __init__(
        self,
        kubeconfig: Path | None,
        *,
        threads: int = 1,
        context: str = "",
        impersonation: Impersonation = NO_IMPERSONATION,
        patience: PluginPatience = UNATTENDED,
        observe: Callable[[str, str], None] = lambda verb, code: None,
        clock: ApiClock | None = None,
    ) -> None:
        self._kubeconfig = kubeconfig
        self._context = context
        self._impersonation = impersonation
        self._patience = patience
        self._threads = threads
        self._observe = observe
        self.clock = clock or ApiClock()
        """The API server's clock, updated by each response."""
        self._way = self._connect()

    def _connect(self) -> "_Way":
        access = find_access(self._kubeconfig, self._context, self._impersonation)
        return _Way(access, ApiIdentity(access, self._patience), self._threads)

    @property
    def server(self) -> str:
        """The API server's URL."""
        return self._way.access.server

    @property
    def certificate_ends(self) -> datetime | None:
        """When the API server's certificate expires; None before an answer, without TLS, or if it is not verified."""
        return self._way.certificate_ends

    @property
    def impersonated(self) -> str:
        """The impersonated user, or empty for the credentials' own user."""
        return self._way.access.impersonation.user

    def request(self, request: Request) -> Any:
        """Send a request, and return the JSON object in the response. Raises ClusterError."""
        return json_of(request.verb, self.send(request))

    def send(self, request: Request) -> bytes:
        """Send a request, and return the body. Retried once if reloaded credentials may help. Raises ClusterError."""
        answer = self._try(request)
        if isinstance(answer, _Failure) and answer.stale:
            self._reconnect(answer.error)
            answer = self._try(request)
        if isinstance(answer, _Failure):
            raise answer.error from answer.cause
        return answer

    def _try(self, request: Request) -> bytes | _Failure:
        verb = request.verb
        way = self._way
        try:
            response, body = way.ask(request, self.clock)
        except urllib3.exceptions.HTTPError as error:
            self._observe(verb, "error")
            refusal = from_connection(verb, error, way.access.server, way.access.proxy)
            return _Failure(error=refusal, cause=error, stale=bool(certificate_problem(error)))
        except ClusterError as error:
            self._observe(verb, "error")
            # Credentials that could not be read may have been fixed in the kubeconfig since.
            return _Failure(error=error, stale=isinstance(error, Forbidden))
        except ValueError as error:
            if not isinstance(error, UnicodeError) and "header value" not in str(error):
                raise
            self._observe(verb, "error")
            # Without the cause, because its text shows the token.
            text = "the credentials contain a character that is invalid in a header, such as a line break"
            return _Failure(error=Forbidden(text), stale=True)
        self._observe(verb, str(response.status))
        if not HTTPStatus.OK <= response.status < HTTPStatus.MULTIPLE_CHOICES:
            refusal = from_status(request, response.status, body, response.reason, way.access.server)
            stale = response.status == HTTPStatus.UNAUTHORIZED or _ANONYMOUS in str(refusal)
            # A 401 of a proxied program says nothing about our credentials.
            stale = stale and not request.stranger
            return _Failure(error=refusal, stale=stale)
        return body

    def _reconnect(self, failure: ClusterError) -> None:
        """Reload the kubeconfig, because most of its files are read only once. Raises Forbidden."""
        try:
            self._way = self._connect()
        except NoCluster as problem:
            raise Forbidden(f"{failure}, and reloading the credentials failed: {problem}") from failure

    @property
    def skew(self) -> timedelta:
        """How far the API server's clock is ahead of this machine's; 0 if no difference is known."""
        return self.clock.skew or timedelta(0)

    def now(self) -> datetime:
        """The API server's time, so that records on a target are consistent with those of others."""
        return self.clock.now()


class _Way:
    """The API server's address and identity, with the open connections."""

    def __init__(self, access: Access, identity: ApiIdentity, threads: int) -> None:
        self.access = access
        self.certificate_ends: datetime | None = None
        self._identity = identity
        self._threads = threads
        # A plugin that provides a certificate only runs for a request.
        self._pool = _Pool(certificate=access.user.identity, manager=self._manager(access.user.identity))

    def _manager(self, certificate: bytes | None) -> urllib3.PoolManager:
        access = self.access
        try:
            context = client_context(authority=access.authority, verify=access.verify, identity=certificate)
        except (OSError, ValueError) as error:
            raise NoCluster(f"{access.place}: the certificates cannot be used: {_tls_problem(error)}") from None
        # No hidden retries: they would stretch a timeout of 3 s beyond a notification's time.
        return open_pool(
            access.proxy,
            context=context,
            maxsize=self._threads,
            server_hostname=access.server_name or None,
            socket_options=_SOCKET_OPTIONS,
        )

    def ask(self, request: Request, clock: ApiClock) -> tuple[urllib3.BaseHTTPResponse, bytes]:
        """Send, and return any response with its body; redirects are not followed. The clock learns from successes.

        Raises urllib3's HTTPError; ClusterError if there are no credentials, or the body is too long or too slow; and
        ValueError for credentials that are invalid in a header.
        """
        began = time.monotonic()
        credentials = self._identity.credentials(impersonate=request.impersonate)
        request = replace(request, ends=request.ends + time.monotonic() - began)
        connect, wait = request.limits()
        ends = time.monotonic() + connect + wait
        sent = clock.steady()
        response = self._manager_for(credentials).urlopen(
            request.method,
            self.access.server + request.request_target,
            body=request.content,
            headers=_headers(request, credentials),
            timeout=urllib3.Timeout(connect=connect, read=wait),
            redirect=False,
            preload_content=False,
            decode_content=False,
        )
        self.certificate_ends = self.certificate_ends or server_not_after(response)
        if not request.stranger and HTTPStatus.OK <= response.status < HTTPStatus.MULTIPLE_CHOICES:
            # Errors may come from a load balancer with a clock of its own.
            clock.learn(response.headers.get("Date"), sent, clock.steady())
        # Closes a connection with unread data; a fully read one is already back in the pool.
        with closing(response):
            return response, _read(response, request, ends)

    def _manager_for(self, credentials: Credentials) -> urllib3.PoolManager:
        """The pool, replaced if a plugin has provided another certificate. Raises Forbidden."""
        pool = self._pool
        if pool.certificate != credentials.identity:
            try:
                pool = _Pool(certificate=credentials.identity, manager=self._manager(credentials.identity))
            except NoCluster as problem:
                raise Forbidden(str(problem)) from None
            self._pool = pool
        return pool.manager


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pool:
    """Connections with one client certificate, or without one."""

    certificate: bytes | None = field(repr=False)
    manager: urllib3.PoolManager


def _headers(request: Request, credentials: Credentials) -> urllib3.HTTPHeaderDict:
    headers = urllib3.HTTPHeaderDict({"Accept": "application/json", "User-Agent": f"remediator/{__version__}"})
    if kind := request.content_type:
        headers["Content-Type"] = kind
    for name, value in credentials.headers:
        headers.add(name, value)
    return headers


def _tls_problem(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        named = getattr(error, "reason", None)  # What OpenSSL did not raise has none.
        reason = (named or str(error.args[-1] if error.args else error)).replace("_", " ").lower()
        return reason if error.errno or named else str(error)
    return getattr(error, "strerror", None) or str(error)


def _read(response: urllib3.BaseHTTPResponse, request: Request, ends: float) -> bytes:
    """Read a body of any status, within the time and, from a proxied program, the size limit. Raises ClusterError."""
    stranger = request.stranger
    who = stranger.name if stranger else "the API server"
    body = bytearray()
    while chunk := response.read1(_CHUNK_BYTES):
        body += chunk
        if stranger and len(body) > stranger.most_bytes:
            raise Rejected(f"{who}'s answer is over {stranger.most_bytes >> 20} MiB")
        if time.monotonic() > ends:
            raise unanswered(request.verb, f"{who} gave no complete answer in time")
    return bytes(body)


def json_of(verb: str, body: bytes) -> Any:
    """Parse a body. Raises ClusterError if it is not a JSON object."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise unanswered(verb, "the API server's answer is not JSON") from error
    if not isinstance(value, dict):
        raise unanswered(verb, "the API server's answer is not an object")
    return value

"""One API server, reached as one identity: each request is sent once, in its time, and ends as raw JSON or one error.

The Kubernetes client says how: where, as whom, by which certificates and proxies. JSON goes in and out, straight over
its pool of connections, for its generated classes cost more than a request. Who retries is decided by those who know
what for; what can go wrong is in api_errors.py.
"""

import json
import socket
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache
from http import HTTPStatus
from pathlib import Path
from typing import Any

import urllib3
import urllib3.exceptions
from kubernetes.client.rest import RESTClientObject
from urllib3.connection import HTTPConnection

from remediator import __version__
from remediator.api_errors import (
    ClusterError,
    Forbidden,
    Rejected,
    certificate_problem,
    from_connection,
    from_status,
    unanswered,
)
from remediator.api_request import Request
from remediator.kubeconfig import NoCluster, find_configuration

REQUEST_SECONDS = 3.0
"""For one read or write, however many requests it takes. With a read-back, three fit into a notification's 8 s."""

_ANONYMOUS = 'User "system:anonymous"'
"""Whom the API server takes for the sender of a request without a token, as from a token file that is empty."""

_CHUNK_BYTES = 65_536

_KEEPALIVE = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}
"""Seconds of silence before the first probe, seconds between probes, probes that may stay without an answer.

So a peer that is gone without a word is noticed after 25 s, and its connection is not the one that an act takes. No
load balancer forgets a connection that is never silent for longer than 10 s.
"""

_SOCKET_OPTIONS = [
    *HTTPConnection.default_socket_options,
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    # Not every system that people's commands run on has all of them.
    *((socket.IPPROTO_TCP, getattr(socket, key), value) for key, value in _KEEPALIVE.items() if hasattr(socket, key)),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Failure:
    """Why a request brought nothing; `stale` where newer credentials or certificates could help."""

    error: ClusterError
    cause: Exception | None = None
    stale: bool = False


class Connection:
    """The way to an API server. Safe to share between threads.

    It opens no connection before the first request, so it may be made before a fork. `threads` is how many connections
    it keeps open at most. `observe` is told of every request: its verb, and the HTTP status or `error` where there was
    none.
    """

    def __init__(
        self,
        kubeconfig: Path | None,
        *,
        threads: int = 1,
        context: str = "",
        observe: Callable[[str, str], None] = lambda verb, code: None,
    ) -> None:
        self._kubeconfig = kubeconfig
        self._context = context
        self._threads = threads
        self._observe = observe
        self.skew = timedelta(0)
        """How far the API server's clock is ahead of this machine's, as its last answer said; 0 within two seconds."""
        self._way = self._connect()

    def _connect(self) -> "_Way":
        configuration = find_configuration(self._kubeconfig, self._context)
        # Hidden retries would stretch one timeout of 3 s to more than the time that a notification has.
        configuration.retries = False
        configuration.connection_pool_maxsize = self._threads
        return _Way(configuration)

    def request(self, request: Request) -> Any:
        """The JSON object that the API server answers. Raises ClusterError."""
        return json_of(request.verb, self.send(request))

    def send(self, request: Request) -> bytes:
        """The body of the answer. Sent again, once, where credentials had to be read anew. Raises ClusterError."""
        answer = self._try(request)
        if isinstance(answer, _Failure) and answer.stale:
            self._reconnect(answer.error)
            answer = self._try(request)
        if isinstance(answer, _Failure):
            raise answer.error from answer.cause
        return answer

    def _try(self, request: Request) -> bytes | _Failure:
        verb = request.verb
        try:
            response, body = self._way.ask(request)
        except urllib3.exceptions.HTTPError as error:
            self._observe(verb, "error")
            return _Failure(error=from_connection(verb, error), cause=error, stale=bool(certificate_problem(error)))
        except ClusterError as error:
            self._observe(verb, "error")
            return _Failure(error=error)
        except ValueError as error:
            if not isinstance(error, UnicodeError) and "header value" not in str(error):
                raise
            self._observe(verb, "error")
            # No cause: its own text shows the token.
            text = f"{verb}: the credentials hold a character that no header can, as a line break"
            return _Failure(error=Forbidden(text), stale=True)
        self._observe(verb, str(response.status))
        if not HTTPStatus.OK <= response.status < HTTPStatus.MULTIPLE_CHOICES:
            refusal = from_status(verb, response.status, body, response.reason)
            stale = response.status == HTTPStatus.UNAUTHORIZED or _ANONYMOUS in str(refusal)
            # What somebody else says is no reason to doubt the credentials.
            stale = stale and not request.stranger
            return _Failure(error=refusal, stale=stale)
        if not request.stranger:
            self._compare_clocks(response.headers.get("Date"))
        return body

    def _reconnect(self, failure: ClusterError) -> None:
        """Read token and certificate authority anew, for the client reads most files once. Raises Forbidden."""
        try:
            self._way = self._connect()
        except NoCluster as problem:
            raise Forbidden(f"{failure}, and the credentials cannot be read again: {problem}") from failure

    def _compare_clocks(self, date: str | None) -> None:
        try:
            theirs = _time_of(date or "")
        except (ValueError, OverflowError):
            return  # It said no time, so what it said before holds.
        if theirs.tzinfo:
            skew = theirs - datetime.now(UTC)
            self.skew = skew if abs(skew) > timedelta(seconds=2) else timedelta(0)

    def now(self) -> datetime:
        """The API server's time: what is recorded on a target has to fit what others record there."""
        return datetime.now(UTC) + self.skew


class _Way:
    """Where the API server is and as whom to speak to it, with the connections that are open."""

    def __init__(self, configuration: Any) -> None:
        self._configuration = configuration
        self._host: str = configuration.host
        self._headers = {"Accept": "application/json", "User-Agent": f"remediator/{__version__}"}
        self._pool: urllib3.PoolManager = RESTClientObject(configuration).pool_manager
        # Not by the configuration's own `socket_options`: version 35 of the client ignores it.
        self._pool.connection_pool_kw["socket_options"] = _SOCKET_OPTIONS

    def ask(self, request: Request) -> tuple[urllib3.BaseHTTPResponse, bytes]:
        """Any answer at all, with its body; redirects are not followed.

        Raises urllib3's HTTPError, ClusterError for a body that is too long or takes too long, and ValueError for
        credentials that no header can hold.
        """
        connect, wait = request.limits()
        ends = time.monotonic() + connect + wait
        headers = {**self._headers, **self._credentials()}
        if request.content_type:
            headers["Content-Type"] = request.content_type
        response = self._pool.urlopen(
            request.method,
            self._host + request.request_target,
            body=request.content,
            headers=headers,
            timeout=urllib3.Timeout(connect=connect, read=wait),
            redirect=False,
            preload_content=False,
            decode_content=False,
        )
        # A connection with unread data is closed; one without is already back in the pool.
        with closing(response):
            return response, _read(response, request, ends)

    def _credentials(self) -> dict[str, str]:
        """Asked for each request: the client reads a token that ends, or comes from a program, anew in time."""
        settings = self._configuration.auth_settings().values()
        return {one["key"]: one["value"] for one in settings if one["value"]}


# All answers of a second say the same.
_time_of = lru_cache(maxsize=1)(parsedate_to_datetime)


def _read(response: urllib3.BaseHTTPResponse, request: Request, ends: float) -> bytes:
    """A body, whatever the status, as long as it comes in time and, from a stranger, is short. Raises ClusterError."""
    verb, stranger = request.verb, request.stranger
    body = bytearray()
    while chunk := response.read1(_CHUNK_BYTES):
        body += chunk
        if stranger and len(body) > stranger.most_bytes:
            raise Rejected(f"{verb}: {stranger.name}'s answer is over {stranger.most_bytes >> 20} MiB")
        if time.monotonic() > ends:
            who = stranger.name if stranger else "the API server"
            raise unanswered(verb, f"{verb}: {who} gave no complete answer in time")
    return bytes(body)


def json_of(verb: str, body: bytes) -> Any:
    """What a body says. Raises ClusterError where it is not a JSON object."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise unanswered(verb, f"{verb}: the API server's answer is not JSON") from error
    if not isinstance(value, dict):
        raise unanswered(verb, f"{verb}: the API server's answer is no object")
    return value

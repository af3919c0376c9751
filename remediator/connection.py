"""One API server, reached as one identity: each request is sent once, in its time, and ends as raw JSON or one error.

Raw JSON goes in and out, for that survives every rewrite of the client's models. Who retries is decided by those who
know what for; what can go wrong is in api_errors.py.
"""

import json
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cached_property
from http import HTTPStatus
from pathlib import Path
from typing import Any

import kubernetes.client
import urllib3
import urllib3.exceptions
from kubernetes.client.exceptions import ApiException

from remediator import __version__
from remediator.api_errors import ClusterError, Forbidden, certificate_problem, from_connection, from_status, unanswered
from remediator.kubeconfig import NoCluster, find_configuration

REQUEST_SECONDS = 3.0
"""For one read or write, however many requests it takes. With a read-back, three fit into a notification's 8 s."""


_ANONYMOUS = 'User "system:anonymous"'
"""Whom the API server takes for the sender of a request without a token, as from a token file that is empty."""


class Connection:
    """The way to an API server. Safe to share between threads.

    It opens no connection before the first request, so it may be made before a fork.

    `prepare` names the `Apis` that a request must not wait for. `observe` is told of every request: its verb, and the
    HTTP status or `error` where there was none.
    """

    def __init__(
        self,
        kubeconfig: Path | None,
        *,
        threads: int = 1,
        context: str = "",
        prepare: Sequence[str] = (),
        observe: Callable[[str, str], None] = lambda verb, code: None,
    ) -> None:
        self._kubeconfig = kubeconfig
        self._context = context
        self._threads = threads
        self._observe = observe
        self.skew = timedelta(0)
        """How far the API server's clock is ahead of this machine's, as its last answer said; 0 within two seconds."""
        self.apis = self._connect()
        for name in prepare:
            getattr(self.apis, name)

    def _connect(self) -> "Apis":
        configuration = find_configuration(self._kubeconfig, self._context)
        # Hidden retries would stretch one timeout of 3 s to more than the time that a notification has.
        configuration.retries = False
        configuration.connection_pool_maxsize = self._threads
        client = kubernetes.client.ApiClient(configuration)
        client.user_agent = f"remediator/{__version__}"
        return Apis(client)

    def request(self, verb: str, send: Callable[["Apis"], Any]) -> Any:
        """The JSON that the API server answers. `send` is called again where credentials had to be read anew.

        Raises ClusterError.
        """
        return json_of(verb, self.send(verb, send))

    def send(self, verb: str, send: Callable[["Apis"], Any], *, reconnected: bool = False) -> bytes:
        """The body that the API server answers; what `send` returns has no headers where it is somebody else's answer.

        Raises ClusterError.
        """
        try:
            response = _unmasked(send, self.apis)
            body: bytes = response.data
            if response.status >= HTTPStatus.MULTIPLE_CHOICES:
                raise _refusal(response.status, response.reason, body)
        except ApiException as error:
            status = error.status or 0
            self._observe(verb, str(status) if status else "error")
            failure = from_status(verb, status, error.body, error.reason)
            refused = status == HTTPStatus.UNAUTHORIZED or _ANONYMOUS in str(failure)
            if refused and not reconnected:
                self._reconnect(failure)
                return self.send(verb, send, reconnected=True)
            raise failure from error
        except urllib3.exceptions.HTTPError as error:
            self._observe(verb, "error")
            failure = from_connection(verb, error)
            if certificate_problem(error) and not reconnected:
                self._reconnect(failure)
                return self.send(verb, send, reconnected=True)
            raise failure from error
        except ValueError as error:
            if not isinstance(error, UnicodeError) and "header value" not in str(error):
                raise
            self._observe(verb, "error")
            # Its own text shows the token.
            failure = Forbidden(f"{verb}: the credentials hold a character that no header can, as a line break")
            if not reconnected:
                self._reconnect(failure)
                return self.send(verb, send, reconnected=True)
            raise failure from None
        self._observe(verb, str(response.status))
        self._compare_clocks(response.headers.get("Date"))
        return body

    def _reconnect(self, failure: ClusterError) -> None:
        """Read token and certificate authority anew, for the client reads most files once. Raises Forbidden."""
        try:
            self.apis = self._connect()
        except NoCluster as problem:
            raise Forbidden(f"{failure}, and the credentials cannot be read again: {problem}") from failure

    def _compare_clocks(self, date: str | None) -> None:
        try:
            theirs = parsedate_to_datetime(date or "")
        except ValueError:
            return  # It said no time, so what it said before holds.
        if theirs.tzinfo:
            skew = theirs - datetime.now(UTC)
            self.skew = skew if abs(skew) > timedelta(seconds=2) else timedelta(0)

    def now(self) -> datetime:
        """The API server's time: what is recorded on a target has to fit what others record there."""
        return datetime.now(UTC) + self.skew


class Apis:
    """The client's classes, each made when it is first asked for: importing them all would cost half a second."""

    def __init__(self, client: Any) -> None:
        self._client = client
        # What every act needs is there before it.
        self.apps = kubernetes.client.AppsV1Api(client)

    def open(self, path: str, timeout: tuple[float, float]) -> Any:
        """urllib3's response to a GET, whatever it says, with nothing read of its body; redirects are not followed.

        For answers that somebody else than the API server gives: of one that says no, the client itself would read all.
        """
        configuration = self._client.configuration
        credentials = {one["key"]: one["value"] for one in configuration.auth_settings().values()}
        connect, read = timeout
        return self._client.rest_client.pool_manager.request(
            "GET",
            configuration.host + path,
            headers={**self._client.default_headers, **credentials},
            timeout=urllib3.Timeout(connect=connect, read=read),
            redirect=False,
            preload_content=False,
            decode_content=False,
        )

    @cached_property
    def autoscaling(self) -> Any:
        """HorizontalPodAutoscalers."""
        return kubernetes.client.AutoscalingV2Api(self._client)

    @cached_property
    def authentication(self) -> Any:
        """Who the API server takes the caller for."""
        return kubernetes.client.AuthenticationV1Api(self._client)

    @cached_property
    def core(self) -> Any:
        """Pods."""
        return kubernetes.client.CoreV1Api(self._client)

    @cached_property
    def events(self) -> Any:
        """Events."""
        return kubernetes.client.EventsV1Api(self._client)


def _refusal(status: int, reason: str, body: bytes) -> ApiException:
    """What the client makes of an answer that says no."""
    error = ApiException(status=status, reason=reason)
    error.body = body.decode(errors="replace")
    return error


def _unmasked(send: Callable[[Apis], Any], apis: Apis) -> Any:
    """The answer. Raises ApiException for one that says no, and urllib3's HTTPError where there was none."""
    try:
        return send(apis)
    except ApiException as error:
        # The client makes an answer out of what goes wrong with TLS.
        if isinstance(error.__context__, urllib3.exceptions.SSLError):
            raise error.__context__ from None
        raise


def json_of(verb: str, body: bytes) -> Any:
    """What a body says. Raises ClusterError where it is not a JSON object."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise unanswered(verb, f"{verb}: the API server's answer is not JSON") from error
    if not isinstance(value, dict):
        raise unanswered(verb, f"{verb}: the API server's answer is no object")
    return value


def limits(ends: float) -> tuple[float, float]:
    """Seconds to connect and seconds to wait, together what is left until `ends`, a time of time.monotonic()."""
    left = max(ends - time.monotonic(), 0.05)
    return left / 3, left * 2 / 3

"""A JSON client for HTTP APIs such as Prometheus's and Alertmanager's.

The rule of this file: each request ends in time with a value or NoAnswer. It is never retried, no response over
MAX_BYTES is read, and no credentials are shown. With a file of settings redirects are followed, but only to the same
server.
"""

import base64
import json
import math
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, NoReturn
from urllib.parse import unquote, urlencode, urljoin, urlsplit

import urllib3
from urllib3.exceptions import HTTPError, NameResolutionError, NewConnectionError, ProxyError, SSLError, TimeoutError
from urllib3.util import Timeout

from remediator import __version__
from remediator.core.text import printable
from remediator.kube.client_tls import server_not_after
from remediator.monitoring.http_config import HttpConfig, UnreadableSecret, tls_context

CONFIGURABLE = ("Prometheus", "Alertmanager")
"""Programs that have a flag for a file of settings."""

MAX_REDIRECTS = 5

_CERTIFICATE_HAS_EXPIRED = 10
"""X509_V_ERR_CERT_HAS_EXPIRED of OpenSSL."""

MAX_BYTES = 16 * 1024 * 1024
"""Far more than any expected response: 5,000 alerts are 4 MB."""

MAX_ASKED = 120
"""Characters of a question in a message: an expression that reads nothing that is recorded has thousands."""


class NoAnswer(Exception):
    """A request without a usable response: what was asked of whom, what came back, and what to do."""

    def __init__(self, message: str, problem: str = "") -> None:
        super().__init__(message)
        self.problem = problem or message
        """Only what came back."""


class JsonApi:
    """A program's HTTP API; `program` is its name in messages. Thread-safe.

    Credentials come from the URL or from `http`. After `ends`, a time of time.monotonic(), nothing is sent. Raises
    ValueError if the URL is not an HTTP URL.
    """

    def __init__(
        self, program: str, url: str, *, timeout: float, http: HttpConfig | None = None, ends: float = math.inf
    ) -> None:
        self.name = program
        self._ends = ends
        self.skew: timedelta | None = None
        """How far its clock is ahead of this machine's by its last response, to the second; None if not known."""
        self.certificate_ends: datetime | None = None
        """When its last certificate expires; None without TLS, or if it was not verified."""
        self._http = http
        self.base, user, password = _read_url(program, url)
        """The URL without credentials."""
        self._timeout = timeout
        self._secrets = tuple(filter(None, (password, urlsplit(url).password)))
        self._headers = {"Accept": "application/json", "User-Agent": f"remediator/{__version__}"}
        if user or password:
            token = base64.b64encode(f"{user}:{password}".encode()).decode()
            self._headers["Authorization"] = f"Basic {token}"
            self._secrets += (token,)
        if http:
            if http.authorizes and self._secrets:
                raise ValueError(f"there are credentials in the URL of {program} and in {http.file}; give one of them")
            self._pool = http.pool(self.base)
        else:
            tls = tls_context() if self.base.startswith("https:") else None
            self._pool = urllib3.PoolManager(maxsize=16, retries=False, ssl_context=tls)

    @property
    def answered_tls(self) -> bool:
        """Whether it answered over TLS."""
        return self.base.startswith("https:") and self.skew is not None

    def get(
        self, path: str, fields: Mapping[str, str], *, asked: str, loads: Callable[[bytes], Any] = json.loads
    ) -> Any:
        """Get the JSON at a path below the URL; `asked` describes the request in messages. Raises NoAnswer."""
        status, kind, body, location = self._request(path, fields, asked)
        if 300 <= status < 400:
            problem = f"{status}, a redirect to {self.quote(location)}, which is not followed"
            self.fail(asked, problem, "give the URL that it redirects to")
        try:
            value = (loads if status == HTTPStatus.OK else json.loads)(body)
        except (ValueError, RecursionError):
            value = None
            if status == HTTPStatus.OK:
                self.fail(asked, f"the answer is not JSON but {self.quote(kind) or 'of no type'}", self._look())
        if status != HTTPStatus.OK:
            self.fail(asked, f"{status}: {self.quote(_words(value) or _phrase(status))}", self._remedy(status, value))
        return value

    def post(self, path: str, value: object, *, asked: str) -> None:
        """Post JSON to a path below the URL, and ignore the response body. Raises NoAnswer."""
        status, _, body, _ = self._request(path, {}, asked, json.dumps(value).encode())
        if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            self.fail(asked, f"{status}: {self.quote(body.decode(errors='replace')) or _phrase(status)}", self._look())

    def text(self, path: str, *, asked: str) -> str:
        """Get the text at a path below the URL. Raises NoAnswer."""
        status, _, body, _ = self._request(path, {}, asked)
        if status != HTTPStatus.OK:
            self.fail(asked, f"{status}: {_phrase(status)}", self._look())
        return body.decode(errors="replace")

    def fail(self, asked: str, problem: str, remedy: str) -> NoReturn:
        """Raise NoAnswer for a request."""
        question = f"{asked[:MAX_ASKED]}..." if len(asked) > MAX_ASKED + 3 else asked
        raise NoAnswer(f"{self.name} at {self.base}, asked for {question}: {problem}; {remedy}", problem)

    def _request(
        self, path: str, fields: Mapping[str, str], asked: str, content: bytes | None = None
    ) -> tuple[int, str, bytes, str]:
        ends = min(time.monotonic() + self._timeout, self._ends)
        url = f"{self.base}{path}" + (f"?{urlencode(fields)}" if fields else "")
        for _ in range(MAX_REDIRECTS + 1):
            answer = self._send(url, asked, ends, content)
            status, _kind, _body, location = answer
            following = urljoin(url, location)
            follows = content is None and self._http and self._http.follows_redirects
            if not (300 <= status < 400 and location and follows):
                break
            if not _same_server(url, following):
                break
            url = following
        return answer

    def _send(self, url: str, asked: str, ends: float, content: bytes | None) -> tuple[int, str, bytes, str]:
        late = f"no complete answer in {self._timeout:g} s"
        left = min(self._timeout, ends - time.monotonic())
        if left <= 0:
            self.fail(asked, "not asked: other requests took all the time", "try again when they are less busy")
        headers = urllib3.HTTPHeaderDict(self._headers)
        if self._http:
            try:
                found = self._http.headers()
            except UnreadableSecret as error:
                self.fail(asked, str(error), f"see {self._http.file}")
            for name, value in found.fields:
                headers.add(name, value)
            self._secrets = (*{*self._secrets, *found.secrets},)
        try:
            if content is not None:
                headers["Content-Type"] = "application/json"
            response = self._pool.request(
                "GET" if content is None else "POST",
                url,
                body=content,
                headers=headers,
                timeout=Timeout(connect=left, read=left),
                redirect=False,
                preload_content=False,
                decode_content=False,
            )
            self._note(response)
            try:
                body = bytearray()
                while chunk := response.read1(65_536):
                    body += chunk
                    if len(body) > MAX_BYTES:
                        self.fail(asked, f"the answer is larger than {MAX_BYTES >> 20} MiB", self._look())
                    if time.monotonic() > ends:
                        raise TimeoutError(late)
            finally:
                # Closes a connection with unread data; a fully read one is already back in the pool.
                response.close()
        except NameResolutionError:
            self.fail(asked, "the host name does not resolve", self._look())
        except NewConnectionError as error:
            self.fail(asked, f"no connection: {_cause(error)}", "check that it runs there, and that the URL is right")
        except TimeoutError:
            self.fail(asked, late, "try again when it is less busy, and check the network in between")
        except ProxyError as error:
            self.fail(asked, f"no connection through the proxy: {_cause(error)}", f"see the proxy in {self._file()}")
        except (HTTPError, OSError) as error:
            if isinstance(error, SSLError) or _is_tls(error):
                if _has_ended(error):
                    problem = "no TLS connection: its certificate has expired"
                    self.fail(asked, problem, "renew it, and find out why it was not renewed automatically")
                remedy = "put a CA of your own into $SSL_CERT_FILE"
                if self._has_file:
                    remedy = f"put a CA of your own, and a client certificate, into tls_config of {self._file()}"
                self.fail(asked, f"no TLS connection: {_cause(error)}", remedy)
            self.fail(asked, f"the connection broke: {_cause(error)}", self._look())
        headers = response.headers
        return response.status, headers.get("Content-Type", ""), bytes(body), headers.get("Location", "")

    def _note(self, response: urllib3.BaseHTTPResponse) -> None:
        """Remember the server's clock and certificate from a response."""
        try:
            self.skew = parsedate_to_datetime(response.headers["Date"]) - datetime.now(UTC)
        except (KeyError, TypeError, ValueError):
            self.skew = None
        self.certificate_ends = server_not_after(response) or self.certificate_ends

    @property
    def _has_file(self) -> bool:
        return self.name in CONFIGURABLE

    def _file(self) -> str:
        """The file of settings, or the flag for one."""
        if self._http:
            return str(self._http.file)
        return f"--{self.name.lower()}.http-config-file"

    def _look(self) -> str:
        return f"see that {self.name} itself listens at this URL"

    def _remedy(self, status: int, value: object) -> str:
        match status:
            case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
                if self._http:
                    return f"see the credentials, and the tenant's header, in {self._file()}"
                other = f"a token or a tenant's header in {self._file()}" if self._has_file else "the right ones"
                return f"give credentials in the URL, as in https://user:password@host, or {other}"
            case HTTPStatus.TOO_MANY_REQUESTS | HTTPStatus.SERVICE_UNAVAILABLE:
                return "ask again later"
            case HTTPStatus.BAD_REQUEST | HTTPStatus.UNPROCESSABLE_ENTITY if value is not None:
                return "its version may be too old, or the loaded rules may not be the shipped ones"
            case _:
                return f"{self._look()}; it ends before /api"

    def quote(self, text: str) -> str:
        """Make foreign text safe to show: short, printable, without our secrets."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return printable(text[:300]).strip()


def _read_url(program: str, url: str) -> tuple[str, str, str]:
    """Split a URL into one without credentials, and the credentials. Raises ValueError."""
    shown = url.rpartition("@")[2].partition("?")[0].partition("#")[0]
    wanted = "write http://host:port or https://host:port, and a path where it has one"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"{shown!r} is not the URL of {program}; {wanted}") from error
    if parts.scheme not in ("http", "https") or not host or any(letter <= " " for letter in url):
        raise ValueError(f"{shown!r} is not the URL of {program}; {wanted}")
    if parts.query or parts.fragment:
        raise ValueError(f"{shown!r}: the URL of {program} goes on after its path; {wanted}")
    base = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}"
    return base, unquote(parts.username or ""), unquote(parts.password or "")


def _same_server(url: str, following: str) -> bool:
    """Whether a redirect leads to the same server; from HTTP to HTTPS the port may change."""
    here, there = urlsplit(url), urlsplit(following)
    if "@" in there.netloc or here.hostname != there.hostname:
        return False
    return here[:2] == there[:2] or (here.scheme, there.scheme) == ("http", "https")


def _is_tls(error: BaseException) -> bool:
    return any(isinstance(one, ssl.SSLError) for one in _causes(error))


def _has_ended(error: BaseException) -> bool:
    """Whether the server's certificate was refused because it has expired."""
    found = (one for one in _causes(error) if isinstance(one, ssl.SSLCertVerificationError))
    return any(one.verify_code == _CERTIFICATE_HAS_EXPIRED for one in found)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _words(value: object) -> str:
    """The message of an error's JSON: Prometheus's `error`, Alertmanager's `message`, or a plain string."""
    if isinstance(value, dict):
        value = value.get("error") or value.get("message")
    return value if isinstance(value, str) else ""


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "no explanation"


def _cause(error: BaseException) -> str:
    """The operating system's message, from the last error of the chain."""
    *_, error = _causes(error)
    words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return words or error.__class__.__name__

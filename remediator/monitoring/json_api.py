"""JSON from a program that is asked over HTTP and never told anything, as Prometheus and Alertmanager are.

The rule of this file: one GET ends in time as a value or as NoAnswer. It is never repeated, no redirect is followed,
no answer larger than MAX_BYTES is read, and no credentials are shown.
"""

import base64
import json
import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, NoReturn
from urllib.parse import unquote, urlsplit

import urllib3
from urllib3.exceptions import HTTPError, NameResolutionError, NewConnectionError, SSLError, TimeoutError
from urllib3.util import Timeout

from remediator import __version__

MAX_BYTES = 16 * 1024 * 1024
"""Far above the answer to any of our questions: 5,000 alerts are 4 MB."""


class NoAnswer(Exception):
    """A question that got no usable answer: what was asked of whom, what came back, and what to do."""


class JsonApi:
    """A program's HTTP API; `program` is what messages call it. Safe to share between threads.

    A user name and a password in the URL are used. Raises ValueError where the URL is not that of an HTTP server.
    """

    def __init__(self, program: str, url: str, *, timeout: float) -> None:
        self._program = program
        self._base, user, password = _read_url(program, url)
        self._timeout = timeout
        self._secrets = tuple(filter(None, (password, urlsplit(url).password)))
        self._headers = {"Accept": "application/json", "User-Agent": f"remediator/{__version__}"}
        if user or password:
            token = base64.b64encode(f"{user}:{password}".encode()).decode()
            self._headers["Authorization"] = f"Basic {token}"
            self._secrets += (token,)
        self._pool = urllib3.PoolManager(maxsize=16, retries=False)

    def get(self, path: str, fields: Mapping[str, str], *, asked: str) -> Any:
        """The JSON at a path below the URL; `asked` is the question in words. Raises NoAnswer."""
        status, kind, body, location = self._request(path, fields, asked)
        if 300 <= status < 400:
            problem = f"{status}, a redirect to {self.quote(location)}, which is not followed"
            self.fail(asked, problem, "give the URL that it leads to")
        try:
            value = json.loads(body)
        except (ValueError, RecursionError):
            value = None
            if status == HTTPStatus.OK:
                self.fail(asked, f"the answer is not JSON but {self.quote(kind) or 'of no type'}", self._look())
        if status != HTTPStatus.OK:
            self.fail(asked, f"{status}: {self.quote(_words(value) or _phrase(status))}", self._remedy(status, value))
        return value

    def text(self, path: str, *, asked: str) -> str:
        """The text at a path below the URL. Raises NoAnswer."""
        status, _, body, _ = self._request(path, {}, asked)
        if status != HTTPStatus.OK:
            self.fail(asked, f"{status}: {_phrase(status)}", self._look())
        return body.decode(errors="replace")

    def fail(self, asked: str, problem: str, remedy: str) -> NoReturn:
        """Raise the NoAnswer for a question."""
        raise NoAnswer(f"{self._program} at {self._base}, asked for {asked}: {problem}; {remedy}")

    def _request(self, path: str, fields: Mapping[str, str], asked: str) -> tuple[int, str, bytes, str]:
        ends = time.monotonic() + self._timeout
        late = f"no complete answer in {self._timeout:g} s"
        try:
            response = self._pool.request(
                "GET",
                f"{self._base}{path}",
                fields=dict(fields),
                headers=self._headers,
                timeout=Timeout(connect=self._timeout, read=self._timeout),
                redirect=False,
                preload_content=False,
                decode_content=False,
            )
            try:
                body = bytearray()
                while chunk := response.read1(65_536):
                    body += chunk
                    if len(body) > MAX_BYTES:
                        self.fail(asked, f"the answer is larger than {MAX_BYTES >> 20} MiB", self._look())
                    if time.monotonic() > ends:
                        raise TimeoutError(late)
            finally:
                # A connection with unread data is closed; one without is already back in the pool.
                response.close()
        except NameResolutionError:
            self.fail(asked, "the host's name does not resolve", self._look())
        except NewConnectionError as error:
            self.fail(asked, f"no connection: {_cause(error)}", "see that it runs there, and that the URL is right")
        except TimeoutError:
            self.fail(asked, late, "ask again when it has less to do, and see what lies between")
        except SSLError as error:
            self.fail(asked, f"no TLS connection: {_cause(error)}", "a CA of your own belongs into $SSL_CERT_FILE")
        except (HTTPError, OSError) as error:
            self.fail(asked, f"the connection broke: {_cause(error)}", self._look())
        headers = response.headers
        return response.status, headers.get("Content-Type", ""), bytes(body), headers.get("Location", "")

    def _look(self) -> str:
        return f"see that {self._program} itself listens at this URL"

    def _remedy(self, status: int, value: object) -> str:
        match status:
            case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
                return "give credentials in the URL, as in https://user:password@host"
            case HTTPStatus.TOO_MANY_REQUESTS | HTTPStatus.SERVICE_UNAVAILABLE:
                return "ask again later"
            case HTTPStatus.BAD_REQUEST | HTTPStatus.UNPROCESSABLE_ENTITY if value is not None:
                return "its version may be too old, or the rules may not be those that are shipped"
            case _:
                return f"{self._look()}; it ends before /api"

    def quote(self, text: str) -> str:
        """What somebody else wrote, as it can be shown: short, printable, without our secrets."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return "".join(letter if letter.isprintable() else " " for letter in text[:300]).strip()


def _read_url(program: str, url: str) -> tuple[str, str, str]:
    """The URL without credentials, and these. Raises ValueError."""
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


def _words(value: object) -> str:
    """What an error's JSON says: Prometheus's `error`, Alertmanager's `message`, or a bare text."""
    if isinstance(value, dict):
        value = value.get("error") or value.get("message")
    return value if isinstance(value, str) else ""


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "no explanation"


def _cause(error: BaseException) -> str:
    """The system's own words for what went wrong, which are the last of the chain."""
    while following := error.__cause__ or error.__context__:
        error = following
    words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return words or error.__class__.__name__

"""Errors of requests to the API server, and what each means for the alert.

ClusterError            has the reason of the outcome
+-- NotFound            404; every caller handles it
+-- Conflict            the object has changed since it was read: read and decide again
+-- Forbidden           401, 403: credentials or rights are missing
+-- Rejected            another 4xx: the same request will never succeed
+-- Unavailable         429, 5xx, no connection: the same request may succeed later
    +-- Unanswered      a write that may have been applied: read it back
    +-- NotKubernetes   the responder is not an API server; whether the object exists is not known
"""

import http.client
import json
import socket
import ssl
from collections.abc import Iterator
from http import HTTPStatus
from urllib.parse import urlsplit

import urllib3.exceptions
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError, ReadTimeoutError

from remediator.core.outcome import ClusterError as ClusterError
from remediator.core.proxies import Proxy
from remediator.core.reasons import Reason
from remediator.kube.request import Request


class Conflict(ClusterError):
    """The object has changed since it was read."""

    reason = Reason.CONFLICT


class Forbidden(ClusterError):
    """The API server does not accept the credentials, or does not grant the right."""

    reason = Reason.FORBIDDEN


class Rejected(ClusterError):
    """The API server will never accept this request."""

    reason = Reason.REJECTED


class Unavailable(ClusterError):
    """The API server cannot be reached, or asks to come back later."""

    reason = Reason.UNAVAILABLE


class Unanswered(Unavailable):
    """A write was sent, but whether it was applied is not known."""


class NotKubernetes(Unavailable):
    """The responder is not a Kubernetes API server, and has not forwarded the request."""


class NotFound(ClusterError):
    """There is no such object."""

    reason = Reason.TARGET_NOT_FOUND


def from_status(request: Request, status: int, body: bytes, phrase: str | None, server: str) -> ClusterError:
    """The error of a response; its text includes the API server's message."""
    verb, stranger = request.verb, request.stranger
    who = stranger.name if stranger else "the API server"
    try:
        answer = json.loads(body)
        message, is_status = str(answer["message"]), answer.get("kind") == "Status"
    except (ValueError, TypeError, KeyError, RecursionError):
        message, is_status = str(phrase or "no reason given"), False
    text = f"{who} answered {status}: {message[:300]}"
    match status:
        case HTTPStatus.NOT_FOUND if not is_status and not stranger:
            # Only a Status object proves that an object is missing; a 404 of a load balancer or a wrong address does
            # not.
            where = address_of(server)
            return NotKubernetes(f"{where} is not a Kubernetes API server: it answered 404 without a Status object")
        case HTTPStatus.NOT_FOUND:
            return NotFound(text)
        case HTTPStatus.CONFLICT:
            return Conflict(text)
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
            return Forbidden(text)
        case HTTPStatus.TOO_MANY_REQUESTS | HTTPStatus.SERVICE_UNAVAILABLE:
            return Unavailable(text)
        case _ if 400 <= status < 500:
            return Rejected(text)
        case _:
            # The API server may have written before it failed to respond.
            return unanswered(verb, text)


def from_connection(
    verb: str, error: urllib3.exceptions.HTTPError, server: str, proxy: Proxy | None = None
) -> ClusterError:
    """The error of a request without a response; its text names the address and the cause."""
    where = f"{address_of(server)} through {proxy}" if proxy else address_of(server)
    if problem := certificate_problem(error):
        return Unavailable(f"the API server's certificate is not trusted: {problem} ({where})")
    text = f"no answer from {where} ({_cause(error)})"
    # The proxy or the address itself refused the connection, so nothing was sent.
    if isinstance(error, NewConnectionError | ConnectTimeoutError | urllib3.exceptions.ProxyError):
        return Unavailable(text)
    return unanswered(verb, text)


def address_of(server: str) -> str:
    """Scheme, host and port of a URL."""
    parts = urlsplit(server)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def certificate_problem(error: urllib3.exceptions.HTTPError) -> str:
    """Why the API server's certificate was refused (before anything was sent), or empty."""
    cause = next((one for one in _chain(error) if isinstance(one, ssl.SSLCertVerificationError)), None)
    return cause.verify_message if cause else ""


def _cause(error: Exception) -> str:
    """Why there was no response, in plain words."""
    for one in _chain(error):
        match one:
            case socket.gaierror():
                return f"the host name cannot be resolved: {_lower(str(one.strerror))}"
            case ssl.SSLError():
                return _tls_cause(one)
            case ConnectTimeoutError() if not isinstance(one, NewConnectionError):
                return "the connection timed out"
            case ReadTimeoutError() | TimeoutError():
                return "it did not answer in time"
            case http.client.RemoteDisconnected():
                return "it closed the connection without an answer"
            case http.client.IncompleteRead():
                return "the answer was cut off"
            case http.client.BadStatusLine():
                return "the response is not HTTP"
            case OSError(strerror=str(reason)) if one.errno:
                return _lower(reason)
            case OSError() if not isinstance(one, urllib3.exceptions.HTTPError) and str(one):
                # For example of a proxy: "Tunnel connection failed: 403 Forbidden", "SOCKS5 authentication failed".
                return _lower(str(one))[:200]
            case _:
                pass
    return _lower(str(error).rpartition(": ")[2])[:200] or "the connection failed"


def _tls_cause(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return "TLS failed: it closed the connection"
    reason = error.reason or ""
    if reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"):
        return "the response is not TLS"
    return f"TLS failed: {_lower(reason.replace('_', ' ') or str(error.args[-1]))[:200]}"


def _lower(text: str) -> str:
    """A text in lower case, to end a sentence."""
    return text.lower() if text.isupper() else text[:1].lower() + text[1:]


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The chain of an error's causes, the root cause first."""
    found: list[BaseException] = []
    waiting: list[object] = [error]
    while waiting:
        one = waiting.pop(0)
        if isinstance(one, BaseException) and one not in found:
            found.append(one)
            hidden = [getattr(one, name, None) for name in ("reason", "original_error", "socket_err")]
            # urllib3 names no cause for an unreachable SOCKS proxy.
            hidden.append(one.__cause__ or one.__context__)
            waiting += [*hidden, *one.args]
    return reversed(found)


def unanswered(verb: str, text: str) -> ClusterError:
    """The error if the outcome is not known: a read can be repeated, a write has to be read back."""
    return Unavailable(text) if verb in READS else Unanswered(text)


READS = ("get", "list")

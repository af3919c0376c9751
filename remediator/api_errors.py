"""What can go wrong between this service and the API server, and what each means for the alert.

ClusterError            carries the reason for the outcome
+-- NotFound            404; every caller turns it into what it means there
+-- Conflict            the object has changed since it was read: read and decide again
+-- Forbidden           401, 403: credentials or rights are missing
+-- Rejected            another 4xx: the same request will never succeed
+-- Unavailable         429, 5xx, no connection: the same request may succeed later
    +-- Unanswered      a write that may have been applied all the same: read it back
"""

import json
import ssl
from http import HTTPStatus
from typing import ClassVar

import urllib3.exceptions
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from remediator.reasons import Reason


class ClusterError(Exception):
    """A request to the API server that did not do what was asked."""

    reason: ClassVar[Reason]


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
    """A write was sent, and whether it was applied is not known."""


class NotFound(ClusterError):
    """There is no such object."""

    reason = Reason.TARGET_NOT_FOUND


def from_status(verb: str, status: int, body: str | bytes | None, phrase: str | None) -> ClusterError:
    """The error that an answer means; its text has the API server's own words."""
    try:
        message = str(json.loads(body or "")["message"])
    except (ValueError, TypeError, KeyError, RecursionError):
        message = str(phrase or "no answer")
    text = f"{verb}: {status}: {message[:300]}"
    match status:
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
            # The API server may have written before it failed to say so.
            return unanswered(verb, text)


def from_connection(verb: str, error: urllib3.exceptions.HTTPError) -> ClusterError:
    """The error that a request without an answer means."""
    if problem := certificate_problem(error):
        return Unavailable(f"{verb}: the API server's certificate is not trusted: {problem}")
    # A refused connection is a kind of timeout to urllib3.
    if isinstance(error, urllib3.exceptions.TimeoutError) and not isinstance(error, NewConnectionError):
        text = f"{verb}: the API server did not answer in time"
    else:
        text = f"{verb}: no connection to the API server: {error.__class__.__name__}"
        text += f": {error}"[:200] if isinstance(error, urllib3.exceptions.SSLError) else ""
    if isinstance(error, NewConnectionError | ConnectTimeoutError):
        return Unavailable(text)
    return unanswered(verb, text)


def certificate_problem(error: urllib3.exceptions.HTTPError) -> str:
    """Why the API server's certificate was refused, before anything was sent to it, or empty."""
    cause = error.args[0] if isinstance(error, urllib3.exceptions.SSLError) and error.args else None
    return cause.verify_message if isinstance(cause, ssl.SSLCertVerificationError) else ""


def unanswered(verb: str, text: str) -> ClusterError:
    """The error where nothing is known: a read can be repeated, a write has to be read back."""
    return Unavailable(text) if verb in READS else Unanswered(text)


READS = ("get", "list")

"""The webhook listener: POST /webhook; everything else is an error, so that no mistake looks like success.

The rule of this file: 2xx means to Alertmanager that the alerts are done, so it is only sent for finished decisions.
503 makes it deliver again within a minute, any 4xx at its next group_interval. 429 and 3xx are never sent: Alertmanager
does not retry after a 429, and follows a 3xx with an empty GET.
"""

import json
import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING

from flask import Flask, Response, request
from werkzeug.exceptions import (
    BadRequest,
    HTTPException,
    LengthRequired,
    MethodNotAllowed,
    RequestEntityTooLarge,
    Unauthorized,
    UnsupportedMediaType,
)

from remediator.config.credentials import Credentials
from remediator.core.alerts import MAX_BODY_BYTES, NotANotification, Notification, parse_notification
from remediator.core.outcome import Outcome
from remediator.reflex.metrics import Metrics
from remediator.web.listeners import format_client
from remediator.web.notifications import Notifications

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

log = logging.getLogger(__name__)

Handle = Callable[[Notification], list[Outcome]]

REFUSED: Mapping[int, str] = {
    400: "not a notification",
    401: "no valid credentials",
    404: "not the path /webhook",
    405: "not a POST",
    411: "no Content-Length",
    413: "body over 10 MiB",
    415: "not plain JSON",
    500: "internal error",
}
"""Why a request is refused, for the log and the status page."""

ALL_THERE_IS = "only POST /webhook exists here"

MAX_ERROR_CHARACTERS = 300
"""The most characters of an error message in the log."""


def create_app(
    handle: Handle, credentials: Credentials | None, metrics: Metrics, notifications: Notifications
) -> Flask:
    """The WSGI application of the webhook listener. Without credentials, anyone may post."""
    app = Flask("remediator", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.url_map.merge_slashes = False
    challenge = ", ".join(f'{scheme} realm="remediator"' for scheme in (credentials.schemes if credentials else ()))

    @app.post("/webhook", strict_slashes=False, provide_automatic_options=False)
    def webhook() -> Response:
        environ = request.environ
        if credentials is not None and not credentials.accept(environ.get("HTTP_AUTHORIZATION", "")):
            raise Unauthorized("no valid credentials; see http_config in rules/alertmanager.yaml")
        try:
            notification = parse_notification(_body(environ))
        except NotANotification as error:
            raise BadRequest(f"not a notification: {error}") from None
        notifications.took()
        if notification.truncated_alerts:
            metrics.truncated_alerts.inc(notification.truncated_alerts)
            log.warning(
                "alerts are lost: Alertmanager left some out, set max_alerts to 0",
                extra={"truncatedAlerts": notification.truncated_alerts, "receiver": notification.receiver},
            )
        outcomes = handle(notification)
        failed = any(outcome.reason.failed for outcome in outcomes)
        described = [
            {
                "alertname": alert.name,
                "fingerprint": alert.fingerprint,
                "remediation": outcome.remediation_name,
                "target": outcome.target_name,
                "effect": outcome.effect,
                "reason": outcome.reason,
                "message": outcome.message,
            }
            for alert, outcome in zip(notification.alerts, outcomes, strict=True)
        ]
        return _answer(HTTPStatus.SERVICE_UNAVAILABLE if failed else HTTPStatus.OK, {"outcomes": described})

    @app.errorhandler(HTTPException)
    def refuse(error: HTTPException) -> Response:
        code = error.code or 500
        text = ALL_THERE_IS if code in (404, 405) else error.description or ""
        response = _answer(code, {"error": text})
        if isinstance(error, Unauthorized):
            response.headers["WWW-Authenticate"] = challenge
        if isinstance(error, MethodNotAllowed):
            response.allow.update(error.valid_methods or ())
        reason, client = REFUSED.get(code, HTTPStatus(code).phrase), format_client((request.remote_addr,))
        # The text of a 400 says what is wrong in the body; the others add nothing to the reason.
        notifications.refused(code, reason, client, text[:MAX_ERROR_CHARACTERS] if code == 400 else "")
        return response

    @app.after_request
    def count(response: Response) -> Response:
        metrics.notifications.labels(str(response.status_code)).inc()
        return response

    return app


def _body(environ: "WSGIEnvironment") -> bytes:
    """Read the body, of the length that it announces. Werkzeug's own methods would cost as much as all the rest."""
    length = environ.get("CONTENT_LENGTH", "")
    if not length.isdecimal() or "HTTP_TRANSFER_ENCODING" in environ:
        # A chunked body over the limit would be silently cut off.
        raise LengthRequired("a Content-Length is required")
    if int(length) > MAX_BODY_BYTES:
        raise RequestEntityTooLarge(f"the body is over {MAX_BODY_BYTES} bytes")
    if environ.get("CONTENT_TYPE") != "application/json" and request.mimetype != "application/json":
        raise UnsupportedMediaType("the Content-Type must be application/json")
    if environ.get("HTTP_CONTENT_ENCODING", "identity") != "identity":
        raise UnsupportedMediaType("the body must not be compressed")
    body: bytes = environ["wsgi.input"].read(int(length))
    if len(body) != int(length):
        raise BadRequest(f"the body has {len(body)} bytes, and its Content-Length is {length}")
    return body


def _answer(status: int, content: object) -> Response:
    return Response(f"{json.dumps(content)}\n", status=status, mimetype="application/json")

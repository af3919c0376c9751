"""The webhook listener: POST /webhook, and nothing else that could look like success.

The rule of this file: 2xx tells Alertmanager that the alerts are dealt with, so nothing but a finished decision may
answer it. 503 makes it deliver again within a minute, any 4xx at its next group_interval. 429 and 3xx are never
sent: Alertmanager does not come back after the one, and follows the other with an empty GET.
"""

import json
import logging
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING

from flask import Flask, Response, request
from werkzeug.exceptions import (
    BadRequest,
    HTTPException,
    LengthRequired,
    RequestEntityTooLarge,
    Unauthorized,
    UnsupportedMediaType,
)

from remediator import heap
from remediator.alerts import MAX_BODY_BYTES, NotANotification, Notification, parse_notification
from remediator.credentials import Credentials
from remediator.metrics import Metrics
from remediator.outcome import Outcome

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

log = logging.getLogger(__name__)

Handle = Callable[[Notification], list[Outcome]]


def create_app(handle: Handle, credentials: Credentials | None, metrics: Metrics) -> Flask:
    """The WSGI application of the webhook listener. Without credentials, everybody may post."""
    app = Flask("remediator", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.url_map.merge_slashes = False

    @app.post("/webhook", provide_automatic_options=False)
    def webhook() -> Response:
        environ = request.environ
        if credentials is not None and not credentials.accept(environ.get("HTTP_AUTHORIZATION", "")):
            raise Unauthorized("no valid credentials; see http_config in rules/alertmanager.yaml")
        try:
            notification = parse_notification(_body(environ))
        except NotANotification as error:
            raise BadRequest(f"not a notification: {error}") from None
        if notification.truncated_alerts:
            metrics.truncated_alerts.inc(notification.truncated_alerts)
            log.warning(
                "alerts are lost: Alertmanager left some out, set max_alerts to 0",
                extra={"truncatedAlerts": notification.truncated_alerts, "receiver": notification.receiver},
            )
        outcomes = handle(notification)
        failed = any(outcome.reason.failed for outcome in _distinct(outcomes))
        status = HTTPStatus.SERVICE_UNAVAILABLE if failed else HTTPStatus.OK
        response = _answer(status, f'{{"outcomes": {_per_alert(notification, outcomes)}}}')
        if int(environ["CONTENT_LENGTH"]) > heap.LARGE_BYTES:
            # After it is sent, and what it was made of is gone.
            response.call_on_close(heap.give_back)
        return response

    @app.errorhandler(HTTPException)
    def refuse(error: HTTPException) -> Response:
        response = _answer(error.code or 500, json.dumps({"error": error.description}))
        if isinstance(error, Unauthorized):
            response.headers["WWW-Authenticate"] = "Bearer, Basic"
        return response

    @app.after_request
    def count(response: Response) -> Response:
        metrics.notifications.labels(str(response.status_code)).inc()
        return response

    return app


def _body(environ: "WSGIEnvironment") -> bytes:
    """The whole body, as long as it says that it is. Werkzeug's ways to it would cost as much as all the rest."""
    length = environ.get("CONTENT_LENGTH", "")
    if not length.isdecimal() or "HTTP_TRANSFER_ENCODING" in environ:
        # A chunked body over the limit would be cut off in silence.
        raise LengthRequired("a Content-Length is required")
    if int(length) > MAX_BODY_BYTES:
        raise RequestEntityTooLarge(f"the body is over {MAX_BODY_BYTES} bytes")
    if environ.get("CONTENT_TYPE") != "application/json" and request.mimetype != "application/json":
        raise UnsupportedMediaType("the Content-Type must be application/json")
    if environ.get("HTTP_CONTENT_ENCODING", "identity") != "identity":
        raise UnsupportedMediaType("the body must not be compressed")
    try:
        body: bytes = environ["wsgi.input"].read(int(length))
    except OSError as error:
        raise BadRequest("the body did not arrive in time") from error
    if len(body) != int(length):
        raise BadRequest(f"the body has {len(body)} bytes, and its Content-Length is {length}")
    return body


def _per_alert(notification: Notification, outcomes: list[Outcome]) -> str:
    """What became of each alert, as a list in JSON. What the alerts of an outcome share is spelled once for all."""
    shared = {
        id(outcome): json.dumps(
            {
                "remediation": outcome.remediation_name,
                "target": outcome.target_name,
                "effect": outcome.effect,
                "reason": outcome.reason,
                "message": outcome.message,
            }
        )[1:]
        for outcome in _distinct(outcomes)
    }
    spell = json.encoder.encode_basestring_ascii  # What json.dumps makes of a text.
    alerts = [
        f'{{"alertname": {spell(alert.name)}, "fingerprint": {spell(alert.fingerprint)}, {shared[id(outcome)]}'
        for alert, outcome in zip(notification.alerts, outcomes, strict=True)
    ]
    return f"[{', '.join(alerts)}]"


def _distinct(outcomes: list[Outcome]) -> Iterable[Outcome]:
    """Each outcome once, however many alerts share it."""
    return {id(outcome): outcome for outcome in outcomes}.values()


def _answer(status: int, body: str) -> Response:
    return Response(f"{body}\n", status=status, mimetype="application/json")

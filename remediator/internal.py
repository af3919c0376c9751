"""The internal listener: metrics, health, readiness, and what the service knows, for people and for programs.

It has threads of its own, so that webhook clients that stall cannot keep a probe or a scrape waiting.
"""

import json
import logging
import socketserver
import sys
from collections.abc import Callable, Iterable
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from flask import Flask, Response
from prometheus_client import make_wsgi_app
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from remediator.page import render
from remediator.status import Knowledge, status

log = logging.getLogger(__name__)

CLIENT_TIMEOUT_SECONDS = 5.0

CONTENT_SECURITY_POLICY = "; ".join(
    [
        "default-src 'none'",
        *(f"{kind}-src 'self'" for kind in ("style", "script", "connect", "img")),
        *(f"{kind} 'none'" for kind in ("base-uri", "form-action", "frame-ancestors")),
    ]
)
"""Nothing inline and nothing from elsewhere: text that found a way around the escaping could still not run."""


def create_internal_app(knowledge: Knowledge) -> Callable[..., Iterable[bytes]]:
    """The WSGI application of the internal listener."""
    app = Flask("remediator")

    @app.after_request
    def secure(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
        response.headers["Cache-Control"] = "no-store"
        return response

    @app.get("/-/healthy")
    def healthy() -> Response:
        if not knowledge.alive():
            return Response("Remediator has lost a thread; its log says why.\n", status=503, mimetype="text/plain")
        return Response("Remediator is healthy.\n", mimetype="text/plain")

    @app.get("/-/ready")
    def ready() -> Response:
        if knowledge.observer.answered:
            return Response("Remediator is ready.\n", mimetype="text/plain")
        problems = {observation.problem for observation in knowledge.observer.observations.values()}
        text = "; ".join(sorted(filter(None, problems))) or "the API server has not been asked yet"
        return Response(f"Remediator is not ready: {text}\n", status=503, mimetype="text/plain")

    @app.get("/api/v1/status")
    def data() -> Response:
        body = {"status": "success", "data": status(knowledge)}
        return Response(f"{json.dumps(body)}\n", mimetype="application/json")

    @app.get("/")
    def page() -> str:
        return render(status(knowledge))

    return DispatcherMiddleware(app, {"/metrics": make_wsgi_app(knowledge.registry)})


class InternalServer(socketserver.ThreadingMixIn, WSGIServer):
    """Serves the internal listener's application, a thread for each connection."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that stalled or hung up is no news."""
        log.debug("request not finished", extra={"error": repr(sys.exception())})


class InternalRequestHandler(WSGIRequestHandler):
    """A client that stalls is dropped, and a request is no log line."""

    timeout = CLIENT_TIMEOUT_SECONDS

    def log_message(self, format: str, *args: object) -> None:
        """Probes and scrapes come every few seconds; the metrics count what matters."""

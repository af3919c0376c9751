"""gunicorn, configured so that slow clients never block the webhook.

docs/architecture.md has the reason for each setting that differs from gunicorn's default.
"""

import logging
import os
import ssl
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger
from gunicorn.http import errors

from remediator.reflex.metrics import Metrics
from remediator.web.admission import BUSY, Admission
from remediator.web.certificates import Certificates
from remediator.web.connections import NO_DESCRIPTORS, Turnstile, UnexpectedTLS, refusal
from remediator.web.gunicorn_worker import DeadlineWorker
from remediator.web.listeners import format_client
from remediator.web.notifications import Notifications

log = logging.getLogger(__name__)

THREADS = 256
"""Threads, started when needed: for requests being handled, waiting, and arriving."""

HEADER_FIELDS, FIELD_BYTES = 32, 4096
"""Limits of a request's head, 128 KiB in all; Alertmanager sends six fields."""

_UNREADABLE = (
    ((errors.InvalidResponseHeader, errors.InvalidResponseHeaderName), 500, "internal error"),
    (errors.LimitRequestLine, 414, "request line over 4 KiB"),
    (errors.LimitRequestHeaders, 431, "head of the request over 128 KiB, 32 fields, or 4 KiB in one"),
    (errors.ExpectationFailed, 417, "an expectation other than 100-continue"),
    (UnexpectedTLS, 400, "TLS on a port without TLS"),
    ((errors.ParseException, ssl.SSLError), 400, "not an HTTP request"),
    (Exception, 500, "internal error"),
)

KEEPALIVE_SECONDS = 330
"""Longer than the 5 minutes for which Alertmanager keeps an idle connection (prometheus/common, http_config.go).

The sender must close first, or a notification can hit a closing connection and get no response.
"""

GRACE_SECONDS = 20
"""The grace period after SIGTERM for requests in flight; longer than the longest request."""


class Arbiter(BaseApplication):  # type: ignore[misc]
    """gunicorn's application, in the master process and in the worker.

    `start` is called in the worker after the fork and returns the webhook's application; `stop` at the worker's end.
    """

    def __init__(
        self,
        bind: str,
        certificates: Certificates | None,
        *,
        connections: int,
        metrics: Metrics,
        notifications: Notifications,
        start: Callable[[], Flask],
        stop: Callable[[], None],
    ) -> None:
        self._bind = bind
        self._certificates = certificates
        self._connections = connections
        self._metrics = metrics
        self._notifications = notifications
        self._start = start
        self._stop = stop
        super().__init__()

    def load_config(self) -> None:
        """Called by gunicorn for its settings."""
        memory = Path("/dev/shm")  # noqa: S108 - gunicorn touches a file there; a disk could block it
        settings: dict[str, Any] = {
            "bind": self._bind,
            "workers": 1,
            # Fewer than connections, so that there is room for idle ones.
            "threads": min(THREADS, self._connections * 3 // 4),
            "worker_connections": self._connections,
            "worker_class": DeadlineWorker,
            "graceful_timeout": GRACE_SECONDS,
            "keepalive": KEEPALIVE_SECONDS,
            "limit_request_fields": HEADER_FIELDS,
            "limit_request_field_size": FIELD_BYTES - 2,
            "logger_class": _Logger,
            "control_socket_disable": True,
            "worker_tmp_dir": str(memory) if memory.is_dir() else None,
            "worker_exit": lambda arbiter, worker: self._leave(worker),
        }
        if certificates := self._certificates:
            # With a file gunicorn speaks TLS; it reads none, for the context is ours.
            settings |= {"certfile": str(certificates.tls.cert_file), "keyfile": str(certificates.tls.key_file)}
            settings["ssl_context"] = lambda config, make: certificates.current().context
        for name, value in settings.items():
            self.cfg.set(name, value)

    def load(self) -> Admission:
        """Called by gunicorn in the worker, after the fork."""
        return Admission(self._start(), refused=self.refused)

    def refused(self, code: int, reason: str, client: object) -> None:
        """Called when the worker has answered a request that the webhook's application never saw."""
        self._metrics.notifications.labels(str(int(code))).inc()
        self._notifications.refused(int(code), reason, format_client(client))

    def cut(self, kind: str, reason: str = "", client: object = None, error: str = "") -> None:
        """Called when the worker has closed a connection without a response; with a `reason` if a request was lost."""
        self._metrics.connections_cut.labels(reason=kind).inc()
        if reason:
            self._notifications.refused(None, reason, format_client(client), error)

    def turnstile(self) -> Turnstile:
        """Handles connections for which there is no descriptor; over TLS they cannot be answered."""
        return Turnstile(b"" if self._certificates else refusal(503, BUSY), partial(self.refused, 503, NO_DESCRIPTORS))

    def failed(self, error: BaseException, client: object) -> bytes:
        """The response to a request that gunicorn could not parse or handle.

        The error's text is in neither response nor log, because it may quote a header with a credential.
        """
        code, reason = next((code, reason) for kind, code, reason in _UNREADABLE if isinstance(error, kind))
        if code == 500:
            log.error("request not answered", exc_info=error)
        self.refused(code, reason, client)
        return refusal(code, reason)

    def _leave(self, worker: DeadlineWorker) -> None:
        """Called at the end of the worker, without the interpreter's exit handlers, which belong to the master."""
        if os.getpid() != worker.pid:
            return  # gunicorn also calls this in the master, for a dead worker.
        self._stop()
        if worker.booted:
            logging.shutdown()
            os._exit(0)


class _Logger(Logger):  # type: ignore[misc]
    """gunicorn's messages in our format, without those about its start and stop."""

    def setup(self, cfg: Any) -> None:
        """Set nothing up: the root logger handles everything."""
        self.error_log.propagate = True
        self.error_log.setLevel(logging.WARNING)
        self.access_log.setLevel(logging.CRITICAL)

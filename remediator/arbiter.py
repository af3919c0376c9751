"""gunicorn with the settings that a webhook needs which must never wait for a client, and must be worth waiting for.

Each setting differs from gunicorn's default for a reason that docs/architecture.md gives.
"""

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger

from remediator.crowd import Crowd
from remediator.listening import TLS, Certificates
from remediator.metrics import Metrics
from remediator.worker import DeadlineWorker

THREADS = 64
"""Webhook requests at the same time. They share their reads of the API server, and threads that idle cost nothing."""

CONNECTIONS = 1_000
"""To the webhook at the same time; one more costs the oldest that has not sent its request, or sends none."""

KEEPALIVE_SECONDS = 330
"""Longer than Alertmanager keeps an idle connection, which is 5 minutes (prometheus/common, http_config.go): whoever
closes first must be the one that sends, or a notification meets the end of its connection and has no answer."""

GRACE_SECONDS = 20
"""After SIGTERM, for requests in flight; longer than the longest request."""


class Arbiter(BaseApplication):  # type: ignore[misc]
    """gunicorn's master process, and in the worker what it calls the application.

    `start` is called in the worker after the fork and returns the webhook's application; `stop` at the worker's end.
    """

    def __init__(
        self,
        bind: str,
        tls: TLS | None,
        *,
        metrics: Metrics,
        crowd: Crowd,
        start: Callable[[], Flask],
        stop: Callable[[], None],
    ) -> None:
        self._bind = bind
        self._tls = tls
        self.crowd = crowd
        self._metrics = metrics
        self._start = start
        self._stop = stop
        super().__init__()

    def load_config(self) -> None:
        """Called by gunicorn to be told its settings."""
        memory = Path("/dev/shm")  # noqa: S108 - gunicorn touches a file there; a disk could block it
        settings: dict[str, Any] = {
            "bind": self._bind,
            "workers": 1,
            "threads": THREADS,
            "worker_connections": CONNECTIONS,
            "worker_class": DeadlineWorker,
            "graceful_timeout": GRACE_SECONDS,
            "keepalive": KEEPALIVE_SECONDS,
            "limit_request_fields": 50,
            "logger_class": _Logger,
            "control_socket_disable": True,
            "worker_tmp_dir": str(memory) if memory.is_dir() else None,
            "worker_exit": lambda arbiter, worker: self._leave(worker),
        }
        if self._tls:
            settings |= {"certfile": str(self._tls.cert_file), "keyfile": str(self._tls.key_file)}
            settings["ssl_context"] = Certificates(self._tls).context
            if self._tls.client_ca_file:
                settings |= {"ca_certs": str(self._tls.client_ca_file), "cert_reqs": 2}
        for name, value in settings.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        """Called by gunicorn in the worker, after the fork."""
        return self._start()

    def refused(self, code: int) -> None:
        """The worker has answered without a thread."""
        self._metrics.notifications.labels(str(int(code))).inc()

    def cut(self, reason: str) -> None:
        """The worker has closed a connection that got no answer."""
        self._metrics.connections_cut.labels(reason=reason).inc()

    def _leave(self, worker: DeadlineWorker) -> None:
        """The end of the worker. What runs at the interpreter's exit is the master's business, which goes on: the
        Kubernetes client would remove the certificates that it keeps in temporary files, and the next worker needs.
        """
        if os.getpid() != worker.pid:
            return  # gunicorn also calls this in the master, for a worker that is gone.
        self._stop()
        if worker.booted:
            logging.shutdown()
            os._exit(0)


class _Logger(Logger):  # type: ignore[misc]
    """gunicorn's messages in our format; its start and stop are none of the reader's business."""

    def setup(self, cfg: Any) -> None:
        """Leave everything to the root logger."""
        self.error_log.propagate = True
        self.error_log.setLevel(logging.WARNING)
        self.access_log.setLevel(logging.CRITICAL)

"""The composition root of `remediator serve`: listeners, threads and gunicorn, wired together in one place.

What can fail for a wrong setting is tried before gunicorn starts, so that the error is one line and exit code 2. The
threads start in gunicorn's worker, for threads and TLS connections do not survive a fork.
"""

import logging
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from flask import Flask
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from remediator import __version__, heap
from remediator.arbiter import THREADS, Arbiter
from remediator.cluster import Cluster
from remediator.connection import Connection
from remediator.credentials import Credentials
from remediator.crowd import Crowd
from remediator.internal import InternalRequestHandler, InternalServer, create_internal_app
from remediator.listening import TLS, listening, spell_address, try_certificates
from remediator.memory import Memory
from remediator.metrics import Metrics
from remediator.observation import Observer
from remediator.recorder import Recorder
from remediator.reload import PolicyFile
from remediator.remediation import Remediator
from remediator.status import Knowledge
from remediator.web import create_app

log = logging.getLogger(__name__)

EVENTS_GRACE_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What `remediator serve` was told."""

    config_file: Path
    listen_address: str
    internal_listen_address: str
    token_files: Sequence[Path]
    basic_auth_files: Sequence[Path]
    authenticate: bool
    tls: TLS | None
    kubeconfig: Path | None
    cluster: str
    dry_run: bool


def serve(settings: Settings) -> None:
    """Run the service until SIGTERM or SIGINT, then exit 0.

    Raises CannotServe, InvalidDocument, InvalidCredentials or NoCluster where it cannot start.
    """
    policy_file = PolicyFile(settings.config_file)
    service = _Service(settings, policy_file)
    if settings.tls:
        try_certificates(settings.tls)
    with listening(settings.listen_address) as webhook, listening(settings.internal_listen_address) as internal:
        facts = {"version": __version__, "webhook": spell_address(webhook), "internal": spell_address(internal)}
        mode = {"dryRun": settings.dry_run, "authenticated": settings.authenticate, "tls": settings.tls is not None}
        log.info("starting", extra={**facts, "cluster": settings.cluster, **mode})
        # gunicorn closes the number that it is given.
        bind = f"fd://{webhook.detach()}"
        heap.settle()
        start = partial(service.start, internal)
        metrics, crowd = service.metrics, service.crowd
        Arbiter(bind, settings.tls, metrics=metrics, crowd=crowd, start=start, stop=service.stop).run()


class _Service:
    """Everything that lives in the worker, made in an order that lets a wrong setting show before the fork."""

    def __init__(self, settings: Settings, policy_file: PolicyFile) -> None:
        self._settings = settings
        self._policy_file = policy_file
        self._recorder: Recorder | None = None
        registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=registry)
        self.metrics = Metrics(registry)
        # Here, so that a worker that starts later shows the age of the policy, and not its own.
        policy_file.show(self.metrics, _now())
        self._credentials = self._read_credentials()
        self._cluster = Cluster(Connection(settings.kubeconfig, threads=THREADS, observe=self._count_request))
        self.crowd = Crowd()
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def _read_credentials(self) -> Credentials | None:
        settings = self._settings
        if not settings.authenticate:
            self.metrics.credentials_reload_successful.set(1)
            return None
        return Credentials(
            settings.token_files,
            settings.basic_auth_files,
            on_reload=self.metrics.credentials_reload_successful.set,
        )

    def _count_request(self, verb: str, code: str) -> None:
        self.metrics.kubernetes_requests.labels(verb=verb, code=code).inc()

    def start(self, internal: socket.socket) -> Flask:
        """Start the threads and return the webhook's application."""
        settings, policy = self._settings, self._policy_file.current
        self._recorder = recorder = Recorder(
            metrics=self.metrics,
            audit=sys.stdout,
            emit_event=self._cluster.emit_event,
            cluster=settings.cluster,
        )
        memory = Memory()
        observer = Observer(
            policy=policy,
            cluster=self._cluster,
            metrics=self.metrics,
            recorder=recorder,
            memory=memory,
            now=_now,
        )
        remediator = Remediator(
            policy=policy,
            cluster=self._cluster,
            recorder=recorder,
            memory=memory,
            fence=settings.cluster,
            dry_run=settings.dry_run,
            crowd=lambda: self.crowd.size,
            now=_now,
        )
        knowledge = Knowledge(
            policy_file=self._policy_file,
            observer=observer,
            registry=self.metrics.registry,
            cluster=settings.cluster,
            dry_run=settings.dry_run,
            alive=self._is_alive,
            now=_now,
        )
        server = InternalServer(internal.getsockname()[:2], InternalRequestHandler, bind_and_activate=False)
        server.socket = internal
        server.server_name, server.server_port = "internal", internal.getsockname()[1]
        server.setup_environ()
        server.set_app(create_internal_app(knowledge))
        # This may be a second worker: the file may have moved on, for better or worse, since the master read it.
        self._policy_file.poll(self.metrics, _now())
        if credentials := self._credentials:
            self._run(lambda: credentials.watch(self._stop), "credentials")
        self._run(lambda: self._policy_file.watch(self.metrics, _now, self._stop), "configuration")
        self._run(lambda: observer.watch(self._stop), "observer")
        self._run(server.serve_forever, "internal listener")
        return create_app(remediator.handle, self._credentials, self.metrics)

    def stop(self) -> None:
        """Let what waits to be recorded be recorded."""
        self._stop.set()
        if self._recorder:
            self._recorder.close(EVENTS_GRACE_SECONDS)

    def _run(self, work: Callable[[], None], name: str) -> None:
        thread = threading.Thread(target=work, name=name, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _is_alive(self) -> bool:
        """Whether every thread still works; if not, the kubelet is to start the service anew."""
        return all(thread.is_alive() for thread in self._threads) and (not self._recorder or self._recorder.is_alive())


def _now() -> datetime:
    return datetime.now(UTC)

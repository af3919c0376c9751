"""The internal listener of a service, with the observer that feeds it, as service.py wires them."""

import threading
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

from werkzeug.test import Client

from remediator.config.alert_times import AlertTimesReader
from remediator.config.watcher import PolicyFile
from remediator.reflex.dry_runs import DryRuns
from remediator.reflex.last_reads import LastReads
from remediator.reflex.observer import Observer
from remediator.reflex.recent_acts import Memory
from remediator.web.internal import InternalRequestHandler, InternalServer, create_internal_app
from remediator.web.status import Knowledge
from tests.support.service import Service


class Internal:
    """What is asked through `client`, without a socket. The targets are looked at when `look` or `target` is called."""

    def __init__(
        self,
        service: Service,
        clock: Callable[[], datetime],
        policy_file: PolicyFile,
        *,
        cluster: str = "eu-1",
        dry_run: bool = False,
    ) -> None:
        self.alive = True
        self.credentials_problem = ""
        self.dry_runs = DryRuns(policy=policy_file.current, cluster=service.cluster, metrics=service.metrics, now=clock)
        self.observer = Observer(
            policy=policy_file.current,
            cluster=service.cluster,
            metrics=service.metrics,
            recorder=service.recorder,
            memory=Memory(),
            reads=LastReads(lambda: clock().timestamp()),
            heartbeats=service.heartbeats,
            dry_runs=self.dry_runs,
            alert_times=AlertTimesReader(policy_file.path).times,
            dry_run=dry_run,
            now=clock,
        )
        self.app = create_internal_app(
            Knowledge(
                policy_file=policy_file,
                observer=self.observer,
                registry=service.metrics.registry,
                cluster=cluster,
                dry_run=dry_run,
                alive=lambda: self.alive,
                notifications=service.notifications,
                heartbeats=service.heartbeats,
                credentials_problem=lambda: self.credentials_problem,
                started=clock(),
                now=clock,
            )
        )
        self.client = Client(self.app)

    def status(self) -> dict[str, Any]:
        """The status after a fresh look."""
        self.observer.look()
        data: dict[str, Any] = self.client.get("/api/v1/status").get_json()["data"]
        return data

    def target(self, name: str) -> dict[str, Any]:
        """A target's status after a fresh look."""
        found: dict[str, Any] = next(target for target in self.status()["targets"] if target["name"] == name)
        return found


class Listening:
    """The same on a port of loopback, which stays the same when it goes away and comes back."""

    def __init__(self, internal: Internal) -> None:
        self._app = internal.app
        self._port = 0
        self._running: tuple[InternalServer, threading.Thread] | None = None
        self.instead: bytes | None = None
        """What is answered to everything in place of the truth, as a proxy would."""

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self._port}/"

    def come_back(self) -> None:
        """Listen, from now on or again."""
        server = InternalServer(("127.0.0.1", self._port), InternalRequestHandler)
        self._port = server.server_port
        server.set_app(self._answer)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        self._running = (server, thread)

    def go(self) -> None:
        """Refuse connections from now on, if that is not so already."""
        if self._running:
            server, thread = self._running
            server.shutdown()
            server.server_close()
            thread.join()
        self._running = None

    def _answer(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if self.instead is None:
            return self._app(environ, start_response)
        start_response("200 OK", [("Content-Type", "text/html")])
        return [self.instead]

"""The composition root of `remediator serve`: listeners, threads and gunicorn, wired together in one place.

Everything that a wrong setting can break is tried before gunicorn starts, so that the error is one line and exit code
2. Threads start in gunicorn's worker, because threads and TLS connections do not survive a fork.
"""

import gc
import logging
import math
import socket
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from flask import Flask
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from remediator import __version__
from remediator.config.alert_times import AlertTimesReader
from remediator.config.credentials import Credentials
from remediator.config.watcher import PolicyFile
from remediator.core.forecast import Forecast
from remediator.core.judgement import Judged
from remediator.core.ledger import Entry
from remediator.core.policy import Policy, Remediation
from remediator.core.reasons import Reason
from remediator.core.workload import Workload
from remediator.kube.connection import Connection
from remediator.kube.targets import Cluster
from remediator.reflex.armed import acts_possible
from remediator.reflex.confirmations import Confirmations
from remediator.reflex.decision import Decisions
from remediator.reflex.dry_runs import DryRuns
from remediator.reflex.heartbeat import Heartbeat, Heartbeats
from remediator.reflex.last_reads import LastReads
from remediator.reflex.metrics import Metrics
from remediator.reflex.observer import Observer
from remediator.reflex.recent_acts import Memory, Steady
from remediator.reflex.recorder import Recorder
from remediator.reflex.relay import Relay
from remediator.reflex.remediator import Remediator
from remediator.reflex.reviews import Judge, Reviews
from remediator.web.admission import TURNS
from remediator.web.certificates import TLS, Certificates
from remediator.web.gunicorn_arbiter import Arbiter
from remediator.web.internal import InternalRequestHandler, InternalServer, create_internal_app
from remediator.web.listeners import format_address, listening, webhook_connections
from remediator.web.notifications import Notifications
from remediator.web.status import Knowledge
from remediator.web.webhook import create_app

if TYPE_CHECKING:
    from remediator.monitoring.prometheus import Prometheus

log = logging.getLogger(__name__)

EVENTS_GRACE_SECONDS = 2.0
HISTORY_SECONDS = 10.0
"""Timeout of one query about the history of an act; nothing waits for it."""
SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of `remediator serve`."""

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
    relay_url_file: Path | None = None
    """The file with the URL of the external dead man's switch."""
    prometheus_urls: Sequence[str] = ()
    """Every Prometheus that confirms alerts before an act, and by whose history acts are judged; may be empty."""
    prometheus_http_config_file: Path | None = None


class InvalidPrometheus(Exception):
    """The URL of a Prometheus cannot be used; the error says why."""


def serve(settings: Settings) -> None:
    """Run the service until SIGTERM or SIGINT, then exit 0.

    Raises CannotServe, InvalidCredentials, InvalidDocument, InvalidPrometheus, InvalidRelay or NoCluster if it cannot
    start.
    """
    policy_file = PolicyFile(settings.config_file)
    service = _Service(settings, policy_file)
    connections = webhook_connections()
    with listening(settings.listen_address) as webhook, listening(settings.internal_listen_address) as internal:
        facts = {"version": __version__, "webhook": format_address(webhook), "internal": format_address(internal)}
        mode = {"dryRun": settings.dry_run, "authenticated": settings.authenticate, "tls": settings.tls is not None}
        log.info("starting", extra={**facts, "cluster": settings.cluster, **mode})
        # gunicorn closes the descriptor that it is given.
        bind = f"fd://{webhook.detach()}"
        gc.freeze()  # A garbage collection would write to memory pages shared with the worker.
        start = partial(service.start, internal)
        Arbiter(
            bind,
            service.certificates,
            connections=connections,
            metrics=service.metrics,
            notifications=service.notifications,
            start=start,
            stop=service.stop,
        ).run()


class _Service:
    """Everything in the worker, constructed before the fork as far as that reveals wrong settings."""

    def __init__(self, settings: Settings, policy_file: PolicyFile) -> None:
        self._settings = settings
        self._policy_file = policy_file
        self._recorder: Recorder | None = None
        registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=registry)
        self.metrics = Metrics(registry)
        # Set here, so that a restarted worker shows the age of the policy, not its own.
        policy_file.show(self.metrics, datetime.now(UTC))
        self._credentials = self._read_credentials()
        file = settings.relay_url_file
        self._relay = file and Relay(file, possible=self._acts_possible, metrics=self.metrics)
        self._confirmations = _confirmations(settings, self._act_wanted)
        self.certificates = self._load_certificates()
        self._judge = _judge(settings)
        self._observer: Observer | None = None
        connection = Connection(settings.kubeconfig, threads=TURNS, observe=self._count_request)
        self._cluster, self._clock = Cluster(connection), connection.clock
        self.metrics.clock_skew.set_function(lambda: math.nan if (skew := self._clock.skew) is None else skew / SECOND)
        self.notifications = Notifications(self._clock.now)
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

    def _load_certificates(self) -> Certificates | None:
        if not self._settings.tls:
            return None
        certificates, gauge = Certificates(self._settings.tls), self.metrics.webhook_certificate_not_after
        gauge.labels(certificate="serving").set_function(lambda: _seconds(certificates.current().not_after))
        if self._settings.tls.client_ca_file:
            last = gauge.labels(certificate="client_ca")
            last.set_function(lambda: _seconds(certificates.current().client_ca_not_after))
        return certificates

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
        clock = self._clock
        memory = Memory(Steady(seconds=clock.steady, unsure=lambda: clock.unsure))
        reads = LastReads(clock.steady)
        heartbeats = Heartbeats(
            self.metrics, clock.now, self._relay.received if self._relay else lambda heartbeat: None
        )
        dry_runs = DryRuns(policy=policy, cluster=self._cluster, metrics=self.metrics, now=clock.now)
        self._observer = observer = Observer(
            policy=policy,
            cluster=self._cluster,
            metrics=self.metrics,
            recorder=recorder,
            memory=memory,
            reads=reads,
            heartbeats=heartbeats,
            dry_runs=dry_runs,
            unconfirmed=self._unconfirmed,
            alert_times=AlertTimesReader(settings.config_file).times,
            dry_run=settings.dry_run,
            now=clock.now,
        )
        decisions = Decisions(
            cluster=self._cluster,
            memory=memory,
            reads=reads,
            show=observer.show,
            confirmations=self._confirmations,
            dry_run=settings.dry_run,
            now=clock.now,
        )
        remediator = Remediator(
            policy=policy,
            decisions=decisions,
            recorder=recorder,
            hear=observer.hear,
            heartbeats=heartbeats,
            fence=settings.cluster,
            now=clock.now,
        )
        reviews = self._judge and Reviews(
            policy=policy, workloads=self._workloads, judge=self._judge, metrics=self.metrics, now=clock.now
        )
        knowledge = Knowledge(
            policy_file=self._policy_file,
            observer=observer,
            registry=self.metrics.registry,
            cluster=settings.cluster,
            dry_run=settings.dry_run,
            alive=self._is_alive,
            notifications=self.notifications,
            heartbeats=heartbeats,
            credentials_problem=lambda: self._credentials.problem if self._credentials else "",
            certificates=self.certificates,
            confirmations=self._confirmations,
            judged=reviews.judged if reviews else lambda act: None,
            started=clock.now(),
            skew=lambda: clock.skew,
            now=clock.now,
        )
        server = InternalServer(internal.getsockname()[:2], InternalRequestHandler, bind_and_activate=False)
        server.socket = internal
        server.server_name, server.server_port = "internal", internal.getsockname()[1]
        server.setup_environ()
        server.set_app(create_internal_app(knowledge))
        # This may be a restarted worker: the file may have changed, to a valid or an invalid one, since the master read
        # it.
        self._policy_file.poll(self.metrics, clock.now())
        if credentials := self._credentials:
            self._run(lambda: credentials.watch(self._stop), "credentials")
        self._run(lambda: self._policy_file.watch(self.metrics, clock.now, self._stop), "configuration")
        self._run(lambda: observer.watch(self._stop), "observer")
        self._run(lambda: dry_runs.watch(self._stop), "dry runs")
        self._run(lambda: self.notifications.watch(self._stop), "refusals")
        if relay := self._relay:
            self._run(lambda: relay.watch(self._stop), "heartbeat relay")
        if confirmations := self._confirmations:
            self._run(lambda: confirmations.watch(self._stop), "confirmations")
        if reviews:
            self._run(lambda: reviews.watch(self._stop), "reviews")
        self._run(server.serve_forever, "internal listener")
        return create_app(remediator.handle, self._credentials, self.metrics, self.notifications)

    def _forecasts(self) -> list[tuple[Remediation, Forecast]]:
        return self._observer.forecasts(self._policy_file.current(), self._clock.now()) if self._observer else []

    def _workloads(self) -> Mapping[str, Workload]:
        """The targets that could be read at the last attempt, by name."""
        found = self._observer.observations if self._observer else {}
        return {name: one.workload for name, one in found.items() if one.workload}

    def _unconfirmed(self, remediation: Remediation) -> str:
        return self._confirmations.unconfirmed(remediation) if self._confirmations else ""

    def _acts_possible(self, heartbeat: Heartbeat) -> bool:
        """Whether the dead man's switch may be pinged: an alert would lead to an act."""
        return acts_possible(self._forecasts(), heartbeat, dry_run=self._settings.dry_run)

    def _act_wanted(self) -> bool:
        """Whether the ladder would act on some alert, apart from mode `observe` and Prometheus's missing answer."""
        acting = (Reason.APPLIED, Reason.DRY_RUN, Reason.OBSERVING, Reason.UNCONFIRMED)
        return any(forecast.reason in acting for _, forecast in self._forecasts())

    def stop(self) -> None:
        """Stop, after writing waiting records."""
        self._stop.set()
        if self._recorder:
            self._recorder.close(EVENTS_GRACE_SECONDS)

    def _run(self, work: Callable[[], None], name: str) -> None:
        thread = threading.Thread(target=work, name=name, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _is_alive(self) -> bool:
        """Whether every thread is alive; if not, the kubelet should restart the service."""
        return all(thread.is_alive() for thread in self._threads) and (not self._recorder or self._recorder.is_alive())


def _seconds(time: datetime | None) -> float:
    return time.timestamp() if time else math.nan


def _confirmations(settings: Settings, wanted: Callable[[], bool]) -> Confirmations | None:
    """Raises InvalidDocument, InvalidPrometheus."""
    if not settings.prometheus_urls:
        return None
    # Imported late: not needed without a Prometheus.
    from remediator.monitoring.rule_states import QUESTION_SECONDS, ask

    asked = partial(ask, _prometheis(settings, QUESTION_SECONDS), cluster=settings.cluster)
    return Confirmations(asked, wanted=wanted)


def _judge(settings: Settings) -> Judge | None:
    """Raises InvalidDocument, InvalidPrometheus."""
    if not settings.prometheus_urls:
        return None
    prometheis = _prometheis(settings, HISTORY_SECONDS)

    def judge(policy: Policy, remediation: Remediation, workload: Workload, act: Entry) -> Judged:
        # Imported late: not needed until there is an act to judge.
        from remediator.canary.last_acts import judge_last_act

        return judge_last_act(prometheis, settings.cluster, policy, remediation, workload, act)

    return judge


def _prometheis(settings: Settings, timeout: float) -> Sequence["Prometheus"]:
    """Raises InvalidDocument, InvalidPrometheus."""
    from remediator.monitoring.http_config import HttpConfig
    from remediator.monitoring.prometheus import Prometheus

    file = settings.prometheus_http_config_file
    http = HttpConfig(file) if file else None
    try:
        return [Prometheus(url, timeout=timeout, http=http) for url in settings.prometheus_urls]
    except ValueError as error:
        raise InvalidPrometheus(str(error)) from error

"""The internal listener: metrics, health, readiness, and what the service knows, for people and for programs.

It has threads of its own, so that webhook clients that stall cannot keep a probe or a scrape waiting.
"""

import json
import logging
import socketserver
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from flask import Flask, Response, render_template
from prometheus_client import CollectorRegistry, make_wsgi_app
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from remediator import __version__
from remediator.durations import format_duration
from remediator.ledger import Entry
from remediator.observation import Observer
from remediator.policy import Policy, Remediation, Target
from remediator.reload import PolicyFile
from remediator.workload import Workload

log = logging.getLogger(__name__)

CLIENT_TIMEOUT_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Knowledge:
    """What the internal listener may look at."""

    policy_file: PolicyFile
    observer: Observer
    registry: CollectorRegistry
    cluster: str
    dry_run: bool
    alive: Callable[[], bool]
    now: Callable[[], datetime]


def create_internal_app(knowledge: Knowledge) -> Callable[..., Iterable[bytes]]:
    """The WSGI application of the internal listener."""
    app = Flask("remediator", static_folder=None)

    @app.after_request
    def secure(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = "default-src 'none'; style-src 'self'; frame-ancestors 'none'"
        response.headers["X-Content-Type-Options"] = "nosniff"
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
    def status() -> Response:
        body = {"status": "success", "data": _status(knowledge)}
        return Response(f"{json.dumps(body)}\n", mimetype="application/json")

    @app.get("/")
    def page() -> str:
        return render_template("status.html", status=_status(knowledge))

    return DispatcherMiddleware(app, {"/metrics": make_wsgi_app(knowledge.registry)})


def _status(knowledge: Knowledge) -> dict[str, Any]:
    policy, now = knowledge.policy_file.current(), knowledge.now()
    return {
        "version": __version__,
        "cluster": knowledge.cluster,
        "dryRun": knowledge.dry_run,
        "config": {
            "file": str(knowledge.policy_file.path),
            "reloadSuccessful": not knowledge.policy_file.problem,
            "problem": knowledge.policy_file.problem,
            "remediations": [
                {
                    "name": remediation.name,
                    "matchers": [str(matcher) for matcher in remediation.matchers],
                    "target": remediation.target.name,
                    "effect": remediation.action.effect,
                    "cooldown": format_duration(remediation.cooldown),
                    "mode": remediation.mode,
                }
                for remediation in policy.remediations
            ],
        },
        "targets": [_target_status(target, knowledge, policy, now) for target in policy.targets],
    }


def _target_status(target: Target, knowledge: Knowledge, policy: Policy, now: datetime) -> dict[str, Any]:
    observation = knowledge.observer.observations.get(target.name)
    workload = observation.workload if observation else None
    status: dict[str, Any] = {
        "name": target.name,
        "namespace": target.namespace,
        "deployment": target.deployment,
        "observedAt": observation.at.isoformat() if observation else None,
        "problem": observation.problem if observation else "not looked at yet",
        "percentage": workload.percentage() if workload and target.container else None,
        "replicas": workload.replicas if workload else None,
        "killSwitch": bool(workload and (workload.kill_switch or workload.replicas == 0)),
        "paused": None,
        "cooldowns": [],
        "lastActs": [],
    }
    if workload:
        if pause := workload.held_by(now):
            status["paused"] = {"reason": pause.reason, "author": pause.author, "until": pause.until.isoformat()}
        cooldowns = (_cooldown(remediation, workload, now) for remediation in policy.remediations)
        ours = zip(policy.remediations, cooldowns, strict=True)
        status["cooldowns"] = [left for remediation, left in ours if left and remediation.target == target]
        status["lastActs"] = [_act(entry) for entry in reversed(workload.ledger.entries)]
    return status


def _cooldown(remediation: Remediation, workload: Workload, now: datetime) -> dict[str, Any] | None:
    effect = remediation.action.effect
    until = workload.ledger.as_of(now).cooling_until(effect, remediation.cooldown, now)
    if until is None:
        return None
    left = until - now
    return {
        "effect": effect,
        "until": until.isoformat(),
        "left": format_duration(left),
        "secondsLeft": round(left.total_seconds(), 1),
    }


def _act(entry: Entry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "time": entry.time.isoformat(),
        "effect": entry.effect,
        "from": entry.before,
        "to": entry.after,
        "by": entry.remediation or entry.operator,
    }


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

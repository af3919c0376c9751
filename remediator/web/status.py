"""The service's status as data: for /api/v1/status, and for the page."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from prometheus_client import CollectorRegistry

from remediator import __version__
from remediator.canary.flags import read_setting
from remediator.canary.phases import Stay, time_in_phase
from remediator.config.watcher import PolicyFile
from remediator.core.durations import format_duration
from remediator.core.forecast import Forecast
from remediator.core.incident import last_raise
from remediator.core.judgement import Judged
from remediator.core.ledger import Entry
from remediator.core.policy import Policy, Remediation, Target
from remediator.core.time_to_safe import TimeToSafe
from remediator.core.workload import Workload
from remediator.reflex.armed import Armed, armed
from remediator.reflex.confirmations import Confirmations
from remediator.reflex.dry_runs import DryRun
from remediator.reflex.heartbeat import Heartbeat, Heartbeats
from remediator.reflex.observer import Observation, Observer
from remediator.web.certificates import Certificates, Loaded
from remediator.web.notifications import Notifications
from remediator.web.summary import about_alerts, about_canary, about_reflex, about_withheld


@dataclass(frozen=True, slots=True, kw_only=True)
class Knowledge:
    """The parts of the service that the internal listener reads."""

    policy_file: PolicyFile
    observer: Observer
    registry: CollectorRegistry
    cluster: str
    dry_run: bool
    alive: Callable[[], bool]
    notifications: Notifications
    heartbeats: Heartbeats
    credentials_problem: Callable[[], str]
    certificates: Certificates | None = None
    """None without TLS."""
    confirmations: Confirmations | None = None
    """None if no Prometheus is asked before an act."""
    judged: Callable[[Entry], Judged | None] = lambda act: None
    """The judgement on an act, or None."""
    started: datetime
    now: Callable[[], datetime]
    skew: Callable[[], timedelta | None] = lambda: None
    """How far the API server's clock is ahead of this machine's, or None if not known."""


def status(knowledge: Knowledge) -> dict[str, Any]:
    """The `data` of /api/v1/status; docs/metrics.md says what each key means."""
    # Another thread replaces each as a whole, so read it once.
    policy, observations, now = knowledge.policy_file.current(), knowledge.observer.observations, knowledge.now()
    problem, credentials_problem = knowledge.policy_file.problem, knowledge.credentials_problem()
    refusals, heartbeat = knowledge.notifications.refusals(), knowledge.heartbeats.last
    tried, times = knowledge.observer.dry_runs.results, knowledge.observer.times_to_safe
    forecasts = knowledge.observer.forecasts(policy, now)
    tls = knowledge.certificates.current() if knowledge.certificates else None
    answers = [
        *(
            about_canary(target, observations.get(target.name), forecasts, policy.profiles[0])
            for target in policy.targets
            if target.container
        ),
        about_reflex(
            policy,
            observations,
            now,
            alive=knowledge.alive(),
            dry_run=knowledge.dry_run,
            config_problem=problem,
            credentials_problem=credentials_problem,
            tls=tls,
            refusals=refusals,
        ),
        about_alerts(heartbeat, now),
        about_withheld(forecasts),
    ]
    return {
        "version": __version__,
        "cluster": knowledge.cluster,
        "dryRun": knowledge.dry_run,
        "time": now.isoformat(),
        "clockSkewSeconds": _seconds(knowledge.skew()),
        "summary": [asdict(answer) for answer in answers],
        "notifications": {
            "since": knowledge.started.isoformat(),
            "last": _iso(knowledge.notifications.last),
            "refused": [{**asdict(refusal), "last": refusal.last.isoformat()} for refusal in refusals],
        },
        "heartbeat": _heartbeat(heartbeat),
        "credentials": {"reloadSuccessful": not credentials_problem, "problem": credentials_problem},
        "tls": _tls(tls) if tls else None,
        "evidence": _evidence(knowledge.confirmations) if knowledge.confirmations else None,
        "config": {
            "file": str(knowledge.policy_file.path),
            "reloadSuccessful": not problem,
            "problem": problem,
            "remediations": [
                _remediation(
                    one,
                    answer,
                    armed(one, answer, heartbeat, now, dry_run=knowledge.dry_run),
                    tried.get(one.name),
                    times.get(one.name),
                )
                for one, answer in forecasts
            ],
        },
        "targets": [
            _target(target, observations.get(target.name), policy, now, knowledge.judged) for target in policy.targets
        ],
    }


def _heartbeat(heartbeat: Heartbeat | None) -> dict[str, Any]:
    return {
        "last": _iso(heartbeat.at) if heartbeat else None,
        "delaySeconds": _seconds(heartbeat.delay) if heartbeat else None,
        "probe": heartbeat.probe if heartbeat else "",
    }


def _tls(loaded: Loaded) -> dict[str, Any]:
    return {
        "notAfter": _iso(loaded.not_after),
        "clientCaNotAfter": _iso(loaded.client_ca_not_after),
        "reloadSuccessful": not loaded.problem,
        "problem": loaded.problem,
    }


def _evidence(confirmations: Confirmations) -> dict[str, Any]:
    return {"answered": confirmations.answered(), "problem": confirmations.problem()}


def _remediation(
    remediation: Remediation, forecast: Forecast, arming: Armed, tried: DryRun | None, time: TimeToSafe | None
) -> dict[str, Any]:
    budget = remediation.budget
    return {
        "name": remediation.name,
        "matchers": [str(matcher) for matcher in remediation.matchers],
        "target": remediation.target.name,
        "effect": remediation.action.effect,
        "cooldown": format_duration(remediation.cooldown),
        "budget": {"acts": budget.acts, "window": format_duration(budget.window)},
        "mode": remediation.mode,
        "now": {
            "reason": forecast.reason,
            "kind": forecast.reason.kind,
            "message": forecast.message,
            "until": _iso(forecast.until),
            "nothingToDo": forecast.nothing_to_do,
            "unreached": forecast.unreached,
            "armed": arming.armed,
            "armedReason": arming.reason,
        },
        "actable": {
            "accepted": tried.accepted if tried else None,
            "problem": tried.problem if tried else "not tried yet",
            "at": _iso(tried.at) if tried else None,
        },
        "timeToSafe": _time_to_safe(time) if time else None,
    }


def _time_to_safe(time: TimeToSafe) -> dict[str, Any]:
    parts = [
        {"name": part.name, "seconds": _seconds(part.takes), "least": part.least, "found": part.found}
        for part in time.parts
    ]
    return {
        "seconds": _seconds(time.total),
        "complete": time.complete,
        "message": time.short,
        "largest": time.largest.name,
        "shorten": time.largest.shorten,
        "parts": parts,
    }


def _seconds(duration: timedelta | None) -> float | None:
    return None if duration is None else round(duration.total_seconds(), 1)


def _target(
    target: Target,
    observation: Observation | None,
    policy: Policy,
    now: datetime,
    judged: Callable[[Entry], Judged | None],
) -> dict[str, Any]:
    workload = observation.workload if observation else None
    known: dict[str, Any] = {
        "name": target.name,
        "namespace": target.namespace,
        "deployment": target.deployment,
        "observedAt": observation.at.isoformat() if observation else None,
        "problem": observation.problem if observation else "not read yet",
        "percentage": workload.percentage() if workload and target.container else None,
        "differing": [],
        "phase": None,
        "replicas": workload.replicas if workload else None,
        "rollout": None,
        "killSwitch": bool(workload and workload.switched_off),
        "latched": None,
        "paused": None,
        "cooldowns": [],
        "lastActs": [],
    }
    if workload:
        rollout = workload.rollout
        known["rollout"] = {
            "complete": rollout.converged(workload.replicas),
            "updated": rollout.updated,
            "available": rollout.available,
            "old": rollout.old,
            "paused": rollout.paused,
            "stuck": rollout.stuck,
        }
        if target.container:
            known["differing"] = list(read_setting(workload, policy.profiles).differing)
            known["phase"] = _phase(time_in_phase(workload, policy, now), now)
        if switch := workload.kill_switch:
            known["latched"] = {"reason": switch.reason, "author": switch.author, "since": _iso(switch.since)}
        if pause := workload.held_by(now):
            known["paused"] = {"reason": pause.reason, "author": pause.author, "until": pause.until.isoformat()}
        cooldowns = (_cooldown(remediation, workload, now) for remediation in policy.remediations)
        ours = zip(policy.remediations, cooldowns, strict=True)
        known["cooldowns"] = [left for remediation, left in ours if left and remediation.target == target]
        known["lastActs"] = [_act(entry, judged(entry)) for entry in reversed(workload.ledger.entries)]
    return known


def _phase(stay: Stay, now: datetime) -> dict[str, Any] | None:
    if stay.phase is None:
        return None
    return {
        "percentage": stay.phase.percentage,
        "since": _iso(stay.since),
        "hold": format_duration(stay.phase.hold),
        "counted": format_duration(stay.counted),
        "timeLeft": format_duration(stay.left or timedelta(0)),
        "until": _iso(now + stay.left) if stay.left and not stay.stopped else None,
        "stopped": stay.stopped,
    }


def _cooldown(remediation: Remediation, workload: Workload, now: datetime) -> dict[str, Any] | None:
    effect = remediation.action.effect
    until = workload.ledger.as_of(now).cooling_until(effect, remediation.cooldown, now)
    if until is None:
        return None
    left, raised = until - now, last_raise(workload, remediation, now)
    return {
        "effect": effect,
        "exceptAfter": _iso(raised.time) if raised else None,
        "raisedBy": raised.by if raised else "",
        "until": until.isoformat(),
        "left": format_duration(left),
        "secondsLeft": _seconds(left),
    }


def _act(entry: Entry, judged: Judged | None) -> dict[str, Any]:
    return {
        "id": entry.id,
        "time": entry.time.isoformat(),
        "effect": entry.effect_name,
        "from": entry.before,
        "to": entry.after,
        "by": entry.by,
        "reason": entry.reason,
        "because": entry.because,
        "startsAt": _iso(entry.starts_at),
        "overrode": list(entry.overrode),
        "verdict": judged.judgement if judged else None,
        "why": judged.why if judged else "",
    }


def _iso(time: datetime | None) -> str | None:
    return time.isoformat() if time else None

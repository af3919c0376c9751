"""What the service knows, as data: for programs at /api/v1/status, and for the page that people read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from prometheus_client import CollectorRegistry

from remediator import __version__
from remediator.canary.phases import Stay, time_in_phase
from remediator.canary.setting import read_setting
from remediator.durations import format_duration
from remediator.forecast import Forecast, forecast
from remediator.ledger import Entry, KillSwitch
from remediator.observation import Observation, Observer
from remediator.policy import Policy, Remediation, Target
from remediator.reload import PolicyFile
from remediator.summary import Answer, about_canary, about_reflex, about_withheld
from remediator.workload import Workload


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


def status(knowledge: Knowledge) -> dict[str, Any]:
    """The `data` of /api/v1/status; docs/metrics.md says what each key means."""
    # Each is replaced as a whole by another thread, so it is taken once.
    policy, observations, now = knowledge.policy_file.current(), knowledge.observer.observations, knowledge.now()
    problem = knowledge.policy_file.problem
    forecasts = [
        (remediation, forecast(remediation, look.seen if look else None, now, dry_run=knowledge.dry_run))
        for remediation in policy.remediations
        for look in (observations.get(remediation.target.name),)
    ]
    answers = [
        *(
            about_canary(target, observations.get(target.name), forecasts)
            for target in policy.targets
            if target.container
        ),
        about_reflex(
            policy, observations, now, alive=knowledge.alive(), dry_run=knowledge.dry_run, config_problem=problem
        ),
        about_withheld(forecasts),
    ]
    return {
        "version": __version__,
        "cluster": knowledge.cluster,
        "dryRun": knowledge.dry_run,
        "time": now.isoformat(),
        "summary": [_answer(answer) for answer in answers],
        "config": {
            "file": str(knowledge.policy_file.path),
            "reloadSuccessful": not problem,
            "problem": problem,
            "remediations": [_remediation(remediation, told) for remediation, told in forecasts],
        },
        "targets": [_target(target, observations.get(target.name), policy, now) for target in policy.targets],
    }


def _answer(answer: Answer) -> Mapping[str, str]:
    return {
        "about": answer.about,
        "target": answer.target,
        "standing": answer.standing,
        "answer": answer.answer,
        "message": answer.message,
    }


def _remediation(remediation: Remediation, told: Forecast) -> dict[str, Any]:
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
            "reason": told.reason,
            "kind": told.reason.kind,
            "message": told.message,
            "until": _iso(told.until),
            "nothingToDo": told.nothing_to_do,
        },
    }


def _target(target: Target, observation: Observation | None, policy: Policy, now: datetime) -> dict[str, Any]:
    workload = observation.workload if observation else None
    known: dict[str, Any] = {
        "name": target.name,
        "namespace": target.namespace,
        "deployment": target.deployment,
        "observedAt": observation.at.isoformat() if observation else None,
        "problem": observation.problem if observation else "not looked at yet",
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
        }
        if target.container:
            known["differing"] = list(read_setting(workload, policy.profiles).differing)
            known["phase"] = _phase(time_in_phase(workload, policy, now), now)
        if switch := workload.kill_switch:
            known["latched"] = _latch(switch)
        if pause := workload.held_by(now):
            known["paused"] = {"reason": pause.reason, "author": pause.author, "until": pause.until.isoformat()}
        cooldowns = (_cooldown(remediation, workload, now) for remediation in policy.remediations)
        ours = zip(policy.remediations, cooldowns, strict=True)
        known["cooldowns"] = [left for remediation, left in ours if left and remediation.target == target]
        known["lastActs"] = [_act(entry) for entry in reversed(workload.ledger.entries)]
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


def _latch(switch: KillSwitch) -> dict[str, Any]:
    return {"reason": switch.reason, "author": switch.author, "since": _iso(switch.since)}


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
        "by": entry.by,
        "reason": entry.reason,
        "overrode": list(entry.overrode),
    }


def _iso(time: datetime | None) -> str | None:
    return time.isoformat() if time else None

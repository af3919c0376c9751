"""All that is known about the canary at one moment, as `status` shows it and `promote` goes by it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import click

from remediator.api_errors import ClusterError
from remediator.canary.judgement import Judgement, judge
from remediator.canary.obstacles import Alarm
from remediator.canary.phases import Stay, time_in_phase, window
from remediator.canary.setting import Setting, read_setting
from remediator.canary.steering import NotWritten
from remediator.cli.output import check_data
from remediator.cli.site import Site
from remediator.durations import format_duration
from remediator.forecast import forecast
from remediator.monitoring.evidence import Evidence, Unknown, no_evidence
from remediator.policy import PERCENTAGE_FLAG, Remediation, Target
from remediator.reasons import Reason
from remediator.workload import Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Whom to ask besides the API server."""

    prometheus_url: str | None
    alertmanager_url: str | None
    cluster: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """The canary, its workers, and the judgement."""

    at: datetime
    target: Target
    canary: Workload
    setting: Setting
    workers: Workload | Unknown | None
    stay: Stay
    evidence: Evidence
    judgement: Judgement
    reflex: tuple[tuple[str, str], ...]
    """What each remediation would do now, if its alert fired, by its name."""

    def as_data(self) -> dict[str, Any]:
        """Plain data, times in UTC, durations in seconds."""
        stay, pause = self.stay, self.canary.held_by(self.at)
        workers = self.workers if isinstance(self.workers, Workload) else None
        last = self.canary.writers.get(PERCENTAGE_FLAG)
        return {
            "time": self.at.isoformat(),
            "target": self.target.name,
            "percentage": self.setting.percentage,
            "differing": list(self.setting.differing),
            "lastWriter": {"manager": last.manager, "time": last.time and last.time.isoformat()} if last else None,
            "rollout": self.canary.rollout.spell(self.canary.replicas),
            "converged": self.canary.rollout.converged(self.canary.replicas),
            "phase": {
                "since": stay.since and stay.since.isoformat(),
                "origin": stay.origin,
                "countedSeconds": round(stay.counted.total_seconds()),
                "holdSeconds": stay.phase and round(stay.phase.hold.total_seconds()),
                "leftSeconds": None if stay.left is None else round(stay.left.total_seconds()),
                "stopped": stay.stopped,
            },
            "workers": workers
            and {
                "replicas": workers.replicas,
                "killSwitch": workers.kill_switch is not None or workers.replicas == 0,
            },
            "pause": pause and {"author": pause.author, "reason": pause.reason, "until": pause.until.isoformat()},
            "reflex": dict(self.reflex),
            "verdict": self.judgement.verdict,
            "next": self.judgement.next,
            "checks": check_data(self.judgement.checks),
            "steady": check_data(self.judgement.steady),
            "signals": {
                "successRate": _number(self.evidence.success_rate.current),
                "errorRate": _number(self.evidence.error_rate.current),
                "queueDepth": _number(self.evidence.queue_depth),
                "latencyP99Seconds": _number(self.evidence.latency_p99),
            },
        }


def look(site: Site, target: Target, sources: Sources) -> Situation:
    """Ask everybody. Raises Unusable, ClusterError where the canary itself cannot be read."""
    canary, workers = site.read(target), _workers(site)
    now = site.connection.now()
    stay = time_in_phase(canary, site.policy, now)
    evidence = _evidence(site, target, sources, stay, now)
    return Situation(
        at=now,
        target=target,
        canary=canary,
        setting=read_setting(canary, site.policy.profiles),
        workers=workers,
        stay=stay,
        evidence=evidence,
        judgement=judge(canary=canary, workers=workers, policy=site.policy, stay=stay, evidence=evidence, now=now),
        reflex=tuple(_reflex(answer, canary, workers, target, now) for answer in site.policy.remediations),
    )


def ask_alarm(site: Site, target: Target, sources: Sources) -> Alarm | None:
    """Whether an alert fires that would take the target back; None where nobody is given to ask."""
    if not (sources.prometheus_url or sources.alertmanager_url):
        return None
    stay = time_in_phase(site.read(target), site.policy, site.connection.now())
    firing = _evidence(site, target, sources, stay, site.connection.now()).firing
    if isinstance(firing, Unknown):
        return Alarm(unknown=firing.why)
    return Alarm(firing=tuple(sorted({labels.get("alertname", "an alert without a name") for labels in firing})))


def _evidence(site: Site, target: Target, sources: Sources, stay: Stay, now: datetime) -> Evidence:
    span = window(stay, site.policy, now)
    if not (sources.prometheus_url or sources.alertmanager_url):
        return no_evidence(span, "no Prometheus was asked; give --prometheus.url")
    from remediator.monitoring.alertmanager import Alertmanager
    from remediator.monitoring.prometheus import Prometheus
    from remediator.monitoring.signals import Scope, gather

    try:
        prometheus = Prometheus(sources.prometheus_url) if sources.prometheus_url else None
        alertmanager = Alertmanager(sources.alertmanager_url) if sources.alertmanager_url else None
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    scope = Scope(policy=site.policy, target=target, cluster=sources.cluster)
    return gather(scope, span, prometheus=prometheus, alertmanager=alertmanager)


def _workers(site: Site) -> Workload | Unknown | None:
    try:
        return site.read_workers()
    except (ClusterError, NotWritten) as error:
        return Unknown(why=str(error))


def _reflex(
    answer: Remediation, canary: Workload, workers: Workload | Unknown | None, target: Target, now: datetime
) -> tuple[str, str]:
    workload = canary if answer.target == target else workers
    if not isinstance(workload, Workload):
        return answer.name, f"cannot be told: {workload.why if workload else 'its target was not read'}"
    told = forecast(answer, workload, now, dry_run=False)
    until = f", for another {format_duration(told.until - now)}" if told.until else ""
    word = "" if told.reason is Reason.APPLIED else f"{told.reason}: "
    return answer.name, f"{word}{told.message}{until}"


def _number(value: float | Unknown) -> float | None:
    return None if isinstance(value, Unknown) else value

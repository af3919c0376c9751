"""All that is known about the canary at one moment, as `status` shows it and `promote` goes by it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from remediator.api_errors import ClusterError
from remediator.canary.judgement import Judgement, judge
from remediator.canary.obstacles import Alarm, alert_names
from remediator.canary.phases import Stay, time_in_phase, window
from remediator.canary.setting import Setting, read_setting
from remediator.canary.steering import NotWritten
from remediator.cli.output import check_data
from remediator.cli.site import Site
from remediator.forecast import forecast
from remediator.monitoring.evidence import Evidence, Unknown, no_evidence
from remediator.policy import PERCENTAGE_FLAG, Remediation, Target
from remediator.reasons import Reason
from remediator.workload import Workload

if TYPE_CHECKING:
    from remediator.monitoring.alertmanager import Alertmanager
    from remediator.monitoring.prometheus import Prometheus
    from remediator.monitoring.signals import Scope


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
    workers: Mapping[str, Workload | Unknown]
    """The Deployments that are scaled, by their targets' names."""
    stay: Stay
    evidence: Evidence
    judgement: Judgement
    reflex: tuple[tuple[str, str], ...]
    """What each remediation would do now, if its alert fired, by its name."""

    def as_data(self) -> dict[str, Any]:
        """Plain data, times in UTC, durations in seconds."""
        stay, pause = self.stay, self.canary.held_by(self.at)
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
                # Rounded up: 0 is what is over.
                "leftSeconds": None if stay.left is None else -(-stay.left // timedelta(seconds=1)),
                "stopped": stay.stopped,
            },
            "workers": {name: _worker_data(found) for name, found in self.workers.items()},
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
    canary = site.read(target)
    others = {answer.target for answer in site.policy.remediations} - {target}
    found: dict[str, Workload | Unknown] = {target.name: canary, **{one.name: _read(site, one) for one in others}}
    workers = {one.name: found[one.name] for one in site.policy.scaled()}
    now = site.connection.now()
    stay = time_in_phase(canary, site.policy, now)
    evidence = _evidence(site, target, sources, window(stay, site.policy, now))
    unknown = next((one for one in workers.values() if isinstance(one, Unknown)), None)
    return Situation(
        at=now,
        target=target,
        canary=canary,
        setting=read_setting(canary, site.policy.profiles),
        workers=workers,
        stay=stay,
        evidence=evidence,
        judgement=judge(
            canary=canary,
            workers=unknown or [one for one in workers.values() if isinstance(one, Workload)],
            rollbacks=site.policy.rollbacks(target),
            policy=site.policy,
            stay=stay,
            evidence=evidence,
            now=now,
        ),
        reflex=tuple(
            (answer.name, _spell_reflex(answer, found[answer.target.name], now)) for answer in site.policy.remediations
        ),
    )


def ask_alarm(site: Site, target: Target, sources: Sources) -> Alarm | None:
    """Whether an alert fires that would take the target back; None where nobody is given to ask."""
    if not (sources.prometheus_url or sources.alertmanager_url):
        return None
    from remediator.monitoring.signals import firing_alerts

    prometheus, alertmanager = _connect(sources)
    firing = firing_alerts(_scope(site, target, sources), prometheus=prometheus, alertmanager=alertmanager)
    return Alarm(unknown=firing.why) if isinstance(firing, Unknown) else Alarm(firing=alert_names(firing))


def _evidence(site: Site, target: Target, sources: Sources, span: timedelta) -> Evidence:
    if not (sources.prometheus_url or sources.alertmanager_url):
        return no_evidence(span, "no Prometheus was asked; give --prometheus.url")
    from remediator.monitoring.signals import gather

    prometheus, alertmanager = _connect(sources)
    return gather(_scope(site, target, sources), span, prometheus=prometheus, alertmanager=alertmanager)


def _connect(sources: Sources) -> "tuple[Prometheus | None, Alertmanager | None]":
    from remediator.monitoring.alertmanager import Alertmanager
    from remediator.monitoring.prometheus import Prometheus

    try:
        return (
            Prometheus(sources.prometheus_url) if sources.prometheus_url else None,
            Alertmanager(sources.alertmanager_url) if sources.alertmanager_url else None,
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def _scope(site: Site, target: Target, sources: Sources) -> "Scope":
    from remediator.monitoring.signals import Scope

    return Scope(policy=site.policy, target=target, cluster=sources.cluster)


def _read(site: Site, target: Target) -> Workload | Unknown:
    try:
        return site.read(target)
    except (ClusterError, NotWritten) as error:
        return Unknown(why=str(error))


def _spell_reflex(answer: Remediation, found: Workload | Unknown, now: datetime) -> str:
    if isinstance(found, Unknown):
        return f"cannot be told: {found.why}"
    told = forecast(answer, found, now, dry_run=False)
    return told.message if told.reason is Reason.APPLIED else f"{told.reason}: {told.message}"


def _worker_data(found: Workload | Unknown) -> dict[str, Any]:
    if isinstance(found, Unknown):
        return {"replicas": None, "killSwitch": None, "problem": found.why}
    return {"replicas": found.replicas, "killSwitch": found.switched_off, "problem": ""}


def _number(value: float | Unknown) -> float | None:
    return None if isinstance(value, Unknown) else value

"""Everything known about the canary at one moment: `status` shows it, `promote` decides by it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from remediator.canary.flags import Setting, read_setting
from remediator.canary.operator import NotWritten
from remediator.canary.phases import Stay, time_in_phase, window
from remediator.canary.verdict import Judgement, judge
from remediator.cli.canary.monitoring import open_alertmanager, open_prometheus
from remediator.cli.endpoints import Endpoint
from remediator.cli.output import check_data
from remediator.cli.session import Site
from remediator.core.forecast import Forecast, forecast
from remediator.core.policy import PERCENTAGE_FLAG, Remediation, Target
from remediator.core.reasons import Reason
from remediator.core.workload import Workload
from remediator.kube.errors import ClusterError
from remediator.monitoring.alertmanager import Alertmanager
from remediator.monitoring.evidence import Evidence, FoundAlerts, Unknown, no_evidence
from remediator.monitoring.prometheus import Prometheus
from remediator.monitoring.signals import Scope, firing_alerts, gather


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """The clients to ask in addition to the API server."""

    prometheus: Endpoint | None
    alertmanager: Endpoint | None
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
    reflex: tuple[tuple[str, Forecast | Unknown], ...]
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
            "rollout": _rollout_data(self.canary),
            "converged": self.canary.rollout.converged(self.canary.replicas),
            "phase": {
                "since": stay.since and stay.since.isoformat(),
                "origin": stay.origin,
                "countedSeconds": round(stay.counted.total_seconds()),
                "holdSeconds": stay.phase and round(stay.phase.hold.total_seconds()),
                # Rounded up, so that 0 means over.
                "leftSeconds": None if stay.left is None else -(-stay.left // timedelta(seconds=1)),
                "stopped": stay.stopped,
            },
            "workers": {name: _worker_data(found) for name, found in self.workers.items()},
            "pause": pause and {"author": pause.author, "reason": pause.reason, "until": pause.until.isoformat()},
            "reflex": {name: _reflex_data(outlook) for name, outlook in self.reflex},
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
    """Read the cluster and ask all monitoring. Raises Unusable, ClusterError if the canary itself cannot be read."""
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
            target=target,
            policy=site.policy,
            stay=stay,
            evidence=evidence,
            now=now,
        ),
        reflex=tuple(
            (answer.name, _forecast(answer, found[answer.target.name], now)) for answer in site.policy.remediations
        ),
    )


def ask_alarm(site: Site, target: Target, sources: Sources) -> FoundAlerts | None:
    """The firing alerts that would roll the target back; None without a Prometheus or Alertmanager to ask."""
    if not (sources.prometheus or sources.alertmanager):
        return None

    prometheus, alertmanager = _connect(sources)
    return firing_alerts(_scope(site, target, sources), prometheus=prometheus, alertmanager=alertmanager)


def _evidence(site: Site, target: Target, sources: Sources, span: timedelta) -> Evidence:
    if not (sources.prometheus or sources.alertmanager):
        return no_evidence(span, "no Prometheus was asked; give --prometheus.url")

    prometheus, alertmanager = _connect(sources)
    return gather(_scope(site, target, sources), span, prometheus=prometheus, alertmanager=alertmanager)


def _connect(sources: Sources) -> tuple[Prometheus | None, Alertmanager | None]:
    return (
        open_prometheus(sources.prometheus) if sources.prometheus else None,
        open_alertmanager(sources.alertmanager) if sources.alertmanager else None,
    )


def _scope(site: Site, target: Target, sources: Sources) -> Scope:
    return Scope(policy=site.policy, target=target, cluster=sources.cluster)


def _read(site: Site, target: Target) -> Workload | Unknown:
    try:
        return site.read(target)
    except (ClusterError, NotWritten) as error:
        return Unknown(why=str(error))


def _forecast(answer: Remediation, found: Workload | Unknown, now: datetime) -> Forecast | Unknown:
    return found if isinstance(found, Unknown) else forecast(answer, found, now, dry_run=False)


def spell_reflex(outlook: Forecast | Unknown) -> str:
    """What a remediation would do now, in words."""
    if isinstance(outlook, Unknown):
        return f"not known: {outlook.why}"
    return outlook.message if outlook.reason is Reason.APPLIED else f"{outlook.reason}: {outlook.message}"


def _reflex_data(outlook: Forecast | Unknown) -> dict[str, Any]:
    if isinstance(outlook, Unknown):
        return {"reason": None, "message": outlook.why, "until": None}
    return {"reason": outlook.reason, "message": outlook.message, "until": outlook.until and outlook.until.isoformat()}


def _rollout_data(canary: Workload) -> dict[str, Any]:
    rollout = canary.rollout
    return {
        "replicas": canary.replicas,
        "updated": rollout.updated,
        "available": rollout.available,
        "old": max(rollout.total - rollout.updated, 0),
        "message": rollout.spell(canary.replicas),
    }


def _worker_data(found: Workload | Unknown) -> dict[str, Any]:
    if isinstance(found, Unknown):
        return {"replicas": None, "killSwitch": None, "problem": found.why}
    return {"replicas": found.replicas, "killSwitch": found.switched_off, "problem": ""}


def _number(value: float | Unknown) -> float | None:
    return None if isinstance(value, Unknown) else value

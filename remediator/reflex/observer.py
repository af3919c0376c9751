"""The observer: reads every target regularly, for gauges, status, the verification of acts, and the next decision."""

import logging
import math
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from remediator.config.alert_times import AlertTimes
from remediator.core.alerts import Alerts, oldest
from remediator.core.forecast import Forecast, forecast
from remediator.core.ledger import Entry
from remediator.core.policy import Policy, Remediation, Target
from remediator.core.reasons import Reason
from remediator.core.time_to_safe import Part, TimeToSafe, rollout_part, time_to_safe
from remediator.core.verification import Verdict, last_act, verify
from remediator.core.workload import TargetInvalid, TargetMissing, Workload
from remediator.kube.errors import ClusterError
from remediator.kube.targets import Cluster
from remediator.reflex.armed import SILENCE, armed
from remediator.reflex.dry_runs import DryRun, DryRuns
from remediator.reflex.heartbeat import Heartbeats
from remediator.reflex.last_reads import LastReads, Read
from remediator.reflex.metrics import Metrics
from remediator.reflex.recent_acts import Memory
from remediator.reflex.recorder import Recorder

log = logging.getLogger(__name__)

INTERVAL_SECONDS = 5.0
"""One GET per target and interval; it also keeps a connection to the API server open for an act."""

FOLLOWING_SECONDS = 1.0
"""The interval while pods still have to follow an act."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """A target as observed at a moment, or why it could not be read."""

    at: datetime
    seen: Workload | TargetInvalid | TargetMissing | ClusterError
    problem: str = ""

    @property
    def workload(self) -> Workload | None:
        """The Deployment, or None if it could not be read."""
        return self.seen if isinstance(self.seen, Workload) else None


def _as_tried(outlook: Forecast, tried: DryRun | None) -> Forecast:
    """The forecast, adjusted by the last dry run of the act, which shows more than a read of the target."""
    if tried and tried.accepted is False:
        outlook = replace(outlook, refused=tried.problem)
    if tried and tried.autoscaler and outlook.reason is Reason.APPLIED:
        outlook = replace(outlook, reason=Reason.AUTOSCALER_OWNED, message=f"replicas are owned by {tried.autoscaler}")
    return outlook


def _as_asked(remediation: Remediation, outlook: Forecast, unconfirmed: Callable[[Remediation], str]) -> Forecast:
    """The forecast, or Unconfirmed if the act needs Prometheus to confirm an alert, and it would not."""
    waits = remediation.action.needs_confirmation and outlook.reason is Reason.APPLIED
    if not (waits and (why := unconfirmed(remediation))):
        return outlook
    return replace(outlook, reason=Reason.UNCONFIRMED, message=f"Prometheus confirms no alert: {why}")


def times_to_safe(
    policy: Policy, observations: Mapping[str, Observation], times: Mapping[str, AlertTimes]
) -> Mapping[str, TimeToSafe]:
    """The time to safe by rollback remediation, from the files and the last reads of the targets."""
    found = {}
    for one in policy.remediations:
        if one.action.takes_back:
            look, way = observations.get(one.target.name), times.get(one.name, AlertTimes())
            end = Part(name="rollout", takes=None, found="the Deployment is not known")
            found[one.name] = time_to_safe(
                scrape=None,
                evaluation=way.evaluation,
                hold=way.hold,
                wait=way.wait,
                end=rollout_part(look.workload) if look and look.workload else end,
                # The sum is a lower bound in any case.
                asks=False,
                unseen="not in the files next to remediations.yaml; remediator doctor asks Prometheus and Alertmanager",
            )
    return found


class Observer:
    """Reads the policy's targets until asked to stop."""

    def __init__(
        self,
        *,
        policy: Callable[[], Policy],
        cluster: Cluster,
        metrics: Metrics,
        recorder: Recorder,
        memory: Memory,
        reads: LastReads,
        heartbeats: Heartbeats,
        dry_runs: DryRuns,
        alert_times: Callable[[Policy], Mapping[str, AlertTimes]],
        unconfirmed: Callable[[Remediation], str] = lambda remediation: "",
        dry_run: bool,
        now: Callable[[], datetime],
    ) -> None:
        self._policy = policy
        self._unconfirmed = unconfirmed
        self.dry_runs = dry_runs
        self._cluster = cluster
        self._metrics = metrics
        self._recorder = recorder
        self._memory = memory
        self._reads = reads
        self._heartbeats = heartbeats
        self._alert_times = alert_times
        self._dry_run = dry_run
        self._lock = threading.Lock()
        self._said: dict[tuple[str, str], tuple[str, set[Verdict]]] = {}
        self._following = False
        self._now = now
        self._firing: dict[str, tuple[datetime, datetime]] = {}
        """By remediation, of its last alerts: when the oldest began, and when they arrived."""
        self.observations: dict[str, Observation] = {}
        self.times_to_safe: Mapping[str, TimeToSafe] = {}
        """By rollback remediation."""
        self.answered = False
        """Whether the API server has accepted the credentials once; before that no act could succeed."""

    def watch(self, stop: threading.Event) -> None:
        """Read all targets once per interval."""
        while True:
            self.look()
            if stop.wait(FOLLOWING_SECONDS if self._following else INTERVAL_SECONDS):
                return

    def look(self) -> None:
        """Read all targets once."""
        self._following = False
        targets = self._policy().targets
        names = {target.name for target in targets}
        for gone in self.observations.keys() - names:
            self._metrics.forget(gone)
        with self._lock:
            self.observations = {name: seen for name, seen in self.observations.items() if name in names}
        for target in targets:
            self._observe(target)
        self._show_armed()
        policy = self._policy()
        self.times_to_safe = times_to_safe(policy, self.observations, self._alert_times(policy))
        self._metrics.show_times_to_safe(self.times_to_safe)

    def show(self, target: Target) -> None:
        """Show the last read of a target, for example after a write, without another read."""
        if read := self._reads.last(target):
            self._show(target, read, self._memory.recall(target))

    def hear(self, remediation: Remediation, alerts: Alerts) -> None:
        """Note that alerts of this remediation fire."""
        if since := oldest(alerts):
            self._firing[remediation.name] = since, self._now()

    def forecasts(self, policy: Policy, now: datetime) -> list[tuple[Remediation, Forecast]]:
        """What an alert of each remediation would lead to, by the last reads and dry runs."""
        observations, tried = self.observations, self.dry_runs.results

        def last_forecast(one: Remediation) -> Forecast:
            look, (since, heard) = observations.get(one.target.name), self._firing.get(one.name, (None, now))
            seen = look.seen if look else None
            return forecast(one, seen, now, dry_run=self._dry_run, since=since if now - heard <= SILENCE else None)

        return [
            (one, _as_asked(one, _as_tried(last_forecast(one), tried.get(one.name)), self._unconfirmed))
            for one in policy.remediations
        ]

    def _show_armed(self) -> None:
        now = self._now()
        found = self.forecasts(self._policy(), now)
        for remediation, outlook in found:
            arming = armed(remediation, outlook, self._heartbeats.last, now, dry_run=self._dry_run)
            self._metrics.show_armed(remediation.name, arming.armed, arming.reason)
        self._metrics.keep_armed([remediation.name for remediation, _ in found])

    def _observe(self, target: Target) -> None:
        # Taken before the read: an act done meanwhile is not in the read, and would look reverted.
        recalled = self._memory.recall(target)
        try:
            read = self._reads.read(target, lambda: self._cluster.read(target))
        except ClusterError as error:
            last = self.observations.get(target.name)
            if last is None or not last.problem:
                log.warning("target not readable", extra={"target": target.name, "error": str(error)})
            with self._lock:
                self._keep(target, error, str(error))
            return
        self.answered = True
        if workload := self._show(target, read, recalled):
            self._verify(target, workload)

    def _show(self, target: Target, read: Read, recalled: tuple[Entry, ...]) -> Workload | None:
        """Show what was read, or a later write's response. Returns the workload, if there is one."""
        with self._lock:
            read = self._reads.last(target) or read
            match read.snapshot:
                case TargetMissing():
                    problem = f"there is no Deployment {target.deployment} in namespace {target.namespace}"
                    self._keep(target, read.snapshot, problem)
                case TargetInvalid(problem=problem):
                    self._keep(target, read.snapshot, problem)
                case Workload() as snapshot:
                    now = self._now()
                    workload = self._memory.complete(target, snapshot, recalled, now, read.began.seconds)
                    self._set_gauges(target, workload)
                    self._keep(target, workload, self._problem(target, workload))
                    return workload
        return None

    def _keep(
        self, target: Target, seen: Workload | TargetInvalid | TargetMissing | ClusterError, problem: str
    ) -> None:
        self._metrics.target_up.labels(target=target.name).set(not problem)
        self.observations = {
            **self.observations,
            target.name: Observation(at=self._now(), seen=seen, problem=problem),
        }

    def _set_gauges(self, target: Target, workload: Workload) -> None:
        metrics, name = self._metrics, target.name
        if target.container:
            percentage = workload.percentage()
            metrics.canary_percentage.labels(target=name).set(math.nan if percentage is None else percentage)
            metrics.rollback_blocked.labels(target=name).set(workload.rollback_blocked)
        metrics.replicas.labels(target=name).set(workload.replicas)
        metrics.kill_switch.labels(target=name).set(workload.switched_off)
        metrics.paused.labels(target=name).set(workload.held_by(self._now()) is not None)
        for remediation in self._policy().remediations:
            effect = remediation.action.effect
            if remediation.target == target and (acts := workload.ledger.as_of(self._now()).automatic(effect)):
                metrics.last_action.labels(target=name, effect=effect).set(acts[-1].time.timestamp())

    def _problem(self, target: Target, workload: Workload) -> str:
        """Why an alert for this target would end as TargetInvalid now, or empty."""
        actions = [remediation.action for remediation in self._policy().remediations if remediation.target == target]
        return next(filter(None, (action.unusable(workload, target, self._now()) for action in actions)), "")

    def _verify(self, target: Target, workload: Workload) -> None:
        """Record the verdict on the last act of each effect once, and read again soon while it is open."""
        for remediation in self._policy().remediations:
            if remediation.target != target or not (act := last_act(workload, remediation, self._now())):
                continue
            verification = verify(act, workload, self._now())
            if verification is None:
                self._following = True
            elif verification.verdict not in (said := self._said_of(target, act)):
                said.add(verification.verdict)
                self._recorder.record_verification(verification, remediation, workload.uid, self._now())

    def _said_of(self, target: Target, act: Entry) -> set[Verdict]:
        """The verdicts already recorded for an act; those of the previous act are dropped."""
        key = target.name, act.effect
        if self._said.get(key, ("",))[0] != act.id:
            self._said[key] = act.id, set()
        return self._said[key][1]

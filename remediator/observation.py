"""A regular look at every target, for the gauges, the status, and what became of acts; no decision is made on it."""

import logging
import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from remediator.api_errors import ClusterError
from remediator.cluster import Cluster
from remediator.decision import unusable
from remediator.ledger import Entry
from remediator.memory import Memory
from remediator.metrics import Metrics
from remediator.policy import Policy, Target
from remediator.recorder import Recorder
from remediator.verification import Verdict, last_act, verify
from remediator.workload import TargetInvalid, TargetMissing, Workload

log = logging.getLogger(__name__)

INTERVAL_SECONDS = 5.0
"""One GET per target in each; it also keeps the connection to the API server warm for the act."""

FOLLOWING_SECONDS = 1.0
"""The interval while pods are still to follow an act."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What a target looked like at a moment, or why it could not be looked at."""

    at: datetime
    seen: Workload | TargetInvalid | TargetMissing | ClusterError
    problem: str = ""

    @property
    def workload(self) -> Workload | None:
        """The Deployment, or None where there was none to be seen."""
        return self.seen if isinstance(self.seen, Workload) else None


class Observer:
    """Looks at the policy's targets until told to stop."""

    def __init__(
        self,
        *,
        policy: Callable[[], Policy],
        cluster: Cluster,
        metrics: Metrics,
        recorder: Recorder,
        memory: Memory,
        now: Callable[[], datetime],
    ) -> None:
        self._policy = policy
        self._cluster = cluster
        self._metrics = metrics
        self._recorder = recorder
        self._memory = memory
        self._said: dict[tuple[str, str], tuple[str, set[Verdict]]] = {}
        self._following = False
        self._now = now
        self.observations: dict[str, Observation] = {}
        self.answered = False
        """Whether the API server has accepted the credentials once; before that no act could succeed."""

    def watch(self, stop: threading.Event) -> None:
        """Look at all targets, again and again."""
        while True:
            self.look()
            if stop.wait(FOLLOWING_SECONDS if self._following else INTERVAL_SECONDS):
                return

    def look(self) -> None:
        """Look at all targets once."""
        self._following = False
        targets = self._policy().targets
        for gone in self.observations.keys() - {target.name for target in targets}:
            self._metrics.forget(gone)
        self.observations = {target.name: self._observe(target) for target in targets}

    def _observe(self, target: Target) -> Observation:
        # Before the read: an act while it is under way is not in what it brings, and would look taken back.
        recalled = self._memory.recall(target)
        try:
            snapshot = self._cluster.read(target)
        except ClusterError as error:
            last = self.observations.get(target.name)
            if last is None or not last.problem:
                log.warning("target not readable", extra={"target": target.name, "error": str(error)})
            return self._observation(target, error, str(error))
        self.answered = True
        match snapshot:
            case TargetMissing():
                problem = f"there is no Deployment {target.deployment} in namespace {target.namespace}"
                return self._observation(target, snapshot, problem)
            case TargetInvalid(problem=problem):
                return self._observation(target, snapshot, problem)
            case Workload():
                workload = self._memory.complete(target, snapshot, recalled, self._now())
                self._show(target, workload)
                self._verify(target, workload)
                return self._observation(target, workload, self._problem(target, workload))

    def _observation(
        self, target: Target, seen: Workload | TargetInvalid | TargetMissing | ClusterError, problem: str
    ) -> Observation:
        self._metrics.target_up.labels(target=target.name).set(not problem)
        return Observation(at=self._now(), seen=seen, problem=problem)

    def _show(self, target: Target, workload: Workload) -> None:
        metrics, name = self._metrics, target.name
        if target.container:
            percentage = workload.percentage()
            metrics.canary_percentage.labels(target=name).set(math.nan if percentage is None else percentage)
        metrics.replicas.labels(target=name).set(workload.replicas)
        metrics.kill_switch.labels(target=name).set(workload.switched_off)
        metrics.paused.labels(target=name).set(workload.held_by(self._now()) is not None)
        for remediation in self._policy().remediations:
            effect = remediation.action.effect
            if remediation.target == target and (acts := workload.ledger.as_of(self._now()).automatic(effect)):
                metrics.last_action.labels(target=name, effect=effect).set(acts[-1].time.timestamp())

    def _problem(self, target: Target, workload: Workload) -> str:
        """Why a remediation of this target would end as TargetInvalid now, or empty."""
        remediations = (remediation for remediation in self._policy().remediations if remediation.target == target)
        return next(filter(None, (unusable(remediation, workload, self._now()) for remediation in remediations)), "")

    def _verify(self, target: Target, workload: Workload) -> None:
        """Say once what became of the last act with each effect, and look again soon while that is open."""
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
        """The verdicts that were given on an act; those on the one before it are forgotten."""
        key = target.name, act.effect
        if self._said.get(key, ("",))[0] != act.id:
            self._said[key] = act.id, set()
        return self._said[key][1]

"""Tries the act of each remediation as a dry run every 5 minutes: tests rights and admission before they are needed.

The rule of this file: only allowed writes are tried. A response that says nothing about the act counts as unknown.
"""

import logging
import math
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from remediator.core.ledger import Entry
from remediator.core.outcome import ClusterError
from remediator.core.policy import Policy, Remediation
from remediator.core.workload import Workload, write_patch
from remediator.kube.errors import Forbidden, Rejected
from remediator.kube.targets import Cluster
from remediator.reflex.metrics import Metrics

log = logging.getLogger(__name__)

INTERVAL_SECONDS = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRun:
    """The API server's response to the dry run of an act."""

    accepted: bool | None
    """None if not known."""
    problem: str
    at: datetime
    autoscaler: str = ""
    """The owner of the replicas that the act would set, or empty; the target alone does not always show it."""


class DryRuns:
    """The last dry run of each remediation in mode `act`, by its name."""

    def __init__(
        self, *, policy: Callable[[], Policy], cluster: Cluster, metrics: Metrics, now: Callable[[], datetime]
    ) -> None:
        self._policy = policy
        self._cluster = cluster
        self._metrics = metrics
        self._now = now
        self._shown: set[str] = set()
        self.results: Mapping[str, DryRun] = {}

    def watch(self, stop: threading.Event) -> None:
        """Try all acts once per interval; the first time after one interval, so until then the result is unknown."""
        self._show(dict.fromkeys((remediation.name for remediation in self._acting()), math.nan))
        while not stop.wait(INTERVAL_SECONDS):
            self.run()

    def run(self) -> None:
        """Try all acts once."""
        before = self.results
        self.results = {remediation.name: self._try(remediation) for remediation in self._acting()}
        accepted = {name: math.nan if one.accepted is None else one.accepted for name, one in self.results.items()}
        self._show(accepted)
        for name, result in self.results.items():
            if result.accepted is False and (name not in before or before[name].accepted is not False):
                log.error("the API server would refuse the act", extra={"remediation": name, "error": result.problem})

    def _show(self, accepted: Mapping[str, float]) -> None:
        """Set the remediations to show, by name; others are dropped."""
        for gone in self._shown - accepted.keys():
            self._metrics.act_accepted.remove(gone)
        for name, value in accepted.items():
            self._metrics.act_accepted.labels(remediation=name).set(value)
        self._shown = set(accepted)

    def _acting(self) -> list[Remediation]:
        return [remediation for remediation in self._policy().remediations if remediation.mode == "act"]

    def _try(self, remediation: Remediation) -> DryRun:
        now = self._now()
        try:
            found = self._cluster.read(remediation.target, autoscalers=remediation.action.reads_autoscalers)
            if not isinstance(found, Workload):
                return DryRun(accepted=None, problem="the target cannot be used", at=now)
            patch = trial_patch(remediation, found, act_spec(remediation, found), now)
            self._cluster.apply(remediation.target, patch, dry_run=True)
        except ClusterError as error:
            return DryRun(accepted=False if is_refusal(error) else None, problem=str(error), at=now)
        owner = found.autoscaler if remediation.action.reads_autoscalers else ""
        return DryRun(accepted=True, problem="", at=now, autoscaler=owner)


def is_refusal(error: ClusterError) -> bool:
    """Whether the act itself would be refused too; not if a webhook only refuses dry runs."""
    return isinstance(error, Forbidden | Rejected) and "dry run" not in str(error)


def act_spec(remediation: Remediation, workload: Workload) -> Mapping[str, Any]:
    """The part of the spec that an act would write now, even if it is withheld."""
    spec = remediation.action.plan(workload, remediation.target).patch
    # An act never scales up from a kill switch, nor down to the maximum.
    idle = "replicas" in spec and (workload.switched_off or spec["replicas"] < workload.replicas)
    return {"replicas": workload.replicas} if idle else spec


def trial_patch(
    remediation: Remediation, workload: Workload, spec: Mapping[str, Any], now: datetime, *, recorded: bool = True
) -> dict[str, Any]:
    """A write with or without its record, valid for any resourceVersion, so only for dry runs."""
    entry = Entry(
        id=uuid.uuid4().hex[:16],
        time=now,
        effect=remediation.action.effect,
        before=None,
        after=0,
        remediation=remediation.name,
    )
    patch = write_patch(workload, spec, workload.ledger.with_entries((entry,)) if recorded else None)
    # A controller may update the status meanwhile; that must not fail the dry run.
    del patch["metadata"]["resourceVersion"]
    return patch

"""`remediator_armed`: the ladder's forecast, and whether an alert would arrive."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from remediator.core.forecast import forecast
from remediator.core.ladder import Snapshot
from remediator.core.policy import Remediation
from remediator.core.rollout import Rollout
from remediator.core.workload import TargetMissing
from remediator.kube.errors import Unavailable
from remediator.reflex.armed import armed
from remediator.reflex.heartbeat import Heartbeat
from remediator.sandbox import EmbeddedCluster
from tests.conftest import MakeService
from tests.support.builders import HOUR, MINUTE, NOW, SECOND, entry, pause, rollback, scale, workload
from tests.support.faults import Answer, FaultyApi
from tests.support.kubectl import patch_deployment
from tests.support.service import Clock, Service, alert

ROLLED_OUT = Rollout(seen=True, updated=4, total=4, available=4)
PAUSED = replace(ROLLED_OUT, paused=True)
HALF = Rollout(seen=True, updated=1, total=4, available=4, paused=True)
SCALED = workload(acts=(entry(MINUTE, effect="Scale"),))
RAISED = workload(acts=(entry(10 * MINUTE),))
OURS = replace(workload(percentage=0, acts=(entry(10 * MINUTE),)), rollout=ROLLED_OUT)


@pytest.mark.parametrize(
    ("remediation", "seen", "dry_run", "expected"),
    [
        pytest.param(rollback(), workload(), False, (True, "Applied"), id="it would act"),
        pytest.param(rollback(), replace(OURS, ledger=workload().ledger), False, (True, "AlreadySafe"), id="at 0 %"),
        pytest.param(rollback(), OURS, False, (True, "CoolingDown"), id="at 0 % by us"),
        pytest.param(rollback(), RAISED, False, (False, "CoolingDown"), id="raised at an unknown time"),
        pytest.param(scale(), SCALED, False, (False, "CoolingDown"), id="scaled"),
        pytest.param(rollback(), workload(pause=pause(HOUR)), False, (False, "Paused"), id="paused"),
        pytest.param(scale(), workload(replicas=0), False, (False, "KillSwitchOn"), id="kill switch"),
        pytest.param(scale(), workload(replicas=20), False, (False, "AtLimit"), id="at the limit"),
        pytest.param(rollback(mode="observe"), workload(), False, (False, "Observing"), id="observing"),
        pytest.param(rollback(), workload(), True, (False, "DryRun"), id="dry run"),
        pytest.param(rollback(mode="observe"), OURS, False, (False, "Observing"), id="observing at 0 %"),
        pytest.param(rollback(), OURS, True, (False, "DryRun"), id="dry run at 0 %"),
        pytest.param(rollback(), TargetMissing(), False, (False, "TargetNotFound"), id="no target"),
        pytest.param(rollback(), Unavailable("get: no answer"), False, (False, "Unavailable"), id="no API server"),
        pytest.param(rollback(), None, False, (False, "Unavailable"), id="not looked yet"),
        pytest.param(rollback(), replace(workload(), rollout=PAUSED), False, (False, "Unreached"), id="stuck"),
        pytest.param(rollback(), replace(OURS, rollout=HALF), False, (False, "CoolingDown"), id="0 % reaches no pod"),
    ],
)
def test_armed_is_what_an_alert_would_lead_to(
    remediation: Remediation, seen: Snapshot | Unavailable | None, dry_run: bool, expected: tuple[bool, str]
) -> None:
    """It would act, or nothing is left to do; every other word of the ladder is not armed, and is given."""
    told = forecast(remediation, seen, NOW, dry_run=dry_run)
    found = armed(remediation, told, None, NOW, dry_run=dry_run)
    assert (found.armed, found.reason) == expected


@pytest.mark.parametrize(
    ("ago", "expected"), [(15 * MINUTE, (True, "Applied")), (15 * MINUTE + SECOND, (False, "NoHeartbeat"))]
)
def test_who_had_heartbeats_needs_them(ago: timedelta, expected: tuple[bool, str]) -> None:
    """Fifteen minutes without one disarm a replica that had some; without any before, nothing is concluded."""
    told = forecast(rollback(), workload(), NOW, dry_run=False)
    found = armed(rollback(), told, Heartbeat(at=NOW - ago, delay=None), NOW, dry_run=False)
    assert (found.armed, found.reason) == expected


def test_the_reason_of_the_ladder_goes_before_a_lost_heartbeat() -> None:
    """What would withhold the act is what has to be ended first."""
    told = forecast(rollback(), workload(pause=pause(HOUR)), NOW, dry_run=False)
    found = armed(rollback(), told, Heartbeat(at=NOW - HOUR, delay=None), NOW, dry_run=False)
    assert found.reason == "Paused"


def shown(service: Service, remediation: str = "rollback") -> tuple[float | None, set[str]]:
    """What the metrics say after a look: armed or not, and every reason that is shown."""
    service.observer.look()
    info = next(family for family in service.metrics.registry.collect() if family.name == "remediator_armed_info")
    reasons = {sample.labels["reason"] for sample in info.samples if sample.labels["remediation"] == remediation}
    return service.value("remediator_armed", remediation=remediation), reasons


def test_the_metrics_follow_the_target(
    service: Service, embedded: EmbeddedCluster, api: FaultyApi, clock: Clock
) -> None:
    """One reason at a time: before the act, after it, paused, and while the API server is away."""
    assert shown(service) == (1, {"Applied"})
    service.reasons(alert())
    assert shown(service)[0] == 1
    held = {"reason": "load test", "author": "ada", "until": "2026-11-23T13:00:00+00:00"}
    patch_deployment(embedded, {"metadata": {"annotations": {"remediator.denis.run/pause": json.dumps(held)}}})
    assert shown(service) == (0, {"Paused"})
    clock.move(hours=2)
    assert shown(service)[0] == 1
    api.next("GET", Answer(status=503))
    assert shown(service) == (0, {"Unavailable"})


def test_a_lost_heartbeat_shows_without_a_change_of_the_target(service: Service, clock: Clock) -> None:
    """Time alone disarms, and the next heartbeat arms again."""
    beat: dict[str, Any] = alert("heartbeat")
    service.reasons(beat)
    assert shown(service) == (1, {"Applied"})
    clock.move(minutes=15, seconds=1)
    assert shown(service) == (0, {"NoHeartbeat"})
    service.reasons(beat)
    assert shown(service) == (1, {"Applied"})


def test_a_remediation_that_is_gone_shows_nothing(service: Service) -> None:
    """A policy without it takes its series away."""
    assert shown(service, "scale-workers") == (1, {"Applied"})
    (first, _) = service.policy.remediations
    service.policy = replace(service.policy, remediations=(first,))
    assert shown(service, "scale-workers") == (None, set())


def test_a_dry_run_is_not_armed(make_service: MakeService) -> None:
    """It decides, and writes nothing."""
    assert shown(make_service(dry_run=True)) == (0, {"DryRun"})

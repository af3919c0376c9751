"""The act as a dry run: what the API server says of it is a metric and in the status, and nothing is written."""

import math
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from remediator.config.watcher import PolicyFile
from remediator.core.policy import Remediation
from remediator.reflex.dry_runs import DryRuns, act_spec
from remediator.sandbox import EmbeddedCluster
from tests.support.builders import PROFILES, rollback, scale, workload
from tests.support.faults import Answer, FaultyApi, HangUp
from tests.support.internal import Internal
from tests.support.kubectl import patch_deployment
from tests.support.service import Clock, Service

GAUGE = "remediator_act_accepted"


@pytest.fixture
def internal(service: Service, clock: Clock, config: Path) -> Internal:
    """The internal listener of the service."""
    return Internal(service, clock, PolicyFile(config))


def actable(internal: Internal) -> list[bool | None]:
    """What the status says of each remediation."""
    remediations = internal.client.get("/api/v1/status").get_json()["data"]["config"]["remediations"]
    return [remediation["actable"]["accepted"] for remediation in remediations]


def test_an_accepted_act_is_shown_and_not_written(
    internal: Internal, service: Service, embedded: EmbeddedCluster
) -> None:
    """Both acts are accepted; no generation, ledger or version has changed. Before the first try it is not known."""
    before = service.cluster.read(service.policy.targets[0])
    assert actable(internal) == [None, None]
    internal.dry_runs.run()

    assert actable(internal) == [True, True]
    assert service.value(GAUGE, remediation="rollback") == service.value(GAUGE, remediation="scale-workers") == 1
    assert service.cluster.read(service.policy.targets[0]) == before


@pytest.mark.parametrize(
    ("answer", "accepted"),
    [
        (Answer(status=403, message="ValidatingAdmissionPolicy 'x' denied request"), False),
        (Answer(status=422, message="is invalid"), False),
        (Answer(status=400, message='admission webhook "stamp" does not support dry run'), None),
        (Answer(status=503), None),
        (Answer(status=409), None),
        (HangUp(), None),
    ],
    ids=["refused", "invalid", "webhook without dry runs", "away", "changed", "cut off"],
)
def test_a_refusal_is_told_from_what_is_not_known(
    internal: Internal, service: Service, api: FaultyApi, answer: Answer | HangUp, accepted: bool | None
) -> None:
    """Only an answer about the act itself is a refusal; it is over with the next act that is accepted."""
    api.always("PATCH", answer)
    internal.dry_runs.run()
    assert actable(internal) == [accepted, accepted]
    value = service.value(GAUGE, remediation="rollback")
    assert value is not None
    assert math.isnan(value) if accepted is None else value == accepted
    internal.observer.look()
    assert service.value("remediator_armed", remediation="rollback") == (accepted is not False)
    page = internal.client.get("/").get_data(as_text=True)
    assert ("The API server would refuse the act" in page) == (accepted is False)
    assert ("10 %, guarded" in page) == (accepted is not False)

    api.always("PATCH", None)
    internal.dry_runs.run()
    assert actable(internal) == [True, True]


def test_workers_under_a_kill_switch_are_tried_as_they_are(internal: Internal, embedded: EmbeddedCluster) -> None:
    """From 0 replicas no policy lets anything grow, which is no reason to call the act refused."""
    patch_deployment(embedded, {"spec": {"replicas": 0}}, "denis-workers")
    internal.dry_runs.run()
    assert actable(internal) == [True, True]
    sent = [served for served in embedded.requests if served.verb == "patch" and served.path.endswith("-workers")]
    assert len(sent) == 1 + 1


@pytest.mark.parametrize(("replicas", "tried"), [(4, 6), (19, 20), (20, 20), (25, 25), (0, 0)])
def test_no_trial_takes_workers_away(replicas: int, tried: int) -> None:
    """Beyond the maximum, where a person has scaled to, they are tried as they are."""
    assert act_spec(scale(), workload(replicas=replicas)) == {"replicas": tried}


@pytest.mark.parametrize("remediation", [rollback(), scale()], ids=["rollback", "scale"])
@pytest.mark.parametrize(("replicas", "tried"), [(4, True), (0, False)])
def test_fewer_replicas_are_tried_only_where_there_are_some(
    remediation: Remediation, replicas: int, tried: bool
) -> None:
    """From 0 to 0 nothing changes, so every policy accepts it, and that says nothing against the policy."""
    found = remediation.action.forbidden(workload(replicas=replicas), remediation.target, PROFILES)
    assert ("fewer replicas" in dict(found)) == tried


def test_an_autoscaler_that_has_not_written_yet_disarms(
    internal: Internal, service: Service, embedded: EmbeddedCluster
) -> None:
    """The Deployment does not show it, the trial asks for it: no alert would scale, so nothing says armed."""
    embedded.add(
        {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "workers", "namespace": "denis"},
            "spec": {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "denis-workers"},
                "maxReplicas": 9,
            },
        }
    )
    internal.dry_runs.run()
    internal.observer.look()
    assert service.value("remediator_armed", remediation="scale-workers") == 0
    reason = {"remediation": "scale-workers", "reason": "AutoscalerOwned"}
    assert service.value("remediator_armed_info", **reason) == 1


def test_a_remediation_that_only_observes_is_not_tried(service: Service, clock: Clock) -> None:
    """Its account has no right to act, and need not; what was shown of it goes away."""
    policy = service.policy
    dry_runs = DryRuns(policy=lambda: policy, cluster=service.cluster, metrics=service.metrics, now=clock)
    dry_runs.run()
    assert set(dry_runs.results) == {"rollback", "scale-workers"}
    policy = replace(policy, remediations=tuple(replace(one, mode="observe") for one in policy.remediations))
    dry_runs.run()
    assert not dry_runs.results
    assert service.value(GAUGE, remediation="rollback") is None


def test_a_remediation_that_goes_before_the_first_dry_run_shows_nothing(service: Service, clock: Clock) -> None:
    """Its NaN from the start ends with the first dry runs, and does not stay until the next restart."""
    policy, stopped = service.policy, threading.Event()
    dry_runs = DryRuns(policy=lambda: policy, cluster=service.cluster, metrics=service.metrics, now=clock)
    stopped.set()
    dry_runs.watch(stopped)
    before = service.value(GAUGE, remediation="scale-workers")
    assert before is not None
    assert math.isnan(before)

    policy = replace(policy, remediations=policy.remediations[:1])
    dry_runs.run()
    assert service.value(GAUGE, remediation="scale-workers") is None
    assert service.value(GAUGE, remediation="rollback") == 1

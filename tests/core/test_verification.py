"""What became of an act: the verdicts, their order, and where they are said."""

import urllib.request
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from remediator.core.effects import Effect
from remediator.core.field_owners import Write
from remediator.core.ledger import LEDGER, Entry, Ledger
from remediator.core.policy import PERCENTAGE_FLAG
from remediator.core.rollout import Rollout
from remediator.core.verification import LAST_LOOKS, WATCHED, Verdict, last_act, verify
from remediator.core.workload import Workload
from remediator.sandbox import EmbeddedCluster
from tests.conftest import MakeService
from tests.support.kubectl import patch_deployment
from tests.support.service import NOON, Service, alert, shipped_policy

ROLLBACK, SCALE = shipped_policy().remediations
DONE = Rollout(seen=True, updated=3, total=3, available=3)


def act(effect: Effect = Effect.SET_PERCENTAGE, **fields: Any) -> Entry:
    """An act of a minute ago."""
    after = {Effect.SET_PERCENTAGE: 0, Effect.SCALE: 6}[effect]
    made = {"id": "1", "time": NOON - timedelta(minutes=1), "before": 10, "after": after, "remediation": "rollback"}
    return Entry(effect=effect, **{**made, **fields})


def workload(percentage: str = "0", *, replicas: int = 3, rollout: Rollout = DONE, **fields: Any) -> Workload:
    """A Deployment after a rollback."""
    env = ((PERCENTAGE_FLAG, percentage),)
    return Workload(uid="u", resource_version="1", replicas=replicas, env=env, rollout=rollout, **fields)


@pytest.mark.parametrize(
    ("rollout", "verdict"),
    [
        pytest.param(DONE, "Converged", id="done"),
        pytest.param(replace(DONE, seen=False), None, id="not-seen-yet"),
        pytest.param(replace(DONE, seen=False, deadline_exceeded=True), None, id="the-deadline-of-the-last-rollout"),
        pytest.param(replace(DONE, updated=2), None, id="one-pod-to-update"),
        pytest.param(replace(DONE, total=4), None, id="one-old-pod-left"),
        pytest.param(replace(DONE, available=2), None, id="one-pod-not-available"),
        pytest.param(replace(DONE, deadline_exceeded=True), "ProgressDeadlineExceeded", id="deadline"),
        pytest.param(replace(DONE, failure="exceeded quota"), "ReplicaFailure", id="quota"),
        pytest.param(replace(DONE, failure="x", deadline_exceeded=True), "ReplicaFailure", id="quota-and-deadline"),
        pytest.param(replace(DONE, paused=True, updated=0), "RolloutPaused", id="paused"),
        pytest.param(replace(DONE, paused=True), "Converged", id="paused-when-all-pods-followed"),
        pytest.param(Rollout(paused=True), "RolloutPaused", id="paused-and-never-seen"),
    ],
)
def test_the_rungs_are_those_of_kubectl_rollout_status(rollout: Rollout, verdict: str | None) -> None:
    """The controller must have seen the specification before anything else it says counts."""
    verification = verify(act(), workload(rollout=rollout), NOON)
    assert (verification.verdict if verification else None) == verdict


UNSEEN = replace(DONE, seen=False, updated=0)
OPEN = replace(DONE, updated=1, total=4)


@pytest.mark.parametrize(
    ("rollout", "message"),
    [
        pytest.param(OPEN, "1 of 3 pods updated, 3 available, 3 old ones left (30m1s after the act)", id="open"),
        pytest.param(UNSEEN, "the Deployment controller has not seen the change", id="never-seen"),
    ],
)
def test_half_an_hour_is_a_deadline_too(rollout: Rollout, message: str) -> None:
    """A rollout that nothing else ends has a verdict after 30 minutes, and none a moment before."""
    found = workload(rollout=rollout)
    assert verify(act(time=NOON - WATCHED), found, NOON) is None
    verification = verify(act(time=NOON - WATCHED - timedelta(seconds=1)), found, NOON)
    assert verification is not None
    assert verification.verdict is Verdict.NOT_CONVERGED
    assert message in verification.message


@pytest.mark.parametrize(
    ("rollout", "verdict"),
    [
        (DONE, "Converged"),
        (replace(OPEN, paused=True), "RolloutPaused"),
        (replace(OPEN, failure="exceeded quota"), "ReplicaFailure"),
        (replace(OPEN, deadline_exceeded=True), "ProgressDeadlineExceeded"),
    ],
    ids=["converged", "paused", "quota", "deadline"],
)
def test_a_better_word_holds_after_half_an_hour(rollout: Rollout, verdict: str) -> None:
    """What the controller says itself is said, however late it is."""
    verification = verify(act(time=NOON - WATCHED - LAST_LOOKS), workload(rollout=rollout), NOON)
    assert verification is not None
    assert verification.verdict == verdict


@pytest.mark.parametrize(
    ("entry", "found", "reverted"),
    [
        (act(), workload("0"), False),
        (act(), workload("10", rollout=Rollout()), True),
        (act(), workload("ten"), True),
        (act(Effect.SCALE), workload(replicas=6), False),
        (act(Effect.SCALE), workload(replicas=8), False),
        (act(Effect.SCALE), workload(replicas=4), True),
        (act(Effect.SCALE), workload(replicas=0), False),
    ],
    ids=["stands", "10-again", "no-number", "6-replicas", "more-replicas", "fewer-replicas", "kill-switch"],
)
def test_what_is_taken_back_is_reverted(entry: Entry, found: Workload, reverted: bool) -> None:
    """Less safe than the act is reverted, before any rollout; safer or more than asked for is not."""
    verification = verify(entry, found, NOON)
    assert (verification is not None and verification.verdict is Verdict.REVERTED) is reverted


def test_who_reverted_is_named() -> None:
    """The message has the manager and the time from managedFields."""
    found = workload(
        "10", writers={PERCENTAGE_FLAG: Write(manager="argocd-controller", time=NOON - timedelta(seconds=30))}
    )
    verification = verify(act(), found, NOON)
    assert verification is not None
    assert "set to 10 % by argocd-controller at 2026-11-23T11:59:30Z" in verification.message


@pytest.mark.parametrize(
    ("entries", "found"),
    [
        pytest.param((), False, id="none"),
        pytest.param((act(time=NOON - WATCHED - LAST_LOOKS),), True, id="just-young-enough"),
        pytest.param((act(time=NOON - WATCHED - LAST_LOOKS - timedelta(seconds=1)),), False, id="a-second-too-old"),
        pytest.param((act(Effect.SCALE),), False, id="of-another-effect"),
        pytest.param((act(), act(id="2", remediation="", operator="ada", time=NOON)), False, id="a-person-since"),
        pytest.param((act(time=NOON + timedelta(hours=1)),), False, id="from-the-future"),
    ],
)
def test_only_a_fresh_act_of_ours_is_looked_after(entries: tuple[Entry, ...], found: bool) -> None:
    """Nothing is said of old acts, nor of a target that a person has taken over since."""
    target = workload(ledger=Ledger(entries=entries))
    assert (last_act(target, ROLLBACK, NOON) is not None) is found


def test_the_kill_switch_ends_the_looking_after_a_scaling() -> None:
    """Who switched the workers off and on again has set the replicas, so their number is not taken back from us."""
    switch: dict[str, Any] = {"effect": Effect.KILL_SWITCH, "remediation": "", "operator": "ada"}
    scaled = act(Effect.SCALE, time=NOON - timedelta(minutes=3), before=4, remediation="scale-workers")
    off = replace(scaled, id="2", time=NOON - timedelta(minutes=2), before=6, after=0, **switch)
    on = replace(scaled, id="3", time=NOON - timedelta(minutes=1), before=0, after=2, **switch)
    assert last_act(workload(replicas=6, ledger=Ledger(entries=(scaled,))), SCALE, NOON) == scaled
    assert last_act(workload(replicas=2, ledger=Ledger(entries=(scaled, off, on))), SCALE, NOON) is None


def verdicts(service: Service) -> list[str]:
    """The verdicts of the audit lines so far."""
    return [line["verdict"] for line in service.audit_lines() if line["audit"] == "verification"]


def test_every_replica_says_it_once_and_writes_one_event(
    make_service: MakeService,
    embedded: EmbeddedCluster,
    events: Callable[[], list[dict[str, Any]]],
) -> None:
    """A rollback that converged is one audit line and one count at each replica, and one Event for all of them."""
    replicas = [make_service(), make_service()]
    replicas[0].reasons(alert())
    embedded.await_settled()
    for replica in replicas:
        replica.observer.look()
        replica.observer.look()
        replica.recorder.close(5)

    assert [verdicts(replica) for replica in replicas] == [["Converged"], ["Converged"]]
    labels = {"target": "denis", "effect": "SetPercentage", "verdict": "Converged"}
    assert replicas[1].value("remediator_verifications_total", **labels) == 1
    converged = [event for event in events() if event["reason"] == "Converged"]
    assert len(converged) == 1
    assert "rollback: after 10 % -> 0 %: all 3 pods follow" in converged[0]["message"]


def test_a_revert_after_convergence_is_said_too(service: Service, embedded: EmbeddedCluster) -> None:
    """A GitOps tool that comes a minute later is found, named, and not fought."""
    service.reasons(alert())
    embedded.await_settled()
    service.observer.look()
    flags = [{"name": "DENIS_MATERIALIZERS_ENABLED", "value": "true"}, {"name": PERCENTAGE_FLAG, "value": "10"}]
    patch_deployment(embedded, {"spec": {"template": {"spec": {"containers": [{"name": "denis", "env": flags}]}}}})
    service.observer.look()

    assert verdicts(service) == ["Converged", "Reverted"]
    (line,) = [line for line in service.audit_lines() if line.get("verdict") == "Reverted"]
    assert "set to 10 % by kubectl-patch at" in line["message"]
    assert service.reasons(alert()) == ["CoolingDown"]


def undo(cluster: EmbeddedCluster) -> None:
    """What `kubectl rollout undo` does: the flags and the annotations are those from before."""
    flags = [{"name": "DENIS_MATERIALIZERS_ENABLED", "value": "true"}, {"name": PERCENTAGE_FLAG, "value": "10"}]
    spec = {"template": {"spec": {"containers": [{"name": "denis", "env": flags}]}}}
    patch_deployment(cluster, {"metadata": {"annotations": {LEDGER: None}}, "spec": spec})


@pytest.mark.parametrize(("looked_before", "verdict"), [(True, ["Reverted"]), (False, [])], ids=["seen", "not-seen"])
def test_an_act_that_was_seen_is_remembered(
    make_service: MakeService, embedded: EmbeddedCluster, looked_before: bool, verdict: list[str]
) -> None:
    """An undo takes the record away: who acted and who had seen the act know of it; who was started since does not."""
    acting, other = make_service(), make_service()
    acting.reasons(alert())
    if looked_before:
        other.observer.look()
    undo(embedded)
    for replica in (acting, other):
        replica.observer.look()

    assert [verdicts(acting)[-1], verdicts(other)[-1:]] == ["Reverted", verdict]
    assert acting.reasons(alert()) == ["CoolingDown"]
    assert other.reasons(alert()) == (["CoolingDown"] if looked_before else ["Applied"])


def test_what_is_remembered_shows_in_the_status(service: Service, embedded: EmbeddedCluster) -> None:
    """The last acts that the status shows are those that the service counts, rewound or not."""
    service.reasons(alert())
    undo(embedded)
    service.observer.look()
    seen = service.observer.observations["denis"].workload
    assert seen is not None
    assert [act.after for act in seen.ledger.entries] == [0]


def test_an_autoscaler_owns_the_replicas(make_service: MakeService, embedded: EmbeddedCluster) -> None:
    """Workers that a HorizontalPodAutoscaler scales are left to it, by name; the rollback does not ask."""
    spec = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "denis-workers"},
        "minReplicas": 2,
        "maxReplicas": 10,
        "metrics": [],
    }
    metadata = {
        "name": "keda-hpa-denis-workers",
        "namespace": "denis",
        "ownerReferences": [{"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": "w", "uid": "1"}],
    }
    kind = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler"}
    embedded.add({**kind, "metadata": metadata, "spec": spec})
    service = make_service()

    assert service.reasons(alert("scale"), alert()) == ["AutoscalerOwned", "Applied"]
    assert service.requests("list") == 1
    (line,) = [line for line in service.audit_lines() if line["reason"] == "AutoscalerOwned"]
    assert "HorizontalPodAutoscaler keda-hpa-denis-workers of KEDA" in line["message"]


def test_an_autoscaler_that_is_gone_owns_nothing(service: Service, embedded: EmbeddedCluster) -> None:
    """What an autoscaler once wrote on the target does not withhold workers when no autoscaler is there any more."""
    request = urllib.request.Request(
        f"{embedded.url}/apis/apps/v1/namespaces/denis/deployments/denis-workers/scale"
        "?fieldManager=kube-controller-manager",
        data=b'{"spec": {"replicas": 5}}',
        headers={"Content-Type": "application/merge-patch+json"},
        method="PATCH",
    )
    urllib.request.urlopen(request).close()
    assert service.reasons(alert("scale")) == ["Applied"]

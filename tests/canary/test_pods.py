"""What pods run, from the objects as the API server sends them."""

from dataclasses import replace
from typing import Any

import pytest

from remediator.canary.checks import rollout
from remediator.canary.pods import check_flags, check_pods, read_running
from remediator.core.rollout import Rollout
from remediator.core.workload import Workload, read_workload
from tests.support.builders import DENIS, PROFILES, workload

TEN = PROFILES[10]


def template(flags: dict[str, str] | None = None, **labels: str) -> dict[str, Any]:
    """A pod template of DENIS at 10 %."""
    env = [{"name": name, "value": value} for name, value in {**TEN, **(flags or {})}.items()]
    return {"metadata": {"labels": {"app": "denis", **labels}}, "spec": {"containers": [{"name": "denis", "env": env}]}}


def owner(uid: str, *, controller: bool = True) -> dict[str, Any]:
    """Metadata that names an owner."""
    return {"ownerReferences": [{"uid": uid, "controller": controller}]}


DEPLOYMENT = {"metadata": {"name": "denis", "uid": "d"}, "spec": {"template": template()}}


def replica_set(code: str, flags: dict[str, str] | None = None, **metadata: Any) -> dict[str, Any]:
    """A ReplicaSet of the Deployment."""
    labels = {"pod-template-hash": code}
    made = {"name": f"denis-{code}", "uid": code, "labels": labels, **owner("d"), **metadata}
    return {"metadata": made, "spec": {"template": template(flags, **labels)}}


def pod(name: str, code: str, flags: dict[str, str] | None = None, phase: str = "Running", **metadata: Any) -> Any:
    """A pod of a ReplicaSet, ready while it runs."""
    conditions = [{"type": "Ready", "status": "True" if phase == "Running" else "False"}]
    return {
        "metadata": {"name": name, "labels": {"pod-template-hash": code}, **owner(code), **metadata},
        "spec": template(flags)["spec"],
        "status": {"phase": phase, "conditions": conditions},
    }


OLD = replica_set("old", {"DENIS_MATERIALIZERS_PCT": "1"})


def test_the_present_template_tells_the_replica_set() -> None:
    """The current ReplicaSet is the one with the Deployment's template, whatever the others are called."""
    running = read_running(DEPLOYMENT, [OLD, replica_set("new")], [pod("a", "new"), pod("b", "old")], DENIS)

    assert (running.replica_set, running.template_hash) == ("denis-new", "new")
    assert [one.name for one in running.pods] == ["a", "b"]
    assert [one.name for one in running.current()] == ["a"]


@pytest.mark.parametrize(
    "stranger",
    [
        pod("x", "new", ownerReferences=[]),
        pod("x", "new", ownerReferences=[{"uid": "new", "controller": False}]),
        pod("x", "new", ownerReferences=[{"uid": "somebody", "controller": True}]),
        pod("x", "new", deletionTimestamp="2026-11-23T12:00:00Z"),
        pod("x", "new", phase="Failed"),
        pod("x", "new", phase="Succeeded"),
    ],
    ids=["no-owner", "no-controller", "another", "leaving", "evicted", "ended"],
)
def test_only_pods_that_run_for_the_deployment_count(stranger: Any) -> None:
    """A pod that somebody else owns, that is being deleted or that has ended is none of the canary."""
    assert read_running(DEPLOYMENT, [replica_set("new")], [stranger], DENIS).pods == ()


def test_a_replica_set_of_somebody_else_is_not_ours() -> None:
    """An equal template in another Deployment's ReplicaSet is not the canary's."""
    foreign = replica_set("new", ownerReferences=owner("e")["ownerReferences"])

    assert read_running(DEPLOYMENT, [foreign], [pod("a", "new")], DENIS).replica_set == ""


def checks(pods: list[Any], sets: list[Any] | None = None) -> list[tuple[bool | None, str]]:
    """What the checks of the pods say at 10 %."""
    running = read_running(DEPLOYMENT, [replica_set("new"), OLD] if sets is None else sets, pods, DENIS)
    return [(check.passed, check.found) for check in check_pods(running, 10, TEN, DENIS)]


def test_pods_as_they_should_be() -> None:
    """All pods of the template, with its flags."""
    assert checks([pod("a", "new"), pod("b", "new")]) == [
        (True, "every pod is of denis-new (2)"),
        (True, "every pod carries the flags of 10 % (2)"),
    ]


def test_old_pods_are_named() -> None:
    """A pod of an older template is a cross, and so are its flags where they differ."""
    assert checks([pod("a", "new"), pod("b", "old", {"DENIS_MATERIALIZERS_PCT": "1"})]) == [
        (False, "1 of 2 are of another template: b"),
        (False, "DENIS_MATERIALIZERS_PCT is 1, wanted is 10 (b)"),
    ]


def test_a_pod_that_was_changed_on_its_way_is_found() -> None:
    """What counts is the pod's own specification: an admission webhook may have changed it."""
    assert checks([pod("a", "new"), pod("b", "new", {"RUNS_ENABLED": "true"})]) == [
        (True, "every pod is of denis-new (2)"),
        (False, "RUNS_ENABLED is true, wanted is false (b)"),
    ]


def test_many_names_are_cut_short() -> None:
    """Three pods are named, the others are counted."""
    _, (_, found) = checks([pod(name, "new", {"ASYNC_ENABLED": ""}) for name in "abcde"])
    assert found == "ASYNC_ENABLED is empty, wanted is true (a, b, c and 2 more)"


def test_without_pods_nothing_is_verified() -> None:
    """No pod and no ReplicaSet are no success."""
    assert checks([]) == [(False, "denis-new has no pod"), (False, "no pod runs")]
    assert checks([], []) == [
        (False, "there is no ReplicaSet of the Deployment's template yet"),
        (False, "no pod runs"),
    ]


@pytest.mark.parametrize(
    ("state", "found"),
    [
        (workload(percentage=1), "DENIS_MATERIALIZERS_PCT is 1, wanted is 10"),
        (
            workload(percentage=50),
            "DENIS_MATERIALIZERS_PCT is 50, wanted is 10; RUNS_ENABLED is true, wanted is false",
        ),
        (workload(env=tuple(TEN.items())[:3]), "RUNS_ENABLED is not set, wanted is false"),
        (workload(flags={"ASYNC_ENABLED": None}), "env ASYNC_ENABLED takes its value from elsewhere (valueFrom)"),
    ],
    ids=["one", "two", "not-set", "valueFrom"],
)
def test_flags_that_differ_are_named(state: Workload, found: str) -> None:
    """Each flag is told with what it is and what it should be; one that is not set is off."""
    check = check_flags(state, 10, TEN)
    assert not check.passed
    assert check.found.startswith(found)


def test_flags_that_are_those_of_the_profile() -> None:
    """Other variables do not matter."""
    check = check_flags(workload(env=(("LOG_LEVEL", "info"), *TEN.items())), 10, TEN)
    assert (check.passed, check.found) == (True, "the Deployment has all 4 flags of 10 %")


def test_who_wrote_a_wrong_flag_is_named() -> None:
    """The field manager of the flag that differs is told, and no other."""
    path: Any = {"f:env": {'k:{"name":"RUNS_ENABLED"}': {"f:value": {}}}}
    for key in ('k:{"name":"denis"}', "f:containers", "f:spec", "f:template", "f:spec"):
        path = {key: path}
    written = {"manager": "kubectl-set", "time": "2026-11-23T11:00:00Z", "fieldsV1": path}
    manifest = {
        "metadata": {"uid": "d", "resourceVersion": "1", "managedFields": [written]},
        "spec": {"template": template({"RUNS_ENABLED": "true"})},
    }
    state = read_workload(manifest, DENIS)
    assert isinstance(state, Workload)

    assert check_flags(state, 10, TEN).found == (
        "RUNS_ENABLED is true, wanted is false (written by kubectl-set at 2026-11-23T11:00:00Z)"
    )


def test_a_rollout_is_done_or_says_how_far_it_is() -> None:
    """Converged passes, anything between does not, and nothing to run is no success."""
    whole = workload(replicas=3)
    done = Rollout(seen=True, updated=3, total=3, available=3)
    half = Rollout(seen=True, updated=2, total=3, available=3)
    assert rollout(replace(whole, rollout=done), DENIS).passed
    assert not rollout(replace(whole, rollout=half), DENIS).passed
    assert rollout(replace(whole, rollout=half), DENIS).found.startswith("2 of 3 pods updated")
    assert not rollout(replace(whole, replicas=0, rollout=done), DENIS).passed

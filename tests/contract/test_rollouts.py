"""Rollouts: revisions, what `kubectl rollout undo` would rewind to, pausing."""

from tests.contract.client import Object
from tests.contract.workload import Workload, annotation, flag

REVISION = "deployment.kubernetes.io/revision"


def replica_sets(denis: Workload) -> dict[str, Object]:
    """The annotations of the Deployment's ReplicaSets, by the flag's value in each."""
    found = denis.api.get(denis.replica_sets).body["items"]
    return {
        item["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"]: item["metadata"]["annotations"]
        for item in found
    }


def test_a_new_template_is_a_new_revision(denis: Workload) -> None:
    """The flag is part of the pod template: changing it makes a ReplicaSet."""
    denis.patch(flag("0"))
    body = denis.settled().body
    assert body["metadata"]["annotations"][REVISION] == "2"
    assert {value: noted[REVISION] for value, noted in replica_sets(denis).items()} == {"10": "1", "0": "2"}


def test_an_old_template_gets_a_new_number(denis: Workload) -> None:
    """Going back re-uses the ReplicaSet, which then is the newest revision."""
    denis.patch(flag("0"))
    denis.settled()
    denis.patch(flag("10"))
    assert denis.settled().body["metadata"]["annotations"][REVISION] == "3"
    noted = replica_sets(denis)["10"]
    assert noted[REVISION] == "3"
    assert noted["deployment.kubernetes.io/revision-history"] == "1"


def test_annotations_are_copied_to_the_present_revision(denis: Workload) -> None:
    """A ledger on the Deployment is copied to the ReplicaSet: what an undo brings back."""
    denis.patch(annotation("ledger", "first"))
    denis.settled()
    denis.patch(flag("0"))
    denis.settled()
    denis.patch(annotation("ledger", "second"))
    denis.settled()
    assert {value: noted["ledger"] for value, noted in replica_sets(denis).items()} == {
        "10": "first",
        "0": "second",
    }


def test_a_paused_deployment_does_not_roll(denis: Workload) -> None:
    """The condition says so, and no ReplicaSet is made until it is resumed."""
    denis.patch({"spec": {"paused": True}})
    patched = denis.patch(flag("0"))

    def is_seen(item: Object) -> bool:
        return bool(item["status"]["observedGeneration"] >= patched.generation)

    body = denis.api.await_object(denis.path, is_seen).body
    reasons = {item["type"]: item["reason"] for item in body["status"]["conditions"]}
    assert reasons["Progressing"] == "DeploymentPaused"
    assert list(replica_sets(denis)) == ["10"]
    denis.patch({"spec": {"paused": None}})
    assert set(replica_sets_after(denis)) == {"10", "0"}


def replica_sets_after(denis: Workload) -> dict[str, Object]:
    """The ReplicaSets once the newest template has one."""

    def is_second(item: Object) -> bool:
        return bool(item["metadata"]["annotations"].get(REVISION) == "2")

    denis.api.await_object(denis.path, is_second)
    return replica_sets(denis)


def test_conditions_tell_a_complete_rollout(denis: Workload) -> None:
    """What `kubectl rollout status` waits for."""
    conditions = {item["type"]: item for item in denis.settled().body["status"]["conditions"]}
    assert conditions["Available"]["reason"] == "MinimumReplicasAvailable"
    assert conditions["Progressing"]["status"] == "True"


def test_what_a_deployment_made_goes_with_it(denis: Workload) -> None:
    """Deleting it deletes its ReplicaSets."""
    name = denis.api.get(denis.replica_sets).body["items"][0]["metadata"]["name"]
    start = denis.api.get(denis.replica_sets).version
    denis.api.delete(denis.path)
    for event in denis.api.watch(denis.replica_sets, resourceVersion=start):
        if event["type"] == "DELETED":
            assert event["object"]["metadata"]["name"] == name
            return
    raise AssertionError("the ReplicaSet outlived its Deployment")

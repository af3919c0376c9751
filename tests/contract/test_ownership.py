"""Generation, dry run and managedFields: what a write leaves behind."""

from typing import Any

import pytest

from tests.contract.client import MERGE, Client, Object
from tests.contract.workload import FLAG, Workload, annotation, env_of, flag, value_of

ENV = f'k:{{"name":"{FLAG}"}}'
CONTAINER = 'k:{"name":"denis"}'


def entry_of(body: Object, manager: str, subresource: str = "") -> Any:
    """The managedFields entry of a manager."""
    for entry in body["metadata"]["managedFields"]:
        if (entry["manager"], entry.get("subresource", "")) == (manager, subresource):
            return entry
    return None


def env_fields(entry: Any) -> Any:
    """The env entries that a manager owns something of."""
    template = entry["fieldsV1"]["f:spec"]["f:template"]
    return template["f:spec"]["f:containers"][CONTAINER]["f:env"]


@pytest.mark.parametrize(
    ("body", "step"),
    [
        (flag("0"), 1),
        ({"spec": {"replicas": 1}}, 1),
        (annotation("a", "b"), 1),
        ({"metadata": {"labels": {"a": "b"}}}, 0),
        (flag("10"), 0),
    ],
)
def test_the_generation_counts_spec_and_annotations(denis: Workload, body: Object, step: int) -> None:
    """A Deployment's annotations count like its spec; its labels do not."""
    before = denis.settled()
    assert denis.patch(body).generation == before.generation + step


def test_dry_run_shows_and_does_not_store(denis: Workload) -> None:
    """The answer has the next generation and the present version; the object stays as it was."""
    before = denis.settled()
    shown = denis.patch(flag("0"), dryRun="All")
    assert shown.code == 200
    assert value_of(shown.body) == "0"
    assert shown.generation == before.generation + 1
    assert shown.version == before.version
    assert denis.get().body == before.body


def test_dry_run_checks_like_a_real_write(denis: Workload) -> None:
    """A stale version and an invalid value are refused in a dry run too."""
    stale = denis.get().version
    denis.patch(annotation("first", "yes"))
    assert denis.patch(flag("0", resourceVersion=stale), dryRun="All").code == 409
    assert denis.patch({"spec": {"replicas": -1}}, dryRun="All").code == 422


def test_a_dry_create_and_a_dry_delete_change_nothing(denis: Workload, api: Client) -> None:
    """The new object is shown without a version; the deleted one is still there."""
    item = denis.get().body
    twin = {**item, "metadata": {"name": "twin", "labels": item["metadata"]["labels"]}}
    made = api.post(denis.deployments, twin, dryRun="All")
    assert made.code == 201
    assert "resourceVersion" not in made.body["metadata"]
    assert api.get(f"{denis.deployments}/twin").code == 404
    assert api.delete(denis.path, dryRun="All").code == 200
    assert denis.get().code == 200


def test_a_manager_owns_exactly_what_it_changed(denis: Workload) -> None:
    """The flag's value and the annotation are the new manager's, and no longer the old one's."""
    patch = {**flag("0"), "metadata": {"annotations": {"ledger": "[]"}}}
    body = denis.patch(patch, fieldManager="remediator").body
    mine = entry_of(body, "remediator")
    assert mine["operation"] == "Update"
    assert mine["apiVersion"] == "apps/v1"
    assert mine["fieldsV1"]["f:metadata"] == {"f:annotations": {"f:ledger": {}}}
    assert env_fields(mine) == {ENV: {"f:value": {}}}
    theirs = entry_of(body, "contract")
    assert env_fields(theirs)[ENV] == {".": {}, "f:name": {}}
    assert env_fields(theirs)['k:{"name":"OTHER"}'] == {".": {}, "f:name": {}, "f:value": {}}


def test_the_time_of_a_manager_is_that_of_its_last_write(denis: Workload) -> None:
    """The reverter of a value can be named, with the time."""
    denis.patch(flag("0"), fieldManager="remediator")
    body = denis.patch(flag("50"), fieldManager="helm").body
    assert env_fields(entry_of(body, "helm")) == {ENV: {"f:value": {}}}
    assert entry_of(body, "helm")["time"] >= entry_of(body, "contract")["time"]
    assert entry_of(body, "remediator") is None


def test_replicas_through_scale_name_the_subresource(denis: Workload) -> None:
    """An autoscaler or `kubectl scale` shows as the owner of the replicas."""
    body = {"spec": {"replicas": 1}}
    denis.api.patch(f"{denis.path}/scale", body, MERGE, fieldManager="autoscaler")
    after = denis.get().body
    entry = entry_of(after, "autoscaler", "scale")
    assert entry["fieldsV1"] == {"f:spec": {"f:replicas": {}}}
    assert "f:replicas" not in entry_of(after, "contract")["fieldsV1"]["f:spec"]


def test_the_last_to_set_the_replicas_owns_them_alone(denis: Workload) -> None:
    """The reflex's patch takes them from `kubectl scale`, and the next scaling from the reflex."""

    def owners() -> list[tuple[str, str]]:
        entries = denis.get().body["metadata"]["managedFields"]
        owning = [one for one in entries if "f:replicas" in one["fieldsV1"].get("f:spec", {})]
        return [(one["manager"], one.get("subresource", "")) for one in owning]

    def scale(replicas: int) -> None:
        denis.api.patch(f"{denis.path}/scale", {"spec": {"replicas": replicas}}, MERGE, fieldManager="kubectl")

    scale(2)
    assert owners() == [("kubectl", "scale")]
    denis.patch({"spec": {"replicas": 4}}, fieldManager="remediator")
    assert owners() == [("remediator", "")]
    scale(8)
    assert owners() == [("kubectl", "scale")]


def test_without_a_name_the_manager_is_the_user_agent(denis: Workload) -> None:
    """The part of the User-Agent before the slash."""
    assert entry_of(denis.get().body, "contract")["operation"] == "Update"


def test_the_creator_owns_all_that_it_wrote(denis: Workload) -> None:
    """Every field of the manifest and of the defaults, item by item; the selector as a whole."""
    fields = entry_of(denis.get().body, "contract")["fieldsV1"]
    assert fields["f:metadata"] == {"f:labels": {".": {}, "f:app": {}}}
    spec = fields["f:spec"]
    assert spec["f:selector"] == {}
    assert spec["f:strategy"] == {
        "f:rollingUpdate": {".": {}, "f:maxSurge": {}, "f:maxUnavailable": {}},
        "f:type": {},
    }
    container = spec["f:template"]["f:spec"]["f:containers"][CONTAINER]
    assert container.keys() == {
        ".",
        "f:env",
        "f:image",
        "f:imagePullPolicy",
        "f:name",
        "f:resources",
        "f:terminationMessagePath",
        "f:terminationMessagePolicy",
    }
    assert container["f:env"]['k:{"name":"POD"}'] == {
        ".": {},
        "f:name": {},
        "f:valueFrom": {".": {}, "f:fieldRef": {}},
    }


def test_the_controllers_own_status_and_revision(denis: Workload) -> None:
    """Their writes go through the status subresource."""
    entry = entry_of(denis.settled().body, "kube-controller-manager", "status")
    assert entry["fieldsV1"]["f:metadata"]["f:annotations"]["f:deployment.kubernetes.io/revision"] == {}
    assert "f:observedGeneration" in entry["fieldsV1"]["f:status"]


def test_the_status_is_another_write(denis: Workload) -> None:
    """A patch of the Deployment cannot change its status."""
    before = denis.settled().body
    after = denis.patch({"status": {"replicas": 7}}).body
    assert after["status"] == before["status"]
    assert len(env_of(after)) == 4

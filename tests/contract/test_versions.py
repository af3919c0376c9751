"""Resource versions: a write that carries one is a compare-and-swap, and nothing else is."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.contract.client import MERGE, STRATEGIC, Answer, Client
from tests.contract.workload import Workload, annotation, env_of, flag, manifest, value_of


def scale_patch(workload: Workload, replicas: int, version: str) -> Answer:
    body = {"metadata": {"resourceVersion": version}, "spec": {"replicas": replicas}}
    return workload.api.patch(f"{workload.path}/scale", body, MERGE)


@pytest.mark.parametrize("kind", [STRATEGIC, MERGE])
def test_a_patch_with_the_current_version_is_written(denis: Workload, kind: str) -> None:
    """The precondition holds, so the patch is applied and the version moves on."""
    before = denis.get()
    after = denis.patch(annotation("acted", "yes", resourceVersion=before.version), kind)
    assert after.code == 200
    assert after.body["metadata"]["annotations"]["acted"] == "yes"
    assert int(after.version) > int(before.version)


@pytest.mark.parametrize("kind", [STRATEGIC, MERGE])
def test_a_patch_with_a_stale_version_is_a_conflict(denis: Workload, kind: str) -> None:
    """Someone else wrote meanwhile: 409, and nothing is changed."""
    stale = denis.get().version
    denis.patch(annotation("first", "yes"))
    refused = denis.patch(annotation("second", "yes", resourceVersion=stale), kind)
    assert (refused.code, refused.reason) == (409, "Conflict")
    assert refused.message == (
        'Operation cannot be fulfilled on deployments.apps "denis": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )
    assert refused.body["details"] == {"name": "denis", "group": "apps", "kind": "deployments"}
    assert "second" not in denis.get().body["metadata"]["annotations"]


@pytest.mark.parametrize("version", ["", None, "0"])
def test_no_version_is_an_unconditional_write(denis: Workload, version: str | None) -> None:
    """An empty, null or zero version is no precondition at all."""
    denis.patch(annotation("first", "yes"))
    assert denis.patch(annotation("second", "yes", resourceVersion=version)).code == 200


def test_a_version_that_is_no_number_is_an_error_of_the_server(denis: Workload) -> None:
    """Garbage is answered with 500 and without a reason."""
    refused = denis.patch(flag("0", resourceVersion="abc"))
    assert (refused.code, refused.reason) == (500, "")


def test_identical_content_is_no_write(denis: Workload) -> None:
    """A patch that changes nothing succeeds and leaves version, generation and owners as they were."""
    before = denis.settled()
    after = denis.patch(flag("10", resourceVersion=before.version))
    assert after.code == 200
    assert after.body["metadata"] == before.body["metadata"]


def test_identical_content_with_a_stale_version_is_a_conflict(denis: Workload) -> None:
    """The precondition counts even where nothing would be written."""
    stale = denis.get().version
    denis.patch(annotation("first", "yes"))
    assert denis.patch(flag("10", resourceVersion=stale)).code == 409


def test_of_many_writers_with_one_version_exactly_one_wins(denis: Workload) -> None:
    """Eight clients saw the same object: one writes, seven have to decide again."""
    version = denis.settled().version

    def act(number: int) -> int:
        return denis.patch(annotation("act", str(number), resourceVersion=version)).code

    with ThreadPoolExecutor(8) as clients:
        assert sorted(clients.map(act, range(8))) == [200] + [409] * 7


def test_writers_without_a_version_all_win(denis: Workload) -> None:
    """Without a precondition the server merges them all."""

    def act(number: int) -> int:
        return denis.patch(annotation(f"act-{number}", "yes")).code

    with ThreadPoolExecutor(8) as clients:
        assert set(clients.map(act, range(8))) == {200}
    assert {f"act-{n}" for n in range(8)} <= denis.get().body["metadata"]["annotations"].keys()


def test_another_uid_is_immutable(denis: Workload) -> None:
    """A patch meant for a Deployment of the same name that is gone does not hit its successor."""
    refused = denis.patch(flag("0", uid="11111111-2222-3333-4444-555555555555"))
    assert refused.code == 422
    assert refused.causes[0] == ("metadata.uid", "FieldValueInvalid")


def test_the_right_uid_and_version_are_written(denis: Workload) -> None:
    """Both preconditions hold."""
    metadata = denis.settled().body["metadata"]
    done = denis.patch(flag("0", uid=metadata["uid"], resourceVersion=metadata["resourceVersion"]))
    assert (done.code, value_of(done.body)) == (200, "0")


def test_a_recreated_object_conflicts_with_the_old_version(denis: Workload) -> None:
    """Deleted and made again: the old uid and version are a conflict, not a hit."""
    old = denis.get().body["metadata"]
    assert denis.api.delete(denis.path).code == 200
    assert denis.api.post(denis.deployments, manifest()).code == 201
    refused = denis.patch(flag("0", uid=old["uid"], resourceVersion=old["resourceVersion"]))
    assert (refused.code, refused.reason) == (409, "Conflict")


def test_put_keeps_the_version_as_precondition(denis: Workload) -> None:
    """A replaced object is written with the current version and refused with a stale one."""
    whole: dict[str, Any] = denis.settled().body
    whole["metadata"]["labels"]["acted"] = "once"
    assert denis.api.put(denis.path, whole).code == 200
    whole["metadata"]["labels"]["acted"] = "twice"
    assert denis.api.put(denis.path, whole).code == 409


def test_scale_shares_the_version_of_its_deployment(denis: Workload) -> None:
    """The scale subresource conflicts with writes of the Deployment."""
    version = denis.settled().version
    denis.patch(annotation("first", "yes"))
    assert scale_patch(denis, 1, version).code == 409
    assert denis.get().body["spec"]["replicas"] == 0


def test_scale_drops_annotations_in_silence(denis: Workload) -> None:
    """A ledger cannot travel with a scale: replicas are written, annotations are not."""
    body = {"metadata": {"annotations": {"ledger": "lost"}}, "spec": {"replicas": 1}}
    done = denis.api.patch(f"{denis.path}/scale", body, MERGE)
    assert (done.code, done.body["kind"], done.body["spec"]) == (200, "Scale", {"replicas": 1})
    after = denis.get().body
    assert after["spec"]["replicas"] == 1
    assert "ledger" not in after["metadata"]["annotations"]


def test_a_delete_can_be_conditional(denis: Workload, api: Client) -> None:
    """A uid that is not the object's is a conflict."""
    refused = api.delete(denis.path, {"preconditions": {"uid": "another"}})
    assert (refused.code, refused.reason) == (409, "Conflict")
    assert len(env_of(denis.get().body)) == 4

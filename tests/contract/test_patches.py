"""Patches: what each type does to containers and their environment."""

from tests.contract.client import MERGE, Client
from tests.contract.workload import (
    FLAG,
    Workload,
    annotation,
    env_of,
    env_patch,
    flag,
    manifest,
    names_of,
    value_of,
)


def test_a_strategic_merge_changes_one_env_entry(denis: Workload) -> None:
    """Container and entry are found by name: nothing else changes, and the order stays."""
    before = denis.get().body
    after = denis.patch(flag("0")).body
    assert value_of(after) == "0"
    assert names_of(after) == names_of(before)
    assert env_of(after)[1:] == env_of(before)[1:]
    assert env_of(after, container=1) == env_of(before, container=1)


def test_a_strategic_merge_adds_an_entry_that_is_missing(denis: Workload) -> None:
    """A flag that the Deployment does not carry yet is added before the ones that the patch does not name."""
    after = denis.patch(env_patch({"name": "ASYNC_ENABLED", "value": "false"})).body
    assert names_of(after) == ["ASYNC_ENABLED", FLAG, "OTHER", "EMPTY", "POD"]


def test_four_flags_are_one_write(denis: Workload) -> None:
    """A whole profile goes in one patch and one generation."""
    before = denis.settled()
    names = ("DENIS_MATERIALIZERS_ENABLED", FLAG, "ASYNC_ENABLED", "RUNS_ENABLED")
    after = denis.patch(env_patch(*({"name": name, "value": "0"} for name in names)))
    assert [value_of(after.body, name) for name in names] == ["0"] * 4
    assert value_of(after.body, "OTHER") == "kept"
    assert after.generation == before.generation + 1


def test_an_empty_value_reads_back_as_no_value(denis: Workload) -> None:
    """An env entry with an empty string comes without the key `value`."""
    assert env_of(denis.get().body)[2] == {"name": "EMPTY"}


def test_a_merge_patch_replaces_the_lists(denis: Workload) -> None:
    """A JSON merge patch of containers loses every other entry and container."""
    containers = [{"name": "denis", "image": "denis:1", "env": [{"name": FLAG, "value": "0"}]}]
    after = denis.patch({"spec": {"template": {"spec": {"containers": containers}}}}, MERGE).body
    assert names_of(after) == [FLAG]
    assert len(after["spec"]["template"]["spec"]["containers"]) == 1


def test_a_merge_patch_without_the_image_is_invalid(denis: Workload) -> None:
    """The replaced container has no image."""
    refused = denis.patch(flag("0"), MERGE)
    assert refused.code == 422
    assert refused.causes == [("spec.template.spec.containers[0].image", "FieldValueRequired")]


def test_an_unknown_container_is_invalid(denis: Workload) -> None:
    """A strategic merge tries to add it, and it has no image."""
    refused = denis.patch(env_patch({"name": FLAG, "value": "0"}, container="nobody"))
    assert (refused.code, refused.reason) == (422, "Invalid")
    assert refused.causes == [("spec.template.spec.containers[0].image", "FieldValueRequired")]
    assert refused.message == (
        'Deployment.apps "denis" is invalid: spec.template.spec.containers[0].image: Required value'
    )


def test_a_container_without_a_name_is_an_error_of_the_server(denis: Workload) -> None:
    """Without the merge key the patch cannot be placed: 500 without a reason."""
    refused = denis.patch({"spec": {"template": {"spec": {"containers": [{"image": "x"}]}}}})
    assert (refused.code, refused.reason) == (500, "")


def test_a_value_beside_value_from_is_invalid(denis: Workload) -> None:
    """A merge adds `value` to what is there."""
    refused = denis.patch(env_patch({"name": "POD", "value": "0"}))
    assert refused.code == 422
    assert refused.causes == [("spec.template.spec.containers[0].env[3].valueFrom", "FieldValueInvalid")]


def test_a_value_in_place_of_value_from_is_written(denis: Workload) -> None:
    """With a null `valueFrom` in the same entry it is replaced."""
    after = denis.patch(env_patch({"name": "POD", "value": "0", "valueFrom": None}))
    assert (after.code, env_of(after.body)[3]) == (200, {"name": "POD", "value": "0"})


def test_only_the_first_of_two_equal_names_is_changed(api: Client, namespace: str) -> None:
    """A name that occurs twice is changed once, in the wrong place."""
    workload = Workload(api=api, namespace=namespace)
    twice = manifest()
    env_of(twice).append({"name": FLAG, "value": "the one that counts"})
    made = api.post(workload.deployments, twice)
    assert made.code == 201
    values = [item.get("value") for item in env_of(workload.patch(flag("0")).body) if item["name"] == FLAG]
    assert values == ["0", "the one that counts"]


def test_a_null_annotation_is_removed(denis: Workload) -> None:
    """Setting an annotation to null takes it away and leaves the others."""
    denis.patch(annotation("mine", "yes"))
    denis.patch(annotation("other", "yes"))
    after = denis.patch(annotation("mine", None)).body["metadata"]["annotations"]
    assert "mine" not in after
    assert after["other"] == "yes"


def test_a_directive_deletes_an_entry(denis: Workload) -> None:
    """`$patch: delete` removes what the merge key names."""
    after = denis.patch(env_patch({"name": "OTHER", "$patch": "delete"})).body
    assert names_of(after) == [FLAG, "EMPTY", "POD"]


def test_a_directive_orders_the_entries(denis: Workload) -> None:
    """`$setElementOrder` puts the entries that it names into its order."""
    body = env_patch({"name": "OTHER", "value": "1"}, {"name": FLAG, "value": "0"})
    container = body["spec"]["template"]["spec"]["containers"][0]
    container["$setElementOrder/env"] = [{"name": n} for n in ("OTHER", FLAG, "EMPTY", "POD")]
    assert names_of(denis.patch(body).body) == ["OTHER", FLAG, "EMPTY", "POD"]


def test_a_patch_of_nothing_that_exists_is_not_found(denis: Workload) -> None:
    """Patches never create."""
    refused = denis.api.patch(f"{denis.deployments}/nobody", flag("0"))
    assert (refused.code, refused.reason) == (404, "NotFound")
    assert refused.message == 'deployments.apps "nobody" not found'
    assert refused.body["details"] == {"name": "nobody", "group": "apps", "kind": "deployments"}


def test_plain_json_is_no_patch(denis: Workload) -> None:
    """The type of a patch has to be said."""
    refused = denis.patch(flag("0"), "application/json")
    assert (refused.code, refused.reason) == (415, "UnsupportedMediaType")


def test_a_patch_that_is_no_json_is_a_bad_request(denis: Workload) -> None:
    """Half an object, a list and nothing are 400."""
    for raw in (b"{", b"[]", b""):
        refused = denis.api.request("PATCH", denis.path, raw=raw, headers={"Content-Type": MERGE})
        assert (refused.code, refused.reason) == (400, "BadRequest")


def test_a_patch_cannot_rename(denis: Workload) -> None:
    """Name and namespace are those of the URL."""
    assert denis.patch({"metadata": {"name": "other"}}).code == 400
    assert denis.patch({"metadata": {"namespace": "other"}}).code == 400

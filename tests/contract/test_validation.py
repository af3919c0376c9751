"""What is refused and what is warned about: fields, values, options and bodies."""

from typing import Any

import pytest

from tests.contract.client import MERGE, STRATEGIC, Client
from tests.contract.workload import FLAG, Workload, annotation, env_of, env_patch, flag, manifest

UNKNOWN = {"spec": {"replica": 1}}


@pytest.mark.parametrize("query", [{}, {"fieldValidation": "Warn"}])
def test_an_unknown_field_is_warned_about(denis: Workload, query: dict[str, str]) -> None:
    """By default a misspelt field is dropped, and a warning says so."""
    done = denis.patch(UNKNOWN, **query)
    assert done.code == 200
    assert done.warnings == ('299 - "unknown field \\"spec.replica\\""',)


def test_an_unknown_field_can_be_ignored(denis: Workload) -> None:
    """With `Ignore` nothing is said."""
    done = denis.patch(UNKNOWN, fieldValidation="Ignore")
    assert (done.code, done.warnings) == (200, ())


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (UNKNOWN, STRATEGIC),
        (UNKNOWN, MERGE),
    ],
)
def test_an_unknown_field_is_refused_if_strict(denis: Workload, body: Any, kind: str) -> None:
    """With `Strict` a patch with a misspelt field is 422 and changes nothing."""
    refused = denis.patch(body, kind, fieldValidation="Strict")
    assert (refused.code, refused.reason) == (422, "Invalid")
    assert 'strict decoding error: unknown field "spec.replica"' in refused.message
    assert refused.causes == [("patch", "FieldValueInvalid")]


def test_an_unknown_field_in_a_list_is_named(denis: Workload) -> None:
    """The path has the numbers of the elements."""
    done = denis.patch(env_patch({"name": FLAG, "val": "0"}))
    assert done.warnings == ('299 - "unknown field \\"spec.template.spec.containers[0].env[0].val\\""',)


def test_a_strict_create_with_an_unknown_field_is_a_bad_request(denis: Workload, api: Client) -> None:
    """A whole object is 400 where a patch is 422."""
    refused = api.post(denis.deployments, manifest("other", replica=1), fieldValidation="Strict")
    assert (refused.code, refused.reason) == (400, "BadRequest")
    assert refused.message == (
        'Deployment in version "v1" cannot be handled as a Deployment: '
        'strict decoding error: unknown field "spec.replica"'
    )


@pytest.mark.parametrize("kind", [STRATEGIC, MERGE])
def test_an_annotation_that_is_no_string_is_invalid(denis: Workload, kind: str) -> None:
    """Numbers are not turned into strings."""
    refused = denis.patch({"metadata": {"annotations": {"count": 1}}}, kind)
    assert (refused.code, refused.causes) == (422, [("patch", "FieldValueInvalid")])


def test_an_env_value_that_is_no_string_is_invalid(denis: Workload) -> None:
    """A percentage has to be quoted."""
    refused = denis.patch(flag(0))
    assert (refused.code, refused.causes) == (422, [("patch", "FieldValueInvalid")])


@pytest.mark.parametrize("replicas", ["4", 4.5, True, [4]])
def test_replicas_that_are_no_integer_are_invalid(denis: Workload, replicas: object) -> None:
    """The count of workers is an integer and nothing else."""
    assert denis.patch({"spec": {"replicas": replicas}}).code == 422


def test_negative_replicas_are_invalid(denis: Workload) -> None:
    """Below zero is refused, on the Deployment and on its scale."""
    refused = denis.patch({"spec": {"replicas": -1}})
    assert (refused.code, refused.causes) == (422, [("spec.replicas", "FieldValueInvalid")])
    assert denis.api.patch(f"{denis.path}/scale", {"spec": {"replicas": -1}}, MERGE).code == 422


def test_a_whole_object_with_a_wrong_type_is_a_bad_request(denis: Workload, api: Client) -> None:
    """A number as env value in a POST is 400."""
    item = manifest("other")
    env_of(item)[0]["value"] = 10
    refused = api.post(denis.deployments, item)
    assert (refused.code, refused.reason) == (400, "BadRequest")


@pytest.mark.parametrize(("size", "code"), [(262144 - 2000, 200), (262145, 422)])
def test_annotations_are_limited_in_total(denis: Workload, size: int, code: int) -> None:
    """256 KiB of annotations are the end of every ledger."""
    done = denis.patch(annotation("a", "x" * size))
    assert done.code == code
    if code == 422:
        assert ("metadata.annotations", "FieldValueTooLong") in done.causes


def test_the_selector_is_immutable(denis: Workload) -> None:
    """A Deployment selects the same pods for all its life."""
    labels = {"app": "denis", "more": "yes"}
    spec = {
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}},
    }
    refused = denis.patch({"spec": spec})
    assert (refused.code, refused.causes) == (422, [("spec.selector", "FieldValueInvalid")])


def _without_name(item: Any) -> None:
    del item["metadata"]["name"]


def _without_containers(item: Any) -> None:
    del item["spec"]["template"]["spec"]["containers"]


def _with_other_labels(item: Any) -> None:
    item["spec"]["template"]["metadata"]["labels"] = {"app": "another"}


def _with_a_nameless_env(item: Any) -> None:
    env_of(item)[0]["name"] = ""


@pytest.mark.parametrize(
    ("spoil", "field", "reason"),
    [
        (_without_name, "metadata.name", "FieldValueRequired"),
        (_without_containers, "spec.template.spec.containers", "FieldValueRequired"),
        (_with_other_labels, "spec.template.metadata.labels", "FieldValueInvalid"),
        (_with_a_nameless_env, "spec.template.spec.containers[0].env[0].name", "FieldValueRequired"),
    ],
)
def test_a_malformed_deployment_is_not_created(
    api: Client, namespace: str, spoil: Any, field: str, reason: str
) -> None:
    """What is wrong is named by its field and its reason."""
    item = manifest()
    spoil(item)
    refused = api.post(f"/apis/apps/v1/namespaces/{namespace}/deployments", item)
    assert (refused.code, refused.causes) == (422, [(field, reason)])


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"dryRun": "all"}, "dryRun"),
        ({"dryRun": ""}, "dryRun"),
        ({"fieldValidation": "strict"}, "fieldValidation"),
        ({"fieldManager": "x" * 129}, "fieldManager"),
    ],
)
def test_options_are_checked(denis: Workload, query: dict[str, str], field: str) -> None:
    """A misspelt option is refused, never taken for another."""
    refused = denis.patch(flag("0"), **query)
    assert (refused.code, refused.body["details"]["kind"]) == (422, "PatchOptions")
    assert [name for name, _ in refused.causes] == [field]


def test_a_body_that_is_too_large_is_refused(denis: Workload) -> None:
    """Three MiB are the limit of a request."""
    raw = b'{"metadata": {"annotations": {"a": "' + b"x" * 3_200_000 + b'"}}}'
    refused = denis.api.request("PATCH", denis.path, raw=raw, headers={"Content-Type": STRATEGIC})
    assert (refused.code, refused.reason) == (413, "RequestEntityTooLarge")


def test_a_body_of_another_kind_is_refused(denis: Workload, api: Client) -> None:
    """Another kind is 400, another media type 415."""
    item = {**manifest("other"), "kind": "Nonsense"}
    assert api.post(denis.deployments, item).code == 400
    plain = {"Content-Type": "text/plain"}
    assert api.request("POST", denis.deployments, raw=b"x", headers=plain).code == 415

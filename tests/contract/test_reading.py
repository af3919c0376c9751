"""Reading: objects, lists, selectors, watches, and what is not there."""

import pytest

from tests.contract.client import Client
from tests.contract.workload import Workload, annotation, manifest


def test_an_object_that_is_not_there(denis: Workload, api: Client) -> None:
    """404 names the object and its resource."""
    missing = api.get(f"{denis.deployments}/nobody")
    assert (missing.code, missing.reason) == (404, "NotFound")
    assert missing.body["status"] == "Failure"
    assert missing.body["details"] == {"name": "nobody", "group": "apps", "kind": "deployments"}


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/apis/apps/v1/nonsense", "Status"),
        ("/apis/apps/v9", "Status"),
        ("/api/v1/nonsense", "Status"),
        ("/apis/nonsense/v1/things", ""),
        ("/nonsense", ""),
    ],
)
def test_a_path_that_leads_nowhere(api: Client, path: str, kind: str) -> None:
    """Below a known group it is a Status, elsewhere plain text."""
    missing = api.get(path)
    assert missing.code == 404
    assert (missing.body["kind"] if kind else missing.body) == (kind or "404 page not found\n")


def test_a_method_that_does_not_fit(denis: Workload, api: Client) -> None:
    """POST to an object, PUT to a list."""
    assert api.post(denis.path, {}).code == 405
    assert api.put(denis.deployments, {}).code == 405


def test_an_unknown_token_is_refused(api: Client) -> None:
    """Wrong credentials are worse than none: 401, whatever is asked for."""
    stranger = Client(url=api.url, context=api.context, token="stranger")
    refused = stranger.get("/apis/apps/v1/namespaces/default/deployments")
    assert (refused.code, refused.reason, refused.message) == (401, "Unauthorized", "Unauthorized")


def test_a_name_is_taken_once(denis: Workload, api: Client) -> None:
    """Creating it again is a conflict of its own kind."""
    refused = api.post(denis.deployments, manifest())
    assert (refused.code, refused.reason) == (409, "AlreadyExists")


def test_a_namespace_has_to_be_there_to_write(api: Client) -> None:
    """Writing into a namespace that is missing is 404, reading it is an empty list."""
    path = "/apis/apps/v1/namespaces/no-such-namespace/deployments"
    refused = api.post(path, manifest())
    assert (refused.code, refused.message) == (404, 'namespaces "no-such-namespace" not found')
    assert api.get(path).body["items"] == []


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"labelSelector": "app=denis"}, ["denis"]),
        ({"labelSelector": "app!=denis"}, ["workers"]),
        ({"labelSelector": "app in (denis, workers),!none"}, ["denis", "workers"]),
        ({"labelSelector": "none"}, []),
        ({"fieldSelector": "metadata.name=workers"}, ["workers"]),
        ({"fieldSelector": "metadata.name!=workers"}, ["denis"]),
    ],
)
def test_a_list_can_be_narrowed(denis: Workload, api: Client, query: dict[str, str], names: list[str]) -> None:
    """By labels and by name; the list has a version of its own and is in order of names."""
    api.post(denis.deployments, manifest("workers"))
    found = api.get(denis.deployments, **query)
    assert [item["metadata"]["name"] for item in found.body["items"]] == names
    assert found.body["kind"] == "DeploymentList"
    assert int(found.version) > 0


@pytest.mark.parametrize("query", [{"fieldSelector": "spec.nonsense=1"}, {"labelSelector": "a==="}])
def test_a_malformed_question_is_a_bad_request(denis: Workload, query: dict[str, str]) -> None:
    """Selectors are checked."""
    assert denis.api.get(denis.deployments, **query).code == 400


def test_a_watch_tells_what_happens_after_a_version(denis: Workload, api: Client) -> None:
    """Added, modified, deleted, in order, from the version of a list on."""
    start = denis.api.get(denis.deployments).version
    api.post(denis.deployments, manifest("workers"))
    api.patch(f"{denis.deployments}/workers", annotation("a", "b"))
    api.delete(f"{denis.deployments}/workers")
    seen = []
    narrow = {"resourceVersion": start, "fieldSelector": "metadata.name=workers"}
    for event in api.watch(denis.deployments, **narrow):
        seen.append(event["type"])
        if event["type"] == "DELETED":
            break
    assert seen[0] == "ADDED"
    assert set(seen[1:-1]) == {"MODIFIED"}


def test_a_watch_without_a_version_begins_with_what_is_there(denis: Workload) -> None:
    """The first event is the object as it is."""
    event = next(iter(denis.api.watch(denis.deployments)))
    assert (event["type"], event["object"]["metadata"]["name"]) == ("ADDED", "denis")


def test_a_watch_ends_in_time(denis: Workload) -> None:
    """`timeoutSeconds` is kept."""
    start = denis.settled().version
    assert list(denis.api.watch(denis.deployments, resourceVersion=start, timeoutSeconds="1")) == []


def test_autoscalers_can_be_listed(api: Client, namespace: str) -> None:
    """An empty list where there are none."""
    found = api.get(f"/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers")
    assert (found.code, found.body["items"]) == (200, [])


def test_a_deleted_object_is_told_with_its_uid(denis: Workload) -> None:
    """Deleting answers with a Status, deleting again with 404."""
    uid = denis.get().body["metadata"]["uid"]
    done = denis.api.delete(denis.path)
    assert (done.code, done.body["status"], done.body["details"]["uid"]) == (200, "Success", uid)
    assert denis.api.delete(denis.path).code == 404

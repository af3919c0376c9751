"""Events: two groups, one stored object."""

import pytest

from tests.contract.client import Client, Object
from tests.contract.workload import Workload

NOW = "2026-01-02T03:04:05.678901Z"


def event(workload: Workload, **fields: object) -> Object:
    """A core/v1 event about the Deployment, in the new form."""
    about = {"kind": "Deployment", "namespace": workload.namespace, "name": "denis", "apiVersion": "apps/v1"}
    return {
        "metadata": {"name": "denis.act"},
        "involvedObject": about,
        "reason": "Applied",
        "message": "percentage 10 to 0",
        "type": "Normal",
        "eventTime": NOW,
        "action": "SetPercentage",
        "reportingComponent": "remediator.denis.run/remediator",
        "reportingInstance": "remediator-0",
        **fields,
    }


@pytest.fixture
def core(denis: Workload) -> str:
    """The path of the namespace's core/v1 events."""
    return f"/api/v1/namespaces/{denis.namespace}/events"


def test_an_event_is_the_same_in_both_groups(denis: Workload, api: Client, core: str) -> None:
    """What core/v1 calls message and involvedObject, events.k8s.io calls note and regarding."""
    assert api.post(core, event(denis)).code == 201
    same = api.get(f"/apis/events.k8s.io/v1/namespaces/{denis.namespace}/events/denis.act").body
    assert same["note"] == "percentage 10 to 0"
    assert same["regarding"]["name"] == "denis"
    assert same["reportingController"] == "remediator.denis.run/remediator"
    assert same["eventTime"] == NOW


def test_an_event_is_written_once(denis: Workload, api: Client, core: str) -> None:
    """A deterministic name makes the second writer a conflict."""
    assert api.post(core, event(denis)).code == 201
    refused = api.post(core, event(denis))
    assert (refused.code, refused.reason) == (409, "AlreadyExists")


def test_a_legacy_event_needs_little(denis: Workload, api: Client, core: str) -> None:
    """Without `eventTime` only the object that it is about has to fit."""
    about = event(denis)["involvedObject"]
    made = api.post(core, {"metadata": {"generateName": "denis."}, "involvedObject": about})
    assert made.code == 201
    assert made.body["metadata"]["name"].startswith("denis.")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"action": ""}, "action"),
        ({"reportingInstance": ""}, "reportingInstance"),
        ({"reportingComponent": ""}, "reportingComponent"),
        ({"message": "x" * 1025}, "message"),
    ],
)
def test_an_event_of_the_new_form_is_checked(
    denis: Workload, api: Client, core: str, fields: Object, field: str
) -> None:
    """With `eventTime` the rest is required, and the message is limited."""
    refused = api.post(core, event(denis, **fields))
    assert refused.code == 422
    assert {name for name, _ in refused.causes} == {field}


def test_an_event_belongs_to_the_namespace_of_its_object(denis: Workload, api: Client, core: str) -> None:
    """A legacy event about another namespace's object is refused."""
    about = {**event(denis)["involvedObject"], "namespace": "elsewhere"}
    refused = api.post(core, {"metadata": {"name": "denis.act"}, "involvedObject": about})
    assert refused.causes == [("involvedObject.namespace", "FieldValueInvalid")]


@pytest.mark.parametrize(
    "time", ["2026-01-02T03:04:05Z", "2026-01-02T03:04:05.123Z", "2026-01-02T03:04:05.123456789Z", "now"]
)
def test_the_time_of_an_event_has_six_digits(denis: Workload, api: Client, core: str, time: str) -> None:
    """Neither seconds nor nanoseconds are taken for `eventTime`."""
    refused = api.post(core, event(denis, eventTime=time))
    assert (refused.code, refused.reason) == (400, "BadRequest")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"eventTime": None}, "eventTime"),
        ({"action": ""}, "action"),
        ({"type": "Alarm"}, "type"),
        ({"reportingController": "", "type": "Warning"}, "reportingController"),
    ],
)
def test_the_new_group_is_strict(denis: Workload, api: Client, namespace: str, fields: Object, field: str) -> None:
    """events.k8s.io requires what core/v1 forgives."""
    core = event(denis)
    new = {
        "metadata": core["metadata"],
        "regarding": core["involvedObject"],
        "note": core["message"],
        "reportingController": core["reportingComponent"],
        **{key: core[key] for key in ("reason", "type", "eventTime", "action", "reportingInstance")},
    }
    path = f"/apis/events.k8s.io/v1/namespaces/{namespace}/events"
    refused = api.post(path, {**new, **fields})
    assert refused.code == 422
    assert {name for name, _ in refused.causes} == {field}
    assert api.post(path, new).code == 201


def test_events_are_found_by_their_object(denis: Workload, api: Client, core: str) -> None:
    """`kubectl describe` asks like this."""
    api.post(core, event(denis))

    def reasons(selector: str) -> list[str]:
        return [item["reason"] for item in api.get(core, fieldSelector=selector).body["items"]]

    assert reasons("involvedObject.name=denis,involvedObject.kind=Deployment") == ["Applied"]
    assert reasons("involvedObject.name=another") == []

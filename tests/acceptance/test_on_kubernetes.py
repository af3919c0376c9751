"""The service's acts as a real API server and its controllers see them."""

import json
from collections.abc import Callable

from remediator.core.ledger import PAUSE
from tests.acceptance.crossing import Crossing, Moment, Plan
from tests.acceptance.incidents import Incident, canary
from tests.contract.client import APPLY
from tests.support.control_plane import ControlPlane
from tests.support.service import Clock, Service, alert, notification


def requests(service: Service, verb: str, code: int) -> float:
    """How many requests were answered so."""
    return service.value("remediator_kubernetes_requests_total", verb=verb, code=str(code)) or 0


def test_an_act_is_one_read_one_write_and_one_rollout(
    service: Service, denis: Incident, control_plane: ControlPlane
) -> None:
    """A rollback writes flags and record together, leaves the rest alone, and the new pods replace the old ones."""
    before = denis.deployment()
    assert service.reasons(alert()) == ["Applied"]

    assert (requests(service, "get", 200), requests(service, "patch", 200)) == (1, 1)
    assert denis.history(before) == [(1, 0), (2, 1)]
    denis.assert_one_act()
    assert denis.flags()["LOG_LEVEL"] == "info"
    control_plane.await_rollout("denis", denis.namespace)
    revision = denis.deployment()["metadata"]["annotations"]["deployment.kubernetes.io/revision"]
    assert revision == "2"


def test_a_repeat_costs_no_request(service: Service, denis: Incident) -> None:
    """A repeat within the cooldown is answered by what the act's own patch was answered with."""
    service.reasons(alert())
    assert service.reasons(alert()) == ["CoolingDown"]
    assert (service.requests("get"), service.requests("patch")) == (1, 1)
    denis.assert_one_act()


def test_an_act_on_a_read_at_rest_is_one_request(
    service: Service, denis: Incident, control_plane: ControlPlane
) -> None:
    """Once the target was looked at and its rollout is over, an act is its patch alone."""
    control_plane.await_rollout("denis", denis.namespace)
    service.observer.look()
    before = service.requests("get")
    assert service.reasons(alert()) == ["Applied"]
    assert (service.requests("get") - before, service.requests("patch")) == (0, 1)
    denis.assert_one_act()


def test_workers_scale(service: Service, denis: Incident, control_plane: ControlPlane) -> None:
    """Two more workers are made, and become available."""
    assert service.reasons(alert("scale")) == ["Applied"]
    assert requests(service, "patch", 200) == 1
    control_plane.await_rollout("denis-workers", denis.namespace)
    assert control_plane.get("deployment", "denis-workers", denis.namespace)["status"]["availableReplicas"] == 6


def test_a_dry_run_writes_nothing(make_service: Callable[..., Service], denis: Incident) -> None:
    """The API server checks the write and keeps the Deployment as it is."""
    before = denis.deployment()
    assert make_service(dry_run=True).reasons(alert()) == ["DryRun"]
    assert denis.deployment() == before


def test_a_stale_version_is_decided_anew(
    service: Service, crossing: Crossing, denis: Incident, control_plane: ControlPlane
) -> None:
    """The Deployment changes between read and write: a real 409, another read, and then the act."""

    def change() -> None:
        control_plane.kubectl("label", "deployment", "denis", "who=someone", "--namespace", denis.namespace)

    crossing.plan(Plan(method="PATCH", mentions="deployments/denis", moment=Moment.SENT, do=change))
    assert service.reasons(alert()) == ["Applied"]

    assert (requests(service, "get", 200), requests(service, "patch", 409), requests(service, "patch", 200)) == (
        2,
        1,
        1,
    )
    assert denis.deployment()["metadata"]["labels"]["who"] == "someone"
    denis.assert_one_act()


def test_a_pause_in_between_is_obeyed(
    service: Service, crossing: Crossing, denis: Incident, control_plane: ControlPlane
) -> None:
    """A pause that comes between read and write makes a 409, and the second decision withholds the act."""
    pause = json.dumps({"reason": "maintenance", "author": "ada", "until": "2026-11-23T13:00:00Z"})

    def hold() -> None:
        control_plane.kubectl("annotate", "deployment", "denis", f"{PAUSE}={pause}", "--namespace", denis.namespace)

    crossing.plan(Plan(method="PATCH", mentions="deployments/denis", moment=Moment.SENT, do=hold))
    assert service.reasons(alert()) == ["Paused"]

    assert (requests(service, "patch", 409), requests(service, "patch", 200)) == (1, 0)
    assert (denis.acts(), denis.flags()["DENIS_MATERIALIZERS_PCT"]) == ([], "10")


def test_the_owner_of_a_field_does_not_stop_an_act(service: Service, denis: Incident) -> None:
    """A server-side apply's manager owns the flags: the act needs no force, and the 409 is the other's, by name."""
    owner = {"fieldManager": "gitops", "force": "true"}
    manifest = {"apiVersion": "apps/v1", **canary("denis")}
    assert denis.api.patch(denis.path, manifest, APPLY, **owner).code == 200

    assert service.reasons(alert()) == ["Applied"]
    assert (requests(service, "get", 200), requests(service, "patch", 200)) == (1, 1)

    refused = denis.api.patch(denis.path, manifest, APPLY, fieldManager="gitops")
    assert (refused.code, {reason for _, reason in refused.causes}) == (409, {"FieldManagerConflict"})
    assert 'conflicts with "remediator"' in refused.message
    assert denis.flags()["DENIS_MATERIALIZERS_PCT"] == "0"


def test_a_rewound_ledger_is_remembered(service: Service, denis: Incident, control_plane: ControlPlane) -> None:
    """`kubectl rollout undo` brings back the flags and takes away the record: the cooldown holds all the same."""
    service.reasons(alert())
    control_plane.await_rollout("denis", denis.namespace)
    control_plane.kubectl("rollout", "undo", "deployment/denis", "--namespace", denis.namespace)
    assert (denis.acts(), denis.flags()["DENIS_MATERIALIZERS_PCT"]) == ([], "10")

    service.observer.look()
    (outcome,) = service.handle(notification(alert()))
    assert outcome.reason == "CoolingDown"
    assert "someone has set 10 % since" in outcome.message


def test_a_restart_does_not_end_the_cooldown(make_service: Callable[..., Service], denis: Incident) -> None:
    """A replica that was started a moment ago finds the record; after the cooldown it finds the canary safe."""
    clock = Clock()
    make_service(clock=clock).reasons(alert())
    clock.move(minutes=29)
    assert make_service(clock=clock).reasons(alert()) == ["CoolingDown"]
    clock.move(minutes=2)
    assert make_service(clock=clock).reasons(alert()) == ["AlreadySafe"]
    denis.assert_one_act()


def test_replicas_write_one_event(
    make_service: Callable[..., Service], denis: Incident, control_plane: ControlPlane
) -> None:
    """The act is one Event on the Deployment, whoever reports it, and `kubectl describe` shows it."""
    replicas = [make_service(), make_service()]
    for replica in (*replicas, *replicas):
        replica.reasons(alert())
    for replica in replicas:
        replica.recorder.close(5)

    listed = control_plane.kubectl("get", "events", "--namespace", denis.namespace, "--output", "json")
    events = [event for event in json.loads(listed)["items"] if "remediator" in event.get("reportingComponent", "")]
    assert [event["reason"] for event in events] == ["Applied"]
    described = control_plane.kubectl("describe", "deployment", "denis", "--namespace", denis.namespace)
    assert "rollback: set 10 % -> 0 %" in described


def test_a_missing_right_is_said(
    make_service: Callable[..., Service], denis: Incident, control_plane: ControlPlane
) -> None:
    """An account without rights gets Forbidden in the words of the API server, and changes nothing."""
    kubeconfig = control_plane.service_account_kubeconfig(denis.namespace, "default")
    (outcome,) = make_service(kubeconfig=kubeconfig).handle(notification(alert()))

    assert outcome.reason == "Forbidden"
    assert 'cannot get resource "deployments"' in outcome.message
    assert denis.generation() == 1

"""What became of an act, as real controllers tell it: two replicas look, each says it once, and one Event says it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from demo.waiting import until
from tests.acceptance.crossing import Crossing, Moment, Plan
from tests.acceptance.incidents import Incident, canary
from tests.contract.client import APPLY
from tests.support.control_plane import ControlPlane
from tests.support.service import Clock, Service, alert, notification

SECONDS = 60.0

NOWHERE = {"template": {"spec": {"nodeSelector": {"disk": "of-no-node"}}}}
"""What keeps new pods Pending; the old ones go on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two replicas that look at the same targets; the first of them acts."""

    replicas: tuple[Service, Service]
    clock: Clock
    namespace: str
    control_plane: ControlPlane

    def act(self, remediation: str = "rollback") -> None:
        """Let an alert come to the first."""
        assert self.replicas[0].reasons(alert(remediation)) == ["Applied"]

    def look(self) -> None:
        """Let both look once."""
        for replica in self.replicas:
            replica.observer.look()

    def await_verdicts(self, *verdicts: str) -> None:
        """Let both look until each has said these verdicts and no other, in this order."""

        def look() -> bool:
            self.look()
            return all(len(said) >= len(verdicts) for said in self.verdicts())

        until(f"both replicas say {verdicts}", look, SECONDS)
        self.look()
        assert self.verdicts() == [[*verdicts], [*verdicts]]

    def verdicts(self) -> list[list[str]]:
        """What each has said so far."""
        return [
            [line["verdict"] for line in replica.audit_lines() if line["audit"] == "verification"]
            for replica in self.replicas
        ]

    def event(self, verdict: str, target: str = "denis", effect: str = "SetPercentage") -> str:
        """What the one Event with a verdict says; both replicas have counted it once, and write no more after this."""
        labels = {"target": target, "effect": effect, "verdict": verdict}
        for replica in self.replicas:
            assert replica.value("remediator_verifications_total", **labels) == 1
            replica.recorder.close(5)
        listed = self.control_plane.api.get(f"/apis/events.k8s.io/v1/namespaces/{self.namespace}/events")
        ours = [one for one in listed.body["items"] if one["reportingController"].startswith("remediator.denis.run")]
        (event,) = [one for one in ours if one["reason"] == verdict]
        assert event["regarding"]["name"] == target
        assert event["type"] == ("Normal" if verdict == "Converged" else "Warning")
        return str(event["note"])

    def kubectl(self, *arguments: str) -> None:
        """Run kubectl in the namespace, as a person does."""
        self.control_plane.kubectl(*arguments, "--namespace", self.namespace)

    def make(self, path: str, manifest: Mapping[str, Any]) -> None:
        """Make an object of the namespace."""
        made = self.control_plane.api.post(path.format(f"namespaces/{self.namespace}"), dict(manifest))
        assert made.code == 201, made


@pytest.fixture
def pair(make_service: Callable[..., Service], denis: Incident, control_plane: ControlPlane) -> Pair:
    """Two replicas, in front of DENIS at 10 %."""
    clock = Clock()
    replicas = make_service(clock=clock), make_service(clock=clock)
    return Pair(replicas=replicas, clock=clock, namespace=denis.namespace, control_plane=control_plane)


def prepare(denis: Incident, spec: Mapping[str, Any]) -> None:
    """Change the Deployment before the act."""
    assert denis.api.patch(denis.path, {"spec": spec}).code == 200


def test_pods_that_follow_are_said(pair: Pair) -> None:
    """A rollback has converged when the new pods have taken the place of the old ones."""
    pair.act()
    pair.await_verdicts("Converged")
    assert "rollback: after 10 % -> 0 %: all 1 pods follow" in pair.event("Converged")


def test_workers_that_follow_are_said(pair: Pair) -> None:
    """A step of workers has converged when all of them are available."""
    pair.act("scale")
    pair.await_verdicts("Converged")
    note = pair.event("Converged", "denis-workers", "Scale")
    assert "scale-workers: after 4 -> 6 replicas: all 6 pods follow" in note


def test_a_quota_is_said_and_its_end_too(pair: Pair) -> None:
    """Pods over a quota cannot be created, in the controller's words; with the quota gone the act converges."""
    quotas = "/api/v1/{}/resourcequotas"
    pair.make(quotas, {"metadata": {"name": "full"}, "spec": {"hard": {"pods": "1"}}})
    path = quotas.format(f"namespaces/{pair.namespace}") + "/full"
    pair.control_plane.api.await_object(path, lambda quota: "pods" in quota.get("status", {}).get("used", {}))
    pair.act()
    pair.await_verdicts("ReplicaFailure")
    pair.kubectl("delete", "resourcequota", "full")
    pair.await_verdicts("ReplicaFailure", "Converged")
    assert "exceeded quota: full, requested: pods=1" in pair.event("ReplicaFailure")


def test_pod_security_is_said(pair: Pair) -> None:
    """Pods that the namespace's Pod Security Standard refuses cannot be created."""
    pair.control_plane.kubectl("label", "namespace", pair.namespace, "pod-security.kubernetes.io/enforce=restricted")
    pair.act()
    pair.await_verdicts("ReplicaFailure")
    assert 'violates PodSecurity "restricted' in pair.event("ReplicaFailure")


@pytest.fixture
def _no_pods(control_plane: ControlPlane, namespace: str, denis: Incident) -> Iterator[None]:
    """An admission policy that refuses every new pod of the namespace."""
    assert denis.generation() == 1, "its pods are there before the policy"
    policies = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolic"
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    here = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    constraints = {"resourceRules": [rule], "namespaceSelector": here}
    refuse = {"expression": "false", "message": "no pods on a Sunday"}
    policy = {"metadata": {"name": namespace}, "spec": {"matchConstraints": constraints, "validations": [refuse]}}
    binding = {"metadata": {"name": namespace}, "spec": {"policyName": namespace, "validationActions": ["Deny"]}}
    api = control_plane.api
    for collection, manifest in (("ies", policy), ("ybindings", binding)):
        assert api.post(policies + collection, manifest).code == 201
    pod = {"metadata": {"name": "probe"}, "spec": {"containers": [{"name": "probe", "image": "probe"}]}}
    pods = f"/api/v1/namespaces/{namespace}/pods"
    until("the policy is in force", lambda: api.post(pods, pod, dryRun="All").code == 422, SECONDS)
    yield
    for collection in ("ybindings", "ies"):
        api.delete(f"{policies}{collection}/{namespace}")


@pytest.mark.usefixtures("_no_pods")
def test_an_admission_policy_is_said(pair: Pair) -> None:
    """Pods that an admission policy refuses cannot be created, and the policy's message is passed on."""
    pair.act()
    pair.await_verdicts("ReplicaFailure")
    assert "no pods on a Sunday" in pair.event("ReplicaFailure")


def test_pods_that_never_become_available_are_said(pair: Pair, denis: Incident) -> None:
    """New pods stay Pending until the Deployment's own deadline; the old one goes on, and the message counts both."""
    prepare(denis, {"progressDeadlineSeconds": 2, **NOWHERE})
    pair.act()
    pair.await_verdicts("ProgressDeadlineExceeded")
    note = pair.event("ProgressDeadlineExceeded")
    assert "1 of 1 pods updated, 1 available, 1 old ones left" in note


def test_a_rollout_without_a_deadline_has_an_end(pair: Pair, denis: Incident) -> None:
    """Where the Deployment has no deadline, half an hour is one."""
    prepare(denis, {"progressDeadlineSeconds": 2**31 - 1, **NOWHERE})
    pair.act()
    counted = {"observedGeneration": 3, "updatedReplicas": 1, "replicas": 2}
    denis.api.await_object(denis.path, lambda body: counted.items() <= body["status"].items())
    pair.clock.move(minutes=30)
    pair.look()
    assert pair.verdicts() == [[], []]
    pair.clock.move(seconds=1)
    pair.await_verdicts("NotConverged")
    assert "1 available, 1 old ones left (30m1s after the act)" in pair.event("NotConverged")


def test_a_paused_rollout_is_said(pair: Pair, denis: Incident) -> None:
    """A paused Deployment takes the act and makes no pod of it; resumed, it converges."""
    prepare(denis, {"paused": True})
    pair.act()
    pair.await_verdicts("RolloutPaused")
    pair.kubectl("rollout", "resume", "deployment/denis")
    pair.await_verdicts("RolloutPaused", "Converged")
    assert "the Deployment is paused (kubectl rollout pause), so no pod follows" in pair.event("RolloutPaused")


def set_env(pair: Pair) -> None:
    """A person sets the flags."""
    pair.kubectl("set", "env", "deployment/denis", "DENIS_MATERIALIZERS_ENABLED=true", "DENIS_MATERIALIZERS_PCT=10")


def sync(pair: Pair) -> None:
    """A GitOps tool applies what is in Git."""
    path = f"/apis/apps/v1/namespaces/{pair.namespace}/deployments/denis"
    owner = {"fieldManager": "argocd-controller", "force": "true"}
    assert pair.control_plane.api.patch(path, canary("denis"), APPLY, **owner).code == 200


def undo(pair: Pair) -> None:
    """A person goes back to the revision before."""
    pair.kubectl("rollout", "undo", "deployment/denis")


@pytest.mark.parametrize(
    ("take_back", "manager", "acts"),
    [
        pytest.param(set_env, "kubectl-set", 1, id="kubectl-set-env"),
        pytest.param(sync, "argocd-controller", 1, id="server-side-apply"),
        pytest.param(undo, "kubectl", 0, id="kubectl-rollout-undo"),
    ],
)
def test_whoever_takes_an_act_back_is_named(
    pair: Pair, denis: Incident, take_back: Callable[[Pair], None], manager: str, acts: int
) -> None:
    """Both replicas name manager and time and do not fight, even where the record was taken away with the act."""
    pair.act()
    pair.await_verdicts("Converged")
    take_back(pair)
    pair.await_verdicts("Converged", "Reverted")

    for replica in pair.replicas:
        (outcome,) = replica.handle(notification(alert()))
        assert outcome.reason == "CoolingDown"
        assert "someone has set 10 % since" in outcome.message
    assert len(denis.acts()) == acts
    entries = denis.deployment()["metadata"]["managedFields"]
    (wrote,) = {entry["time"] for entry in entries if entry["manager"] == manager}
    assert f"set to 10 % by {manager} at {wrote}" in pair.event("Reverted")


def test_an_act_during_a_look_is_not_taken_for_reverted(pair: Pair, crossing: Crossing, denis: Incident) -> None:
    """What was read before the act shows the value from before; nobody has taken anything back."""
    plan = Plan(method="GET", mentions="deployments/denis", moment=Moment.DONE, do=pair.act)
    crossing.plan(plan)
    pair.look()
    assert crossing.happened.is_set()
    pair.await_verdicts("Converged")
    denis.assert_one_act()


def test_workers_that_a_person_takes_away_are_said(pair: Pair) -> None:
    """`kubectl scale` after the act is named, and the workers are left as they were put."""
    pair.act("scale")
    pair.kubectl("scale", "deployment/denis-workers", "--replicas=3")
    pair.await_verdicts("Reverted")
    assert "set to 3 replicas by kubectl; it" in pair.event("Reverted", "denis-workers", "Scale")


AUTOSCALERS = "/apis/autoscaling/v2/{}/horizontalpodautoscalers"


def autoscaler(*, minimum: int, maximum: int, keda: bool = False) -> dict[str, Any]:
    """A HorizontalPodAutoscaler of the workers, as people or KEDA make it."""
    owner = {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": "denis-workers", "uid": "made-up"}
    metadata = {"name": "keda-hpa-workers", "ownerReferences": [owner]} if keda else {"name": "workers"}
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "denis-workers"}
    return {
        "metadata": metadata,
        "spec": {"scaleTargetRef": target, "minReplicas": minimum, "maxReplicas": maximum},
    }


def test_an_autoscaler_that_takes_workers_away_is_named(pair: Pair, control_plane: ControlPlane) -> None:
    """An autoscaler that comes after the act and allows less is who reverted it, and owns the workers from then on."""
    pair.act("scale")
    pair.await_verdicts("Converged")
    pair.make(AUTOSCALERS, autoscaler(minimum=1, maximum=5))
    pair.await_verdicts("Converged", "Reverted")
    assert pair.replicas[1].reasons(alert("scale")) == ["AutoscalerOwned"]
    assert "set to 5 replicas by kube-controller-manager; it" in pair.event("Reverted", "denis-workers", "Scale")


@pytest.mark.parametrize(
    ("keda", "owner"),
    [
        pytest.param(False, "HorizontalPodAutoscaler workers,", id="a-person's"),
        pytest.param(True, "HorizontalPodAutoscaler keda-hpa-workers of KEDA,", id="KEDA's"),
    ],
)
def test_an_autoscalers_workers_are_left_to_it_while_it_is_there(pair: Pair, keda: bool, owner: str) -> None:
    """An autoscaler that scales the workers withholds the act by its name; once it is gone, workers are added."""
    manifest = autoscaler(minimum=5, maximum=9, keda=keda)
    pair.make(AUTOSCALERS, manifest)
    workers = f"/apis/apps/v1/namespaces/{pair.namespace}/deployments/denis-workers"
    pair.control_plane.api.await_object(workers, lambda body: body["spec"]["replicas"] == 5)
    service = pair.replicas[0]
    (outcome,) = service.handle(notification(alert("scale")))
    assert outcome.reason == "AutoscalerOwned"
    assert owner in outcome.message

    pair.kubectl("delete", "horizontalpodautoscaler", manifest["metadata"]["name"])
    (outcome,) = service.handle(notification(alert("scale")))
    assert (outcome.reason, outcome.before, outcome.after) == ("Applied", 5, 7)
    pair.await_verdicts("Converged")

"""The chart on the real control plane: installed, upgraded, rolled back, uninstalled by both Helms, waiting each time.

kwok plays the kubelet: Pods become ready without a container that runs.
"""

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.waiting import until
from tests.chart.answers import Refused
from tests.chart.cases import CASES, OPERATOR_KINDS, case
from tests.chart.deployments import RESTRICTED
from tests.chart.helm import Helm, Helm3, Helm4, Object, changed, only
from tests.contract.client import Client
from tests.support.control_plane import ControlPlane
from tests.support.documents import load_yaml

RELEASE = "remediator"
SECONDS = 60.0
CLUSTER_SCOPED = ("validatingadmissionpolicies", "validatingadmissionpolicybindings", "clusterroles")
NAMESPACED = (
    "deployments,replicasets,pods,services,serviceaccounts,secrets,configmaps,roles,rolebindings,networkpolicies,"
    "poddisruptionbudgets"
)
NOT_OURS = frozenset({"ServiceAccount/default", "ConfigMap/kube-root-ca.crt"})


def beside(namespace: str, values: dict[str, Any] | None = None) -> dict[str, Any]:
    """Values with the targets in the release's own namespace."""
    place = {"namespace": namespace}
    return changed(values or {}, targets={"denis": place, "denis-workers": place})


def found(plane: ControlPlane, kinds: str, namespace: str) -> set[str]:
    """What there is of these kinds in a namespace, but for what Kubernetes puts there by itself."""
    return {f"{item['kind']}/{item['metadata']['name']}" for item in plane.objects(kinds, namespace)} - NOT_OURS


def of_cluster(plane: ControlPlane, namespace: str) -> set[str]:
    """Cluster-scoped objects of the releases in a namespace."""
    names = {(item["kind"], item["metadata"]["name"]) for item in plane.objects(",".join(CLUSTER_SCOPED))}
    beginning = f"{namespace}-"[:54]  # what is left of a long name
    return {f"{kind}/{name}" for kind, name in names if name.startswith(beginning)}


def token(plane: ControlPlane, namespace: str, key: str = "token") -> str:
    """A token in the Secret of the release."""
    return base64.b64decode(plane.get("secret", RELEASE, namespace)["data"][key]).decode()


def remediations(plane: ControlPlane, namespace: str) -> dict[str, Any]:
    """The remediations in the ConfigMap, by name."""
    policy = load_yaml(plane.get("configmap", RELEASE, namespace)["data"]["remediations.yaml"])
    return {one["name"]: one for one in policy["remediations"]}


def test_install_upgrade_rollback_uninstall(
    cluster_helm: Helm, control_plane: ControlPlane, make_namespace: Callable[[], str]
) -> None:
    """A release goes through its life: tuned values arrive without a restart, the token stays, nothing is left."""
    namespace = make_namespace()
    values = beside(namespace, {**case("operator-values"), "networkPolicy": {"enabled": True}})
    cluster_helm.install(RELEASE, namespace, values)
    first = control_plane.get("deployment", RELEASE, namespace)
    assert first["status"]["readyReplicas"] == 2
    before = token(control_plane, namespace)
    assert len(before) == 48

    tuned = changed(values, remediations={"rollback": {"cooldown": "1h", "mode": "observe"}})
    cluster_helm.upgrade(RELEASE, namespace, tuned)
    second = control_plane.get("deployment", RELEASE, namespace)
    assert second["spec"]["template"] == first["spec"]["template"]
    assert remediations(control_plane, namespace)["rollback"]["cooldown"] == "1h"
    assert token(control_plane, namespace) == before

    cluster_helm.upgrade(RELEASE, namespace, changed(tuned, replicaCount=3, image={"tag": "9"}))
    third = control_plane.get("deployment", RELEASE, namespace)
    assert third["status"]["readyReplicas"] == 3
    assert third["spec"]["template"]["spec"]["containers"][0]["image"].endswith(":9")

    cluster_helm.rollback(RELEASE, namespace)
    fourth = control_plane.get("deployment", RELEASE, namespace)
    assert fourth["spec"]["template"] == first["spec"]["template"]
    assert fourth["spec"]["replicas"] == 2
    assert token(control_plane, namespace) == before

    cluster_helm.uninstall(RELEASE, namespace)
    until("nothing is left", lambda: not found(control_plane, NAMESPACED, namespace), SECONDS)
    assert of_cluster(control_plane, namespace) == set()


def test_a_release_changes_hands_between_both_helms(
    control_plane: ControlPlane, make_namespace: Callable[[], str], tmp_path: Path
) -> None:
    """What Helm 3 installed, Helm 4 upgrades, and Helm 3 rolls back and removes; the token stays."""
    namespace = make_namespace()
    helm3, helm4 = (kind(tmp_path, control_plane.kubeconfig) for kind in (Helm3, Helm4))
    helm3.install(RELEASE, namespace, beside(namespace))
    before = token(control_plane, namespace)
    helm4.upgrade(RELEASE, namespace, beside(namespace, {"replicaCount": 3, "log": {"level": "debug"}}))
    assert control_plane.get("deployment", RELEASE, namespace)["status"]["readyReplicas"] == 3
    helm3.rollback(RELEASE, namespace)
    assert control_plane.get("deployment", RELEASE, namespace)["spec"]["replicas"] == 2
    assert token(control_plane, namespace) == before
    helm4.uninstall(RELEASE, namespace)
    assert of_cluster(control_plane, namespace) == set()


def test_releases_with_one_name_and_releases_in_one_namespace(
    cluster_helm: Helm, control_plane: ControlPlane, make_namespace: Callable[[], str]
) -> None:
    """The same release in two namespaces, and two in one, acting on the same targets, live and go by themselves."""
    first, second = make_namespace(), make_namespace()
    control_plane.kubectl("create", "deployment", "denis", "--image=denis:1", "--replicas=0", f"--namespace={first}")
    places = [(RELEASE, first), (RELEASE, second), ("another", first)]
    for name, namespace in places:
        cluster_helm.install(name, namespace, beside(first), wait=False)
    assert len(of_cluster(control_plane, first)) == 4
    assert len(of_cluster(control_plane, second)) == 2
    for name, namespace in places[:2]:
        cluster_helm.uninstall(name, namespace)
    left = found(control_plane, "deployments,roles,serviceaccounts", first)
    assert left == {
        f"{kind}/{name}"
        for kind, name in [
            ("Deployment", "another-remediator"),
            ("Deployment", "denis"),
            ("Role", "another-remediator"),
            ("ServiceAccount", "another-remediator"),
        ]
    }
    cluster_helm.uninstall("another", first)
    assert of_cluster(control_plane, first) == set()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"auth": {"existingSecret": "nobody-made-it"}}, "there is no Secret nobody-made-it in namespace"),
        ({"auth": {"existingSecret": "own", "keys": ["other"]}}, "the Secret own has no key other"),
        ({"tls": {"existingSecret": "no-certificate"}}, "there is no Secret no-certificate in namespace"),
        ({"targets": {"denis": {"namespace": "nowhere"}}}, "targets: there is no namespace nowhere"),
        ({"cluster": {"required": True}}, "cluster.name: is empty"),
        ({"replicaCount": 0}, "replicaCount"),
        ({"replicaCount": "two"}, "replicaCount"),
        ({"replicas": 2}, "replicas"),
        ({"fullnameOverride": "n" * 64}, "fullnameOverride"),
    ],
    ids=["Secret", "key", "certificate", "namespace", "fence", "replicas", "type", "unknown key", "long name"],
)
def test_a_refused_installation_leaves_nothing(
    cluster_helm: Helm,
    control_plane: ControlPlane,
    make_namespace: Callable[[], str],
    values: dict[str, Any],
    message: str,
) -> None:
    """What cannot work is refused before the first object is made, with the reason."""
    namespace = make_namespace()
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "own"}, "data": {"token": "eA=="}}
    control_plane.apply(secret, namespace)
    with pytest.raises(Refused) as error:
        cluster_helm.install(RELEASE, namespace, changed(beside(namespace), **values))
    assert message in str(error.value)
    assert found(control_plane, NAMESPACED, namespace) == {"Secret/own"}
    assert of_cluster(control_plane, namespace) == set()


def test_what_only_the_api_server_refuses_leaves_nothing_either(
    cluster_helm: Helm, control_plane: ControlPlane, make_namespace: Callable[[], str]
) -> None:
    """With --atomic or --rollback-on-failure, what was made before the refusal is taken away again."""
    namespace = make_namespace()
    values = beside(namespace, {"tolerations": [{"operator": "Sometimes"}]})
    with pytest.raises(Refused, match="Sometimes"):
        cluster_helm.install(RELEASE, namespace, values, whole=True)
    until("nothing is left", lambda: not found(control_plane, NAMESPACED, namespace), SECONDS)
    assert of_cluster(control_plane, namespace) == set()


def test_a_refused_upgrade_changes_nothing(
    cluster_helm: Helm, control_plane: ControlPlane, make_namespace: Callable[[], str]
) -> None:
    """A contradiction is refused at once; what only the API server refuses is taken back, with the values of before."""
    namespace = make_namespace()
    cluster_helm.install(RELEASE, namespace, beside(namespace), wait=False)
    before = control_plane.get("configmap", RELEASE, namespace)
    tuned = beside(namespace, {"remediations": {"rollback": {"cooldown": "1h"}}})
    with pytest.raises(Refused, match="is the webhook's port too"):
        cluster_helm.upgrade(RELEASE, namespace, {**tuned, "service": {"port": 9090}})
    assert control_plane.get("configmap", RELEASE, namespace) == before
    with pytest.raises(Refused, match="Sometimes"):
        cluster_helm.upgrade(RELEASE, namespace, {**tuned, "tolerations": [{"operator": "Sometimes"}]}, whole=True)
    assert control_plane.get("configmap", RELEASE, namespace)["data"] == before["data"]
    assert control_plane.get("deployment", RELEASE, namespace)["status"]["readyReplicas"] == 2


@pytest.mark.parametrize("whole", [False, True], ids=["plain", "whole"])
def test_who_may_not_make_the_policy_leaves_nothing_that_acts(
    control_plane: ControlPlane, make_namespace: Callable[[], str], tmp_path: Path, whole: bool
) -> None:
    """An installer who cannot even see policies is stopped at once; one who can see them needs --atomic."""
    namespace = make_namespace()
    account = f"--serviceaccount={namespace}:installer"
    name = f"{namespace}-installer"
    for command in [
        f"create serviceaccount installer --namespace={namespace}",
        f"create rolebinding installer --clusterrole=admin {account} --namespace={namespace}",
        f"create clusterrole {name} --verb=get,list,delete --resource={CLUSTER_SCOPED[0]},{CLUSTER_SCOPED[1]}",
        *([f"create clusterrolebinding {name} --clusterrole={name} {account}"] if whole else []),
    ]:
        control_plane.kubectl(*command.split())
    before = found(control_plane, NAMESPACED, namespace)
    helm = Helm3(tmp_path, control_plane.service_account_kubeconfig(namespace, "installer"))
    with pytest.raises(Refused, match="validatingadmissionpolicies"):
        helm.install(RELEASE, namespace, beside(namespace), wait=False, whole=whole)
    until("nothing is left", lambda: found(control_plane, NAMESPACED, namespace) == before, SECONDS)
    control_plane.kubectl("delete", "clusterrole", name)


def test_the_longest_names_are_installed(helm3_on_cluster: Helm3, control_plane: ControlPlane) -> None:
    """A release of 53 characters in a namespace of 63 rolls out, and goes without a trace."""
    namespace, name = control_plane.namespace("n" * 52), "r" * 53
    helm3_on_cluster.install(name, namespace, beside(namespace, case("operator-values")))
    assert control_plane.get("deployment", f"{name}-remediato", namespace)["status"]["readyReplicas"] == 2
    assert len(of_cluster(control_plane, namespace)) == len(CLUSTER_SCOPED)
    helm3_on_cluster.uninstall(name, namespace)
    until("nothing is left", lambda: not found(control_plane, NAMESPACED, namespace), SECONDS)
    assert of_cluster(control_plane, namespace) == set()
    control_plane.leave_namespace(namespace)


def test_a_token_is_rotated_by_two_upgrades(
    cluster_helm: Helm, control_plane: ControlPlane, make_namespace: Callable[[], str]
) -> None:
    """A second key is added beside the first, then the first one goes; neither token changes on the way."""
    namespace = make_namespace()
    cluster_helm.install(RELEASE, namespace, beside(namespace))
    old = token(control_plane, namespace)
    cluster_helm.upgrade(RELEASE, namespace, beside(namespace, {"auth": {"keys": ["next", "token"]}}))
    assert token(control_plane, namespace) == old
    new = token(control_plane, namespace, "next")
    assert new != old
    cluster_helm.upgrade(RELEASE, namespace, beside(namespace, {"auth": {"keys": ["next"]}}))
    assert set(control_plane.get("secret", RELEASE, namespace)["data"]) == {"next"}
    assert token(control_plane, namespace, "next") == new


@pytest.mark.parametrize("values", CASES.values(), ids=CASES)
def test_api_server_accepts_every_case(
    helm3: Helm3, control_plane: ControlPlane, make_namespace: Callable[[], str], values: dict[str, Any]
) -> None:
    """A dry run on the server, with strict fields and without a warning, of all that Kubernetes itself knows."""
    # This control plane has IPv4 alone.
    here = changed(values, service={"ipFamilies": ["IPv4"]}) if "service" in values else values
    objects = helm3.render(here, namespace=make_namespace())
    items = [one for one in objects if one["kind"] not in OPERATOR_KINDS]
    for place in {one["metadata"]["namespace"] for one in items if "namespace" in one["metadata"]}:
        control_plane.api.post("/api/v1/namespaces", {"metadata": {"name": place}})
    known: Object = {"apiVersion": "v1", "kind": "List", "items": items}
    control_plane.kubectl(
        "create", "--dry-run=server", "--validate=strict", "--warnings-as-errors", "-f", "-", stdin=json.dumps(known)
    )


@pytest.mark.parametrize("values", CASES.values(), ids=CASES)
def test_pods_are_admitted_as_restricted(
    helm3: Helm3, control_plane: ControlPlane, make_namespace: Callable[[], str], values: dict[str, Any]
) -> None:
    """A Pod of each case is admitted where the Pod Security Standard "restricted" is enforced."""
    namespace = make_namespace()
    template = only(helm3.render(values), "Deployment")["spec"]["template"]
    spec = {**template["spec"], "serviceAccountName": "default"}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "one"}, "spec": spec}
    answer = control_plane.api.post(f"/api/v1/namespaces/{namespace}/pods", pod, dryRun="All", fieldValidation="Strict")
    assert answer.code == 201, answer.body
    spec["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
    refused = control_plane.api.post(f"/api/v1/namespaces/{namespace}/pods", pod, dryRun="All")
    assert refused.code == 403


@pytest.fixture(scope="module")
def operator(
    control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory, make_namespace: Callable[[], str]
) -> Iterator[tuple[ControlPlane, str, Path]]:
    """DENIS, the chart, and a kubeconfig of the service account for people."""
    namespace = make_namespace()
    helm = Helm3(tmp_path_factory.mktemp("operator"), control_plane.kubeconfig)
    for name in ("denis", "denis-workers"):
        container = {"name": "denis", "image": "denis:1", "securityContext": RESTRICTED}
        template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}}
        spec = {"replicas": 2, "selector": {"matchLabels": {"app": name}}, "template": template}
        control_plane.apply(
            {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}, namespace
        )
        control_plane.await_rollout(name, namespace)
    helm.install(RELEASE, namespace, beside(namespace, case("operator-values")), wait=False)
    assert f"deployment/{RELEASE}" in helm.installed_notes(RELEASE, namespace)
    kubeconfig = control_plane.service_account_kubeconfig(namespace, f"{RELEASE}-operator")
    yield control_plane, namespace, kubeconfig
    helm.uninstall(RELEASE, namespace)


RUNBOOK = (
    "get deployment denis denis-workers",
    "describe deployment denis",
    "set env deployment/denis -c denis DENIS_MATERIALIZERS_ENABLED=false DENIS_MATERIALIZERS_PCT=0",
    "rollout status deployment/denis --timeout=60s",
    "rollout history deployment/denis",
    "rollout undo deployment/denis",
    "scale deployment/denis-workers --replicas=4",
    "annotate deployment denis-workers remediator.denis.run/kill-switch={}",
    "annotate deployment denis-workers remediator.denis.run/kill-switch-",
    "annotate deployment denis remediator.denis.run/pause={}",
    "annotate deployment denis remediator.denis.run/pause-",
    "get events",
    "events --for deployment/denis",
    "get pods -o wide",
    "get service remediator",
    "get configmap remediator -o jsonpath={.data.remediations\\.yaml}",
)


@pytest.mark.parametrize("command", RUNBOOK)
def test_people_may_do_what_the_runbooks_say(operator: tuple[ControlPlane, str, Path], command: str) -> None:
    """Each command of the runbooks works with the rights of the ClusterRole for people."""
    plane, _, kubeconfig = operator
    plane.kubectl(*command.split(), kubeconfig=kubeconfig)


@pytest.mark.parametrize(
    ("verb", "kind", "name", "subresource"),
    [
        ("delete", "deployments", "denis", ""),
        ("patch", "deployments", "remediator", ""),
        ("get", "secrets", "remediator", ""),
        ("patch", "configmaps", "remediator", ""),
        ("get", "configmaps", "another", ""),
        ("create", "pods", "denis-0", "exec"),
        ("get", "pods", "denis-0", "proxy"),
    ],
)
def test_people_get_no_more_than_that(
    operator: tuple[ControlPlane, str, Path], verb: str, kind: str, name: str, subresource: str
) -> None:
    """The ClusterRole gives nothing that steering the canary does not need."""
    _, namespace, kubeconfig = operator
    attributes = {"namespace": namespace, "verb": verb, "resource": kind, "name": name, "subresource": subresource}
    attributes["group"] = "apps" if kind == "deployments" else ""
    review = {"spec": {"resourceAttributes": attributes}}
    answer = Client.from_kubeconfig(kubeconfig).post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review)
    assert answer.body["status"]["allowed"] is False

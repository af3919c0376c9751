"""What the chart's Role grants is what kube/targets.py asks for, and only where a remediation acts."""

import re
from pathlib import Path
from typing import Any

import pytest

from remediator.kube.connection import Connection
from remediator.kube.targets import FIELD_MANAGER, Cluster, Event
from remediator.sandbox import EmbeddedCluster
from remediator.sandbox.kubeconfig import kubeconfig
from tests.chart.cases import CASES, case
from tests.chart.helm import ROOT, Helm3, Object, changed, of_kind, only
from tests.support.builders import DENIS, NOW

Right = tuple[str, str, str]

EVENT = Event(
    name="denis.1",
    target=DENIS,
    uid="1",
    type="Normal",
    reason="Applied",
    action="rollback",
    note="made up",
    time=NOW,
)


@pytest.fixture
def asked_for(embedded: EmbeddedCluster, tmp_path: Path) -> set[Right]:
    """Group, resource and verb of every request that kube/targets.py can send, as an API server takes them."""
    (path := tmp_path / "kubeconfig").write_text(kubeconfig(embedded.url))
    cluster = Cluster(Connection(path))
    cluster.read(DENIS, autoscalers=True)
    cluster.apply(DENIS, {"metadata": {"annotations": {"a": "b"}}}, dry_run=False)
    cluster.emit_event(EVENT)
    rights = {right(verb, path) for verb, path, _ in embedded.requests}
    # Nothing that it can do is left out above: each of its methods, and each place where it makes a request.
    assert {name for name in vars(Cluster) if not name.startswith("_")} == {"read", "apply", "emit_event"}
    assert (ROOT / "remediator" / "kube" / "targets.py").read_text().count("Request(") == len(rights)
    return rights


def right(verb: str, path: str) -> Right:
    """What RBAC asks about a request for a namespace's objects."""
    parts = re.fullmatch(r"/apis?/(?:(.+)/)?v\w+/namespaces/[^/]+/([a-z]+)(?:/[^/]+)?", path)
    assert parts is not None
    return (parts[1] or "", parts[2], verb)


def granted(rules: list[Object]) -> set[Right]:
    """Group, resource and verb of each right."""
    return {
        (group, resource, verb)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def named(rules: list[Object]) -> set[tuple[str, ...]]:
    """The verb of each right, and the names that it is bound to."""
    return {(verb, *rule.get("resourceNames", [])) for rule in rules for verb in rule["verbs"]}


def cron_account(objects: list[Object]) -> str:
    """The service account of the CronJob's Pods."""
    template = only(objects, "CronJob")["spec"]["jobTemplate"]["spec"]["template"]
    return str(template["spec"]["serviceAccountName"])


def test_the_promoter_shares_no_right_with_the_service(helm3: Helm3) -> None:
    """It has an account and a Role of its own in each namespace: the canary to patch, the workers only to see."""
    values = changed(case("tuned-rules-values"), remediations={"rollback": {"mode": "act"}})
    objects = helm3.render(changed(values, promotion=case("promotion-values")["promotion"]))
    assert cron_account(objects) != only(objects, "Deployment")["spec"]["template"]["spec"]["serviceAccountName"]
    roles = [role for role in of_kind(objects, "Role") if role["metadata"]["name"].endswith("-promoter")]
    rights = {role["metadata"]["namespace"]: named(role["rules"]) for role in roles}
    assert rights == {"canary": {("get", "denis-web"), ("patch", "denis-web")}, "queue": {("get", "denis-jobs")}}
    assert granted([rule for role in roles for rule in role["rules"]]) == {
        ("apps", "deployments", "get"),
        ("apps", "deployments", "patch"),
    }


def test_the_doctor_only_reads_and_people_impersonate_one_account(helm3: Helm3) -> None:
    """The CronJob's account can see the targets; the right to impersonate is people's, and for the service alone."""
    objects = helm3.render(case("doctor-values"))
    roles = {role["metadata"]["name"]: role["rules"] for role in of_kind(objects, "Role")}
    assert {verb for rule in roles["remediator-doctor"] for verb in rule["verbs"]} == {"get", "list"}
    account = only(objects, "Deployment")["spec"]["template"]["spec"]["serviceAccountName"]
    assert named(roles["remediator-operator-impersonate"]) == {("impersonate", account)}
    bindings = {one["metadata"]["name"]: one["subjects"] for one in of_kind(objects, "RoleBinding")}
    assert bindings["remediator-operator-impersonate"] == case("doctor-values")["operator"]["subjects"]


@pytest.mark.parametrize("right", [("", "pods/proxy", "get"), ("", "pods/portforward", "create")], ids=" ".join)
def test_ports_of_pods_are_reached_only_by_choice(helm3: Helm3, right: tuple[str, str, str]) -> None:
    """Both ways reach every port of every Pod, so people have them only where a value says so."""
    values = case("operator-values")
    assert right not in granted(only(helm3.render(values), "ClusterRole")["rules"])
    chosen = helm3.render(changed(values, operator={"podPorts": True}))
    assert right in granted(only(chosen, "ClusterRole")["rules"])


def test_role_grants_exactly_what_is_asked_for(helm3: Helm3, asked_for: set[Right]) -> None:
    """No verb is missing, and none is there without need."""
    assert FIELD_MANAGER == "remediator"
    assert granted(only(helm3.render({}), "Role")["rules"]) == asked_for


def test_rights_on_deployments_are_bound_to_names(helm3: Helm3) -> None:
    """Only the targets may be read and changed."""
    for rule in only(helm3.render({}), "Role")["rules"]:
        if "deployments" in rule["resources"]:
            assert rule["resourceNames"] == ["denis", "denis-workers"]


def test_targets_in_two_namespaces_have_a_role_each(helm3: Helm3) -> None:
    """Each Role names the Deployments of its own namespace; what only observes may not be changed."""
    objects = helm3.render(case("tuned-rules-values"))
    roles = {role["metadata"]["namespace"]: role["rules"] for role in of_kind(objects, "Role")}
    rights = {namespace: named(rules) for namespace, rules in roles.items()}
    assert rights["canary"] == {("get", "denis-web"), ("create",)}
    assert rights["queue"] == {("get", "denis-jobs"), ("patch", "denis-jobs"), ("create",), ("list",)}
    for binding in of_kind(objects, "RoleBinding"):
        assert [subject["namespace"] for subject in binding["subjects"]] == ["denis"]


def test_observing_grants_no_right_to_write(helm3: Helm3) -> None:
    """Where every remediation observes, the service account may only read and create Events."""
    objects = helm3.render(case("observe-values"))
    verbs = {verb for _, _, verb in granted(only(objects, "Role")["rules"])}
    assert verbs == {"get", "list", "create"}


@pytest.mark.parametrize("values", CASES.values(), ids=CASES)
def test_nothing_is_granted_on_the_whole_cluster(helm3: Helm3, values: dict[str, Any]) -> None:
    """There is no ClusterRoleBinding, and every Role is bound to the service account of the Pods that need it alone."""
    objects = helm3.render(values)
    assert of_kind(objects, "ClusterRoleBinding") == []
    account = only(objects, "Deployment")["spec"]["template"]["spec"]["serviceAccountName"]
    for binding in of_kind(objects, "RoleBinding"):
        if binding["roleRef"]["kind"] == "Role":
            own = binding["roleRef"]["name"].endswith(("-promoter", "-doctor"))
            owners = [cron_account(objects) if own else account]
            if binding["roleRef"]["name"].endswith("-impersonate"):
                owners = [subject["name"] for subject in values["operator"]["subjects"]]
            assert [subject["name"] for subject in binding["subjects"]] == owners


def test_only_the_pods_get_a_token(helm3: Helm3) -> None:
    """The service account mounts no token by itself; the Deployment asks for it."""
    objects = helm3.render({})
    assert only(objects, "ServiceAccount")["automountServiceAccountToken"] is False
    assert only(objects, "Deployment")["spec"]["template"]["spec"]["automountServiceAccountToken"] is True

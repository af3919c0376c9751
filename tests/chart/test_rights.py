"""What the chart's Role grants is what cluster.py asks for, and only where a remediation acts."""

import re
from typing import Any

import pytest

import remediator.cluster
from tests.chart.cases import CASES, case
from tests.chart.helm import ROOT, Helm3, Object, of_kind, only

GROUPS = {"AppsV1Api": "apps", "EventsV1Api": "events.k8s.io", "AutoscalingV2Api": "autoscaling"}
VERBS = {"read": "get", "patch": "patch", "list": "list", "create": "create", "replace": "update", "delete": "delete"}
Right = tuple[str, str, str]


def asked_for() -> set[Right]:
    """Group, resource and verb of every request that cluster.py can send, by the client's own names."""
    source = (ROOT / "remediator" / "cluster.py").read_text()
    clients = dict(re.findall(r"self\.(_\w+) = kubernetes\.client\.(\w+Api)\(", source))
    rights = set()
    for attribute, method in re.findall(r"self\.(_\w+)\.(\w+_namespaced_\w+)\(", source):
        verb, _, resource = method.partition("_namespaced_")
        rights.add((GROUPS[clients[attribute]], f"{resource.replace('_', '')}s", VERBS[verb]))
    return rights


def granted(rules: list[Object]) -> set[Right]:
    """Group, resource and verb of each right."""
    return {
        (group, resource, verb)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def test_role_grants_exactly_what_is_asked_for(helm3: Helm3) -> None:
    """No verb is missing, and none is there without need."""
    assert remediator.cluster.FIELD_MANAGER == "remediator"
    assert granted(only(helm3.render({}), "Role")["rules"]) == asked_for()


def test_rights_on_deployments_are_bound_to_names(helm3: Helm3) -> None:
    """Only the targets may be read and changed."""
    for rule in only(helm3.render({}), "Role")["rules"]:
        if "deployments" in rule["resources"]:
            assert rule["resourceNames"] == ["denis", "denis-workers"]


def test_targets_in_two_namespaces_have_a_role_each(helm3: Helm3) -> None:
    """Each Role names the Deployments of its own namespace; what only observes may not be changed."""
    objects = helm3.render(case("tuned-rules-values"))
    roles = {role["metadata"]["namespace"]: role["rules"] for role in of_kind(objects, "Role")}
    rights = {
        namespace: {(verb, *rule.get("resourceNames", [])) for rule in rules for verb in rule["verbs"]}
        for namespace, rules in roles.items()
    }
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
    """There is no ClusterRoleBinding, and every Role is bound to the service account of the Pods alone."""
    objects = helm3.render(values)
    assert of_kind(objects, "ClusterRoleBinding") == []
    account = only(objects, "Deployment")["spec"]["template"]["spec"]["serviceAccountName"]
    for binding in of_kind(objects, "RoleBinding"):
        if binding["roleRef"]["kind"] == "Role":
            assert [subject["name"] for subject in binding["subjects"]] == [account]


def test_only_the_pods_get_a_token(helm3: Helm3) -> None:
    """The service account mounts no token by itself; the Deployment asks for it."""
    objects = helm3.render({})
    assert only(objects, "ServiceAccount")["automountServiceAccountToken"] is False
    assert only(objects, "Deployment")["spec"]["template"]["spec"]["automountServiceAccountToken"] is True

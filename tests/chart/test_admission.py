"""What the service account of the chart may write, tried with its own token on the real API server.

Twice: with the rights that the chart gives, and with all rights of the cluster, so that the admission policy alone has
to refuse. A refusal is 403 and leaves the object as it was; a dry run of the same is refused as well.
"""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from demo.waiting import until
from remediator.config.loader import parse_policy
from remediator.core.effects import Effect
from remediator.core.ledger import KILL_SWITCH, LEDGER, MAX_ENTRIES, PAUSE, Entry, Ledger, encode_ledger
from remediator.monitoring.prometheus import Prometheus
from remediator.monitoring.rule_states import ask
from remediator.reflex.confirmations import Confirmations
from tests.chart.deployments import (
    ILLEGAL_ON_CANARY,
    ILLEGAL_REPLICAS,
    RESTRICTED,
    container,
    denis,
    without_record,
)
from tests.chart.helm import Helm3, of_kind
from tests.chart.installation import (
    ACCOUNTS,
    PROMOTER,
    RELEASE,
    SECONDS,
    SERVICE,
    Account,
    Installation,
    Release,
    is_refused_by_policy,
    values_for,
)
from tests.contract.client import APPLY, JSON_PATCH, MERGE, Answer, Object
from tests.support.builders import PROFILES
from tests.support.control_plane import ControlPlane
from tests.support.ruling_prometheus import RulingPrometheus
from tests.support.service import NOON, Service, alert, notification


@pytest.fixture(params=ACCOUNTS, ids=lambda who: who.name)
def who(request: pytest.FixtureRequest) -> Account:
    """Each of the service accounts."""
    found: Account = request.param
    return found


@pytest.fixture
def each(release: Release, who: Account) -> Installation:
    """The release as each of its service accounts sees it."""
    return release[who]


@pytest.fixture(scope="module")
def all_rights(release: Release) -> Iterator[Release]:
    """The release, after somebody gave its service accounts every right that there is."""
    service = release[SERVICE]
    name = f"almighty-{service.namespace}"
    accounts = [{"kind": "ServiceAccount", "name": who.name, "namespace": service.namespace} for who in ACCOUNTS]
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": accounts,
    }
    service.plane.apply(binding)
    clients = [one.account for one in release.values()]
    until("both have them", lambda: all(client.get("/api/v1/nodes").code == 200 for client in clients), SECONDS)
    yield release
    service.plane.kubectl("delete", "clusterrolebinding", name)
    until("both lost them", lambda: all(client.get("/api/v1/nodes").code == 403 for client in clients), SECONDS)


@pytest.fixture
def almighty(all_rights: Release, who: Account) -> Installation:
    """The release as each service account sees it with every right."""
    return all_rights[who]


@pytest.fixture
def held(each: Installation) -> Installation:
    """A canary at 10 % that somebody has paused, so that a thief has something to lift."""
    hold(each)
    return each


def hold(installation: Installation, *, latched: bool = False) -> None:
    """Pause the canary at 10 %; the kill switch, which alone would stop the promoter, only where it is asked for."""
    annotations = {PAUSE: '{"reason":"r","author":"a","until":"2099-01-01T00:00:00Z"}'}
    annotations |= {KILL_SWITCH: '{"reason":"r"}'} if latched or installation.who == SERVICE else {}
    installation.reset("denis", denis(PROFILES[installation.who.before], **annotations))


def test_an_act_is_allowed(held: Installation) -> None:
    """What the illegal writes differ from in one thing is legal: a pause has an end, which no policy can know."""
    assert (answer := held.site("denis").try_act(PROFILES[held.who.after])).code == 200, answer.body


@pytest.mark.parametrize("percentage", [1, 10, 50, 100])
@pytest.mark.parametrize("dry_run", [True, False], ids=["dry run", "for real"])
def test_rollback_is_allowed_from_every_percentage(installation: Installation, percentage: int, dry_run: bool) -> None:
    """The patch of a rollback passes from each profile, and what it says is there afterwards."""
    installation.reset("denis", denis(PROFILES[percentage]))
    site = installation.site("denis")
    answer = site.try_act(PROFILES[0], dry_run=dry_run)
    assert answer.code == 200, answer.body
    assert site.read().percentage() == (percentage if dry_run else 0)


@pytest.mark.parametrize("missing", [*([flag] for flag in PROFILES[0]), list(PROFILES[0])], ids=" ".join)
def test_rollback_adds_flags_that_are_missing(installation: Installation, missing: list[str]) -> None:
    """A Deployment that lacks one or all of the flags can be rolled back, and its other variables stay."""
    flags = {name: value for name, value in PROFILES[50].items() if name not in missing}
    installation.reset("denis", denis(flags))
    site = installation.site("denis")
    before = {name: value for name, value in site.read().env if name not in PROFILES[0]}
    assert (answer := site.try_act(PROFILES[0])).code == 200, answer.body
    assert dict(site.read().env) == {**before, **PROFILES[0]}


@pytest.mark.parametrize("order", [sorted(PROFILES[0]), [*reversed(list(PROFILES[0]))]], ids=["by name", "backwards"])
def test_rollback_in_any_order_of_the_flags(installation: Installation, order: list[str]) -> None:
    """In which order the Deployment or the profile names the flags makes no difference."""
    installation.reset("denis", denis({name: PROFILES[50][name] for name in order}))
    site = installation.site("denis")
    for profile in (PROFILES[0], dict(sorted(PROFILES[0].items()))):
        assert (answer := site.try_act(profile, dry_run=True)).code == 200, answer.body


def test_rollback_of_a_container_without_any_variable(installation: Installation) -> None:
    """A container without an environment gets one."""
    manifest = denis({})
    del manifest["spec"]["template"]["spec"]["containers"][0]["env"]
    installation.reset("denis", manifest)
    site = installation.site("denis")
    assert (answer := site.try_act(PROFILES[0])).code == 200, answer.body


def test_a_second_rollback_is_allowed(installation: Installation) -> None:
    """Somebody raises the percentage again, and the next rollback passes with a longer ledger."""
    installation.reset("denis", denis(PROFILES[10]))
    site, admin = installation.site("denis"), installation.site("denis", installation.plane.api)
    assert site.try_act(PROFILES[0]).code == 200
    assert admin.try_act(PROFILES[100], without_record, manager="kubectl-set").code == 200
    assert (answer := site.try_act(PROFILES[0])).code == 200, answer.body
    assert len(site.read().ledger.entries) == 2


@pytest.mark.parametrize("dry_run", [True, False], ids=["dry run", "for real"])
@pytest.mark.parametrize(("before", "after"), [(1, 3), (4, 6), (18, 20), (19, 20)])
def test_a_step_of_workers_is_allowed(installation: Installation, before: int, after: int, dry_run: bool) -> None:
    """Workers may grow by a step up to the maximum."""
    manifest = denis(PROFILES[10], "denis-workers")
    manifest["spec"]["replicas"] = before
    installation.reset("denis-workers", manifest)
    site = installation.site("denis-workers")
    answer = site.try_act(after, dry_run=dry_run)
    assert answer.code == 200, answer.body
    assert site.read().replicas == (before if dry_run else after)


def test_workers_that_kubectl_scaled_may_grow(installation: Installation) -> None:
    """Taking the replicas over from whoever scaled before, whose entry in managedFields then vanishes, is allowed."""
    installation.reset("denis-workers", denis(PROFILES[10], "denis-workers"))
    site, admin = installation.site("denis-workers"), installation.site("denis-workers", installation.plane.api)
    scaled = admin.send({"spec": {"replicas": 6}}, MERGE, path="/scale", fieldManager="kubectl-scale")
    assert scaled.code == 200
    assert (answer := site.try_act(8)).code == 200, answer.body


def test_rollback_after_many_hands(installation: Installation) -> None:
    """With more managers than the API server keeps apart, it renames the oldest ones, and that is no forgery."""
    installation.reset("denis", denis(PROFILES[10]))
    site, admin = installation.site("denis"), installation.site("denis", installation.plane.api)
    for number in range(12):
        annotations = {"metadata": {"annotations": {f"hand-{number}": "was here"}}}
        assert admin.send(annotations, fieldManager=f"hand-{number}").code == 200
        answer = site.try_act(PROFILES[0], dry_run=True)
        assert answer.code == 200, answer.body
    names = {entry["manager"] for entry in answer.body["metadata"]["managedFields"]}
    assert "ancient-changes" in names


def test_rollback_with_the_largest_ledger(installation: Installation) -> None:
    """Fingerprints of any length, and acts of people with as much to say as there is room for, stop no rollback."""
    loud = "\"'ä\\" * 10_000
    said: dict[str, Any] = {"operator": loud, "reason": loud, "overrode": (loud,) * 20}
    made: dict[str, Any] = {"remediation": "r" * 63, "fingerprints": (loud,) * 20, "reason": loud, "starts_at": NOON}
    made["because"] = loud
    kinds = ((Effect.PAUSE, said), (Effect.SCALE, made), (Effect.SET_PERCENTAGE, made))
    acts = tuple(
        Entry(
            id=f"{effect}-{number}",
            time=NOON - timedelta(days=3, minutes=number),
            effect=effect,
            before=1,
            after=0,
            **by,
        )
        for effect, by in kinds
        for number in range(MAX_ENTRIES)
    )
    installation.reset("denis", denis(PROFILES[10], **{LEDGER: encode_ledger(Ledger().with_entries(acts))}))
    text = installation.plane.get("configmap", RELEASE, installation.namespace)["data"]["remediations.yaml"]
    service = Service(installation.kubeconfig, policy=parse_policy(text, "remediations.yaml"))
    try:
        (outcome,) = service.handle(
            notification({**alert(namespace=installation.namespace), "fingerprint": "f" * 40_000})
        )
        assert outcome.reason == "Applied", outcome.message
    finally:
        service.recorder.close(SECONDS)
    assert len(installation.site("denis").read().ledger.entries) == len(acts)


@pytest.mark.parametrize("deployment", ["denis", "denis-workers"])
def test_writing_only_the_ledger_is_allowed(installation: Installation, deployment: str) -> None:
    """A record without a change passes."""
    installation.reset(deployment, denis(PROFILES[10], deployment))
    site = installation.site(deployment)
    answer = site.try_act(5, lambda patch: patch.pop("spec"))
    assert answer.code == 200, answer.body


def test_an_event_about_a_target_is_allowed(installation: Installation) -> None:
    """The service can say what it did."""
    assert create_event(installation, "denis").code == 201


@pytest.mark.parametrize(("dry_run", "reason"), [(True, "DryRun"), (False, "Applied")], ids=["dry run", "for real"])
def test_the_service_itself_acts_under_the_policy(installation: Installation, dry_run: bool, reason: str) -> None:
    """The service, with the configuration and the token of the release, rolls back, scales, and writes its Events.

    What Prometheus said of the alerts stands in the record, which the policy lets through.
    """
    for name in ("denis", "denis-workers"):
        installation.reset(name, denis(PROFILES[50], name))
    text = installation.plane.get("configmap", RELEASE, installation.namespace)["data"]["remediations.yaml"]
    with RulingPrometheus() as prometheus:
        prometheus.fires("DenisErrorRateHigh", 0.083, namespace=installation.namespace)
        prometheus.fires("DenisQueueDepthHigh", 812, namespace=installation.namespace)
        service = Service(
            installation.kubeconfig,
            policy=parse_policy(text, "remediations.yaml"),
            dry_run=dry_run,
            confirmations=Confirmations(partial(ask, [Prometheus(prometheus.url)]), wanted=lambda: True),
        )
        try:
            alerts = [alert(asked, namespace=installation.namespace) for asked in ("rollback", "scale")]
            outcomes = service.handle(notification(*alerts))
            told = [outcome.message for outcome in outcomes]
            assert [outcome.reason for outcome in outcomes] == [reason, reason], told
        finally:
            service.recorder.close(SECONDS)
    entries = installation.site("denis").read().ledger.entries
    assert [entry.because[:10] for entry in entries] == ([] if dry_run else ["error rate"])
    assert installation.site("denis").read().percentage() == (50 if dry_run else 0)
    assert installation.site("denis-workers").read().replicas == (4 if dry_run else 6)
    created = service.value("remediator_kubernetes_requests_total", verb="create", code="201")
    assert created == 2


@pytest.mark.parametrize("name", ILLEGAL_ON_CANARY)
def test_illegal_change_of_the_canary_is_refused(each: Installation, name: str) -> None:
    """A rollback or a promotion with one thing more, or one thing else, is refused, and changes nothing."""
    hold(each, latched="lift the kill switch" in name)
    site = each.site("denis")
    before = site.client.get(site.path).body["spec"]
    for dry_run in (True, False):
        answer = site.try_act(PROFILES[each.who.after], ILLEGAL_ON_CANARY[name], dry_run=dry_run)
        assert is_refused_by_policy(answer), answer.body
    assert site.client.get(site.path).body["spec"] == before


@pytest.mark.parametrize("kind", [MERGE, JSON_PATCH, APPLY], ids=["merge", "json", "apply"])
def test_other_patches_are_judged_by_what_they_change(held: Installation, kind: str) -> None:
    """The kind of patch makes no difference: 100 % is refused by each."""
    site = held.site("denis")
    manifest = site.client.get(site.path).body
    spec = denis(PROFILES[100])["spec"]
    body: Any = {"metadata": {"annotations": {LEDGER: "{}"}}, "spec": spec}
    if kind == JSON_PATCH:
        ledger = {"op": "add", "path": f"/metadata/annotations/{LEDGER.replace('/', '~1')}", "value": "{}"}
        body = [ledger, {"op": "replace", "path": "/spec/template", "value": spec["template"]}]
    if kind == APPLY:
        body = {"apiVersion": "apps/v1", "kind": "Deployment", **body}
        body["metadata"]["name"] = "denis"
        answer = site.send(body, kind, force="true")
    else:
        answer = site.send(body, kind)
    assert is_refused_by_policy(answer), answer.body
    assert site.client.get(site.path).body["spec"] == manifest["spec"]


@pytest.mark.parametrize("name", ILLEGAL_REPLICAS)
def test_illegal_scaling_of_the_workers_is_refused(installation: Installation, name: str) -> None:
    """Workers may not shrink, leap, exceed the maximum, or come back from 0."""
    before, after = ILLEGAL_REPLICAS[name]
    manifest = denis(PROFILES[10], "denis-workers")
    manifest["spec"]["replicas"] = before
    installation.reset("denis-workers", manifest)
    site = installation.site("denis-workers")
    answer = site.try_act(after)
    assert is_refused_by_policy(answer), answer.body


def test_workers_do_not_grow_while_the_kill_switch_is_on(installation: Installation) -> None:
    """A latch holds even where replicas are left."""
    installation.reset("denis-workers", denis(PROFILES[10], "denis-workers", **{KILL_SWITCH: "{}"}))
    site = installation.site("denis-workers")
    assert is_refused_by_policy(site.try_act(6))


def test_flags_of_the_workers_are_refused(installation: Installation) -> None:
    """The workers' environment is none of the service's business, even towards profile 0."""
    installation.reset("denis-workers", denis(PROFILES[10], "denis-workers"))
    site = installation.site("denis-workers")
    answer = site.try_act(PROFILES[0], lambda patch: container(patch).update(name="denis"))
    assert is_refused_by_policy(answer), answer.body


def test_another_field_manager_is_refused(held: Installation) -> None:
    """A legal change under another name is refused: the name is how others find what was written."""
    site = held.site("denis")
    for manager in {"kubectl", *(who.manager for who in ACCOUNTS)} - {held.who.manager}:
        assert is_refused_by_policy(site.try_act(PROFILES[held.who.after], manager=manager))


def test_flags_that_stand_twice_are_refused(each: Installation) -> None:
    """A patch would change the first of two entries, and the kubelet would use the last."""
    manifest = denis(PROFILES[each.who.before])
    container(manifest)["env"].append({"name": "RUNS_ENABLED", "value": "true"})
    each.reset("denis", manifest)
    site = each.site("denis")
    assert is_refused_by_policy(site.try_act(PROFILES[each.who.after]))


def create_event(installation: Installation, deployment: str, **regarding: str) -> Answer:
    """Try to write an Event about a Deployment, or about something else."""
    path = f"/apis/events.k8s.io/v1/namespaces/{installation.namespace}/events"
    about = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "name": deployment,
        "namespace": installation.namespace,
        **regarding,
    }
    event = {
        "metadata": {"generateName": "e-", "namespace": installation.namespace},
        "eventTime": "2026-11-23T12:00:00.000001Z",
        "type": "Normal",
        "reason": "Applied",
        "action": "SetPercentage",
        "regarding": about,
        "reportingController": "remediator.denis.run/remediator",
        "reportingInstance": "test",
    }
    return installation.account.post(path, event)


@pytest.mark.parametrize("regarding", [{"name": "other"}, {"kind": "Pod"}], ids=["another", "a Pod"])
def test_events_about_others_are_refused(installation: Installation, regarding: dict[str, str]) -> None:
    """Events are about the targets only."""
    assert is_refused_by_policy(create_event(installation, "denis", **regarding))


APPS, CORE = "/apis/apps/v1/namespaces/{namespace}", "/api/v1/namespaces/{namespace}"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
CONFIG_MAP: Object = {"metadata": {"name": "made"}, "data": {"a": "b"}}
POD: Object = {
    "metadata": {"name": "made"},
    "spec": {"containers": [{"name": "c", "image": "i", "securityContext": RESTRICTED}]},
}
SCALE: Object = {"spec": {"replicas": 9}}

OTHER_WRITES: dict[str, tuple[str, str, Any]] = {
    # What, on which path, with which body: none of it is granted, and none would be admitted if it were.
    "scale the workers by the subresource": ("PATCH", f"{APPS}/deployments/denis-workers/scale", SCALE),
    "replace the scale": (
        "PUT",
        f"{APPS}/deployments/denis-workers/scale",
        {"metadata": {"name": "denis-workers", "namespace": "{namespace}"}, **SCALE},
    ),
    "write the status": ("PATCH", f"{APPS}/deployments/denis/status", {"status": {"replicas": 9}}),
    "delete the canary": ("DELETE", f"{APPS}/deployments/denis", None),
    "delete all Deployments": ("DELETE", f"{APPS}/deployments", None),
    "create a Deployment": ("POST", f"{APPS}/deployments", denis({}, "other")),
    "change its own Deployment": ("PATCH", f"{APPS}/deployments/remediator", {"metadata": {"labels": {"a": "b"}}}),
    "change its own configuration": ("PATCH", f"{CORE}/configmaps/remediator", {"data": {"remediations.yaml": ""}}),
    "change its own token": ("PATCH", f"{CORE}/secrets/remediator", {"data": {"token": "eA=="}}),
    "make a ConfigMap": ("POST", f"{CORE}/configmaps", CONFIG_MAP),
    "make a Pod": ("POST", f"{CORE}/pods", POD),
    "make a namespace": ("POST", "/api/v1/namespaces", {"metadata": {"name": "made-by-a-thief"}}),
    "make a token": (
        "POST",
        f"{CORE}/serviceaccounts/default/token",
        {"spec": {"expirationSeconds": 600}},
    ),
    "widen its role": ("PATCH", f"{RBAC}/namespaces/{{namespace}}/roles/remediator", {"rules": []}),
    "bind itself to more": (
        "POST",
        f"{RBAC}/clusterrolebindings",
        {
            "metadata": {"name": "made-by-a-thief"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
        },
    ),
    "make an Event of the old kind": (
        "POST",
        f"{CORE}/events",
        {
            "metadata": {"name": "made"},
            "involvedObject": {"kind": "Deployment", "name": "denis", "namespace": "{namespace}"},
        },
    ),
    "own the replicas by an autoscaler": (
        "POST",
        "/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers",
        {
            "metadata": {"name": "made"},
            "spec": {
                "maxReplicas": 9,
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "denis"},
            },
        },
    ),
    "evict by a deletion of ReplicaSets": ("DELETE", f"{APPS}/replicasets", None),
    "take a lease": (
        "POST",
        "/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases",
        {"metadata": {"name": "made"}, "spec": {}},
    ),
}


def _attempt(installation: Installation, name: str) -> Answer:
    method, path, body = OTHER_WRITES[name]
    body = json.loads(json.dumps(body).replace("{namespace}", installation.namespace))
    kind = {"PATCH": "application/merge-patch+json"}.get(method, "application/json")
    return installation.account.request(
        method, path.replace("{namespace}", installation.namespace), body, headers={"Content-Type": kind}
    )


@pytest.mark.parametrize("name", OTHER_WRITES)
def test_other_verbs_objects_and_subresources_are_not_granted(each: Installation, name: str) -> None:
    """The Role grants nothing but what is asked for."""
    answer = _attempt(each, name)
    assert answer.code == 403, answer.body
    assert "ValidatingAdmissionPolicy" not in answer.message


@pytest.mark.parametrize("name", OTHER_WRITES)
def test_other_writes_are_refused_even_with_every_right(almighty: Installation, name: str) -> None:
    """Whatever rights the service account is given one day, the policy refuses all other writes."""
    answer = _attempt(almighty, name)
    assert is_refused_by_policy(answer), answer.body


def test_the_promoter_writes_no_workers_even_with_every_right(all_rights: Release) -> None:
    """Neither a step of replicas, which is legal for the service, nor flags, which are legal on the canary."""
    promoter = all_rights[PROMOTER]
    promoter.reset("denis-workers", denis(PROFILES[10], "denis-workers"))
    site = promoter.site("denis-workers")
    assert is_refused_by_policy(site.try_act(6))
    assert is_refused_by_policy(site.try_act(PROFILES[50], lambda patch: container(patch).update(name="denis")))


def test_a_replacement_is_judged_as_a_patch_is(almighty: Installation) -> None:
    """With the right to update, a PUT of another image is refused."""
    almighty.reset("denis", denis(PROFILES[almighty.who.before]))
    site = almighty.site("denis")
    manifest = site.client.get(site.path).body
    manifest["spec"]["template"]["spec"]["containers"][0]["image"] = "evil:1"
    manifest["metadata"]["annotations"][LEDGER] = "{}"
    del manifest["metadata"]["resourceVersion"]
    answer = site.client.put(site.path, manifest, fieldManager=almighty.who.manager)
    assert is_refused_by_policy(answer), answer.body


def test_questions_are_answered(almighty: Installation) -> None:
    """`kubectl auth can-i` works with the token: a question writes nothing."""
    review = {"spec": {"resourceAttributes": {"verb": "patch", "group": "apps", "resource": "deployments"}}}
    asked = almighty.account.post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review)
    assert asked.code == 201, asked.body


def test_nobody_else_is_held_by_the_policy(installation: Installation) -> None:
    """People go on as before."""
    installation.reset("denis", denis(PROFILES[10]))
    admin = installation.site("denis", installation.plane.api)
    assert admin.try_act(PROFILES[0], ILLEGAL_ON_CANARY["change the image"]).code == 200


def test_the_policy_follows_the_values(
    control_plane: ControlPlane, helm3_on_cluster: Helm3, make_namespace: Callable[[], str]
) -> None:
    """Other bounds are other bounds, and what only observes may not be written at all."""
    namespace = make_namespace()
    place = {"namespace": namespace}
    remediations = {"rollback": {"mode": "observe"}, "scale-workers": {"scale": {"step": 1, "max": 5}}}
    values = {"targets": {"denis": place, "denis-workers": place}, "remediations": remediations}
    helm3_on_cluster.install(RELEASE, namespace, values, wait=False)
    made = Installation.seen_by(SERVICE, control_plane, namespace)
    for name in ("denis", "denis-workers"):
        made.reset(name, denis(PROFILES[10], name))
    workers = made.site("denis-workers")
    until("the policy is in force", lambda: is_refused_by_policy(workers.try_act(6, dry_run=True)), SECONDS)
    assert workers.try_act(5).code == 200
    assert is_refused_by_policy(workers.try_act(6))
    assert made.site("denis").try_act(PROFILES[0]).code == 403
    helm3_on_cluster.uninstall(RELEASE, namespace)


def test_policy_has_no_remark_of_the_type_checker(installation: Installation, tmp_path: Path) -> None:
    """The API server's own check of the expressions finds nothing."""
    listed = installation.plane.objects("validatingadmissionpolicies")
    policies = [one for one in listed if one["metadata"]["name"].startswith(installation.namespace)]
    assert len(policies) == len(ACCOUNTS)
    for policy in policies:
        assert not policy.get("status", {}).get("typeChecking", {}).get("expressionWarnings")


WHOLE = {
    "ValidatingAdmissionPolicy": "validatingadmissionpolicies",
    "ValidatingAdmissionPolicyBinding": "validatingadmissionpolicybindings",
    "ClusterRole": "clusterroles",
    "Role": "roles",
    "RoleBinding": "rolebindings",
    "NetworkPolicy": "networkpolicies",
    "PodDisruptionBudget": "poddisruptionbudgets",
}
"""Kinds that the chart writes whole: what keeps the service in its bounds must never look like drift."""
SERVER_OWNED = ("creationTimestamp", "generation", "managedFields", "resourceVersion", "uid")


@pytest.mark.parametrize("kind", WHOLE)
def test_the_api_server_adds_no_default(
    control_plane: ControlPlane, helm3_on_cluster: Helm3, make_namespace: Callable[[], str], kind: str
) -> None:
    """What comes back from the API server has no field that the manifest lacks, so no GitOps tool sees a difference."""
    namespace = make_namespace()
    subjects = [{"kind": "Group", "name": "sre", "apiGroup": "rbac.authorization.k8s.io"}]
    values = values_for(
        namespace,
        networkPolicy={"enabled": True},
        operator={"create": True, "subjects": subjects, "serviceAccount": {"create": True}},
    )
    rendered = of_kind(helm3_on_cluster.render(values, namespace=namespace), kind)
    assert rendered
    for manifest in rendered:
        metadata = manifest["metadata"]
        place = ["--namespace", namespace] if "namespace" in metadata else []
        applied = control_plane.kubectl(
            "create", "--dry-run=server", "--output=json", "--filename=-", *place, stdin=json.dumps(manifest)
        )
        answer = json.loads(applied)
        answer.pop("status", None)
        for key in SERVER_OWNED:
            answer["metadata"].pop(key, None)
        assert answer == manifest

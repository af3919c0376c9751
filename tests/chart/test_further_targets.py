"""The fence around targets of one's own is as tight as around the shipped two, tried on the real API server.

A second canary and its workers live in a namespace of their own, beside a pair that is only observed. The service
account has every right that there is, so that the admission policy alone has to refuse.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from demo.waiting import until
from remediator.config.loader import parse_policy
from remediator.core.ledger import KILL_SWITCH, PAUSE
from tests.chart.deployments import ILLEGAL_ON_CANARY, container, denis
from tests.chart.helm import Helm3
from tests.chart.installation import RELEASE, SECONDS, SERVICE, Installation, is_refused_by_policy
from tests.support.builders import PROFILES
from tests.support.control_plane import ControlPlane
from tests.support.service import Service, alert, notification

CANARY, WORKERS = "denis-api", "denis-api-workers"
OBSERVED, OBSERVED_WORKERS = "denis-quiet", "denis-quiet-workers"
STEP, MAX = 1, 6
PAUSED = '{"reason":"r","author":"a","until":"2099-01-01T00:00:00Z"}'

ILLEGAL_REPLICAS = {
    # From how many to how many, where one act adds one, and six are the most.
    "above the maximum": (6, 7),
    "far above the maximum": (4, 1000),
    "by the step of the shipped workers": (3, 5),
    "up to the shipped maximum": (19, 20),
    "down": (4, 3),
    "to 0": (4, 0),
    "up from 0": (0, 1),
    "up from above the maximum": (9, 10),
}


def values_for(home: str, other: str) -> dict[str, Any]:
    """Values with the shipped targets in the release's namespace, and four more in another one."""
    budget = {"acts": 3, "window": "24h"}
    place = {"namespace": home}

    def canary(name: str, mode: str) -> dict[str, Any]:
        asks = {"matchers": [f'remediation="rollback-{name}"'], "target": name, "set_percentage": 0}
        return {**asks, "cooldown": "30m", "budget": budget, "mode": mode}

    def workers(name: str, mode: str) -> dict[str, Any]:
        asks = {"matchers": [f'remediation="scale-{name}"'], "target": name, "scale": {"step": STEP, "max": MAX}}
        return {**asks, "cooldown": "10m", "budget": budget, "mode": mode}

    return {
        "targets": {
            "denis": place,
            "denis-workers": place,
            "api": {"namespace": other, "deployment": CANARY, "container": "denis"},
            "api-workers": {"namespace": other, "deployment": WORKERS},
            "quiet": {"namespace": other, "deployment": OBSERVED, "container": "denis"},
            "quiet-workers": {"namespace": other, "deployment": OBSERVED_WORKERS},
        },
        "remediations": {
            "rollback-api": canary("api", "act"),
            "scale-api": workers("api-workers", "act"),
            "rollback-quiet": canary("quiet", "observe"),
            "scale-quiet": workers("quiet-workers", "observe"),
        },
    }


@pytest.fixture(scope="module")
def home(
    control_plane: ControlPlane, make_namespace: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Installation, Installation]]:
    """The release where it is, and as it sees the other namespace, with every right in the cluster."""
    namespace, other = make_namespace(), make_namespace()
    helm = Helm3(tmp_path_factory.mktemp("helm"), control_plane.kubeconfig)
    helm.install(RELEASE, namespace, values_for(namespace, other), wait=False)
    made = Installation.seen_by(SERVICE, control_plane, namespace)
    for name in ("denis", "denis-workers"):
        made.reset(name, denis(PROFILES[10], name))
    made.await_policy()
    binding = f"almighty-{namespace}"
    subject = f"--serviceaccount={namespace}:{RELEASE}"
    control_plane.kubectl("create", "clusterrolebinding", binding, "--clusterrole=cluster-admin", subject)
    until("it has all rights", lambda: made.account.get("/api/v1/nodes").code == 200, SECONDS)
    yield made, replace(made, namespace=other)
    control_plane.kubectl("delete", "clusterrolebinding", binding)
    helm.uninstall(RELEASE, namespace)


@pytest.fixture
def there(home: tuple[Installation, Installation]) -> Installation:
    """The further targets."""
    return home[1]


def workers(installation: Installation, replicas: int, name: str = WORKERS, **annotations: str) -> None:
    """A Deployment of workers with so many replicas."""
    manifest = denis(PROFILES[10], name, **annotations)
    manifest["spec"]["replicas"] = replicas
    installation.reset(name, manifest)


@pytest.mark.parametrize("percentage", [1, 10, 50, 100])
def test_a_rollback_is_allowed(there: Installation, percentage: int) -> None:
    """The second canary is taken back from each profile."""
    there.reset(CANARY, denis(PROFILES[percentage], CANARY))
    site = there.site(CANARY)
    assert (answer := site.try_act(PROFILES[0])).code == 200, answer.body
    assert site.read().percentage() == 0


@pytest.mark.parametrize("before", [1, 4, 5])
def test_a_step_of_workers_is_allowed(there: Installation, before: int) -> None:
    """The second workers grow by their own step, up to their own maximum."""
    workers(there, before)
    site = there.site(WORKERS)
    assert (answer := site.try_act(before + STEP)).code == 200, answer.body


def test_the_service_acts_there_and_only_observes_the_others(home: tuple[Installation, Installation]) -> None:
    """With the release's own configuration, each alert leads to its target, and what is observed stays."""
    made, there = home
    for name in (CANARY, OBSERVED):
        there.reset(name, denis(PROFILES[50], name))
    for name in (WORKERS, OBSERVED_WORKERS):
        workers(there, 4, name)
    text = made.plane.get("configmap", RELEASE, made.namespace)["data"]["remediations.yaml"]
    service = Service(made.kubeconfig, policy=parse_policy(text, "remediations.yaml"))
    asked = ("rollback-api", "scale-api-workers", "rollback-quiet", "scale-quiet-workers")
    try:
        alerts = [alert(remediation, namespace=there.namespace) for remediation in asked]
        outcomes = service.handle(notification(*alerts))
    finally:
        service.recorder.close(SECONDS)
    assert [one.reason for one in outcomes] == ["Applied", "Applied", "Observing", "Observing"], outcomes
    assert (there.site(CANARY).read().percentage(), there.site(OBSERVED).read().percentage()) == (0, 50)
    assert (there.site(WORKERS).read().replicas, there.site(OBSERVED_WORKERS).read().replicas) == (4 + STEP, 4)


@pytest.mark.parametrize("name", ILLEGAL_ON_CANARY)
def test_illegal_change_of_the_canary_is_refused(there: Installation, name: str) -> None:
    """A rollback with one thing more, or one thing else, is refused, and changes nothing."""
    there.reset(CANARY, denis(PROFILES[10], CANARY, **{PAUSE: PAUSED, KILL_SWITCH: '{"reason":"r"}'}))
    site = there.site(CANARY)
    before = site.client.get(site.path).body["spec"]
    for dry_run in (True, False):
        answer = site.try_act(PROFILES[0], ILLEGAL_ON_CANARY[name], dry_run=dry_run)
        assert is_refused_by_policy(answer), answer.body
    assert site.client.get(site.path).body["spec"] == before


@pytest.mark.parametrize("name", ILLEGAL_REPLICAS)
def test_illegal_scaling_is_refused(there: Installation, name: str) -> None:
    """The bounds are those of this remediation, and not the wider ones of another."""
    before, after = ILLEGAL_REPLICAS[name]
    workers(there, before)
    answer = there.site(WORKERS).try_act(after)
    assert is_refused_by_policy(answer), answer.body


def test_the_kill_switch_holds_there(there: Installation) -> None:
    """Workers that are latched do not grow."""
    workers(there, 4, WORKERS, **{KILL_SWITCH: "{}"})
    assert is_refused_by_policy(there.site(WORKERS).try_act(5))


def test_flags_of_workers_and_replicas_of_canaries_are_refused(there: Installation) -> None:
    """Each target takes its own kind of act, and no other."""
    workers(there, 4)
    there.reset(CANARY, denis(PROFILES[10], CANARY))
    flags = there.site(WORKERS).try_act(PROFILES[0], lambda patch: container(patch).update(name="denis"))
    assert is_refused_by_policy(flags), flags.body
    assert is_refused_by_policy(there.site(CANARY).try_act(5))


@pytest.mark.parametrize(
    ("name", "change"), [(OBSERVED, PROFILES[0]), (OBSERVED_WORKERS, 5)], ids=["canary", "workers"]
)
def test_what_is_observed_may_not_be_written_at_all(there: Installation, name: str, change: Any) -> None:
    """Neither the act nor a record alone passes, whatever the rights."""
    there.reset(name, denis(PROFILES[10], name))
    site = there.site(name)
    assert is_refused_by_policy(site.try_act(change))
    assert is_refused_by_policy(site.try_act(change, lambda patch: patch.pop("spec")))


@pytest.mark.parametrize("name", ["denis", "denis-workers"])
def test_the_same_names_in_the_other_namespace_are_no_targets(there: Installation, name: str) -> None:
    """A target is a namespace and a name: the shipped names are nobody's there."""
    there.reset(name, denis(PROFILES[10], name))
    assert is_refused_by_policy(there.site(name).try_act(PROFILES[0] if name == "denis" else 5))


@pytest.mark.parametrize(
    "gone",
    [
        {"targets": {"denis-workers": None}, "remediations": {"scale-workers": None}},
        {"remediations": {"rollback": None}},
    ],
    ids=["no workers", "no rollback"],
)
def test_what_was_taken_away_may_not_be_written(
    control_plane: ControlPlane,
    helm3_on_cluster: Helm3,
    make_namespace: Callable[[], str],
    tmp_path: Path,
    gone: dict[str, Any],
) -> None:
    """Without a remediation, its Deployment is out of bounds, and the rest of the policy is in force and well-typed."""
    namespace = make_namespace()
    place = {"namespace": namespace}
    values = {
        "targets": {"denis": place, "denis-workers": place, **gone.get("targets", {})},
        "remediations": gone["remediations"],
    }
    helm3_on_cluster.install(RELEASE, namespace, values, wait=False)
    made = Installation.seen_by(SERVICE, control_plane, namespace)
    control_plane.kubectl(
        "create",
        "clusterrolebinding",
        f"almighty-{namespace}",
        "--clusterrole=cluster-admin",
        f"--serviceaccount={namespace}:{RELEASE}",
    )
    until("it has all rights", lambda: made.account.get("/api/v1/nodes").code == 200, SECONDS)
    for name in ("denis", "denis-workers"):
        made.reset(name, denis(PROFILES[10], name))
    made.await_policy()
    rolls_back = "rollback" not in gone["remediations"]
    canary, queue = made.site("denis").try_act(PROFILES[0]), made.site("denis-workers").try_act(6)
    assert (canary.code, queue.code) == ((200, 403) if rolls_back else (403, 200))
    assert is_refused_by_policy(queue if rolls_back else canary)
    listed = control_plane.objects("validatingadmissionpolicies")
    (policy,) = [one for one in listed if one["metadata"]["name"].startswith(f"{namespace}-")]
    assert not policy.get("status", {}).get("typeChecking", {}).get("expressionWarnings")
    control_plane.kubectl("delete", "clusterrolebinding", f"almighty-{namespace}")
    helm3_on_cluster.uninstall(RELEASE, namespace)

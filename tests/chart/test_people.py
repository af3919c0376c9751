"""The canary's commands on the real API server: with people's rights all work, with the chart's own none raises."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from remediator.core.ledger import KILL_SWITCH, PAUSE
from tests.canary.place import Place
from tests.chart.deployments import denis
from tests.chart.installation import RELEASE, Installation
from tests.contract.client import Client
from tests.contract.workload import is_settled
from tests.support.builders import PROFILES


@pytest.fixture
def make_place(tmp_path: Path) -> Callable[[Installation], Place]:
    """Where the commands run, with the release's own file and an account's token."""

    def make(installation: Installation) -> Place:
        plane, namespace = installation.plane, installation.namespace
        text = plane.get("configmap", RELEASE, namespace)["data"]["remediations.yaml"]
        (tmp_path / "remediations.yaml").write_text(text)
        return Place(api=plane.api, kubeconfig=installation.kubeconfig, namespace=namespace, directory=tmp_path)

    return make


def test_people_can_run_every_command(installation: Installation, make_place: Callable[[Installation], Place]) -> None:
    """From a look to the kill switch and back, with the account for people; what is withheld has other reasons."""
    plane, namespace = installation.plane, installation.namespace
    people = plane.service_account_kubeconfig(namespace, f"{RELEASE}-operator")
    place = replace(make_place(installation), kubeconfig=people)
    for name in ("denis", "denis-workers"):
        installation.reset(name, denis(PROFILES[1], name))
        plane.api.await_object(place.path(name), is_settled)

    def run(command: str, code: int = 0) -> str:
        ended = place.run(*command.split())
        assert ended.code == code, (command, ended.output)
        return ended.output

    assert run("canary status").split()[:3] == ["canary", "1", "%"]
    assert "denis: 1 % -> 10 %" in run("canary set 10 --yes --reason=look")
    verified = run("canary verify 10 --denis.url=http://127.0.0.1:1", 3)
    assert [line.split()[1] for line in verified.splitlines() if line.startswith("✗")] == ["metrics"]
    assert "✗" not in run("canary preflight 50")
    assert "not promoted; the canary stays at 10 %" in run("canary promote", 3)
    assert "denis: 10 % -> 0 %" in run("canary rollback")
    assert "4 -> 0 replicas and latched" in run("kill-switch on --reason=bad")
    assert "0 -> 4 replicas, written" in run("kill-switch off")
    assert "denis-workers: paused for 1h" in run("pause --for=1h --reason=test")
    assert "Paused" in run("canary set 50 --yes", 3)
    assert "denis: resumed" in run("resume")
    assert "the API server accepts this" in run("canary set 1 --dry-run")
    assert f"system:serviceaccount:{namespace}:{RELEASE}-operator" in run("canary history")


def test_people_see_what_runs_and_do_not_reach_into_it(installation: Installation) -> None:
    """ReplicaSets and Pods can be listed; requests through the API server's proxy are closed by default."""
    namespace = installation.namespace
    people = Client.from_kubeconfig(installation.plane.service_account_kubeconfig(namespace, f"{RELEASE}-operator"))
    assert people.get(f"/apis/apps/v1/namespaces/{namespace}/replicasets").code == 200
    assert people.get(f"/api/v1/namespaces/{namespace}/pods").code == 200
    assert people.get(f"/api/v1/namespaces/{namespace}/pods/denis:8084/proxy/metrics").code == 403


RAISING = (
    "canary set 100 --override --reason=thief --yes",
    "canary set 50 --override --reason=thief --yes --dry-run",
    "kill-switch off",
    "resume",
    "pause denis --for=1h --reason=thief",
)


@pytest.mark.parametrize("command", RAISING)
@pytest.mark.parametrize("account", ["installation", "promoter"])
def test_no_token_of_the_chart_raises_by_a_command(
    account: str, command: str, request: pytest.FixtureRequest, make_place: Callable[[Installation], Place]
) -> None:
    """Whoever has the service's token, or the promoter's, lifts no hold and raises nothing at will."""
    installation: Installation = request.getfixturevalue(account)
    hold = {PAUSE: '{"reason":"r","author":"a","until":"2099-01-01T00:00:00Z"}'}
    installation.reset("denis", denis(PROFILES[1], **hold))
    workers = denis(PROFILES[1], "denis-workers", **{KILL_SWITCH: '{"reason":"r","replicas":4}'})
    workers["spec"]["replicas"] = 0
    installation.reset("denis-workers", workers)
    place = make_place(installation)
    before = [place.deployment(name)["spec"] for name in ("denis", "denis-workers")]

    ended = place.run(*command.split())

    assert ended.code == 1, ended.output
    assert "403" in ended.output
    assert [place.deployment(name)["spec"] for name in ("denis", "denis-workers")] == before
    assert "pause" in place.annotations()
    assert "kill-switch" in place.annotations("denis-workers")

"""The chart at work: what it installs on a real API server runs, sees a bad canary, and acts under its own rights."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from demo.denis import Scenario
from demo.waiting import until
from tests.chart.helm import Helm3, Helm4
from tests.chart.site import RELEASE, SECONDS, Site, site
from tests.contract.client import STRATEGIC
from tests.support.control_plane import ControlPlane
from tests.support.control_plane.container import Container
from tests.support.isolation import need_isolation

BAD_CANARY = Scenario(success_rate=0.5, canary_error_rate=0.97)
BUSY = Scenario(inflow=1000.0)
BAD_FOR_GOOD = Scenario(canary_error_rate=0.97, cause="elsewhere")
"""The alert goes on after the rollback, so that Alertmanager notifies all the time."""


@pytest.fixture
def running(
    control_plane: ControlPlane, make_namespace: Callable[[], str], tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Site]:
    """A site whose release belongs to the Helm that a test names."""
    need_isolation("running the release's Pods as processes")
    helm = request.param(tmp_path, control_plane.kubeconfig)
    with site(control_plane, helm, make_namespace, tmp_path) as made:
        yield made


def assert_restricted(container: Container) -> None:
    """Its process 1 is nobody, may do nothing, and can write nowhere."""
    status = container.status()
    assert (status["Uid"].split(), status["Gid"].split()) == (["65532"] * 4, ["65532"] * 4)
    assert {status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert (status["NoNewPrivs"], status["NSpid"].split()[1]) == ("1", "1")
    mounts = [line.split() for line in Path(f"/proc/{container.pid}/mounts").read_text().splitlines()]
    writable = {mount[1] for mount in mounts if "rw" in mount[3].split(",") and mount[2] != "proc"}
    assert {place for place in writable if not place.startswith("/dev")} == set()


def assert_no_more_rights(running: Site, container: Container) -> None:
    """With the token that it was given, the Role refuses what is not named, and the policy what is no act."""
    account = running.account(container)
    deployments = f"/apis/apps/v1/namespaces/{running.namespace}/deployments"
    image = {"spec": {"template": {"spec": {"containers": [{"name": "denis", "image": "evil:1"}]}}}}
    refused = account.patch(f"{deployments}/denis", image, STRATEGIC, fieldManager="remediator")
    assert (refused.code, "ValidatingAdmissionPolicy" in refused.message) == (403, True)
    secret = f"/api/v1/namespaces/{running.namespace}/secrets/{RELEASE}"
    for path in (f"{deployments}/{RELEASE}", deployments, secret):
        refused = account.get(path)
        assert (refused.code, "cannot" in refused.message) == (403, True)


@pytest.mark.parametrize("running", [Helm4], indirect=True, ids=["helm4"])
def test_a_bad_canary_is_taken_back_and_a_queue_gets_workers(running: Site) -> None:
    """From a gauge to the Pods of DENIS, through nothing but what the chart installed; each act is done once."""
    assert len(running.node.running()) == 2
    for container in running.node.running():
        assert_restricted(container)
        assert_no_more_rights(running, container)

    running.denis.becomes(BAD_CANARY)
    until("the canary is at 0 %", lambda: running.deployments.percentage() == 0, SECONDS)
    running.plane.await_rollout("denis", running.namespace)
    running.denis.becomes(BUSY)
    until("there are more workers", lambda: running.deployments.workers() == 6, SECONDS)
    running.plane.await_rollout("denis-workers", running.namespace)
    running.await_outcomes("CoolingDown")

    running.assert_one_act("denis", 10, 0)
    running.assert_one_act("denis-workers", 4, 6)
    running.assert_nothing_lost()
    until("both acts are Events", lambda: running.events("Applied") == ["denis", "denis-workers"], SECONDS)
    until("both know 0 %", lambda: running.counted("remediator_canary_percentage") == [0, 0], SECONDS)
    workers = {"target": "denis-workers"}
    until("both know 6 workers", lambda: running.counted("remediator_replicas", **workers) == [6, 6], SECONDS)
    alerts = len([outcome for outcome in running.outcomes() if outcome["reason"] == "Applied"])
    assert sum(running.counted("remediator_outcomes_total", reason="Applied")) == alerts
    scraped = 'sum(remediator_outcomes_total{job="remediator", reason="Applied"})'
    until("Prometheus too", lambda: running.prometheus.query(scraped)[0]["value"][1] == str(alerts), SECONDS)


@pytest.mark.parametrize("running", [Helm3], indirect=True, ids=["helm3"])
def test_an_upgrade_and_a_rollback_in_the_middle_of_an_incident(running: Site) -> None:
    """All Pods are replaced twice while Alertmanager notifies: each notification is answered, and one act is done."""
    pods = running.node.running()
    tuned = {"remediations": {"rollback": {"cooldown": "45m"}}, "podAnnotations": {"example.org/revision": "2"}}
    with ThreadPoolExecutor(1) as pool:
        upgrading = pool.submit(running.upgrade, **tuned)
        until("the first new Pod starts", lambda: len(running.node.containers) > len(pods), SECONDS)
        running.denis.becomes(BAD_FOR_GOOD)
        until("the canary is at 0 %", lambda: running.deployments.percentage() == 0, SECONDS)
        upgrading.result()
    pods = await_replaced(running, pods)
    running.await_outcomes("CoolingDown", "cooling down for another 44m")

    running.rollback()
    await_replaced(running, pods)
    running.await_outcomes("CoolingDown", "cooling down for another 29m")
    running.assert_one_act("denis", 10, 0)
    running.assert_nothing_lost()


def await_replaced(running: Site, before: list[Container]) -> list[Container]:
    """Wait until these containers have ended as they should, and as many others run."""
    until("the old ones have ended", lambda: all(one.exit_code is not None for one in before), SECONDS)
    assert [one.exit_code for one in before] == [0] * len(before)
    after = running.node.running()
    assert len(after) == len(before)
    assert not set(after) & set(before)
    return after

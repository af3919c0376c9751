"""One clock: replicas whose own clocks differ act once, for all of them go by that of the API server."""

import itertools
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from remediator.core.ledger import LEDGER
from remediator.kube.clock import ApiClock
from remediator.sandbox import EmbeddedCluster
from tests.support.faults import FaultyApi
from tests.support.kubectl import patch_deployment
from tests.support.service import Service, alert

MINUTE = 60.0
SKEWS = (15 * MINUTE, 3 * MINUTE, -10 * MINUTE, 0.0)


class Estate:
    """Replicas with clocks of their own, in front of one API server, in a time that can be moved for all."""

    def __init__(self, api: FaultyApi, directory: Path) -> None:
        self.api = api
        self._directory = directory
        self._shift = 0.0
        self.replicas: list[Service] = []

    def replica(self, ahead: float = 0.0) -> Service:
        """A replica whose machine's clock is so many seconds ahead."""
        clock = ApiClock(steady=lambda: time.monotonic() + self._shift, wall=lambda: time.time() + self._shift + ahead)
        kubeconfig = self.api.write_kubeconfig(self._directory / f"kubeconfig-{len(self.replicas)}")
        self.replicas.append(Service(kubeconfig, api_clock=clock))
        return self.replicas[-1]

    def pass_time(self, seconds: float) -> None:
        """Let time pass, for every clock."""
        self._shift += seconds
        self.api.clock_ahead += seconds

    def set_api_clock(self, seconds: float) -> None:
        """Set the API server's clock forward, or back where negative; the machines' clocks stay."""
        self.api.clock_ahead += seconds


@pytest.fixture
def estate(api: FaultyApi, tmp_path: Path) -> Iterator[Estate]:
    """No replica yet."""
    made = Estate(api, tmp_path)
    yield made
    for replica in made.replicas:
        replica.recorder.close(5)


def workers(cluster: EmbeddedCluster) -> int:
    """How many workers are asked for."""
    return int(cluster.deployment("denis-workers")["spec"]["replicas"])


def raise_canary(cluster: EmbeddedCluster) -> None:
    """A person raises the canary again; what this leaves in managedFields is of the embedded cluster's own clock."""
    flags = {"DENIS_MATERIALIZERS_ENABLED": "true", "DENIS_MATERIALIZERS_PCT": "10"}
    env = [{"name": name, "value": value} for name, value in flags.items()]
    patch_deployment(cluster, {"spec": {"template": {"spec": {"containers": [{"name": "denis", "env": env}]}}}})


@pytest.mark.parametrize("order", [*itertools.permutations(SKEWS)][::3], ids=str)
def test_replicas_with_clocks_that_differ_act_once(
    estate: Estate, embedded: EmbeddedCluster, order: tuple[float, ...]
) -> None:
    """Whichever replica acts first, the others are in its cooldown, and none takes its act for one of the future."""
    replicas = [estate.replica(ahead) for ahead in order]

    for remediation in ("scale", "rollback"):
        reasons = [replica.reasons(alert(remediation)) for replica in replicas]
        assert reasons == [["Applied"], ["CoolingDown"], ["CoolingDown"], ["CoolingDown"]]
    assert workers(embedded) == 6


@pytest.mark.parametrize("first", SKEWS)
@pytest.mark.parametrize("second", SKEWS)
def test_the_cooldown_is_as_long_as_it_says(
    estate: Estate, embedded: EmbeddedCluster, first: float, second: float
) -> None:
    """Whoever acts and whoever comes next, the next act is withheld until the cooldown ends, within two seconds."""
    acting, next_one = estate.replica(first), estate.replica(second)
    acting.reasons(alert("scale"))
    estate.pass_time(10 * MINUTE - 3)
    assert next_one.reasons(alert("scale")) == ["CoolingDown"]
    estate.pass_time(5)
    assert next_one.reasons(alert("scale")) == ["Applied"]


def test_the_budget_is_counted_by_one_clock(estate: Estate, embedded: EmbeddedCluster) -> None:
    """Replicas that take turns do no more in a window than one alone would, and go on when it is over."""
    replicas = itertools.cycle([estate.replica(ahead) for ahead in SKEWS])
    reasons = []
    undated = {**alert("scale"), "startsAt": "0001-01-01T00:00:00Z"}
    for _ in range(8):
        reasons += next(replicas).reasons(undated)
        estate.pass_time(10 * MINUTE + 2)
    assert reasons == ["Applied"] * 6 + ["BudgetSpent"] * 2
    estate.pass_time(5 * 60 * MINUTE)
    assert next(replicas).reasons(undated) == ["Applied"]


@pytest.mark.parametrize("step", [25 * MINUTE, 6 * MINUTE, -6 * MINUTE, -25 * MINUTE])
@pytest.mark.parametrize("remediation", ["rollback", "scale"])
def test_an_api_server_whose_clock_is_set_doubles_no_act(
    estate: Estate, embedded: EmbeddedCluster, step: float, remediation: str
) -> None:
    """After a step the cooldown ends when it would have, on the replica that acted and on one that has seen it."""
    acting, other = estate.replica(), estate.replica(3 * MINUTE)
    acting.reasons(alert(remediation))
    other.observer.look()
    cooldown = {"rollback": 30 * MINUTE, "scale": 10 * MINUTE}[remediation]
    estate.set_api_clock(step)
    raise_canary(embedded)
    for _ in range(4):
        assert [acting.reasons(alert(remediation)), other.reasons(alert(remediation))] == [["CoolingDown"]] * 2
        estate.pass_time(cooldown / 4 - 2)
    estate.pass_time(10)
    assert other.reasons(alert(remediation)) == ["Applied"]


@pytest.mark.parametrize("apart", [25 * MINUTE, -25 * MINUTE])
@pytest.mark.parametrize("remediation", ["rollback", "scale"])
def test_two_api_servers_whose_clocks_differ_double_no_act(
    estate: Estate, embedded: EmbeddedCluster, apart: float, remediation: str
) -> None:
    """Where each answer may be of another clock, an act is told by who has seen the target without it before."""
    acting, other = estate.replica(), estate.replica()
    for replica in (acting, other):
        replica.observer.look()
        estate.set_api_clock(apart)
        replica.observer.look()
        estate.set_api_clock(-apart)
    acting.reasons(alert(remediation))
    raise_canary(embedded)
    for _ in range(3):
        estate.set_api_clock(apart)
        assert other.reasons(alert(remediation)) == ["CoolingDown"]
        estate.set_api_clock(-apart)
        assert other.reasons(alert(remediation)) == ["CoolingDown"]
        assert acting.reasons(alert(remediation)) == ["CoolingDown"]
    estate.pass_time(31 * MINUTE)
    assert other.reasons(alert(remediation)) == ["Applied"]


def test_an_act_of_the_far_future_withholds_nothing_for_good(estate: Estate, embedded: EmbeddedCluster) -> None:
    """A record that somebody forged withholds no rollback, whatever clocks have done before."""
    replica = estate.replica()
    replica.observer.look()
    estate.set_api_clock(20 * MINUTE)
    replica.observer.look()
    far = (datetime.now(UTC) + timedelta(days=4000)).isoformat()
    act = {"id": "forged", "time": far, "effect": "SetPercentage", "from": 10, "to": 0, "remediation": "rollback"}
    ledger = f'{{"version":1,"acts":[{str(act).replace(chr(39), chr(34))}]}}'
    patch_deployment(embedded, {"metadata": {"annotations": {LEDGER: ledger}}})

    assert replica.reasons(alert()) == ["Applied"]


def test_how_long_an_alert_took_is_no_matter_of_the_clocks(estate: Estate) -> None:
    """The first answer sets the clock right, and the time that a notification took is still its own."""
    replica = estate.replica(15 * MINUTE)
    replica.reasons(alert())
    (line,) = replica.audit_lines()

    assert 0 <= line["durationSeconds"] < 60
    assert abs(datetime.fromisoformat(line["time"]) - datetime.now(UTC)) < timedelta(minutes=1)

"""Three replicas, a pair of Alertmanagers and one real API server: one incident is one act and one write."""

import itertools
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.acceptance.crossing import HangUp, Moment
from tests.acceptance.fleet import SECONDS, Delivery, pair
from tests.acceptance.incidents import Incident
from tests.acceptance.scene import Scene, scene
from tests.support.control_plane import ControlPlane

NOTIFICATIONS = 240
STORMS = 2

CUTS = list(itertools.product(("GET", "PATCH"), (Moment.SENT, Moment.DONE)))
"""Where an answer of the API server can get lost."""

RESTARTS = [cut for cut in CUTS if cut[0] == "PATCH"]
"""Where an API server that is killed may or may not have done what it was asked."""

STORM_NAMES = [*(f"storm-{number}" for number in range(STORMS)), "storm-killed", "storm-restarted"]
CUT_NAMES = [f"{trouble}-{method}-{moment}".lower() for trouble in ("lost", "restart") for method, moment in CUTS]


@pytest.fixture(scope="module")
def straight(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Three replicas, straight in front of the API server."""
    with scene(control_plane, tmp_path_factory.mktemp("straight"), STORM_NAMES, crossed=False) as scenery:
        yield scenery


@pytest.fixture(scope="module")
def crossed(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Three replicas whose every request can be met on its way."""
    with scene(control_plane, tmp_path_factory.mktemp("crossed"), CUT_NAMES, crossed=True) as scenery:
        yield scenery


def _storm(scene: Scene, incident: Incident) -> list[Delivery]:
    """All notifications at once, from both Alertmanagers, to all replicas in turn."""
    notifications = pair(incident.name)
    together = threading.Barrier(NOTIFICATIONS)

    def deliver(number: int) -> Delivery:
        together.wait(SECONDS)
        return scene.fleet.deliver(notifications[number % 2], first=number)

    with ThreadPoolExecutor(NOTIFICATIONS) as pool:
        return list(pool.map(deliver, range(NOTIFICATIONS)))


def _writes(scene: Scene) -> float:
    return scene.fleet.counted("remediator_kubernetes_requests_total", verb="patch", code="200")


@pytest.mark.parametrize("number", range(STORMS))
def test_a_storm_is_one_act_and_one_write(straight: Scene, number: int) -> None:
    """240 concurrent notifications at three replicas: all answered 200 at once, one of them by an act, in one write."""
    incident = straight.place.incident(f"storm-{number}")
    before, written = incident.deployment(), _writes(straight)

    deliveries = _storm(straight, incident)

    assert {tuple(delivery.codes) for delivery in deliveries} == {(200,)}
    reasons = [reason for delivery in deliveries for reason in delivery.reasons]
    assert (reasons.count("Applied"), reasons.count("CoolingDown")) == (1, NOTIFICATIONS - 1)
    assert _writes(straight) - written == 1
    incident.assert_one_act()
    assert incident.history(before) == [(1, 0), (2, 1)]


def test_a_storm_survives_two_killed_replicas(straight: Scene) -> None:
    """Two of three replicas are killed in the middle of a storm: all notifications get their 200, for one act."""
    incident = straight.place.incident("storm-killed")
    timers = [threading.Timer(0.05 * number, straight.fleet.members[number].kill) for number in (1, 2)]
    for timer in timers:
        timer.start()

    deliveries = _storm(straight, incident)

    assert any(len(delivery.codes) > 1 for delivery in deliveries)
    incident.assert_one_act()
    for number, timer in enumerate(timers, 1):
        timer.join()
        straight.fleet.replace(number)
    straight.assert_cooldown(incident)


def test_a_storm_survives_a_restarted_api_server(straight: Scene, control_plane: ControlPlane) -> None:
    """The API server is killed in the middle of a storm: 503 until it is back, then 200 for all, for one act."""
    incident = straight.place.incident("storm-restarted")
    killer = threading.Timer(0.05, control_plane.stop_api_server)
    killer.start()
    with ThreadPoolExecutor(1) as pool:
        storm = pool.submit(_storm, straight, incident)
        killer.join()
        control_plane.start_api_server()
        deliveries = storm.result()

    assert {code for delivery in deliveries for code in delivery.codes} <= {200, 503}
    incident.assert_one_act()
    straight.assert_cooldown(incident)


@pytest.mark.parametrize(("method", "moment"), CUTS)
def test_a_lost_answer_is_survived(crossed: Scene, method: str, moment: Moment) -> None:
    """A connection breaks before a request, or its answer, is through: one act, and nobody says what is not so."""
    incident = crossed.place.incident(f"lost-{method}-{moment}".lower())

    def cut() -> None:
        raise HangUp

    crossed.meet(incident, method, moment, cut)
    deliveries = crossed.deliver_in_turn(incident)

    assert {code for delivery in deliveries for code in delivery.codes} <= {200, 503}
    crossed.assert_one_act(incident, deliveries)
    crossed.assert_cooldown(incident)


@pytest.mark.parametrize(("method", "moment"), RESTARTS)
def test_a_restart_of_the_api_server_is_survived(
    crossed: Scene, control_plane: ControlPlane, method: str, moment: Moment
) -> None:
    """The API server is killed before a write, or before its answer is out: one act follows once it is back."""
    incident = crossed.place.incident(f"restart-{method}-{moment}".lower())

    def kill() -> None:
        control_plane.stop_api_server()
        raise HangUp

    crossed.meet(incident, method, moment, kill)
    with ThreadPoolExecutor(1) as pool:
        delivering = pool.submit(crossed.deliver_in_turn, incident)
        crossed.await_met(incident)
        control_plane.start_api_server()
        deliveries = delivering.result()

    assert {code for delivery in deliveries for code in delivery.codes} <= {200, 503}
    crossed.assert_one_act(incident, deliveries)
    crossed.assert_cooldown(incident)

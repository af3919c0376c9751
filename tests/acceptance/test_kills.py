"""A replica dies at any point between reading and answering: no act is lost, and none is done twice.

Two Alertmanagers deliver each incident, and deliver again, to the next replica, what was not answered with 200.
"""

import itertools
import threading
from collections.abc import Iterator

import pytest

from tests.acceptance.crossing import Moment
from tests.acceptance.fleet import Victim
from tests.acceptance.scene import Scene, scene
from tests.support.control_plane import ControlPlane

BOUNDARIES = [
    *itertools.product(("GET", "PATCH"), Moment),
    *itertools.product(("POST",), (Moment.SENT, Moment.DONE)),
]
"""Of the read, the write and the Event of an act, in their order."""

KILLS = [
    (method, moment, victim)
    for (method, moment), victim in itertools.product(BOUNDARIES, Victim)
    # A worker outlives its master for as long as it answers: the write is where that matters.
    if victim is not Victim.MASTER or method == "PATCH"
]
DELAYS = range(0, 60, 10)
"""Milliseconds after the notifications were sent. An act takes about 20 to 40."""


def _name(*parts: object) -> str:
    return "-".join(["kill", *map(str, parts)]).lower()


NAMES = [*(_name(*kill) for kill in KILLS), *(_name("after", delay, "ms") for delay in DELAYS)]


@pytest.fixture(scope="module")
def crossed(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Three replicas whose every request can be met on its way."""
    with scene(control_plane, tmp_path_factory.mktemp("kills"), NAMES, crossed=True) as scenery:
        yield scenery


@pytest.mark.parametrize(("method", "moment", "victim"), KILLS)
def test_a_kill_at_a_boundary_is_survived(crossed: Scene, method: str, moment: Moment, victim: Victim) -> None:
    """A replica is killed between a request and its answer: the incident is one act, by it or by another."""
    incident = crossed.place.incident(_name(method, moment, victim))
    number = crossed.first(incident)
    killed = crossed.fleet.members[number]
    crossed.meet(incident, method, moment, lambda: killed.kill(victim))

    crossed.assert_one_act(incident, crossed.deliver_in_turn(incident))

    if victim is Victim.WORKER:
        killed.wait_until_ready()  # gunicorn starts another worker
    else:
        crossed.fleet.replace(number)
    crossed.assert_cooldown(incident)


@pytest.mark.parametrize("delay", DELAYS)
def test_a_kill_at_any_time_is_survived(crossed: Scene, delay: int) -> None:
    """A replica is killed some milliseconds after both Alertmanagers have sent: the incident is one act."""
    incident = crossed.place.incident(_name("after", delay, "ms"))
    number = crossed.first(incident)
    killer = threading.Timer(delay / 1000, crossed.fleet.members[number].kill)
    killer.start()

    crossed.assert_one_act(incident, crossed.deliver_together(incident))

    killer.join()
    crossed.fleet.replace(number)
    crossed.assert_cooldown(incident)

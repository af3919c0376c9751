"""What a described scenario comes to is what the service does with the same notifications on a cluster."""

import random
from datetime import timedelta

import pytest

from remediator.core.alerts import Alert, parse_notification
from remediator.core.scenario import Delivery, play
from tests.conftest import MakeService
from tests.support.builders import DENIS, WORKERS, workload
from tests.support.service import NOON, Clock, alert, body

STEPS = (timedelta(seconds=1), timedelta(minutes=9, seconds=59), timedelta(minutes=10), timedelta(minutes=30))


def firing(chance: random.Random) -> dict[str, object]:
    """Any alert: of one of the remediations or of none, of the cluster or of another, firing or resolved."""
    labels = {"cluster": chance.choice(["eu-1", "eu-1", "eu-1", "us-1"])}
    remediation = chance.choice(["rollback", "scale", "scale", "nothing"])
    found = alert(remediation, status=chance.choice(["firing", "firing", "firing", "resolved"]), **labels)
    return found | {"startsAt": f"2026-11-23T{chance.randint(11, 19)}:59:00Z"}


@pytest.mark.parametrize("seed", range(3))
def test_a_scenario_ends_as_the_service_does(make_service: MakeService, clock: Clock, seed: int) -> None:
    """Reasons and changes are the same for many notifications one after another, at and beside the edges."""
    chance, service = random.Random(seed), make_service(fence="eu-1")
    described = {DENIS: workload(), WORKERS: workload(env=())}
    bodies = []
    for _ in range(20):
        clock.move(seconds=chance.choice(STEPS).total_seconds())
        bodies.append((clock.now, body(*(firing(chance) for _ in range(chance.randint(1, 4))))))
    clock.now = NOON

    done = []
    for now, sent in bodies:
        clock.now = now
        done.append([(one.reason, one.before, one.after) for one in service.handle(parse_notification(sent))])
    deliveries = [
        Delivery(at=now, alerts=[one for one in parse_notification(sent).alerts if isinstance(one, Alert)])
        for now, sent in bodies
    ]
    played = play(service.policy, "eu-1", described, deliveries)

    assert [[(one.reason, one.before, one.after) for one in outcomes] for outcomes in played] == done
    assert {reason for outcomes in done for reason, _, _ in outcomes} >= {"Applied", "CoolingDown", "NotFiring"}

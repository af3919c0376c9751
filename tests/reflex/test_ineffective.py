"""Workers that do not help: no fourth act for one alert, until it is resolved or someone else scales."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from remediator.sandbox import EmbeddedCluster
from tests.conftest import MakeService
from tests.reflex.test_armed import shown
from tests.reflex.test_remediator import acts
from tests.support.kubectl import patch_deployment
from tests.support.service import NOON, Clock, Service, alert, notification

QUEUE = alert("scale")


def again(began: datetime) -> dict[str, Any]:
    """The queue's alert, which began at this time."""
    return {**QUEUE, "startsAt": began.isoformat()}


def insist(clock: Clock, *replicas: Service, times: int, **fields: str) -> list[str]:
    """The alert comes every six minutes, to one replica after the other; each reason."""
    reasons = []
    for number in range(times):
        reasons += replicas[number % len(replicas)].reasons({**QUEUE, **fields})
        clock.move(minutes=6)
    return reasons


def workers(cluster: EmbeddedCluster) -> int:
    """The workers that there are to be."""
    replicas: int = cluster.deployment("denis-workers")["spec"]["replicas"]
    return replicas


def test_a_queue_that_does_not_drain_gets_three_acts(
    make_service: MakeService, embedded: EmbeddedCluster, clock: Clock
) -> None:
    """However many replicas get the alert: three acts, then Ineffective at each, and nothing more is written."""
    replicas = make_service(), make_service()

    reasons = insist(clock, *replicas, times=12)

    assert reasons == ["Applied", "CoolingDown"] * 3 + ["Ineffective"] * 6
    assert [(act["from"], act["to"]) for act in acts(embedded, "denis-workers")] == [(4, 6), (6, 8), (8, 10)]
    (outcome,) = replicas[0].handle(notification(QUEUE))
    assert outcome.message == (
        "3 acts (4 -> 10 replicas) have not ended the alert, which began 1h12m ago; more workers are not the cure; "
        "a human must look"
    )


def test_two_replicas_write_one_event(
    make_service: MakeService, clock: Clock, events: Callable[[], list[dict[str, Any]]]
) -> None:
    """Within a cooldown, replicas that give up say so once."""
    replicas = make_service(), make_service()
    insist(clock, *replicas, times=6)
    clock.now = NOON.replace(hour=13)

    assert [replica.reasons(QUEUE) for replica in replicas] == [["Ineffective"]] * 2
    for replica in replicas:
        replica.recorder.close(10)
    (event,) = [event for event in events() if event["reason"] == "Ineffective"]
    assert event["type"] == "Warning"
    assert "more workers are not the cure" in event["message"]


def test_who_scales_arms_it_again(service: Service, embedded: EmbeddedCluster, clock: Clock) -> None:
    """A person who scales, up or down, gets three more acts; the budget counts all of them."""
    assert insist(clock, service, times=7)[-1] == "Ineffective"
    assert shown(service, "scale-workers") == (0, {"Ineffective"})

    patch_deployment(embedded, {"spec": {"replicas": 8}}, "denis-workers")

    assert shown(service, "scale-workers") == (1, {"Applied"})
    assert insist(clock, service, times=7) == ["Applied", "CoolingDown"] * 3 + ["Ineffective"]
    assert workers(embedded) == 14
    patch_deployment(embedded, {"spec": {"replicas": 4}}, "denis-workers")
    assert service.reasons(QUEUE) == ["BudgetSpent"]


def test_an_alert_that_fires_again_is_another(service: Service, embedded: EmbeddedCluster, clock: Clock) -> None:
    """Once it was resolved, its next beginning starts the count at 0."""
    assert insist(clock, service, times=7)[-1] == "Ineffective"
    assert service.reasons(alert("scale", status="resolved")) == ["NotFiring"]
    clock.move(minutes=1)

    assert service.reasons(again(clock())) == ["Applied"]
    assert workers(embedded) == 12
    assert shown(service, "scale-workers") == (0, {"CoolingDown"})


def test_the_oldest_alert_of_a_notification_counts(service: Service, clock: Clock) -> None:
    """A second alert that has just begun adds no acts."""
    insist(clock, service, times=6)
    newer = alert("scale", job="other")

    assert service.reasons(QUEUE, {**newer, "startsAt": clock().isoformat()}) == ["Ineffective"] * 2


def test_a_made_up_beginning_disarms_nothing_but_the_display(
    service: Service, embedded: EmbeddedCluster, clock: Clock
) -> None:
    """Who posts an alert from long ago makes the gauge say Ineffective; the alert that really fires adds workers."""
    insist(clock, service, times=6)
    clock.move(minutes=30)
    assert shown(service, "scale-workers") == (1, {"Applied"})

    assert service.reasons({**QUEUE, "startsAt": "2020-01-01T00:00:00Z"}) == ["Ineffective"]
    assert shown(service, "scale-workers") == (0, {"Ineffective"})
    assert service.reasons(again(clock())) == ["Applied"]
    assert workers(embedded) == 12


def test_without_a_beginning_the_budget_decides(service: Service, clock: Clock) -> None:
    """A sender that gives no startsAt gets what it got before: six acts in six hours."""
    reasons = insist(clock, service, times=14, startsAt="0001-01-01T00:00:00Z")

    assert [reason for reason in reasons if reason != "CoolingDown"] == ["Applied"] * 6 + ["BudgetSpent"] * 2


def test_the_target_is_read_before_it_is_given_up(service: Service, embedded: EmbeddedCluster, clock: Clock) -> None:
    """A person who scaled since the last read has ended the reason: it is no reason on an old read."""
    insist(clock, service, times=6)
    embedded.await_settled()
    service.observer.look()
    patch_deployment(embedded, {"spec": {"replicas": 9}}, "denis-workers")

    assert service.reasons(QUEUE) == ["Applied"]
    assert workers(embedded) == 11


def test_an_alert_that_comes_no_more_is_no_longer_shown(service: Service, clock: Clock) -> None:
    """Fifteen minutes after it came last, a new alert is what would be answered."""
    insist(clock, service, times=7)
    assert shown(service, "scale-workers") == (0, {"Ineffective"})

    clock.move(minutes=9, seconds=1)

    assert shown(service, "scale-workers") == (1, {"Applied"})

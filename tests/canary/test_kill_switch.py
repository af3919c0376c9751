"""`remediator kill-switch`: the workers to 0 and latched, and back to what there was."""

import time
from datetime import UTC, datetime

import pytest

from remediator.core.ledger import KILL_SWITCH
from tests.canary.place import Place
from tests.canary.test_set import annotate
from tests.conftest import MakeService
from tests.support.faults import Answer, Fault, FaultyApi, First, HangUp, LoseAnswer, Then
from tests.support.service import Clock, alert

AUTOSCALER = {
    "metadata": {"name": "workers"},
    "spec": {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "denis-workers"},
        "minReplicas": 1,
        "maxReplicas": 9,
    },
}


def test_on_is_zero_and_latched(place: Place) -> None:
    """No replicas, and an annotation that says who, why, since when, and how many there were."""
    ended = place.run("kill-switch", "on", "--reason=jobs corrupt the index")

    assert ended.code == 0
    assert ended.output.startswith("denis-workers: 4 -> 0 replicas and latched, written ")
    assert place.workers() == 0
    switch = place.annotations("denis-workers")["kill-switch"]
    assert (switch["reason"], switch["replicas"]) == ("jobs corrupt the index", 4)
    assert switch["author"] == place.acts("denis-workers")[-1]["operator"]


def test_off_restores_what_there_was(place: Place) -> None:
    """The replicas of before come back, and the latch is gone."""
    place.run("kill-switch", "on")
    ended = place.run("kill-switch", "off", "--reason=fixed")

    assert ended.code == 0
    assert "denis-workers: switch off, 0 -> 4 replicas, written" in ended.output
    assert "denis-workers: all pods follow: 4 of 4 pods updated, 4 available" in ended.output
    assert place.workers() == 4
    assert "kill-switch" not in place.annotations("denis-workers")


def test_off_takes_another_number(place: Place) -> None:
    """Who starts small again says so."""
    place.run("kill-switch", "on")
    assert place.run("kill-switch", "off", "--replicas=2", "--no-wait").code == 0
    assert place.workers() == 2


def test_scaled_to_0_by_hand_counts_as_on(place: Place) -> None:
    """`kubectl scale --replicas=0` is recognised: on makes it a latch, off needs the number that nobody recorded."""
    place.patch("denis-workers", {"spec": {"replicas": 0}})
    refused = place.run("kill-switch", "off")
    assert refused.code == 2
    assert "the previous number of replicas is not recorded; give --replicas" in refused.output

    assert place.run("kill-switch", "on").code == 0
    assert "kill-switch" in place.annotations("denis-workers")
    assert place.run("kill-switch", "off", "--replicas=3", "--no-wait").code == 0
    assert place.workers() == 3


def test_scaled_up_by_hand_stays_when_the_latch_goes(place: Place) -> None:
    """Who scaled up beside the latch knows how many there are to be."""
    place.run("kill-switch", "on")
    place.patch("denis-workers", {"spec": {"replicas": 7}})
    assert place.run("kill-switch", "off", "--no-wait").code == 0
    assert place.workers() == 7


def test_both_directions_are_done_once(place: Place) -> None:
    """On again and off again are nothing to do."""
    place.run("kill-switch", "on")
    assert place.run("kill-switch", "on").output.startswith("denis-workers: the kill switch is on already")
    place.run("kill-switch", "off", "--no-wait")
    assert place.run("kill-switch", "off").output == "denis-workers: the kill switch is off already; 4 replicas\n"
    assert [act["to"] for act in place.acts("denis-workers")] == [0, 4]


@pytest.mark.parametrize("command", ["on", "off"])
def test_a_dry_run_writes_nothing(here: Place, command: str) -> None:
    """The API server validates; the workers stay as they are."""
    if command == "off":
        here.run("kill-switch", "on")
    before = here.deployment("denis-workers")["metadata"]["annotations"], here.workers()
    ended = here.run("kill-switch", command, "--dry-run")
    assert (ended.code, "would be written (dry run)" in ended.output) == (0, True)
    assert (here.deployment("denis-workers")["metadata"]["annotations"], here.workers()) == before


@pytest.mark.parametrize(
    "faults",
    [(Answer(status=503), HangUp(), Answer(status=500), HangUp(), Answer(status=429)), (LoseAnswer(),)],
    ids=["refused", "answer-lost"],
)
def test_it_is_on_within_10_seconds_on_a_flaky_api_server(
    faulty: Place, api: FaultyApi, faults: tuple[Fault, ...]
) -> None:
    """Decided to written takes under 10 s while half of all requests fail."""
    api.next("GET", Answer(status=503), HangUp())
    api.next("PATCH", *faults)
    began = time.monotonic()
    assert faulty.run("kill-switch", "on").code == 0
    assert time.monotonic() - began < 10
    assert (faulty.workers(), len(faulty.acts("denis-workers"))) == (0, 1)


def test_off_is_not_written_over_somebody_else(faulty: Place, api: FaultyApi) -> None:
    """Who takes the switch off decides on what they saw."""
    faulty.run("kill-switch", "on")
    other = {"reason": "still bad", "author": "grace", "replicas": 4}
    api.next("PATCH", First(do=lambda: annotate(faulty, "denis-workers", KILL_SWITCH, other)))
    ended = faulty.run("kill-switch", "off")
    assert ended.code == 3
    assert "has meanwhile changed the kill switch; nothing was written" in ended.output
    assert faulty.workers() == 0


def test_an_autoscaler_is_named(place: Place) -> None:
    """What would scale up by itself is told, for the switch cannot stop it."""
    path = f"/apis/autoscaling/v2/namespaces/{place.namespace}/horizontalpodautoscalers"
    assert place.api.post(path, AUTOSCALER).code == 201
    ended = place.run("kill-switch", "on")
    assert ended.code == 0
    assert "HorizontalPodAutoscaler workers may raise the replicas by itself; pause it as well" in ended.output


def test_nothing_automatic_raises_it(faulty: Place, make_service: MakeService) -> None:
    """A queue alert while the switch is on is withheld with who and why, and acts again after off."""
    service = make_service(clock=Clock(datetime.now(UTC)))
    faulty.run("kill-switch", "on", "--reason=bad jobs")
    assert service.reasons(alert("scale")) == ["KillSwitchOn"]
    faulty.run("kill-switch", "off", "--no-wait")
    assert service.reasons(alert("scale")) == ["Applied"]


def test_what_cannot_be_told_of_autoscalers_is_no_failure(faulty: Place, api: FaultyApi) -> None:
    """The switch is on; that nobody could look for an autoscaler is a warning."""
    api.next("PATCH", Then(do=lambda: api.always("GET", Answer(status=403, message="no right to list"))))
    ended = faulty.run("kill-switch", "on")
    assert ended.code == 0
    assert (
        "whether an autoscaler may raise the replicas is not known: the API server answered 403: no right to list"
        in ended.output
    )
    assert faulty.workers() == 0

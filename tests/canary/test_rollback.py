"""`remediator canary rollback`: to 0 % at once, whatever stands in the way."""

import json
import time

import pytest

from remediator.core.ledger import LEDGER, PAUSE
from tests.canary.place import Place
from tests.canary.test_set import annotate, in_an_hour
from tests.support.faults import Answer, BlackHole, Fault, FaultyApi, First, HangUp, LoseAnswer


def test_a_rollback_tells_when_it_was_written_and_followed(place: Place) -> None:
    """The canary is at 0 %, and the time to the write and the convergence are told."""
    ended = place.run("canary", "rollback", "--reason=checkout is slow")

    assert ended.code == 0
    assert "denis: 10 % -> 0 %, written " in ended.output
    assert " after the decision\n" in ended.output
    assert "denis: all pods follow: 3 of 3 pods updated, 3 available" in ended.output
    assert (place.percentage(), place.flags()["ASYNC_ENABLED"]) == ("0", "false")
    assert place.acts()[-1]["reason"] == "checkout is slow"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (PAUSE, json.dumps({"reason": "test", "author": "ada", "until": in_an_hour()})),
        (LEDGER, "corrupt"),
        (PAUSE, "x"),
    ],
    ids=["paused", "ledger-corrupt", "pause-corrupt"],
)
def test_nothing_that_is_written_on_the_target_stops_it(place: Place, key: str, value: str) -> None:
    """A pause or a record that cannot be read is passed over."""
    annotate(place, "denis", key, value)
    assert place.run("canary", "rollback", "--no-wait").code == 0
    assert place.percentage() == "0"


@pytest.mark.parametrize(
    ("method", "faults"),
    [
        ("GET", (Answer(status=503), HangUp(), Answer(status=500), HangUp())),
        ("PATCH", (Answer(status=503), HangUp(), Answer(status=500), Answer(status=429))),
        ("PATCH", (BlackHole(),)),
        ("PATCH", (LoseAnswer(),)),
        ("POST", (BlackHole(),)),
        ("POST", (HangUp(),)),
    ],
    ids=["reads-fail", "writes-fail", "write-not-answered", "answer-lost", "name-not-answered", "name-refused"],
)
def test_a_flaky_api_server_does_not_stop_it(
    faulty: Place, api: FaultyApi, method: str, faults: tuple[Fault, ...]
) -> None:
    """It is written once, in under 10 s, while requests fail."""
    api.next(method, *faults)
    began = time.monotonic()
    ended = faulty.run("canary", "rollback", "--no-wait")
    assert time.monotonic() - began < 10
    assert ended.code == 0
    assert (faulty.percentage(), len(faulty.acts())) == ("0", 1)


def test_whoever_was_first_does_not_stop_it(faulty: Place, api: FaultyApi) -> None:
    """Somebody who raises the canary at the same moment is followed by the rollback."""
    api.next("PATCH", First(do=lambda: faulty.set_flags(DENIS_MATERIALIZERS_PCT="100")))
    assert faulty.run("canary", "rollback", "--no-wait").code == 0
    assert faulty.percentage() == "0"
    assert faulty.acts()[-1]["from"] == 100


def test_at_0_there_is_nothing_to_do(place: Place) -> None:
    """A canary that is at 0 % with all flags off is left alone."""
    place.run("canary", "rollback")
    ended = place.run("canary", "rollback")
    assert (ended.code, ended.output.splitlines()[0]) == (0, "denis is at 0 % already; nothing to do")
    assert len(place.acts()) == 1


def test_a_dry_run_only_shows(here: Place) -> None:
    """The difference is shown, and nothing is written."""
    ended = here.run("canary", "rollback", "--dry-run")
    assert ended.code == 0
    assert "-DENIS_MATERIALIZERS_PCT=10\n" in ended.output
    assert here.percentage() == "10"


def test_the_reflex_leaves_a_persons_rollback_alone(place: Place) -> None:
    """After a rollback by hand the target reads as safe, and costs the reflex no cooldown and no budget."""
    place.run("canary", "rollback", "--no-wait")
    assert [act.get("remediation") for act in place.acts()] == [None]


def test_a_second_one_still_waits_for_the_pods(here: Place) -> None:
    """At 0 % by the flags is not at 0 % by the pods: who asks again is told the same."""
    here.patch("denis", {"spec": {"paused": True}})
    assert here.run("canary", "rollback", "--timeout=1s").code == 3
    again = here.run("canary", "rollback", "--timeout=1s")
    assert again.code == 3
    assert "nothing to do" not in again.output
    assert "0 % is written already, but not all pods follow yet: the Deployment is paused" in again.output

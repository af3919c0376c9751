"""`remediator pause` and `resume`: acts withheld for a time, with reason and author."""

from datetime import UTC, datetime, timedelta

import pytest

from remediator.core.ledger import PAUSE
from tests.canary.place import Place
from tests.canary.test_set import annotate
from tests.conftest import MakeService
from tests.support.faults import FaultyApi, First
from tests.support.service import Clock, alert, notification


def test_a_pause_holds_all_targets_and_ends_by_itself(place: Place) -> None:
    """Both targets carry reason, author and end."""
    began = datetime.now(UTC)
    ended = place.run("pause", "--for=2h", "--reason=load test")

    assert (ended.code, ended.output) == (0, "denis: paused for 2h\ndenis-workers: paused for 2h\n")
    for name in ("denis", "denis-workers"):
        pause = place.annotations(name)["pause"]
        assert pause["reason"] == "load test"
        assert pause["author"] == place.acts(name)[-1]["operator"]
        left = datetime.fromisoformat(pause["until"]) - began
        assert timedelta(hours=2) - timedelta(seconds=5) < left < timedelta(hours=2, seconds=30)


def test_a_pause_is_no_rollout(place: Place) -> None:
    """Holding acts back does not touch a pod."""
    place.run("pause", "denis", "--for=2h", "--reason=load test")
    assert place.deployment()["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "1"


def test_one_target_can_be_paused(place: Place) -> None:
    """Only the one that is named is held."""
    place.run("pause", "denis-workers", "--for=30m", "--reason=draining")
    assert "pause" not in place.annotations("denis")
    assert "pause" in place.annotations("denis-workers")


def test_a_new_pause_takes_the_place_of_the_old(here: Place) -> None:
    """The one that is written last holds, and what was left is told."""
    here.run("pause", "denis", "--for=2h", "--reason=first")
    ended = here.run("pause", "denis", "--for=1h", "--reason=second")
    assert ended.output.startswith("denis: paused for 1h, instead of ")
    assert here.annotations()["pause"]["reason"] == "second"


def test_resume_ends_it(place: Place) -> None:
    """The annotation is gone and what was left is told; again is nothing to do."""
    place.run("pause", "denis", "--for=2h", "--reason=test")
    ended = place.run("resume", "denis", "--reason=over")
    assert ended.code == 0
    assert ended.output.startswith("denis: resumed, ")
    assert "pause" not in place.annotations()
    assert place.run("resume", "denis").output == "denis: was not paused\n"
    assert [(act["effect"], act["to"]) for act in place.acts()] == [("Pause", 7200), ("Pause", 0)]


def test_resume_clears_a_pause_that_nobody_can_read(here: Place) -> None:
    """An annotation that was written wrongly by hand is taken away too."""
    annotate(here, "denis", PAUSE, "until tomorrow")
    assert here.run("resume", "denis").code == 0
    assert [(act["effect"], act["to"]) for act in here.acts()] == [("Pause", 0)]
    assert "pause" not in here.annotations()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--reason=x",), "Missing option '--for'"),
        (("--for=2h",), "Missing option '--reason'"),
        (("--for=2h", "--reason="), "give one line of printable text"),
        (("--for=2h", "--reason=two\nlines"), "give one line of printable text"),
        (("--for=2h", f"--reason={'x' * 201}"), "201 characters are too long; 200 is the most"),
        (("--for=25h", "--reason=x"), "25h is longer than the 24h that are allowed"),
        (("--for=0s", "--reason=x"), "it must be longer than 0s"),
        (("--for=2 hours", "--reason=x"), "is not a duration; write it as in Prometheus"),
        (("nosuch", "--for=2h", "--reason=x"), "'nosuch' is not one of the file's targets (denis, denis-workers)"),
        (("denis", "nosuch", "--for=2h", "--reason=x"), "'nosuch' is not one of the file's targets"),
    ],
)
def test_what_a_pause_lacks_is_told(here: Place, arguments: tuple[str, ...], message: str) -> None:
    """End and reason are mandatory, 24 h is the most, and a wrong name writes nothing at all."""
    ended = here.run("pause", *arguments)
    assert ended.code == 2
    assert message in ended.output
    assert (here.acts(), here.acts("denis-workers")) == ([], [])


def test_a_dry_run_writes_nothing(here: Place) -> None:
    """The API server validates; no target is held."""
    assert here.run("pause", "--for=2h", "--reason=x", "--dry-run").code == 0
    assert here.annotations() == {}


def test_automatic_acts_are_withheld_with_reason_and_author(faulty: Place, make_service: MakeService) -> None:
    """The reflex says who holds it and why; a rollback by hand passes; after resume the reflex acts again."""
    service = make_service(clock=Clock(datetime.now(UTC)))
    faulty.run("pause", "denis", "--for=2h", "--reason=load test")
    (outcome,) = service.handle(notification(alert()))
    assert outcome.reason == "Paused"
    assert "load test" in outcome.message
    faulty.run("resume", "denis")
    assert service.reasons(alert()) == ["Applied"]


def test_who_pauses_at_once_is_told(faulty: Place, api: FaultyApi) -> None:
    """Of two pauses at the same moment the first stays."""
    other = {"reason": "mine", "author": "grace", "until": "2027-01-01T00:00:00Z"}
    api.next("PATCH", First(do=lambda: annotate(faulty, "denis", PAUSE, other)))
    ended = faulty.run("pause", "denis", "--for=1h", "--reason=x")
    assert ended.code == 3
    assert "has meanwhile changed the pause" in ended.output


def test_what_was_paused_before_a_failure_is_told(here: Place) -> None:
    """The first target is paused and said to be; the second one's error ends the command."""
    text = here.config_file.read_text().replace("deployment: denis-workers", "deployment: sined")
    here.config_file.write_text(text)
    ended = here.run("pause", "--for=1h", "--reason=x")
    assert ended.code == 1
    assert ended.output.startswith("denis: paused for 1h\n")
    assert "Deployment sined in namespace denis is not there" in ended.output

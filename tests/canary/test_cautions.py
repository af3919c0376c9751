"""What is said before the canary is raised: phases that are skipped, a verdict of hold, and whom nobody asked."""

import json

import pytest

from tests.canary.conftest import await_settled
from tests.canary.place import Place


def said(place: Place, *arguments: str) -> str:
    """What `canary set` says on the way, without writing."""
    ended = place.run("canary", "set", *arguments, "--dry-run")
    assert ended.code == 0, ended.output
    return ended.output


@pytest.mark.parametrize(
    ("at", "to", "skips"),
    [("0", "100", "skips 1 %, 10 %, 50 %"), ("0", "10", "skips 1 %"), ("1", "50", "skips 10 %"), ("0", "1", "")],
)
def test_skipped_phases_are_named(here: Place, at: str, to: str, skips: str) -> None:
    """A raise that leaves out phases says which, and one to the next phase does not."""
    here.run("canary", "set", at)
    text = said(here, to)
    assert f"denis: {at} % -> {to} %: " in text
    assert (skips in text) if skips else ("skips" not in text)


def test_a_raise_against_the_verdict_says_so(here: Place) -> None:
    """Who raises before the time is over reads how long the phase has lasted, and that nobody was asked for alerts."""
    here.run("canary", "set", "1")
    await_settled(here)
    line = next(line for line in said(here, "10").splitlines() if line.startswith("denis: 1 % -> 10 %: "))
    assert "; verdict hold: " in f"; {line.removeprefix('denis: 1 % -> 10 %: ')}"
    assert " of 4h since " in line
    assert line.endswith("alerts: not asked")


def test_yes_says_it_too(here: Place) -> None:
    """With --yes there is no question, and the same line is in a pipeline's log."""
    ended = here.run("canary", "set", "100", "--yes", "--no-wait")
    assert ended.code == 0
    assert "denis: 10 % -> 100 %: skips 50 %; verdict hold: " in ended.output
    assert here.percentage() == "100"


def test_monitoring_that_does_not_answer_is_named(here: Place) -> None:
    """An address that was given and did not answer is not the same as none."""
    ended = here.run(
        "canary", "set", "50", "--yes", "--no-wait", "--override", "--reason=x", "--prometheus.url=http://127.0.0.1:1"
    )
    assert ended.code == 0
    assert "not asked" not in ended.output
    assert "unknown: alerts" in ended.output


@pytest.mark.parametrize("command", [("set", "50"), ("set", "100", "--reason=x"), ("set", "50", "--no-wait")])
def test_without_a_terminal_a_raise_needs_yes(here: Place, command: tuple[str, ...]) -> None:
    """Nobody is there to be asked: the command ends with 2, names --yes, and nothing is written."""
    ended = here.run("canary", *command)
    assert ended.code == 2
    assert "give --yes" in ended.output
    assert (here.percentage(), here.acts()) == ("10", [])


def test_without_a_terminal_less_traffic_needs_nothing(here: Place) -> None:
    """Lowering is never asked for."""
    assert here.run("canary", "set", "1", "--no-wait").code == 0


def test_preflight_warns_of_skipped_phases(here: Place) -> None:
    """A skipped phase is an exclamation mark and no tick, in the table and for programs; it does not fail."""
    table = here.run("canary", "preflight", "100")
    data = json.loads(here.run("canary", "preflight", "100", "-o", "json").stdout)
    (step,) = [check for check in data["checks"] if check["name"] == "step"]
    assert table.code == 0
    assert "! step" in table.output
    assert "remediator canary set 50" in table.output
    assert (step["passed"], step["warning"], step["found"]) == (True, True, "10 % -> 100 %, skips 50 %")
    assert "✓ step" in here.run("canary", "preflight", "50").output


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("{acts: 3, window: 24h}", "{acts: 3, window: 10m}", "the budget can never be spent"),
        ("cooldown: 30m", "cooldown: 2d", "no alert leads to another one for 2d"),
        ("max: 20,", "max: 2000,", "2000 replicas"),
    ],
)
def test_preflight_warns_of_what_the_file_says(here: Place, old: str, new: str, says: str) -> None:
    """What `check` warns of is a warning before a raise too, with its line; a sane file is a tick."""
    assert "✓ file" in here.run("canary", "preflight", "50").output
    here.config_file.write_text(here.config_file.read_text().replace(old, new))
    shown = here.run("canary", "preflight", "50").output
    (line,) = [line for line in shown.splitlines() if line.startswith("! file")]
    assert says in line
    assert "remediations.yaml:" in line

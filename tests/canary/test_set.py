"""`remediator canary set`: one patch, told truly, and withheld where something stands against it."""

import getpass
import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from remediator.core.effects import Effect
from remediator.core.ledger import KILL_SWITCH, LEDGER, PAUSE, Entry, Ledger, encode_ledger
from tests.canary.conftest import await_settled
from tests.canary.place import Place
from tests.support.faults import Answer, FaultyApi, First, HangUp, LoseAnswer

STEPS = {
    "0": ("false", "0", "false", "false"),
    "1": ("true", "1", "true", "false"),
    "50": ("true", "50", "true", "true"),
    "100": ("true", "100", "true", "true"),
}
FLAGS = ("DENIS_MATERIALIZERS_ENABLED", "DENIS_MATERIALIZERS_PCT", "ASYNC_ENABLED", "RUNS_ENABLED")


def annotate(place: Place, name: str, key: str, value: Any) -> None:
    """Write an annotation by hand."""
    text = value if isinstance(value, str) else json.dumps(value)
    place.patch(name, {"metadata": {"annotations": {key: text}}})


def recent(**fields: Any) -> str:
    """A ledger with one act of the reflex, a minute ago."""
    now = datetime.now(UTC)
    entry = Entry(
        id="1",
        time=now - timedelta(minutes=1),
        effect=Effect.SET_PERCENTAGE,
        before=50,
        after=0,
        remediation="rollback",
        **fields,
    )
    return encode_ledger(Ledger(entries=(entry,)))


@pytest.mark.parametrize("step", STEPS)
def test_all_flags_of_a_step_are_written_in_one_rollout(place: Place, step: str) -> None:
    """Each step is its whole profile, one more revision, and pods that follow; other variables stay."""
    ended = place.run("canary", "set", step, "--yes", "--reason=a look")

    assert (ended.code, ended.stdout.splitlines()[0].partition(", written")[0]) == (0, f"denis: 10 % -> {step} %")
    assert "all pods follow: 3 of 3 pods updated, 3 available" in ended.output
    flags = place.flags()
    assert tuple(flags[name] for name in FLAGS) == STEPS[step]
    assert (flags["DENIS_SECONDARY_ENGINES"], flags["LOG_LEVEL"]) == ("true", "info")
    assert place.deployment()["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "2"


def test_the_record_says_who_and_why(place: Place) -> None:
    """The ledger has the operator, what they said, and from where to where."""
    place.run("canary", "set", "50", "--yes", "--reason=latency looks good", "--no-wait")

    (act,) = place.acts()
    assert (act["effect"], act["from"], act["to"]) == ("SetPercentage", 10, 50)
    assert act["operator"].startswith(getpass.getuser())
    assert act["reason"] == "latency looks good"


def test_the_api_servers_name_of_the_operator_is_recorded(place: Place, request: pytest.FixtureRequest) -> None:
    """Who the API server takes the person for stands beside who they are here, where the API server can tell."""
    place.run("canary", "set", "50", "--yes", "--no-wait")

    known = {"here": getpass.getuser(), "real": f"{getpass.getuser()} (admin)"}
    assert place.acts()[0]["operator"] == known[request.node.callspec.params["place"]]


def test_others_see_it_under_a_manager_of_its_own(place: Place) -> None:
    """The flags belong to remediator-cli in managedFields, so that they can be told from the reflex's."""
    place.run("canary", "set", "50", "--yes", "--no-wait")
    managers = {entry["manager"] for entry in place.deployment()["metadata"]["managedFields"]}
    assert "remediator-cli" in managers
    assert "remediator" not in managers


def test_nothing_to_do_writes_nothing(place: Place) -> None:
    """The step that is there already is no write and no record."""
    before = place.deployment()["metadata"]["resourceVersion"]
    ended = place.run("canary", "set", "10")
    assert ended.code == 0
    assert ended.output.startswith(
        "denis is at 10 % already; nothing to do\ndenis: all pods follow: 3 of 3 pods updated"
    )
    assert place.deployment()["metadata"]["resourceVersion"] == before


def test_a_dry_run_shows_the_flags_and_writes_nothing(place: Place) -> None:
    """The API server validates the write; the difference is shown as by kubectl diff."""
    before = place.deployment()
    ended = place.run("canary", "set", "50", "--dry-run")

    assert ended.code == 0
    assert ended.stdout == (
        f"--- LIVE/apps.v1.Deployment.{place.namespace}.denis/denis\n"
        f"+++ WANTED/apps.v1.Deployment.{place.namespace}.denis/denis\n"
        "@@ -1,4 +1,4 @@\n"
        " DENIS_MATERIALIZERS_ENABLED=true\n"
        "-DENIS_MATERIALIZERS_PCT=10\n"
        "+DENIS_MATERIALIZERS_PCT=50\n"
        " ASYNC_ENABLED=true\n"
        "-RUNS_ENABLED=false\n"
        "+RUNS_ENABLED=true\n"
        "denis: the API server accepts this; nothing was written (dry run)\n"
    )
    assert place.deployment() == before


def test_a_mixture_becomes_the_profile(place: Place) -> None:
    """Flags that were set by hand are put right by the step that they almost are."""
    place.set_flags(RUNS_ENABLED="true")
    ended = place.run("canary", "set", "10", "--no-wait")
    assert ended.stdout.startswith("denis: 10 % -> 10 %")
    assert place.flags()["RUNS_ENABLED"] == "false"


def test_a_missing_flag_is_added(place: Place) -> None:
    """A Deployment that does not carry a flag yet gets it."""
    env = [{"name": "ASYNC_ENABLED", "$patch": "delete"}]
    place.patch("denis", {"spec": {"template": {"spec": {"containers": [{"name": "denis", "env": env}]}}}})
    place.run("canary", "set", "1", "--yes", "--no-wait")
    assert place.flags()["ASYNC_ENABLED"] == "true"


@pytest.mark.parametrize("value", ["5", "ten", "-1", "-5%", "-10", "1.0", "010", "", "1000", "7%"])
@pytest.mark.parametrize("command", ["set", "verify", "preflight"])
def test_what_is_no_step_is_refused(here: Place, command: str, value: str) -> None:
    """Anything but the five steps is a usage error that lists them; a sign does not make an option of it."""
    ended = here.run("canary", command, value)
    assert ended.code == 2
    assert f"{value!r} is no step of the canary; write 0, 1, 10, 50 or 100" in ended.output
    assert here.acts() == []


@pytest.mark.parametrize("value", ["10%", "10 %", " 10"])
def test_a_step_with_a_sign_is_refused_with_the_right_word(here: Place, value: str) -> None:
    """What was meant is clear, so it is said how to write it."""
    ended = here.run("canary", "set", value)
    assert (ended.code, f"write 10, not {value!r}" in ended.output) == (2, True)


OBSTACLES: dict[str, tuple[str, str, Callable[[], Any], str]] = {
    "paused": ("denis", PAUSE, lambda: {"reason": "load test", "author": "ada", "until": in_an_hour()}, "Paused"),
    "switch": ("denis-workers", KILL_SWITCH, lambda: {"reason": "bad jobs", "author": "ada"}, "KillSwitchOn"),
    "cooling": ("denis", LEDGER, recent, "CoolingDown"),
    "ledger": ("denis", LEDGER, lambda: "{not json", "TargetInvalid"),
}


def in_an_hour() -> str:
    """A time in RFC 3339."""
    return (datetime.now(UTC) + timedelta(hours=1)).isoformat()


@pytest.mark.parametrize("name", OBSTACLES)
def test_raising_is_withheld(here: Place, name: str) -> None:
    """What stands against more traffic is named by the ladder's word, and nothing is written."""
    deployment, key, value, word = OBSTACLES[name]
    annotate(here, deployment, key, value())
    ended = here.run("canary", "set", "50", "--yes")

    assert ended.code == 3
    assert "not raised to 50 %; the canary stays at 10 %" in ended.output
    assert f"  {word}: " in ended.output
    assert here.percentage() == "10"


@pytest.mark.parametrize("name", OBSTACLES)
def test_lowering_is_never_withheld(here: Place, name: str) -> None:
    """What stands against more traffic does not stand against less."""
    deployment, key, value, _ = OBSTACLES[name]
    annotate(here, deployment, key, value())
    assert here.run("canary", "set", "1", "--no-wait").code == 0
    assert here.percentage() == "1"


def test_workers_at_0_by_hand_withhold_a_raise(place: Place) -> None:
    """Who scaled the workers to 0 by hand meant a kill switch."""
    place.patch("denis-workers", {"spec": {"replicas": 0}})
    ended = place.run("canary", "set", "50", "--yes")
    assert ended.code == 3
    assert "KillSwitchOn: the workers are at 0 replicas, which counts as a kill switch" in ended.output


def test_an_override_needs_a_reason_and_is_recorded(here: Place) -> None:
    """Who knows better says why, and what they passed over stands in the history."""
    annotate(here, "denis", PAUSE, OBSTACLES["paused"][2]())
    assert here.run("canary", "set", "50", "--yes", "--override").code == 2
    assert here.percentage() == "10"

    assert here.run("canary", "set", "50", "--yes", "--override", "--reason=the test is over", "--no-wait").code == 0
    assert here.acts()[-1]["overrode"] == ["Paused"]
    assert here.acts()[-1]["reason"] == "the test is over"


def test_an_ended_pause_goes_with_the_next_write(here: Place) -> None:
    """A pause whose time is over withholds nothing, and disappears."""
    annotate(here, "denis", PAUSE, {"reason": "was", "author": "ada", "until": "2026-01-01T00:00:00Z"})
    assert here.run("canary", "set", "50", "--yes", "--no-wait").code == 0
    assert "pause" not in here.annotations()


def test_the_second_of_two_people_is_told_by_whom(faulty: Place, api: FaultyApi) -> None:
    """Of two who set at once the first wins; the second writes nothing and learns who was first."""
    api.next("PATCH", First(do=lambda: faulty.set_flags(manager="kubectl-set", DENIS_MATERIALIZERS_PCT="100")))
    ended = faulty.run("canary", "set", "50", "--yes")

    assert ended.code == 3
    assert "kubectl-set at 20" in ended.output
    assert "has meanwhile changed the flags; nothing was written" in ended.output
    assert faulty.percentage() == "100"
    assert faulty.acts() == []


def test_the_second_of_two_commands_is_told_what_was_said(faulty: Place, here: Place, api: FaultyApi) -> None:
    """Where the first used Remediator too, the second learns the reason."""
    api.next("PATCH", First(do=lambda: here.run("canary", "set", "1", "--reason=too hot", "--no-wait")))
    ended = faulty.run("canary", "set", "50", "--yes")
    assert ended.code == 3
    assert "has meanwhile set 10 % -> 1 % (too hot); nothing was written" in ended.output


def test_a_status_that_moves_on_is_no_second_person(faulty: Place, api: FaultyApi) -> None:
    """Another version of the same Deployment is written to without a word."""
    touched = First(do=lambda: faulty.patch("denis", {"metadata": {"labels": {"x": "y"}}}))
    api.next("PATCH", touched)
    assert faulty.run("canary", "set", "50", "--yes", "--no-wait").code == 0
    assert (faulty.percentage(), len(faulty.acts())) == ("50", 1)


def test_an_answer_that_was_lost_is_looked_for(faulty: Place, api: FaultyApi) -> None:
    """A write whose answer was lost is found by its record, and not written again."""
    api.next("PATCH", LoseAnswer())
    ended = faulty.run("canary", "set", "50", "--yes", "--no-wait")
    assert (ended.code, ended.stdout.partition(",")[0]) == (0, "denis: 10 % -> 50 %")
    assert len(faulty.acts()) == 1


def test_a_write_that_fails_for_a_moment_is_tried_again(faulty: Place, api: FaultyApi) -> None:
    """An API server that refuses or hangs up on the write is asked again, and the act is recorded once."""
    api.next("PATCH", Answer(status=503), HangUp(), Answer(status=429))
    assert faulty.run("canary", "set", "1", "--no-wait").code == 0
    assert (faulty.percentage(), len(faulty.acts())) == ("1", 1)


def test_an_api_server_that_is_away_is_told(faulty: Place, api: FaultyApi) -> None:
    """Without a look there is nothing to decide on, and nothing is written."""
    api.always("GET", HangUp())
    ended = faulty.run("canary", "set", "1", "--no-wait")
    assert (ended.code, ended.output) == (
        1,
        f"remediator: no answer from {api.url} (it closed the connection without an answer)\n",
    )
    assert faulty.percentage() == "10"


def test_a_value_from_elsewhere_is_not_replaced(here: Place) -> None:
    """A flag that takes its value from a ConfigMap is refused with the remedy."""
    source = {"configMapKeyRef": {"name": "denis", "key": "runs"}}
    env = [{"name": "RUNS_ENABLED", "value": None, "valueFrom": source}]
    here.patch("denis", {"spec": {"template": {"spec": {"containers": [{"name": "denis", "env": env}]}}}})
    ended = here.run("canary", "set", "1")
    assert ended.code == 1
    assert "env RUNS_ENABLED takes its value from elsewhere (valueFrom), which a patch must not replace" in ended.output


def test_a_full_set_of_annotations_is_told(place: Place) -> None:
    """Where no annotation fits any more the API server's words are shown, and nothing is written."""
    annotate(place, "denis", "someone/notes", "x" * (262144 - 2000))
    for index in range(20):
        ended = place.run("canary", "set", "50" if index % 2 else "1", "--yes", "--no-wait", f"--reason={'y' * 190}")
        if ended.code:
            break
    assert ended.code == 1
    assert "422" in ended.output
    assert "Too long" in ended.output


def test_pods_that_do_not_follow_end_with_3(here: Place) -> None:
    """A Deployment that is paused is written, and the command says that no pod follows."""
    here.patch("denis", {"spec": {"paused": True}})
    ended = here.run("canary", "set", "1", "--timeout=1s")
    assert ended.code == 3
    assert "1 % is written, but not all pods follow: the Deployment is paused" in ended.output
    assert "see: kubectl -n denis rollout status deployment/denis" in ended.output


def test_what_is_taken_back_while_waiting_is_told(faulty: Place, api: FaultyApi) -> None:
    """Somebody who changes the flags during the rollout is named."""
    await_settled(faulty)
    changed = First(do=lambda: faulty.set_flags(manager="argocd-controller", DENIS_MATERIALIZERS_PCT="10"))
    # What is there and its workers, the same for the verdict, the read before the write: the next one is the wait's.
    api.next("GET", *[First(do=lambda: None)] * 5, changed)
    ended = faulty.run("canary", "set", "50", "--yes")
    assert ended.code == 3
    assert "DENIS_MATERIALIZERS_PCT has been changed since, by argocd-controller at 20" in ended.output


def test_a_canary_that_nothing_would_take_back_is_not_raised(here: Place) -> None:
    """A spent budget is an obstacle, for the reflex would stand by."""
    now = datetime.now(UTC)
    acts = tuple(
        Entry(
            id=str(hours),
            time=now - timedelta(hours=hours),
            effect=Effect.SET_PERCENTAGE,
            before=10,
            after=0,
            remediation="rollback",
        )
        for hours in (20, 12, 6)
    )
    annotate(here, "denis", LEDGER, encode_ledger(Ledger(entries=acts)))
    ended = here.run("canary", "set", "50", "--yes")
    assert ended.code == 3
    assert "BudgetSpent: rollback would not take the canary back: 3 acts in 1d" in ended.output


def test_lowering_asks_nobody(here: Place) -> None:
    """A Prometheus that is wrong, down or slow does not stand between a person and less traffic."""
    assert here.run("canary", "set", "1", "--no-wait", "--prometheus.url=prometheus:9090").code == 0
    assert here.run("canary", "set", "0", "--no-wait", "--prometheus.url=http://127.0.0.1:1").code == 0
    assert here.percentage() == "0"


def test_a_record_that_nobody_can_read_is_left_as_it_is(here: Place) -> None:
    """It may be a newer version's: a person's write leaves it, and says so; only an override writes a new one."""
    annotate(here, "denis", LEDGER, '{"version":2,"acts":[]}')
    ended = here.run("canary", "set", "1", "--no-wait")
    assert ended.code == 0
    assert "denis: not recorded: the annotation remediator.denis.run/ledger cannot be read" in ended.output
    here.run("pause", "denis", "--for=1h", "--reason=x")
    here.run("resume", "denis")
    assert here.annotations()["ledger"] == {"version": 2, "acts": []}

    assert here.run("canary", "set", "50", "--yes", "--override", "--reason=I know", "--no-wait").code == 0
    assert [act["overrode"] for act in here.acts()] == [["TargetInvalid"]]


def test_a_pause_that_is_not_believed_yet_stays(here: Place) -> None:
    """One that ends too far ahead withholds nothing now, and may later: no write takes it away."""
    far = {"reason": "x", "author": "ada", "until": (datetime.now(UTC) + timedelta(hours=30)).isoformat()}
    annotate(here, "denis", PAUSE, far)
    here.run("canary", "rollback", "--no-wait")
    assert here.annotations()["pause"] == far


def test_what_others_wrote_cannot_steer_a_terminal(here: Place) -> None:
    """Escapes and new lines in a reason are shown as spaces, in tables, refusals and checks."""
    evil = {"reason": "\x1b[2J\x1b[1;1Hverdict  promote\nremediator: fine", "author": "ada\r", "until": in_an_hour()}
    annotate(here, "denis", PAUSE, evil)
    for command in (("set", "50"), ("status",), ("promote",), ("history",), ("preflight", "50")):
        shown = here.run("canary", *command).output
        assert "\x1b" not in shown
        assert "\r" not in shown
        assert "\nremediator: fine" not in shown
        assert not any(line.startswith("verdict  promote") for line in shown.splitlines())


@pytest.mark.parametrize(("yes", "code", "percentage"), [("--yes", 0, "50"), ("", 2, "10")])
def test_without_a_standard_input_a_raise_needs_yes(here: Place, yes: str, code: int, percentage: str) -> None:
    """A pipeline may close it: nobody can be asked, so the yes has to be in the command."""
    options = f"--no-wait --kubeconfig={here.kubeconfig} --config.file={here.config_file} {yes}"
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    ended = subprocess.run(
        ["bash", "-c", f"exec remediator canary set 50 {options} <&-"],
        env={"PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == code, ended.stderr
    assert here.percentage() == percentage

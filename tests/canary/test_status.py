"""`remediator canary status`, `promote` and `history`: what people see, and what is withheld without evidence."""

import json
import re
from datetime import UTC, datetime

import pytest

from remediator.core.ledger import LEDGER
from tests.canary.conftest import await_settled
from tests.canary.place import Place
from tests.canary.test_set import annotate, recent
from tests.support.control_plane import ControlPlane
from tests.support.documents import load_yaml

COMMANDS = [
    ("canary", "status"),
    ("canary", "history"),
    ("canary", "set", "50", "--yes"),
    ("canary", "promote"),
    ("canary", "rollback"),
    ("kill-switch", "on"),
    ("kill-switch", "off"),
    ("pause", "--for=1h", "--reason=x"),
    ("resume",),
]

EMERGENCIES = (("canary", "rollback"), ("kill-switch", "on"))


def lines(output: str) -> dict[str, str]:
    """The lines of a status by their first words; of several, the last."""
    rows = (line.split("  ", 1) for line in output.splitlines() if "  " in line)
    return {name.strip(): value.strip() for name, value in rows}


def test_status_shows_the_canary_and_the_evidence(place: Place) -> None:
    """Percentage, phase, rollout, workers, holds, the reflex, the verdict, and a mark for each check."""
    place.run("canary", "set", "50", "--yes", "--reason=looks good")
    ended = place.run("canary", "status")

    shown = lines(ended.output)
    assert ended.code == 0
    assert shown["canary"] == "50 %"
    assert shown["set"].endswith(": looks good")
    assert shown["written by"].startswith("remediator-cli at 20")
    assert " of 2d since " in shown["phase"]
    assert shown["rollout"] == f"{place.namespace}/denis: 3 of 3 pods updated, 3 available"
    assert (shown["denis-workers"], shown["paused"]) == ("4 replicas, kill switch off", "no")
    assert "rollback: would set 50 % -> 0 %" in ended.output
    assert "scale-workers: would set 4 -> 6 replicas" in ended.output
    assert shown["verdict"] == "hold"
    assert "✓ flags" in ended.output
    assert "✗ time" in ended.output
    assert "? alerts" in ended.output


def test_status_does_not_tick_a_reflex_that_only_observes(place: Place) -> None:
    """In `observe` the check is a warning that says how to change that, for programs too."""
    assert "✓ reflex" in place.run("canary", "status").output
    place.config_file.write_text(place.config_file.read_text().replace("mode: act", "mode: observe"))
    shown = place.run("canary", "status").output
    assert "! reflex" in shown
    assert "-> set mode: act for rollback in remediations.yaml" in shown
    checks = json.loads(place.run("canary", "status", "-o", "json").stdout)["checks"]
    (reflex,) = (check for check in checks if check["name"] == "reflex")
    assert (reflex["passed"], reflex["warning"]) == (True, True)


def test_a_change_by_hand_is_seen_for_what_it_is(place: Place) -> None:
    """A mixture is named with who wrote it last, and stops the clock of the phase."""
    place.set_flags(manager="kubectl-set", RUNS_ENABLED="true")
    await_settled(place)
    ended = place.run("canary", "status")
    shown = lines(ended.output)
    assert shown["canary"] == "10 %, but RUNS_ENABLED=true"
    assert "clock is not running" in shown["phase"]
    assert "RUNS_ENABLED" in shown["phase"]
    data = json.loads(place.run("canary", "status", "-o", "json").stdout)
    assert data["differing"] == ["RUNS_ENABLED=true"]


def test_who_set_the_percentage_by_hand_is_named(place: Place) -> None:
    """managedFields say which manager wrote it, and when."""
    place.set_flags(manager="kubectl-set", DENIS_MATERIALIZERS_PCT="1")
    data = json.loads(place.run("canary", "status", "-o", "json").stdout)
    assert (data["percentage"], data["lastWriter"]["manager"]) == (1, "kubectl-set")


def test_yaml_and_json_say_the_same(here: Place) -> None:
    """Programs get the same data in both spellings, but for the time."""
    one = json.loads(here.run("canary", "status", "-o", "json").stdout)
    other = load_yaml(here.run("canary", "status", "-o", "yaml").stdout)
    changing = ("time", "phase", "checks", "signals")
    assert {key: value for key, value in one.items() if key not in changing} == {
        key: value for key, value in other.items() if key not in changing
    }
    assert one["verdict"] == "hold"


def test_programs_get_numbers_and_reasons(here: Place) -> None:
    """The rollout is numbers, and what the reflex would do is a reason and a message: no prose has to be parsed."""
    data = json.loads(here.run("canary", "status", "-o", "json").stdout)
    assert data["rollout"] == {
        "replicas": 3,
        "updated": 3,
        "available": 3,
        "old": 0,
        "message": "3 of 3 pods updated, 3 available",
    }
    assert data["reflex"]["rollback"] == {"reason": "Applied", "message": "would set 10 % -> 0 %", "until": None}
    here.run("pause", "denis", "--for=2h", "--reason=load test")
    paused = json.loads(here.run("canary", "status", "-o", "json").stdout)["reflex"]["rollback"]
    assert (paused["reason"], "load test" in paused["message"]) == ("Paused", True)
    assert paused["until"].startswith("20")


@pytest.mark.parametrize("percentage", ["25", "5", "99", "2"])
def test_a_percentage_that_is_no_step_has_a_remedy_that_works(here: Place, percentage: str) -> None:
    """What is advised is what `check` and `set` accept: a step, and never a phase that no profile has."""
    here.set_flags(DENIS_MATERIALIZERS_PCT=percentage)
    await_settled(here)
    shown = here.run("canary", "status").output
    assert "to phases" not in shown
    advised = set(re.findall(r"remediator canary (set \d+|rollback)\b", shown))
    assert advised
    for command in advised:
        assert here.run("canary", *command.split(), "--dry-run").code == 0


def test_holds_are_shown_with_reason_and_author(here: Place) -> None:
    """Pause and kill switch are told as whose they are."""
    here.run("pause", "denis", "--for=2h", "--reason=load test")
    here.run("kill-switch", "on", "--reason=bad jobs")
    shown = lines(here.run("canary", "status").output)
    assert "load test" in shown["paused"]
    assert shown["denis-workers"].startswith("0 replicas, kill switch on: latched at 0 by ")
    assert shown["denis-workers"].endswith(": bad jobs")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://127.0.0.1:1", "no connection: Connection refused"),
        ("ftp://prometheus", "is not the URL of Prometheus"),
        ("prometheus:9090", "is not the URL of Prometheus"),
    ],
)
def test_a_prometheus_that_is_not_there_is_told(here: Place, url: str, said: str) -> None:
    """A wrong URL is a usage error; one that does not answer holds the canary, and says why."""
    ended = here.run("canary", "status", f"--prometheus.url={url}")
    assert ended.code == (2 if "not the URL" in said else 0)
    assert said in ended.output


def test_promote_without_evidence_writes_nothing(place: Place) -> None:
    """What is missing is listed, and the canary stays."""
    ended = place.run("canary", "promote")
    assert ended.code == 3
    assert "? alerts" in ended.output
    assert "not promoted; the canary stays at 10 %, the verdict is hold" in ended.output
    assert place.percentage() == "10"


def test_promote_by_itself_needs_a_prometheus(here: Place) -> None:
    """A CronJob without one would never do anything, so it is told at once; with one that is down it fails."""
    assert here.run("canary", "promote", "--auto").code == 2
    assert here.run("canary", "promote", "--auto", "--prometheus.url=http://127.0.0.1:1").code == 3
    assert here.percentage() == "10"


def test_set_asks_whom_it_is_given(here: Place) -> None:
    """Whether a rollback alert fires is part of the decision where somebody can be asked, and unknown is no yes."""
    ended = here.run("canary", "set", "50", "--yes", "--prometheus.url=http://127.0.0.1:1")
    assert ended.code == 3
    assert "AlertsUnknown: Prometheus at http://127.0.0.1:1" in ended.output


def test_history_is_one_list(place: Place) -> None:
    """Acts of people and of the reflex on both targets, the newest first, with who, why and how long."""
    annotate(place, "denis", LEDGER, recent())
    place.run("canary", "set", "0", "--no-wait", "--reason=tidy up")
    place.run("kill-switch", "on", "--reason=bad jobs")
    table = place.run("canary", "history").stdout.splitlines()
    assert table[0].split() == ["TIME", "TARGET", "CHANGE", "BY", "HELD", "REASON"]
    assert "kill switch on, 4 -> 0 replicas" in table[1]
    assert "10 % -> 0 %" in table[2]
    assert "rollback" in table[3]

    listed = json.loads(place.run("canary", "history", "-o", "json").stdout)
    assert [(act["effect"], act["reason"]) for act in listed] == [
        ("KillSwitch", "bad jobs"),
        ("SetPercentage", "tidy up"),
        ("SetPercentage", ""),
    ]
    assert listed[2]["remediation"] == "rollback"
    assert len(json.loads(place.run("canary", "history", "--limit=1", "-o", "json").stdout)) == 1


def test_history_says_which_alerts_caused_an_act(place: Place) -> None:
    """The REASON of an act of the reflex is its alerts with their values, and since when they fired."""
    cause = {"reason": "DenisErrorRateHigh 0.0542", "starts_at": datetime(2026, 11, 23, 3, 12, 4, tzinfo=UTC)}
    annotate(place, "denis", LEDGER, recent(**cause))
    assert "DenisErrorRateHigh 0.0542, firing since 2026-11-23 03:12:04Z" in place.run("canary", "history").stdout

    annotate(place, "denis", LEDGER, recent(**cause, because="error rate 5.42 % > 5 %, confirmed 4 s before"))
    shown = place.run("canary", "history").stdout
    assert "0.0542; error rate 5.42 % > 5 %, confirmed 4 s before, firing since 2026-11-23 03:12:04Z" in shown


def test_a_corrupt_history_is_told(here: Place) -> None:
    """What can be read is shown, and what cannot is said."""
    annotate(here, "denis", LEDGER, "{")
    ended = here.run("canary", "history")
    assert ended.code == 0
    assert "remediator: denis: the annotation remediator.denis.run/ledger cannot be read" in ended.output


def test_without_rights_the_verb_and_the_object_are_named(control_plane: ControlPlane, real: Place) -> None:
    """403 says what is missing, on every command, and nothing is written."""
    kubeconfig = control_plane.service_account_kubeconfig(real.namespace, "default")
    for command in COMMANDS:
        ended = real.run(*command, kubeconfig=kubeconfig)
        assert ended.code == 1
        assert "cannot get resource" in ended.output
        assert '"deployments"' in ended.output


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_without_a_cluster_it_is_said_what_to_do(here: Place, command: tuple[str, ...]) -> None:
    """A kubeconfig or a context that is not there is a wrong setting: exit code 2, one line."""
    missing = here.run(*command, kubeconfig=here.directory / "missing")
    assert missing.code == 2
    assert "give --kubeconfig=F, or set KUBECONFIG" in missing.output
    wrong = here.run(*command, "--context=nowhere")
    assert wrong.code == 2
    assert "the kubeconfig has no context 'nowhere'" in wrong.output


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_target_that_is_not_there_is_told(here: Place, command: tuple[str, ...]) -> None:
    """A Deployment that is missing, or has no such container, is named with the remedy."""
    here.config_file.write_text(here.config_file.read_text().replace("deployment: denis", "deployment: sined"))
    ended = here.run(*command)
    assert ended.code == 1
    assert "Deployment sined" in ended.output
    assert "is not there; compare targets." in ended.output


@pytest.mark.parametrize("command", [one for one in COMMANDS if one[0] == "canary"], ids=" ".join)
def test_a_container_that_is_not_there_is_told(here: Place, command: tuple[str, ...]) -> None:
    """Nothing can be said of flags that nobody has."""
    here.config_file.write_text(here.config_file.read_text().replace("container: denis", "container: sined"))
    ended = here.run(*command)
    assert ended.code == 1
    assert "it has no containers named sined; fix it, or targets.denis of the file" in ended.output


@pytest.mark.parametrize("command", [one for one in COMMANDS if one not in EMERGENCIES], ids=" ".join)
def test_a_bad_file_is_told(here: Place, command: tuple[str, ...]) -> None:
    """A file of remediations that is invalid stops every command but the emergencies, with file and line."""
    here.config_file.write_text(here.config_file.read_text().replace("set_percentage: 0", "set_percentage: 50"))
    ended = here.run(*command)
    assert ended.code == 2
    assert "remediations.yaml:" in ended.output


def test_the_target_has_to_be_clear(here: Place) -> None:
    """With two canaries in the file, the one that is meant is given by name; another name is refused."""
    text = here.config_file.read_text()
    second = "  other: {namespace: denis, deployment: other, container: other}\n  denis-workers:"
    here.config_file.write_text(text.replace("  denis-workers:", second, 1))
    unclear = here.run("canary", "rollback")
    assert unclear.code == 2
    assert "the file does not say which target is the canary (denis, other); give --target" in unclear.output
    assert here.run("canary", "rollback", "--target=denis", "--no-wait").code == 0
    assert (
        "'denis-workers' is no canary of the file; it has: denis, other"
        in here.run("canary", "rollback", "--target=denis-workers").output
    )

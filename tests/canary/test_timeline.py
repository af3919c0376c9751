"""`remediator timeline` on a cluster, with what a real service recorded there and wrote to its audit log."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from demo.waiting import until
from remediator.core.ledger import LEDGER, PAUSE
from tests.canary.conftest import await_settled
from tests.canary.place import Ended, Place
from tests.monitoring.wire import JSON, Wire, answer
from tests.support.faults import Answer, FaultyApi, First
from tests.support.service import Service, alert

Line = dict[str, Any]


@contextmanager
def serving(place: Place) -> Iterator[Service]:
    """A replica; afterwards its Events are written, and its audit log is in `audit.log`."""
    service = Service(place.kubeconfig, clock=lambda: datetime.now(UTC), policy=place.policy())
    yield service
    lines = service.audit_lines()
    service.recorder.close(10)
    (place.directory / "audit.log").write_text("".join(f"{json.dumps(line)}\n" for line in lines))


def firing() -> dict[str, Any]:
    """An alert that began a second ago."""
    began = datetime.now(UTC) - timedelta(seconds=1)
    return {**alert(), "startsAt": began.isoformat()}


def timeline(place: Place, *arguments: str, stdin: str | None = None) -> Any:
    """What the command says as JSON."""
    ended = place.run("timeline", *arguments, "-o", "json", stdin=stdin)
    assert ended.code == 0, ended.output
    return json.loads(ended.stdout)


def of_kind(found: Any, *kinds: str) -> list[tuple[str, str, list[str]]]:
    """The lines of some kinds: kind, text, sources."""
    return [(line["kind"], line["text"], line["sources"]) for line in found["lines"] if line["kind"] in kinds]


def rollouts(found: Any) -> str:
    """What the revisions changed."""
    return "; ".join(text for _, text, _ in of_kind(found, "rollout"))


def audit(place: Place) -> str:
    """The flag for the service's audit log."""
    return f"--audit.file={place.directory / 'audit.log'}"


def test_an_act_is_one_line_from_every_source(place: Place) -> None:
    """Ledger, audit line and Event have one id; the alert, the act and its rollout are in this order."""
    with serving(place) as service:
        assert service.reasons(firing()) == ["Applied"]
    await_settled(place)
    found = timeline(place, audit(place))
    assert of_kind(found, "alert", "act") == [
        ("alert", "DenisErrorRateHigh fires, value 0.061", ["audit log"]),
        ("act", "denis: 10 % -> 0 % by rollback: DenisErrorRateHigh 0.061; holds", ["ledger", "audit log", "Event"]),
    ]
    kinds = [line["kind"] for line in found["lines"] if line["subject"] != "denis-workers"]
    assert kinds.index("alert") < kinds.index("act") < len(kinds) - kinds[::-1].index("rollout") - 1


def test_without_the_audit_log_the_act_is_there_and_the_gap_is_said(here: Place) -> None:
    """Ledger and Event know of it; on top stands who was not asked."""
    with serving(here) as service:
        service.reasons(firing())
    found = timeline(here)
    assert [sources for _, _, sources in of_kind(found, "act")] == [["ledger", "Event"]]
    assert found["notes"][-2:] == [
        "No audit log was given, so decisions are missing; give --audit.file=F, or - for kubectl logs.",
        "Prometheus was not asked, so alerts and verdicts are missing; give --prometheus.url.",
    ]


def test_a_refusal_and_its_event_are_one_line_and_repeats_are_counted(here: Place) -> None:
    """Three notifications in a pause: one line, with the Event that the first one made."""
    here.run("pause", "--for=1h", "--reason=load test")
    with serving(here) as service:
        for _ in range(3):
            assert service.reasons(firing()) == ["Paused"]
    found = timeline(here, audit(here))
    (refused,) = [line for line in found["lines"] if line["kind"] == "decision"]
    assert "denis: rollback: Paused:" in refused["text"]
    assert (refused["sources"], refused["times"]) == (["audit log", "Event"], 3)
    assert (refused["until"] > refused["time"]) is True


def test_people_and_other_programs_are_in_it(place: Place) -> None:
    """A person's act with the reason, kubectl's write by its name, and the revisions that both made."""
    place.run("canary", "set", "0", "--no-wait", "--reason=checkout is slow")
    # Two writes that follow each other at once may become one revision.
    until("the Deployment controller has made a revision", lambda: "PCT 10 -> 0" in rollouts(timeline(place)), 60)
    place.set_flags(DENIS_MATERIALIZERS_PCT="50", DENIS_MATERIALIZERS_ENABLED="true")
    until("and another one", lambda: "PCT 0 -> 50" in rollouts(timeline(place)), 60)
    found = timeline(place)
    ((_, person, sources),) = of_kind(found, "person")
    assert re.fullmatch(r"denis: 10 % -> 0 % by .+: checkout is slow; held \d+m?s, ended by kubectl-set", person)
    assert sources == ["ledger"]
    assert ("write", "denis: 0 % -> 50 % by kubectl-set; holds", ["managedFields"]) in of_kind(found, "write")


def test_standard_input_takes_what_kubectl_logs_shows(here: Place) -> None:
    """With its prefix, and with logs in between."""
    with serving(here) as service:
        service.reasons(firing())
    (line,) = (here.directory / "audit.log").read_text().splitlines()
    found = timeline(here, "--audit.file=-", stdin=f"ts=1 level=info msg=x\n[pod/remediator-1/remediator] {line}\n")
    assert [sources for _, _, sources in of_kind(found, "act")] == [["ledger", "audit log", "Event"]]


def test_a_log_twice_is_a_log_once(here: Place) -> None:
    """Two files that overlap, as from two calls of kubectl logs."""
    with serving(here) as service:
        service.reasons(alert("other", alertname="Nobody"))
    once, twice = timeline(here, audit(here)), timeline(here, audit(here), audit(here))
    assert of_kind(once, "decision") == of_kind(twice, "decision") != []
    assert [line["times"] for line in twice["lines"] if line["kind"] == "decision"] == [1]


def test_broken_lines_are_named_and_the_others_kept(here: Place) -> None:
    """File and line number stand on top; a whole file without an audit line, or of another day, too."""
    with serving(here) as service:
        service.reasons(firing())
    log, empty, old = here.directory / "audit.log", here.directory / "empty.log", here.directory / "old.log"
    line = log.read_text()
    log.write_text(f"{line[:50]}\n{line}{{}}\n" + '{"audit":"decision"}\n' * 9)
    empty.write_text("a log\n")
    old.write_text(re.sub(r'"time": "\d+', '"time": "1999', line))
    found = timeline(here, audit(here), f"--audit.file={empty}", f"--audit.file={old}")
    assert [sources for _, _, sources in of_kind(found, "act")] == [["ledger", "audit log", "Event"]]
    assert f"Audit log {log}, line 1: is no complete JSON object; it is left out." in found["notes"]
    assert f"Audit log {log}, line 4: has no time that can be read; it is left out." in found["notes"]
    assert f"Audit log {log}: 5 more lines cannot be read; they are left out." in found["notes"]
    assert f"Audit log {empty} has no audit line at all." in found["notes"]
    assert any(note.startswith(f"Audit log {old} has 1 audit lines, none in this period") for note in found["notes"])


HOSTILE = "a\nb | `c` <script> [d](http://evil.example) \x1b[31m \u202e **e** ~~f~~ ![g](x)"


def forge(place: Place) -> None:
    """A ledger with an act whose texts are hostile, a pause likewise, and a program with such a name."""
    now, later = datetime.now(UTC).isoformat(), (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    act = {
        "id": "1",
        "time": now,
        "effect": "SetPercentage",
        "from": 10,
        "to": 0,
        "operator": HOSTILE,
        "reason": HOSTILE,
    }
    ledger = json.dumps({"version": 1, "acts": [act]})
    pause = json.dumps({"reason": HOSTILE, "author": HOSTILE, "until": later})
    place.patch("denis", {"metadata": {"annotations": {LEDGER: ledger, PAUSE: pause}}}, manager="x|`y`")


def test_hostile_text_cannot_leave_its_cell(here: Place) -> None:
    """Markdown: four cells in each row, no HTML, no link, no image, no code, and no line of its own."""
    forge(here)
    ended = here.run("timeline", "-o", "markdown")
    assert ended.code == 0
    assert ended.stdout.startswith("## Timeline of denis, denis-workers, ")
    rows = [line for line in ended.stdout.splitlines() if line.startswith("|")]
    assert [len(re.split(r"(?<!\\)\|", row)) for row in rows] == [6] * len(rows)
    (hostile,) = [row for row in rows if "script" in row]
    (paused,) = [line for line in ended.stdout.splitlines() if "is paused by" in line]
    assert paused.startswith("* denis is paused by a b")
    assert not re.search(r"(?<!\\)[`<\[~]", paused)
    assert r"a b \| \`c\` \<script> \[d\](http:\//evil.example)" in hostile
    assert "\u202e" not in ended.stdout
    assert "\x1b" not in ended.stdout
    assert not re.search(r"(?<!\\)[`<\[*~]", hostile)
    assert any(r"x\|\`y\`" in row for row in rows)


def test_hostile_text_cannot_steer_a_terminal(here: Place) -> None:
    """The table has a line for each thing, whatever others wrote."""
    forge(here)
    ended = here.run("timeline")
    hostile = [line for line in ended.stdout.splitlines() if "script" in line]
    assert len(hostile) == 2
    assert all(line.isprintable() for line in ended.stdout.splitlines())


def test_a_cluster_that_gives_no_answer_is_said_and_the_rest_is_shown(here: Place) -> None:
    """The audit log alone is a timeline too; the exit code says that it is not whole."""
    with serving(here) as service:
        service.reasons(firing())
    nowhere = here.directory / "nowhere"
    nowhere.write_text(re.sub(r"http://127.0.0.1:\d+", "http://127.0.0.1:9", here.kubeconfig.read_text()))
    ended = here.run("timeline", audit(here), kubeconfig=nowhere)
    assert ended.code == 1
    assert "! Deployment denis/denis was not read: no answer from http://127.0.0.1:9" in ended.stdout
    assert "denis: set 10 % -> 0 % by rollback (DenisErrorRateHigh 0.061)" in ended.stdout
    assert "the list is incomplete" in ended.output


def test_a_prometheus_that_gives_no_answer_is_said(here: Place) -> None:
    """It was asked, so the exit code says that something is missing."""
    ended = here.run("timeline", "--prometheus.url=http://127.0.0.1:9")
    assert ended.code == 1
    assert "! Prometheus gave no full answer, so some of what it recorded is missing: Prometheus at" in ended.stdout
    assert "! Verdicts are missing: Prometheus at http://127.0.0.1:9" in ended.stdout


def test_clocks_that_differ_are_named(faulty: Place, api: FaultyApi) -> None:
    """The API server's is 10 minutes ahead: the time is its own, and that the order may be wrong stands on top."""
    api.clock_ahead = 600
    with Wire(answer(b'{"status":"success","data":{"resultType":"matrix","result":[]}}', head=dated())) as wire:
        found = timeline(faulty, f"--prometheus.url={wire.url}")
    (note,) = [note for note in found["notes"] if note.startswith("Clocks now: ")]
    assert "that of the API server is 10m" in note
    assert "ahead of that of Prometheus; lines from the two may be in the wrong order" in note
    ahead = datetime.fromisoformat(found["to"]) - datetime.now(UTC)
    assert timedelta(minutes=9) < ahead < timedelta(minutes=11)


def dated() -> bytes:
    """The head of an answer with this machine's time."""
    return JSON + f"Date: {format_datetime(datetime.now(UTC), usegmt=True)}\r\n".encode()


def test_a_full_ledger_is_said(here: Place) -> None:
    """It keeps 20 acts of a kind, so what people did before the oldest one may be missing."""
    began = datetime.now(UTC) - timedelta(minutes=30)
    acts = [
        {
            "id": f"{number}",
            "time": (began + timedelta(seconds=number)).isoformat(),
            "effect": "SetPercentage",
            "from": 10,
            "to": 10,
            "operator": "ada",
        }
        for number in range(20)
    ]
    ledger = {"metadata": {"annotations": {LEDGER: json.dumps({"version": 1, "acts": acts})}}}
    here.patch("denis", ledger)
    notes = timeline(here)["notes"]
    kept = (
        f"The ledger of denis keeps 20 acts of a kind: those before {began:%d %b %H:%M:%S} (people's) may be missing."
    )
    assert kept in notes
    assert kept not in timeline(here, "--since=10m")["notes"]


def test_rights_that_are_missing_are_said(faulty: Place, api: FaultyApi) -> None:
    """Without ReplicaSets and Events the rest is there, and each is named."""
    refused = Answer(status=403, message="no")
    read = First(do=lambda: None)
    api.next("GET", read, *(read, refused, refused) * 2)
    found = timeline(faulty)
    notes = [note for note in found["notes"] if "not read" in note]
    assert [note.partition(":")[0] for note in notes[:4]] == [
        "The ReplicaSets of denis were not read, so its rollouts are missing",
        "The Events of denis were not read",
        "The ReplicaSets of denis-workers were not read, so its rollouts are missing",
        "The Events of denis-workers were not read",
    ]
    assert of_kind(found, "rollout") == []
    assert of_kind(found, "write") != []


def test_a_deployment_that_is_gone_is_said(here: Place) -> None:
    """Its ledger went with it; the other Deployment is shown."""
    policy = here.config_file
    policy.write_text(policy.read_text().replace("deployment: denis,", "deployment: gone,"))
    ended = here.run("timeline")
    assert ended.code == 1
    assert "! Deployment denis/gone is not there, so neither is its ledger." in ended.stdout
    assert "denis-workers: rollout of revision 1" in ended.stdout


def test_nothing_is_said_of_another_time(here: Place) -> None:
    """A time without events is a sentence, and not an empty table."""
    ended = here.run("timeline", "--from=2d", "--to=1d")
    assert ended.code == 0
    assert "No source has anything from this period." in ended.stdout
    assert "! The API server keeps Events for an hour" in ended.stdout


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--from=1h", "--to=2h"], "the period ends before it starts: --from is after --to, or in the future"),
        (["--from=2199-01-01T00:00:00Z"], "the period ends before it starts"),
        (["--since=1h", "--from=2h"], "give --since or --from, not both"),
        (["--from=yesterday"], "is no time of RFC 3339 with its offset"),
        (["--audit.file=/none"], "/none: cannot be read: No such file or directory; give --audit.file=F"),
        (["--prometheus.url=p:9090"], "is not the URL of Prometheus"),
    ],
)
def test_wrong_usage_is_reported(here: Place, arguments: list[str], problem: str) -> None:
    """Exit code 2, and nothing is printed."""
    ended: Ended = here.run("timeline", *arguments)
    assert ended.code == 2
    assert problem in ended.output
    assert ended.stdout == ""

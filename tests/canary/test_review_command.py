"""`remediator review`, and the service's own, on a real Prometheus with a generated day and on DENIS with a ledger."""

import json
import math
import re
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest

from demo.month import HOUR, MINUTE, STEP, Change, Month, Trouble, write_month
from demo.process import Process
from demo.waiting import until
from remediator.canary.last_acts import judge_last_act
from remediator.core.judgement import Judged
from remediator.core.ledger import LEDGER, Entry, Ledger, encode_ledger
from remediator.core.workload import Workload
from remediator.kube.connection import Connection
from remediator.kube.targets import Cluster
from remediator.monitoring.prometheus import Prometheus
from remediator.reflex.reviews import NotJudged
from tests.canary.place import Ended, Place
from tests.monitoring.wire import JSON, Wire, answer
from tests.support.alert_rules import RULES
from tests.support.builders import entry
from tests.support.components import component
from tests.support.faults import FaultyApi, First, HangUp
from tests.support.replica import Replica
from tests.support.ruling_prometheus import RulingPrometheus
from tests.support.stand_in import StandIn

ACTS = [12 * HOUR + 140, 16 * HOUR + 140]
PAST = Month(
    days=1,
    troubles=[
        Trouble(start=6 * HOUR, length=12 * MINUTE, signal="error_rate", value=0.055),
        Trouble(start=8 * HOUR, length=20 * MINUTE, signal="error_rate", value=0.12),
        Trouble(start=12 * HOUR, length=4 * MINUTE, signal="error_rate", value=0.12),
        Trouble(start=16 * HOUR, length=4 * MINUTE, signal="error_rate", value=0.09),
    ],
    percentages=[
        Change(at=0, value=10),
        Change(at=8 * HOUR + 20 * MINUTE, value=0),
        Change(at=10 * HOUR, value=10),
        Change(at=ACTS[0], value=0),
        Change(at=14 * HOUR, value=10),
        Change(at=ACTS[1], value=0),
        Change(at=ACTS[1] + 22 * MINUTE, value=10),
        Change(at=20 * HOUR, value=0),
        Change(at=21 * HOUR, value=10),
    ],
    replicas=[Change(at=0, value=4)],
    acts=ACTS,
)
"""What was observed and was not needed, what was observed and a person did, an act that was right, and one undone."""


@cache
def day_end() -> int:
    """The end of that day: when the first test of it runs, which may be long after it was collected."""
    return int(time.time()) // (2 * STEP) * 2 * STEP


def at(seconds: float) -> datetime:
    """A moment of that day."""
    return datetime.fromtimestamp(day_end() - 86_400, UTC) + timedelta(seconds=seconds)


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a Prometheus that has the day, and the shipped rules."""
    with running("newest", tmp_path_factory.mktemp("prometheus")) as url:
        yield url


@contextmanager
def running(version: str, directory: Path) -> Iterator[str]:
    """The URL of such a Prometheus of this version."""
    data = write_month(component("promtool-newest", "promtool", on_path=False), directory, PAST, end=day_end())
    (directory / "prometheus.yml").write_text(f"rule_files: [{RULES}/denis.rules.yaml]\n")
    flags = [f"--config.file={directory}/prometheus.yml", f"--storage.tsdb.path={data}"]
    flags += ["--storage.tsdb.retention.time=1y", "--web.listen-address=127.0.0.1:0"]
    with Process("prometheus", [component(f"prometheus-{version}", "prometheus"), *flags], directory) as process:
        address = process.says(r"msg=\"?Listening on\"? .*address=(\S+)")[1]
        process.says("Server is ready to receive web requests")
        yield f"http://{address}"


@pytest.fixture
def reviewed(here: Place) -> Place:
    """DENIS, whose ledger has what was really done, and what people did by the commands."""
    record(here)
    return here


def record(place: Place) -> None:
    """Put into the ledger what was really done, and what people did by the commands."""
    ours = [
        replace(
            entry(timedelta()),
            id=f"act-{number}",
            time=at(act),
            remediation="rollback",
            reason="DenisErrorRateHigh 0.1",
        )
        for number, act in enumerate(ACTS)
    ]
    people = [
        replace(entry(timedelta(), operator="ada"), id="ada-1", time=at(8 * HOUR + 20 * MINUTE - 8)),
        replace(entry(timedelta(), operator="bob"), id="bob-1", time=at(20 * HOUR - 5), reason="checkout is slow"),
    ]
    write(place, *ours, *people)


def write(place: Place, *acts: Entry) -> None:
    """Put acts into the canary's ledger."""
    annotate(place, encode_ledger(Ledger().with_entries(acts)))


def annotate(place: Place, text: str) -> None:
    """Make this the canary's ledger."""
    place.patch("denis", {"metadata": {"annotations": {LEDGER: text}}})


def review(place: Place, url: str, *arguments: str) -> Ended:
    """The end of the command, over the day."""
    return place.run("review", f"--prometheus.url={url}", "--since=25h", *arguments)


def data(place: Place, url: str, *arguments: str) -> Any:
    """What it says as JSON."""
    return json.loads(review(place, url, *arguments, "-o", "json").stdout)


def test_the_table_says_what_became_of_each_act(reviewed: Place, prometheus: str) -> None:
    """Acts, what would have been one, what was missed, by whom, the counts, and where to go on."""
    found = review(reviewed, prometheus)
    assert found.code == 0, found.output
    lines = [" ".join(line.split()) for line in found.stdout.splitlines()]
    day = {hours: f"{at(hours * HOUR):%d %b %H}" for hours in (6, 8, 12, 16, 20)}
    for expected in (
        "rollback, mode act: DenisMaterializerSuccessRateLow, DenisErrorRateHigh, "
        "DenisSuccessRateSevere, DenisErrorRateSevere",
        "WHEN WHAT VERDICT BECAUSE",
        "Right in 2 of 4 that can be judged, 1 missed, 17m22s would have been saved. "
        "Too few to say more: 5 are little evidence, 20 are some.",
        "Other thresholds: remediator backtest --sweep=DenisErrorRateHigh",
        "No act in this period, done or observed.",
    ):
        assert expected in lines, found.stdout
    rows = [line for line in lines if line.startswith(tuple(day.values()))]
    assert [row.split(" ", 3)[3] for row in rows] == [
        "would have set 10 % -> 0 % NotNeeded well again by itself after 12m",
        "would have set 10 % -> 0 % Followed ada set 10 to 0 17m22s later",
        "set 10 % -> 0 % Right well 2m10s after Remediator's act",
        "set 10 % -> 0 % Undone people set 10 again 22m10s after Remediator's act",
        '- Missed bob set 10 % to 0 %: "checkout is slow"',
    ]


def test_the_same_as_json(reviewed: Place, prometheus: str) -> None:
    """Times in UTC, durations in seconds, every verdict with a count, and no ratio."""
    found = data(reviewed, prometheus, "--remediation=rollback")
    (rollback,) = found["remediations"]
    assert [act["verdict"] for act in rollback["acts"]] == ["NotNeeded", "Followed", "Right", "Undone"]
    assert [act["id"] for act in rollback["acts"]] == ["", "", "act-0", "act-1"]
    assert (rollback["right"], rollback["judged"], rollback["unknown"]) == (2, 4, None)
    assert {word: count for word, count in rollback["counts"].items() if count} == {
        "NotNeeded": 1,
        "Followed": 1,
        "Right": 1,
        "Undone": 1,
        "Missed": 1,
    }
    assert rollback["missed"][0]["why"] == 'bob set 10 % to 0 %: "checkout is slow"'


def test_bounds_are_for_pipelines(reviewed: Place, prometheus: str) -> None:
    """3 where too few were judged or too few were right, with the counts; each remediation by itself."""
    for arguments, code, words in (
        (["--min-judged=4"], 0, ""),
        (["--min-right=0.5", "--min-judged=4"], 0, ""),
        (["--min-right=0.51", "--min-judged=4"], 3, "right in 2 of 4 that can be judged: --min-right is 0.51"),
        (["--min-right=0.5"], 3, "rollback: right in 2 of 4 that can be judged: too few, --min-judged is 5"),
    ):
        found = review(reviewed, prometheus, "--remediation=rollback", *arguments)
        assert found.code == code, found.output
        assert words in found.output
    other = review(reviewed, prometheus, "--min-judged=1")
    assert other.code == 3
    assert "scale-workers: right in 0 of 0 that can be judged: too few, --min-judged is 1" in other.output


def test_a_ledger_that_cannot_be_read_is_said_and_prometheus_still_knows(reviewed: Place, prometheus: str) -> None:
    """Another version, broken JSON, nothing: the acts are those that Prometheus recorded, without identifiers."""
    for text in ('{"version":2,"acts":[]}', '{"version":1,"acts":[{"id"', "null"):
        annotate(reviewed, text)
        found = data(reviewed, prometheus)
        assert [act["verdict"] for act in found["remediations"][0]["acts"]][2:] == ["Right", "Undone"]
        assert any("cannot be read" in note and "only acts that Prometheus recorded" in note for note in found["notes"])
    write(reviewed)
    assert "Ledger of denis: without 2 of the acts that Prometheus recorded." in data(reviewed, prometheus)["notes"]


def test_a_retention_that_is_shorter_than_asked_for_is_said(reviewed: Place, prometheus: str) -> None:
    """An act of before is shown and Unknown."""
    write(reviewed, replace(entry(timedelta()), time=at(-3 * HOUR), remediation="rollback"))
    found = review(reviewed, prometheus, "--since=30h")
    assert found.code == 0
    # The command's own clock has gone on since the day was made.
    assert re.search(r"none before \d\d \w{3} \d\d:\d\d: nothing is known of (5h5\dm|6h)", found.stdout)
    assert "Unknown" in found.stdout
    assert "what people did is not recorded for 30m after the act" in found.stdout


def test_a_prometheus_that_knows_nothing_is_no_quiet_month(here: Place) -> None:
    """Without an alert that asks for it there is nothing to judge by: exit code 1, and not 'all is right'."""
    empty = '{"status":"success","data":{"resultType":"matrix","result":[]}}'
    rules = '{"status":"success","data":{"groups":[]}}'
    with StandIn({"/api/v1/rules": rules, "/api/v1/query_range": empty}) as nothing:
        found = review(here, nothing.url, "--min-right=0")
    assert found.code == 1
    assert "rollback: Prometheus has loaded no alert that asks for it, so no act can be judged" in found.output
    assert "Percentage of denis: not recorded, so what people did by hand is not known." in found.stdout


def test_a_prometheus_that_gives_no_answer_is_named(here: Place, prometheus: str) -> None:
    """Down, a proxy's page, a partial answer of Thanos, death half way: exit code 1, and nothing is printed."""
    partial = b'{"status":"success","data":{"groups":[]},"warnings":["store gone"]}'
    for parts, expected in (
        ((JSON + b'Content-Length: 999\r\n\r\n{"status":',), "the connection broke"),
        (answer(b"<html>"), "not JSON"),
        (answer(partial), "the answer may be incomplete: store gone"),
    ):
        with Wire(parts) as wire:
            found = review(here, wire.url)
        assert (found.code, found.stdout) == (1, "")
        assert expected in found.output
    with FaultyApi(prometheus) as proxy:
        proxy.next("GET", *[First(do=lambda: None)] * 4)
        proxy.always("GET", HangUp())
        found = review(here, proxy.url)
        assert (proxy.waiting("GET"), found.code, found.stdout) == (0, 1, "")
    assert review(here, "http://127.0.0.1:9").code == 1


def test_a_target_that_cannot_be_read_ends_the_review(here: Place, prometheus: str) -> None:
    """Without its ledger what was done is not known."""
    assert here.api.delete(here.path()).code == 200
    found = review(here, prometheus)
    assert (found.code, found.stdout) == (1, "")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "give --prometheus.url"),
        (
            ["--prometheus.url=http://127.0.0.1:9", "--remediation=none"],
            "'none' is none of the file's: rollback, scale-workers",
        ),
        (["--prometheus.url=http://127.0.0.1:9", "--since=10s"], "write 2m to 365d"),
        (["--prometheus.url=http://127.0.0.1:9", "--since=2y"], "write 2m to 365d"),
        (["--prometheus.url=http://127.0.0.1:9", "--min-right=2"], "is not in the range"),
        (["--prometheus.url=ftp://x"], "--prometheus.url"),
    ],
)
def test_bad_usage_is_explained(arguments: list[str], expected: str, here: Place) -> None:
    """Exit code 2, a sentence, and nothing is asked."""
    found = here.run("review", *arguments)
    assert (found.code, found.stdout) == (2, "")
    assert expected in " ".join(found.output.split())


def test_every_shipped_alert_judges_its_remediation(prometheus: str, here: Place) -> None:
    """Also those without recorded series of their own; the guards ask for nothing, and judge nothing."""
    found = data(here, prometheus)
    assert [one["alerts"] for one in found["remediations"]] == [
        ["DenisMaterializerSuccessRateLow", "DenisErrorRateHigh", "DenisSuccessRateSevere", "DenisErrorRateSevere"],
        ["DenisQueueDepthHigh"],
    ]
    assert not [note for note in found["notes"] if "cannot be read" in note]


@pytest.mark.parametrize("version", ["oldest", "newest"])
def test_a_real_cluster_is_reviewed_by_every_prometheus(version: str, real: Place, tmp_path: Path) -> None:
    """The acts are those of the ledger that the API server keeps, with their words, and the verdicts are the same."""
    record(real)
    kept = [act for act in real.acts() if "remediation" in act]
    with running(version, tmp_path) as url:
        rollback = data(real, url)["remediations"][0]
    done = [act for act in rollback["acts"] if act["done"]]
    assert [(act["id"], act["from"], act["to"], act["reason"]) for act in done] == [
        (act["id"], act["from"], act["to"], act["reason"]) for act in kept
    ]
    times = [[datetime.fromisoformat(act["time"]) for act in acts] for acts in (done, kept)]
    assert times[0] == times[1]
    assert [act["verdict"] for act in rollback["acts"]] == ["NotNeeded", "Followed", "Right", "Undone"]
    assert [one["why"] for one in rollback["missed"]] == ['bob set 10 % to 0 %: "checkout is slow"']


def judged(place: Place, act: str, *urls: str) -> Judged:
    """What the service finds out about an act of the ledger by these, of which none may take longer than a second."""
    policy = place.policy()
    remediation = policy.remediations[0]
    workload = Cluster(Connection(place.kubeconfig)).read(remediation.target)
    assert isinstance(workload, Workload)
    (entry,) = (one for one in workload.ledger.entries if one.id == act)
    prometheis = [Prometheus(url, timeout=1.0) for url in urls]
    return judge_last_act(prometheis, "", policy, remediation, workload, entry)


def test_the_service_says_of_each_act_what_the_command_says(reviewed: Place, prometheus: str) -> None:
    """By the hour around it alone, and in the same words."""
    for act in data(reviewed, prometheus)["remediations"][0]["acts"]:
        if act["done"]:
            found = judged(reviewed, act["id"], prometheus)
            assert (found.judgement, found.why) == (act["verdict"], act["why"])


def test_one_prometheus_of_several_is_enough(reviewed: Place, prometheus: str) -> None:
    """The first that knows: not one that gives no answer, and not one that had no samples at the time."""
    with StandIn({"/api/v1/rules": rules_of(prometheus), "/api/v1/query_range": EMPTY}) as forgetful:
        for others in (["http://127.0.0.1:9"], [forgetful.url], [forgetful.url, "http://127.0.0.1:9"]):
            assert judged(reviewed, "act-1", *others, prometheus).judgement == "Undone"
        assert judged(reviewed, "act-1", forgetful.url).judgement == "Unknown"
        with pytest.raises(NotJudged, match="no connection"):
            judged(reviewed, "act-1", forgetful.url, "http://127.0.0.1:9")


EMPTY = '{"status":"success","data":{"resultType":"matrix","result":[]}}'


def rules_of(prometheus: str) -> bytes:
    """What it says of its rules."""
    with urllib.request.urlopen(f"{prometheus}/api/v1/rules") as response:
        return bytes(response.read())


def test_without_an_answer_the_service_judges_nothing(reviewed: Place) -> None:
    """Down, hanging, a proxy's page, a partial answer, no rules: it is not known, and why."""
    partial = b'{"status":"success","data":{"groups":[]},"warnings":["store gone"]}'
    empty = b'{"status":"success","data":{"groups":[]}}'
    for parts, expected in ((answer(b"<html>"), "not JSON"), (answer(partial), "incomplete: store gone")):
        with Wire(parts) as wire, pytest.raises(NotJudged, match=expected):
            judged(reviewed, "act-0", wire.url)
    with StandIn({"/api/v1/rules": empty, "/api/v1/query_range": EMPTY}) as bare, pytest.raises(NotJudged) as raised:
        judged(reviewed, "act-0", bare.url)
    assert "no alert that asks for it" in str(raised.value)
    with RulingPrometheus() as hanging:
        hanging.hang()
        with pytest.raises(NotJudged, match="no complete answer in 1 s"):
            judged(reviewed, "act-0", hanging.url)
    with pytest.raises(NotJudged, match="no connection"):
        judged(reviewed, "act-0", "http://127.0.0.1:9")


def test_every_replica_shows_the_same(reviewed: Place, prometheus: str, tmp_path: Path) -> None:
    """One act of the ledger was right and one was undone; a replica that gets no answer says that it is blind."""
    flags = (f"--config.file={reviewed.config_file}", f"--kubeconfig={reviewed.kubeconfig}", "--insecure-no-auth")
    right, undone, elsewhere = (
        f'remediator_reviewed_acts{{effect="SetPercentage",remediation="rollback",verdict="{verdict}"}}'
        for verdict in ("Right", "Undone", "Elsewhere")
    )
    failures = "remediator_review_failures_total"
    with ExitStack() as stack:
        one, other, blind = (
            stack.enter_context(Replica(tmp_path / f"replica-{number}", *flags, f"--prometheus.url={url}"))
            for number, url in enumerate([prometheus, prometheus, "http://127.0.0.1:9"])
        )
        for replica in (one, other):
            until("judged", partial(shows, replica, right), 60)
            assert [replica.value(series) for series in (undone, elsewhere, failures)] == [1, 0, 0]
            assert verdicts(replica) == {"act-0": "Right", "act-1": "Undone", "ada-1": None, "bob-1": None}
        until("failed", partial(shows, blind, failures), 60)
        assert {*verdicts(blind).values()} == {None}
        assert all(math.isnan(blind.value(series)) for series in (right, undone, elsewhere))
        assert blind.says(r'msg="?acts not reviewed"? .*error=(.*)')[1]


def shows(replica: Replica, series: str) -> bool:
    """Whether it shows one of these."""
    return replica.value(series) == 1


def verdicts(replica: Replica) -> dict[str, str | None]:
    """What its status says of each act in the canary's ledger, by its id."""
    canary = json.loads(replica.get("/api/v1/status")[1])["data"]["targets"][0]
    return {act["id"]: act["verdict"] for act in canary["lastActs"]}

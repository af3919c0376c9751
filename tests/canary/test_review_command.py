"""`remediator review` on a real Prometheus with a generated day, and on DENIS with a ledger."""

import json
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import pytest

from demo.month import HOUR, MINUTE, STEP, Change, Month, Trouble, write_month
from demo.process import Process
from remediator.core.ledger import LEDGER, Entry, Ledger, encode_ledger
from tests.canary.place import Ended, Place
from tests.monitoring.wire import JSON, Wire, answer
from tests.support.alert_rules import RULES
from tests.support.builders import entry
from tests.support.components import component
from tests.support.faults import FaultyApi, First, HangUp
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
    directory = tmp_path_factory.mktemp("prometheus")
    data = write_month(component("promtool-newest", "promtool", on_path=False), directory, PAST, end=day_end())
    (directory / "prometheus.yml").write_text(f"rule_files: [{RULES}/denis.rules.yaml]\n")
    flags = [f"--config.file={directory}/prometheus.yml", f"--storage.tsdb.path={data}"]
    flags += ["--storage.tsdb.retention.time=1y", "--web.listen-address=127.0.0.1:0"]
    with Process("prometheus", [component("prometheus-newest", "prometheus"), *flags], directory) as process:
        address = process.says(r"msg=\"?Listening on\"? .*address=(\S+)")[1]
        process.says("Server is ready to receive web requests")
        yield f"http://{address}"


@pytest.fixture
def reviewed(here: Place) -> Place:
    """DENIS, whose ledger has what was really done, and what people did by the commands."""
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
    write(here, *ours, *people)
    return here


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
        "Too few to say more: 5 is little, 20 is something.",
        "Other thresholds: remediator backtest --sweep=DenisErrorRateHigh",
        "No act in this time, and none that would have been one.",
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
        assert any(
            "cannot be read" in note and "only those that Prometheus recorded" in note for note in found["notes"]
        )
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

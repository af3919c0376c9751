"""`remediator backtest`: what it prints, how it ends, and what it says of bad input.

What a real Prometheus answers is in tests/monitoring/test_backtest_oracle.py.
"""

import gzip
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from tests.monitoring.wire import JSON, Wire, answer
from tests.support.alert_rules import RULES
from tests.support.commands import run
from tests.support.past import LABELS, save_past, spike
from tests.support.service import SHIPPED

BAD = spike(0.01, 0.12, 40, 121)
"""Errors from 12:10 to 12:30:15."""


def backtest(*arguments: str | Path) -> Result:
    """The result of the command with these arguments."""
    return run("backtest", *arguments)


def data(*arguments: str | Path) -> Any:
    """What it says as JSON."""
    result = backtest(*arguments, "-o", "json")
    return json.loads(result.stdout)


@pytest.fixture
def past(tmp_path: Path) -> Path:
    """Errors for 20 minutes, that a person ended by a rollback 17 minutes after the reflex would have."""
    return save_past(
        tmp_path / "past.json.gz", error_rate=BAD, percentage=lambda index: 0 if 117 <= index < 400 else 10
    )


@pytest.fixture
def tuned(tmp_path: Path) -> Path:
    """The shipped rules with another threshold for errors."""
    folder = tmp_path / "tuned"
    folder.mkdir()
    (folder / "denis.rules.yaml").write_text((RULES / "denis.rules.yaml").read_text().replace("> 0.05", "> 0.2"))
    return folder


def test_the_table_says_what_would_have_been_done_and_what_really_happened(past: Path) -> None:
    """A line for each incident, the sums, and that nothing is guessed."""
    result = backtest("--load", past)
    assert result.exit_code == 0
    assert result.output == (
        f"Back-test of {RULES}/denis.rules.yaml and {SHIPPED}, 23 Nov 12:00 to 23 Nov 16:00 UTC (4h, every 15s)\n"
        "History: complete.\n"
        "Check: not compared with the firings that Prometheus recorded: a saved history does not have them.\n"
        "\n"
        "WHEN              WOULD HAVE        BECAUSE                   AND REALLY\n"
        "23 Nov 12:12:05   set 10 % -> 0 %   error rate 12 %, 20m15s"
        "   Followed: people set 10 to 0 17m10s later\n"
        "\n"
        "Rollbacks  1 act in 1 incident: 1 Followed. First act after the breach began: 2m5s in the median.\n"
        "Workers    0 acts in 0 incidents.\n"
        "Spared     17m10s of a bad canary.\n"
        "History goes on as if there had been no act: what the act would have changed is not guessed.\n"
    )


def test_the_same_as_json(past: Path) -> None:
    """Times in UTC, durations in seconds, every judgement with a count."""
    found = data("--load", past)
    (incident,) = found["incidents"]
    assert incident["acts"] == [{"time": "2026-11-23T12:12:05+00:00", "effect": "SetPercentage", "from": 10, "to": 0}]
    assert (incident["judgement"], incident["sparedSeconds"]) == ("Followed", 1030)
    assert found["sums"]["SetPercentage"]["Followed"] == 1
    assert {one["unknownSeconds"] for one in found["history"]} == {0}


def test_a_quiet_history_says_so(tmp_path: Path) -> None:
    """No alert, no act, and that is a sentence of its own."""
    result = backtest("--load", save_past(tmp_path / "past"))
    assert result.exit_code == 0
    assert "No alert that asks for an act would have fired.\n" in result.output


def test_workers_are_told_in_two_lines(tmp_path: Path) -> None:
    """The first act, the others together, and what stopped them."""
    past = save_past(tmp_path / "past", async_queue_depth=spike(80, 900, 40, 600))
    output = backtest("--load", past).output
    assert "set 4 -> 6 replicas    queue 900, 2h20m" in output
    assert "  and 2 more      set 6 -> 10 replicas   the last one 23 Nov 12:39:05" in output
    assert "then Ineffective" in output


def test_what_if(past: Path) -> None:
    """--set changes a threshold or a time without a file, and says so."""
    assert data("--load", past, "--set", "DenisErrorRateHigh=0.2")["incidents"] == []
    later = data("--load", past, "--set", "for=5m")["incidents"][0]["acts"][0]["time"]
    assert later == "2026-11-23T12:15:05+00:00"
    only = data("--load", past, "--set", "DenisErrorRateHigh.for=10m")
    assert only["incidents"][0]["acts"][0]["time"] == "2026-11-23T12:20:05+00:00"
    assert only["tested"].endswith(", with DenisErrorRateHigh.for=10m")


def test_a_sweep_counts_acts_by_threshold_and_time(past: Path) -> None:
    """What the rules have is marked, and is the number that the table has."""
    output = backtest("--load", past, "--sweep=DenisErrorRateHigh").output
    table = output[output.index("DenisErrorRateHigh: acts in 4h") :].splitlines()
    assert [line.split() for line in table[1:]] == [
        ["over", "\\", "for", "15s", "30s", "1m", "2m", "5m", "10m"],
        ["3", "%", "1", "1", "1", "1", "1", "1"],
        ["5", "%", "1", "1", "1", "*1", "1", "1"],
        ["8", "%", "1", "1", "1", "1", "1", "1"],
        ["10", "%", "1", "1", "1", "1", "1", "1"],
        ["25", "%", "0", "0", "0", "0", "0", "0"],
    ]


def test_what_has_to_be_high_is_swept_towards_100_percent(past: Path) -> None:
    """94 % to 50 %, around the threshold of 90 %."""
    table = backtest("--load", past, "--sweep=DenisMaterializerSuccessRateLow").output.splitlines()[-6:]
    assert [line.split()[0] for line in table] == ["under", "94", "90", "84", "80", "50"]


def test_two_setups_beside_each_other(past: Path, tuned: Path) -> None:
    """What only one of them would have done is named; what is in both is counted."""
    output = backtest("--load", past, f"--against={tuned}").output
    assert ["rollbacks", "1", "0"] in [line.split() for line in output.splitlines()]
    assert "< 23 Nov 12:12:05 only A: set 10 % -> 0 %; error rate 12 %, 20m15s; Followed" in output


def test_a_setup_against_itself_has_no_difference(past: Path) -> None:
    """A against A."""
    output = backtest("--load", past, f"--against={RULES}").output
    assert output.endswith("Both would have done the same.\n")


def test_fail_on_is_about_the_files_that_are_tried(past: Path, tuned: Path, tmp_path: Path) -> None:
    """Exit code 3 where a word has a count, with the counts; 0 where it has none."""
    assert backtest("--load", past, "--fail-on=not-needed,missed").exit_code == 0
    failed = backtest("--load", past, f"--against={tuned}", "--fail-on=not-needed,missed")
    assert failed.exit_code == 3
    assert failed.stderr == "remediator: --fail-on: 1 Missed\n"
    truth = tmp_path / "truth.csv"
    truth.write_text("from,to,name\n")
    assert backtest("--load", past, "--truth", truth, "--fail-on=not-needed").exit_code == 3


def test_a_file_of_incidents_judges(past: Path, tmp_path: Path) -> None:
    """Acts within an incident are right; an incident without an act is missed, by its name."""
    truth = tmp_path / "truth.csv"
    truth.write_text(
        "from,to,name\n2026-11-23T12:05:00Z,2026-11-23T12:40:00+00:00,checkout is down\n"
        '2026-11-23T16:30:00+01:00,2026-11-23T17:00:00+01:00,"slow, for some"\n'
    )
    found = data("--load", past, "--truth", truth)
    assert found["incidents"][0]["why"] == "checkout is down"
    assert [(one["time"], one["why"]) for one in found["missed"]] == [("2026-11-23T15:30:00+00:00", "slow, for some")]


def test_an_incident_of_another_time_does_not_count(past: Path, tmp_path: Path) -> None:
    """What the history cannot show is not missed, and that it is left out is said."""
    truth = tmp_path / "truth.csv"
    truth.write_text("from,to,name\n2025-11-23T15:00:00Z,2025-11-23T15:10:00Z,a year ago\n")
    result = backtest("--load", past, "--truth", truth, "--fail-on=missed")
    assert result.exit_code == 0
    assert (
        "Incidents: 1 of 1 are outside of this period, and do not count: a year ago (23 Nov 2025 15:00).\n"
        in result.stdout
    )


def test_a_file_of_incidents_can_come_from_a_spreadsheet(past: Path, tmp_path: Path) -> None:
    """A byte order mark and carriage returns are no part of it."""
    truth = tmp_path / "truth.csv"
    truth.write_bytes(b"\xef\xbb\xbffrom,to,name\r\n2026-11-23T12:05:00Z,2026-11-23T12:40:00Z,checkout is down\r\n")
    assert data("--load", past, "--truth", truth)["incidents"][0]["why"] == "checkout is down"


TRUTHS = {
    "an overlap": (
        "from,to,name\n2026-11-23T12:00:00Z,2026-11-23T13:00:00Z,a\n2026-11-23T12:30:00Z,2026-11-23T14:00:00Z,b\n",
        ":3: overlaps line 2 (a); make one incident of both",
    ),
    "no header": ("2026-11-23T12:00:00Z,2026-11-23T13:00:00Z,a\n", ":1: must begin with the line from,to,name"),
    "no offset": ("from,to,name\n2026-11-23T12:00:00,2026-11-23T13:00:00Z,a\n", ":2: '2026-11-23T12:00:00' is no time"),
    "backwards": ("from,to,name\n2026-11-23T13:00:00Z,2026-11-23T12:00:00Z,a\n", ":2: ends before it begins"),
    "commas": ("from,to,name\n2026-11-23T12:00:00Z,2026-11-23T13:00:00Z,a,b\n", ":2: has 4 fields, not 3"),
    "nothing": ("", ":1: must begin with the line from,to,name"),
    "bytes": ("from,to,name\n\udcff", "is not UTF-8"),
}


@pytest.mark.parametrize("case", TRUTHS)
def test_a_bad_file_of_incidents_is_refused_by_its_line(case: str, past: Path, tmp_path: Path) -> None:
    """File, line and what is wrong; nothing is tested."""
    text, expected = TRUTHS[case]
    truth = tmp_path / "truth.csv"
    truth.write_bytes(text.encode(errors="surrogateescape"))
    result = backtest("--load", past, "--truth", truth)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"{truth}" in result.stderr
    assert expected in result.stderr


def test_gaps_are_told_and_are_no_health(tmp_path: Path) -> None:
    """Nothing is known before the first sample; a gap has a length; after an act without samples nothing is judged."""
    past = save_past(
        tmp_path / "past",
        error_rate=lambda index: None if index < 24 or 60 <= index < 260 else 0.12 if 40 <= index < 60 else 0.01,
    )
    output = backtest("--load", past).output
    assert (
        "History: DenisErrorRateHigh: none before 23 Nov 12:06: nothing is known of 6m; none for 50m in 1 gap.\n"
        in output
    )
    assert "Unknown: no samples for " in output


def test_nan_is_no_sample(tmp_path: Path) -> None:
    """A signal that is no number is as absent as one that is not there."""
    past = save_past(tmp_path / "past", error_rate=lambda index: float("nan") if index > 100 else 0.01)
    assert "History: DenisErrorRateHigh: none for 3h35m in 1 gap.\n" in backtest("--load", past).output


def test_an_alert_without_a_sample_is_an_error(tmp_path: Path) -> None:
    """The others are told, and the exit code is that of no answer."""
    past = save_past(tmp_path / "past", error_rate=lambda index: None)
    result = backtest("--load", past)
    assert result.exit_code == 1
    assert "History: DenisErrorRateHigh: no sample in the whole period.\n" in result.stdout
    assert "DenisErrorRateHigh: Prometheus has no sample in the whole period, so nothing can be said" in result.stderr


def test_without_recorded_percentages_nothing_is_judged(tmp_path: Path) -> None:
    """The assumption is named, and every act is Unknown."""
    past = save_past(tmp_path / "past", error_rate=BAD, percentage=None, replicas=None)
    output = backtest("--load", past, "--percentage=50").output
    assert "The percentage of denis: not recorded, taken as 50 %; so what people did is not known.\n" in output
    assert (
        "The replicas of denis-workers: not recorded, taken as 1 replica; so what people did is not known.\n" in output
    )
    assert "set 50 % -> 0 %" in output
    assert "Unknown: what people did is not recorded" in output


def test_series_of_two_clusters_need_a_fence(tmp_path: Path) -> None:
    """Whose alerts count has to be said; then only those do."""
    labels = [{**LABELS, "cluster": "eu-1"}, {**LABELS, "cluster": "eu-2"}]
    past = save_past(tmp_path / "past", error_rate=BAD, labels=labels)
    result = backtest("--load", past)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "several clusters ('eu-1', 'eu-2'); choose one with --cluster" in result.stderr
    assert len(data("--load", past, "--cluster=eu-1")["incidents"]) == 1


def test_a_cluster_that_the_series_do_not_have_is_that_of_prometheus(past: Path) -> None:
    """External labels are not on stored series."""
    assert len(data("--load", past, "--cluster=eu-1")["incidents"]) == 1


BAD_FILES = {
    "not compressed": (b"{}", "is not a history written by --save"),
    "other JSON": (gzip.compress(b"{}\n"), "is not a history written by --save"),
    "a list": (gzip.compress(b"[]\n"), "is not a history written by --save"),
    "nothing": (gzip.compress(b""), "is not a history written by --save"),
    "another version": (
        gzip.compress(b'{"format":"remediator-history","version":2}\n'),
        "is of version 2; this program reads 1; fetch and save it again",
    ),
    "too long": (
        gzip.compress(b'{"format":"remediator-history","version":1,"start":0,"step":1,"count":99999999999}\n'),
        "has 99999999999 moments, 1 s apart, which is impossible",
    ),
    "no numbers": (
        gzip.compress(
            b'{"format":"remediator-history","version":1,"start":0,"step":15,"count":2}\n'
            b'{"expression":"x","series":1}\n{"labels":{},"values":["ten",1]}\n'
        ),
        "is not a complete history",
    ),
    "too few": (
        gzip.compress(
            b'{"format":"remediator-history","version":1,"start":0,"step":15,"count":2}\n'
            b'{"expression":"x","series":1}\n{"labels":{},"values":[1]}\n'
        ),
        "is not a complete history",
    ),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_file_that_is_no_history_is_refused(case: str, tmp_path: Path) -> None:
    """With its name and the reason, before anything is tested."""
    content, expected = BAD_FILES[case]
    path = tmp_path / "past.json.gz"
    path.write_bytes(content)
    result = backtest("--load", path)
    assert (result.exit_code, result.stdout) == (2, "")
    assert str(path) in result.stderr
    assert expected in result.stderr


def test_a_file_that_was_cut_off_is_refused(past: Path) -> None:
    """Half a history is none."""
    past.write_bytes(past.read_bytes()[:-200])
    result = backtest("--load", past)
    assert result.exit_code == 2
    assert result.stderr == (
        f"remediator: {past}: is not a complete history written by --save; fetch and save it again\n"
    )


def test_a_history_that_was_saved_for_other_rules_is_refused(past: Path, tuned: Path) -> None:
    """A threshold may differ, for the values are the same; another expression may not."""
    rules = tuned / "denis.rules.yaml"
    assert backtest("--load", past, "--rules", rules).exit_code == 0
    rules.write_text(rules.read_text().replace('error_rate{job="denis"', 'error_rate{job="other"'))
    result = backtest("--load", past, "--rules", rules)
    assert result.exit_code == 2
    assert "was not saved for this" in result.stderr


def test_a_saved_history_is_the_same_again(past: Path, tmp_path: Path) -> None:
    """Byte for byte, so that it can be attached to a ticket and compared."""
    again = tmp_path / "again.json.gz"
    assert backtest("--load", past, "--save", again).exit_code == 0
    assert gzip.decompress(again.read_bytes()).splitlines()[0] == gzip.decompress(past.read_bytes()).splitlines()[0]
    assert backtest("--load", again).stdout == backtest("--load", past).stdout


USAGES = {
    "nothing to ask": ([], "give --prometheus.url, or a saved history"),
    "a time of its own": (["--load", "{past}", "--since=7d"], "a saved history has its own time"),
    "two beginnings": (["--prometheus.url=http://x", "--since=7d", "--from=8d"], "give --since or --from, not both"),
    "no time": (["--prometheus.url=http://x", "--from=yesterday"], "is no time of RFC 3339 with its offset"),
    "the future": (
        ["--prometheus.url=http://x", "--from=2199-01-01T00:00:00Z"],
        "--from is after --to, or in the future",
    ),
    "backwards": (["--prometheus.url=http://x", "--from=1d", "--to=2d"], "--from is after --to, or in the future"),
    "too short": (["--prometheus.url=http://x", "--since=1s"], "fewer than two evaluations"),
    "an unknown word": (["--load", "{past}", "--fail-on=wrong"], "'wrong' is none of undone, elsewhere, right"),
    "an unknown signal": (["--load", "{past}", "--sweep=latency"], "'latency' is no signal and no alert"),
    "set nothing": (["--load", "{past}", "--set", "error_rate"], "is not of the form NAME=VALUE"),
    "set twice": (["--load", "{past}", "--set", "for=1m", "--set", "for=2m"], "each name once"),
    "set which of several": (
        ["--load", "{past}", "--set", "error_rate=0.2"],
        "several alerts judge error_rate; choose one of",
    ),
    "set what is not there": (["--load", "{past}", "--set", "latency=1"], "there is no alert or signal 'latency'"),
    "set no number": (
        ["--load", "{past}", "--set", "DenisErrorRateHigh=5%"],
        "'5%' is no number; the rule has 0.05",
    ),
    "set not a number": (["--load", "{past}", "--set", "DenisErrorRateHigh=nan"], "'nan' is no number"),
    "set infinity": (["--load", "{past}", "--set", "DenisErrorRateHigh=inf"], "'inf' is no number"),
    "set no duration": (
        ["--load", "{past}", "--set", "for=soon"],
        "'soon' is not a duration; write it as in Prometheus",
    ),
    "too many questions": (
        ["--prometheus.url=http://x", "--since=1y", "--max-queries=10"],
        "queries, and --max-queries is 10; give a shorter period, or allow more",
    ),
    "save to a directory": (["--load", "{past}", "--save", "/"], "/ is a directory; name a file in it"),
    "a page in no directory": (["--load", "{past}", "--html", "{past}.d/x"], "there is no directory"),
    "a page on standard output": (
        ["--load", "{past}", "--html", "-"],
        "the report goes to standard output; name a file",
    ),
    "no folder": (["--load", "{past}", "--against={past}"], "is no folder"),
    "no file": (["--load", "{past}.none"], "cannot be read"),
}


@pytest.mark.parametrize("case", USAGES)
def test_bad_usage_is_explained(case: str, past: Path) -> None:
    """Exit code 2, a sentence, and nothing is asked."""
    arguments, expected = USAGES[case]
    result = backtest(*(argument.format(past=past) for argument in arguments))
    assert (result.exit_code, result.stdout) == (2, "")
    assert expected in " ".join(result.stderr.split())


def test_rules_that_cannot_be_tested_are_refused_by_name(past: Path, tmp_path: Path) -> None:
    """An offset, a label from a template, no interval, a route that leads elsewhere, no alert: each with what to do."""
    text = (RULES / "denis.rules.yaml").read_text()
    rules = tmp_path / "some.rules.yaml"
    for change, expected in (
        (("denis:error_rate:avg_ratio and", "denis:error_rate:avg_ratio offset 5m and"), "DenisErrorRateHigh cannot"),
        (
            ("remediation: rollback", "remediation: rollback\n      team: '{{ $labels.job }}'"),
            "label team is a template",
        ),
        (("  interval: 15s\n", ""), "the group denis has no interval of whole seconds"),
        (("  interval: 5s\n", "  interval: 4s\n"), "is evaluated every 4 s, which does not divide 15 s"),
        (("remediation: ", "cure: "), "leads to a remediation"),
        (("  interval: 15s\n", "  interval: 15s\n  limit: 1\n"), "groups[0].limit"),
    ):
        assert change[0] in text
        rules.write_text(text.replace(*change))
        result = backtest("--load", past, "--rules", rules)
        assert (result.exit_code, result.stdout) == (2, "")
        assert expected in result.stderr
    route = tmp_path / "alertmanager.yaml"
    route.write_text((RULES / "alertmanager.yaml").read_text().replace('remediation=~".+"', 'remediation="scale"'))
    result = backtest("--load", past, "--route", route)
    assert result.exit_code == 2
    assert "the route never sends DenisMaterializerSuccessRateLow to Remediator" in result.stderr
    route.write_text("hello\n")
    result = backtest("--load", past, "--route", route)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"remediator: {route}: is not an Alertmanager configuration: it has no route\n"
    route.write_text("route: {receiver: people}\nreceivers: [{name: people}]\n")
    assert f"No receiver in {route} is Remediator's" in backtest("--load", past, "--route", route).stdout


def test_a_prometheus_that_gives_no_answer_is_named() -> None:
    """Down, dying half way, a page of a proxy, a partial answer of Thanos: exit code 1, and nothing is printed."""
    partial = b'{"status":"success","data":{"resultType":"matrix","result":[]},"warnings":["store gone"]}'
    for parts, expected in (
        ((JSON + b'Content-Length: 999\r\n\r\n{"status":',), "the connection broke"),
        (answer(b"<html>"), "not JSON"),
        (answer(partial), "the answer may be incomplete: store gone"),
    ):
        with Wire(parts) as wire:
            result = backtest(f"--prometheus.url={wire.url}", "--since=1h")
        assert (result.exit_code, result.stdout) == (1, "")
        assert expected in result.stderr
    result = backtest("--prometheus.url=http://127.0.0.1:9", "--since=1h")
    assert result.exit_code == 1
    asked = r"Denis\w+: Prometheus at http://127\.0\.0\.1:9, asked for .{123}: no connection: "
    assert re.search(asked, result.stderr), result.stderr


def test_files_beside_the_remediations_are_taken(past: Path, tmp_path: Path) -> None:
    """Rules and route by their names; without a route the shipped times are taken, and that is told."""
    for name in ("remediations.yaml", "denis.rules.yaml"):
        shutil.copy(RULES / name, tmp_path)
    result = backtest("--load", past, f"--config.file={tmp_path}/remediations.yaml")
    assert result.exit_code == 0
    assert f"Back-test of {tmp_path}/denis.rules.yaml and {tmp_path}/remediations.yaml" in result.output
    assert (
        "There is no alertmanager.yaml next to the remediations: the shipped route's times are used.\n" in result.output
    )


def test_the_page_needs_nothing_but_itself(past: Path, tmp_path: Path) -> None:
    """One file without a script or an address, with a picture of each signal and the table."""
    page = tmp_path / "page.html"
    assert backtest("--load", past, "--html", page).exit_code == 0
    text = page.read_text()
    assert "<script" not in text
    assert "http" not in text.replace("http-equiv", "")
    assert text.count("<svg") == 7
    assert "Followed: people set 10 to 0 17m10s later" in text


@pytest.mark.parametrize("flag", ["--html", "--save"])
def test_a_file_that_cannot_be_written_is_an_error(flag: str, past: Path) -> None:
    """Exit code 1, with the file and the reason, and what was found is printed all the same."""
    result = backtest("--load", past, f"{flag}=/dev/full")
    assert result.exit_code == 1
    assert "set 10 % -> 0 %" in result.stdout
    assert result.stderr == "remediator: /dev/full: cannot be written: No space left on device\n"

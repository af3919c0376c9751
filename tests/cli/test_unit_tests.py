"""`remediator test`: unit tests of remediations, as people and CI run them."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from remediator.config.schema import json_schema
from remediator.config.unit_tests import UnitTestFile
from tests.config.test_loader import objects
from tests.support.commands import run
from tests.support.service import SHIPPED

SUITE = SHIPPED.parent / "tests" / "remediations-test.yaml"

BAD = {"alertname": "DenisErrorRateHigh", "remediation": "rollback"}
LONG = {"alertname": "DenisQueueDepthHigh", "remediation": "scale"}


def suite(tmp_path: Path, *notifications: dict[str, Any], **targets: dict[str, Any]) -> Path:
    """A file with one test against the shipped remediations; `workers` is denis-workers."""
    if "workers" in targets:
        targets["denis-workers"] = targets.pop("workers")
    test = {"name": "a test", "targets": targets, "notifications": list(notifications)}
    path = tmp_path / "suite.yaml"
    path.write_text(yaml.safe_dump({"config_file": str(SHIPPED), "tests": [test]}))
    return path


def one(labels: dict[str, str], at: str = "0s", **expect: Any) -> dict[str, Any]:
    """A notification with one alert."""
    return {"at": at, "alerts": [{"labels": labels, "expect": expect}]}


def test_the_shipped_remediations_pass_their_unit_tests() -> None:
    """The shipped file of tests passes, in promtool's form of report."""
    result = run("test", SUITE)
    assert (result.output, result.exit_code) == (f"Unit testing {SUITE}\n  SUCCESS: 11 tests\n", 0)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("cooldown: 30m", "cooldown: 31m"),
        ("cooldown: 10m", "cooldown: 11m"),
        ("acts: 3", "acts: 4"),
        ("step: 2", "step: 3"),
        ("max: 20", "max: 21"),
        ("give_up: 3", "give_up: 4"),
        ('namespace=~"denis|"', 'namespace=~".*"'),
        ("mode: act", "mode: observe"),
    ],
)
def test_a_changed_remediation_is_noticed(tmp_path: Path, before: str, after: str) -> None:
    """Each number of the shipped remediations is held by one of their tests."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "remediations.yaml").write_text(SHIPPED.read_text().replace(before, after))
    changed = tmp_path / "tests" / SUITE.name
    changed.write_text(SUITE.read_text())
    assert run("test", changed).exit_code == 1


def test_a_failure_says_where_what_was_expected_and_why_it_came_otherwise(tmp_path: Path) -> None:
    """The report has file, line, time and alert, and the ladder's own words; the command ends with 1."""
    file = suite(
        tmp_path,
        one(BAD, reason="Applied", remediation="rollback", to=0),
        one(BAD, at="10m", reason="Applied", **{"from": 10}),
        denis={"percentage": 10},
    )
    line = [number for number, text in enumerate(file.read_text().splitlines(), 1) if "expect:" in text][1]
    result = run("test", file)

    assert result.exit_code == 1
    assert result.output.splitlines() == [
        f"Unit testing {file}",
        "  FAILED: a test",
        f"    {file}:{line}: at 10m, DenisErrorRateHigh",
        "      exp: Applied, from 10",
        "      got: CoolingDown (rollback): rollback set 10 % -> 0 % 10m ago, cooling down for another 20m",
        "  1 of 1 tests failed",
    ]


@pytest.mark.parametrize(
    ("state", "labels", "reason"),
    [
        ({"denis": {"percentage": 0}}, BAD, "AlreadySafe"),
        ({"denis": {"percentage": 0, "flags": {"RUNS_ENABLED": "true"}}}, BAD, "Applied"),
        ({"denis": {"percentage": 100, "paused_for": "1ms"}}, BAD, "Paused"),
        ({"denis": {"percentage": 100, "paused_for": "2d"}}, BAD, "Applied"),
        ({}, BAD, "TargetNotFound"),
        ({"workers": {"replicas": 0}}, LONG, "KillSwitchOn"),
        ({"workers": {"replicas": 4, "kill_switch": True}}, LONG, "KillSwitchOn"),
        ({"workers": {"replicas": 40}}, LONG, "AtLimit"),
        ({"workers": {"autoscaler": "KEDA"}}, LONG, "AutoscalerOwned"),
        ({"workers": {"acts": [{"ago": "9m", "remediation": "scale-workers", "to": 4}]}}, LONG, "CoolingDown"),
        ({"workers": {"acts": [{"ago": "9m", "operator": "ann", "to": 4}]}}, LONG, "Applied"),
        ({"workers": {"paused_for": "2d"}}, LONG, "TargetInvalid"),
        ({}, {}, "NoRemediation"),
    ],
)
def test_each_part_of_a_state_decides(
    tmp_path: Path, state: dict[str, Any], labels: dict[str, str], reason: str
) -> None:
    """Percentage, flags, replicas, pause, kill switch, autoscaler and past acts mean what they mean on a cluster."""
    assert run("test", suite(tmp_path, one(labels, reason=reason), **state)).exit_code == 0


def test_an_alert_has_been_firing_since_it_first_was(tmp_path: Path) -> None:
    """A repeat is of the same incident; after a resolved one it is another, and firing_for says it outright."""
    raised = [
        {"ago": "10m", "remediation": "rollback", "from": 10, "to": 0},
        {"ago": "5m", "operator": "ann", "from": 0, "to": 10},
    ]
    alert: dict[str, Any] = {"labels": BAD, "firing_for": "6m", "expect": {"reason": "CoolingDown"}}
    resolved = {"labels": BAD, "status": "resolved", "expect": {"reason": "NotFiring"}}
    file = suite(
        tmp_path,
        {"alerts": [alert]},
        one(BAD, at="1m", reason="CoolingDown"),
        {"at": "2m", "alerts": [resolved]},
        one(BAD, at="3m", reason="Applied"),
        denis={"percentage": 10, "acts": raised},
    )
    assert run("test", file).output.endswith("SUCCESS: 1 test\n")


PROBLEMS = {
    "reason: Applied": {
        "reason: Aplied": "'Aplied' is not a reason that a test can expect; did you mean Applied?",
        "reason: Conflict": "'Conflict' is not a reason that a test can expect; known here: NotFiring",
        "reason: Paused": "expect.from: belongs to reason Applied; Paused changes nothing",
        "reson: Applied": "reson: is not a known key; did you mean reason?",
    },
    "remediation: rollback, from": {
        "remediation: rollbak, from": "is not one of the remediations of config_file (rollback, scale-workers)"
    },
    "denis: {percentage: 10}": {
        "denise: {percentage: 10}": "targets.denise: is not one of the targets of config_file (denis, denis-workers)",
        "denis: {percentage: 11}": "11 is not one of profiles (0, 1, 10, 50, 100)",
        "denis: {percentage: ten}": "must be a whole number, found 'ten'",
        "denis-workers: {percentage: 10}": "denis-workers has no container in config_file, so no flags",
        "denis: {kill_switch: 1}": "must be true or false, found 1",
        "denis: {replicas: -1}": "must be at least 0, found -1",
        "denis: {acts: [{ago: 5m, to: 0}]}": "acts[0]: needs exactly one of remediation and operator",
        "denis: {acts: [{ago: 5m, remediation: scale-workers, to: 0}]}": "is not a remediation of denis (rollback)",
        "denis: {acts: [{ago: 5, operator: ann, to: 0}]}": "must be a duration as in Prometheus",
    },
    "at: 30m": {"at: 3m": "is not after the previous notification", "at: -1s": "'-1s' is not a duration"},
    "cluster: eu-1\n": {"cluster: 1\n": "cluster: must be text, found 1; put it in quotes"},
    "config_file: ../remediations.yaml": {
        "config_file: nowhere.yaml": "'nowhere.yaml': cannot be read: No such file or directory; it is relative to",
        "tests: []": "tests: the key is duplicated",
        "": "config_file: is required",
    },
}


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [(before, after, message) for before, changes in PROBLEMS.items() for after, message in changes.items()],
)
def test_a_file_that_cannot_be_used_says_where_and_why(tmp_path: Path, before: str, after: str, message: str) -> None:
    """A test that means nothing is refused with file, line and remedy, and the command ends with 2."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "remediations.yaml").write_text(SHIPPED.read_text())
    file = tmp_path / "tests" / "changed.yaml"
    text = SUITE.read_text()
    file.write_text(text.replace(before, after, 1))
    result = run("test", file)

    assert result.exit_code == 2
    assert message in result.output
    assert f"{file}:" in result.output


@pytest.mark.parametrize("content", ["", "[]", "a: [", "\x00", "config_file: x\ntests: 5\n", "&a [*a]"])
def test_what_is_no_file_of_tests_is_a_problem_and_no_traceback(tmp_path: Path, content: str) -> None:
    """Whatever is in the file, the answer is a line, and the other files are run all the same."""
    file = tmp_path / "any.yaml"
    file.write_text(content)
    result = run("test", file, tmp_path / "missing.yaml", SUITE)

    assert result.exit_code == 2
    assert f"{tmp_path}/missing.yaml: cannot be read: No such file" in result.output
    assert "SUCCESS: 11 tests" in result.output


def test_a_bad_remediations_yaml_is_named_with_its_own_lines(tmp_path: Path) -> None:
    """Where the file under test is invalid, its problems are reported, as by check."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "remediations.yaml").write_text(SHIPPED.read_text().replace("set_percentage: 0", "set_percentage: 50"))
    (tmp_path / "tests" / "any.yaml").write_text(SUITE.read_text())
    result = run("test", tmp_path / "tests" / "any.yaml")

    assert result.exit_code == 2
    assert "remediations.yaml:28: remediations[0].set_percentage: must be 0, found 50" in result.output


def test_reports_for_programs(tmp_path: Path) -> None:
    """JSON and JUnit say the same as the text, whatever is in names and labels."""
    labels = {"alertname": "<&\x1b\x00", "remediation": "rollback"}
    file = suite(tmp_path, one(labels, reason="Paused"), denis={"percentage": 10})
    missing = tmp_path / "missing.yaml"

    reports = json.loads(run("test", "--output=json", file, missing).stdout)
    (test,) = reports[0]["tests"]
    assert (test["passed"], test["differences"][0]["expected"], test["differences"][0]["alert"]) == (
        False,
        "Paused",
        labels,
    )
    assert reports[1]["problems"][0]["message"].startswith("cannot be read")

    junit = run("test", "--output=junit", SUITE, file, missing).stdout
    suites = ElementTree.fromstring(junit).findall("testsuite")  # noqa: S314 - our own
    counts = [tuple(one.get(key) for key in ("tests", "failures", "errors")) for one in suites]
    assert counts == [("11", "0", "0"), ("1", "1", "0"), ("0", "0", "1")]
    assert "exp: Paused" in "".join(suites[1].itertext())


def test_without_a_file_it_is_usage() -> None:
    """Nothing is run where nothing is named: a CI job that runs no test must not be green."""
    assert run("test").exit_code == 2


def test_the_schema_describes_every_key_and_refuses_others() -> None:
    """An editor shows words for each key of a file of tests, and underlines what is misspelled."""
    schema = json.loads(run("test", "--schema").output)
    assert schema == json_schema(UnitTestFile)
    found = objects(schema)
    assert len(found) == 7
    assert all(one["additionalProperties"] is False for one in found)
    described = [
        value.get("description") or schema["$defs"][value["$ref"].rpartition("/")[2]]["description"]
        for one in found
        for value in one["properties"].values()
    ]
    assert all(described)

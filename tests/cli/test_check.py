"""`remediator check`: what it prints, and how it ends."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from remediator.cli import main
from remediator.config.schema import json_schema

ROOT = Path(__file__).parents[2]
TESTDATA = Path(__file__).parents[1] / "testdata" / "remediations"


def check(*arguments: str | Path) -> Result:
    """The result of `remediator check` with these arguments."""
    return CliRunner().invoke(main, ["check", *map(str, arguments)])


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """The shipped files, in a folder where they can be changed."""
    for name in ("remediations.yaml", "denis.rules.yaml", "remediator.rules.yaml", "alertmanager.yaml"):
        shutil.copy(ROOT / "rules" / name, tmp_path)
    return tmp_path


def test_the_shipped_files_are_good(rules: Path) -> None:
    """The shipped files pass, and each alert is shown with the remediation that it leads to."""
    result = check("--lint-fatal", rules / "remediations.yaml")

    assert result.exit_code == 0
    assert result.output == (
        f"Checking {rules}/remediations.yaml\n"
        "  SUCCESS: 2 remediations found\n"
        "  DenisErrorRateHigh              -> rollback\n"
        "  DenisErrorRateSevere            -> rollback\n"
        "  DenisMaterializerSuccessRateLow -> rollback\n"
        "  DenisQueueDepthHigh             -> scale-workers\n"
        "  DenisSuccessRateSevere          -> rollback\n"
        "  Only files were read. To check the targets on the cluster: remediator canary preflight\n"
        "\n"
    )


def test_without_a_file_the_shipped_one_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a checkout the command needs no argument."""
    monkeypatch.chdir(ROOT)

    assert check().output.startswith("Checking rules/remediations.yaml\n  SUCCESS: 2 remediations found\n")


def test_problems_are_printed_with_file_and_line() -> None:
    """Every problem of a bad file is a line with file, line, field and remedy, and the command ends with 2."""
    file = TESTDATA / "bad" / "several-contradictions.yaml"
    result = check(file)

    assert result.exit_code == 2
    assert result.output.splitlines() == [
        f"Checking {file}",
        "  FAILED:",
        f'  {file}:6: profiles[10]: DENIS_MATERIALIZERS_PCT must be "10" here, as the profile says',
        f"  {file}:11: remediations[0].set_percentage: must be 0, found 50: an alert must never raise the percentage",
        f"  {file}:16: remediations[1].target: 'workers' is not one of targets (denis, denis-workers)",
        f"  {file}:17: remediations[1].scale.max: 2 is below min 3",
        "",
    ]


def test_all_files_are_checked() -> None:
    """A bad file among several does not hide the others, and the command ends with 2."""
    bad, good = TESTDATA / "bad" / "unknown-key.yaml", TESTDATA / "good" / "minimal.yaml"
    result = check(bad, good)

    assert result.exit_code == 2
    assert f"Checking {bad}\n  FAILED:\n" in result.output
    assert f"Checking {good}\n  SUCCESS: 1 remediations found\n" in result.output


def test_a_missing_file_is_a_problem(tmp_path: Path) -> None:
    """A file that is not there is reported like any other problem."""
    result = check(tmp_path / "none.yaml")

    assert result.exit_code == 2
    assert f"{tmp_path}/none.yaml: cannot be read: No such file or directory" in result.output


@pytest.mark.parametrize(("arguments", "code"), [([], 0), (["--lint-fatal"], 3)], ids=["usual", "lint-fatal"])
def test_warnings_fail_only_where_that_is_asked_for(rules: Path, arguments: list[str], code: int) -> None:
    """A route that nobody answers is a warning; with --lint-fatal it ends the command with 3, as in promtool."""
    route = rules / "alertmanager.yaml"
    route.write_text(route.read_text().replace('remediation=~".+"', 'remediation=~"rollback|restart"'))
    result = check(*arguments, rules / "remediations.yaml")

    assert result.exit_code == code
    assert "  SUCCESS: 2 remediations found\n" in result.output
    assert f"  WARNING: {route}:" in result.output
    assert "sends remediation='restart', which no remediation matches" in result.output


def test_an_error_outweighs_a_warning(rules: Path) -> None:
    """With an invalid file the command ends with 2, whatever --lint-fatal says about others."""
    (rules / "denis.rules.yaml").unlink()

    assert check("--lint-fatal", rules / "remediations.yaml", rules / "none.yaml").exit_code == 2


def test_the_report_as_json(rules: Path) -> None:
    """With --output json the same report is for machines."""
    bad = TESTDATA / "bad" / "max-below-min.yaml"
    result = check("-o", "json", rules / "remediations.yaml", bad)
    good_report, bad_report = json.loads(result.output)

    assert result.exit_code == 2
    assert good_report == {
        "file": f"{rules}/remediations.yaml",
        "problems": [],
        "warnings": [],
        "remediations": ["rollback", "scale-workers"],
        "alerts": {
            "DenisErrorRateHigh": "rollback",
            "DenisErrorRateSevere": "rollback",
            "DenisMaterializerSuccessRateLow": "rollback",
            "DenisQueueDepthHigh": "scale-workers",
            "DenisSuccessRateSevere": "rollback",
        },
    }
    assert bad_report["problems"] == [
        {"file": str(bad), "line": 17, "field": "remediations[1].scale.max", "message": "4 is below min 5"}
    ]


def test_the_schema_is_printed() -> None:
    """With --schema the JSON Schema is printed, and nothing is checked."""
    result = check("--schema", "there-is-no-such-file.yaml")

    assert result.exit_code == 0
    assert json.loads(result.output) == json_schema()


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("targets: !!bool maybe\n", id="tag"),
        pytest.param("targets: \x00\n", id="NUL"),
        pytest.param(
            (TESTDATA / "bad" / "matcher-monstrous-regex.yaml").read_text(encoding="utf-8"), id="regular expression"
        ),
    ],
)
def test_no_file_ends_the_command_with_a_traceback(tmp_path: Path, text: str) -> None:
    """Whatever is in the file, the command says what is wrong and ends with 2."""
    (tmp_path / "remediations.yaml").write_text(text)
    result = check(tmp_path / "remediations.yaml")

    assert (result.exit_code, type(result.exception)) == (2, SystemExit)


def test_an_unknown_flag_is_a_usage_error() -> None:
    """Wrong usage ends with 2 and says how to get help."""
    result = check("--strict")

    assert result.exit_code == 2
    assert "No such option" in result.output

"""`remediator test`: unit tests of remediations.yaml, as `promtool test rules` is for rules."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import click

from remediator.config.document import InvalidDocument, Problem
from remediator.config.schema import json_schema
from remediator.config.unit_tests import Difference, UnitTestFile, load_tests
from remediator.core.durations import format_duration
from remediator.core.text import printable

FAILED = 1
INVALID = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class _Report:
    """The result of a file: its problems, or for each test the alerts with an unexpected outcome."""

    file: str
    problems: Sequence[Problem] = ()
    tests: Sequence[tuple[str, Sequence[Difference]]] = ()

    @property
    def failed(self) -> int:
        """How many tests failed."""
        return sum(bool(differences) for _, differences in self.tests)


@click.command()
@click.argument("files", nargs=-1, metavar="FILE...", type=click.Path(path_type=Path))
@click.option("--schema", is_flag=True, help="Print the JSON Schema of files of tests, for editors, and exit.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "json", "junit"]),
    default="text",
    show_default=True,
    help="Format of the report; junit is the XML that CI systems read.",
)
@click.pass_context
def test(context: click.Context, files: tuple[Path, ...], schema: bool, output: str) -> None:
    """Run unit tests of remediations, as promtool runs those of rules.

    A test describes Deployments (percentage, replicas, past acts, pause, kill switch, autoscaler) and notifications
    with their times, and expects a reason for each alert, and the change of the act. The code that serves the webhook
    decides. Only files are read; no cluster is needed.

    \b
    Exit codes: 0 all passed, 1 a test failed, 2 usage, or a file cannot be used.
    Examples:
      remediator test rules/tests/remediations-test.yaml
      remediator test -o junit rules/tests/remediations-test.yaml > junit.xml
      remediator test --schema > remediations-test.schema.json
    """
    if schema:
        click.echo(json.dumps(json_schema(UnitTestFile), indent=2))
        return
    if not files:
        raise click.UsageError("Missing argument 'FILE...'.")
    reports = [_run(path) for path in files]
    match output:
        case "json":
            click.echo(json.dumps([_data(report) for report in reports], indent=2))
        case "junit":
            click.echo(_junit(reports))
        case _:
            click.echo("\n\n".join("\n".join(map(printable, _lines(report))) for report in reports))
    if any(report.problems for report in reports):
        context.exit(INVALID)
    if any(report.failed for report in reports):
        context.exit(FAILED)


def _run(path: Path) -> _Report:
    try:
        return _Report(file=str(path), tests=[(one.name, list(one.run())) for one in load_tests(path)])
    except InvalidDocument as error:
        return _Report(file=str(path), problems=error.problems)


def _where(difference: Difference) -> str:
    return f"at {format_duration(difference.at)}, {difference.alert.name or '(no alertname)'}"


def _lines(report: _Report) -> list[str]:
    lines = [f"Unit testing {report.file}"]
    if report.problems:
        return [*lines, "  FAILED:", *(f"  {problem}" for problem in report.problems)]
    for name, differences in report.tests:
        lines += [f"  FAILED: {name}"] if differences else []
        for one in differences:
            lines += [
                f"    {one.file}:{one.line}: {_where(one)}",
                f"      exp: {one.expected}",
                f"      got: {one.got}",
            ]
    count = len(report.tests)
    if report.failed:
        return [*lines, f"  {report.failed} of {count} tests failed"]
    return [*lines, f"  SUCCESS: {count} {'test' if count == 1 else 'tests'}"]


def _data(report: _Report) -> dict[str, Any]:
    return {
        "file": report.file,
        "problems": [asdict(problem) for problem in report.problems],
        "tests": [
            {
                "name": name,
                "passed": not differences,
                "differences": [
                    {
                        "line": one.line,
                        "at": format_duration(one.at),
                        "alert": one.alert.labels,
                        "expected": one.expected,
                        "got": one.got,
                    }
                    for one in differences
                ],
            }
            for name, differences in report.tests
        ],
    }


def _junit(reports: Sequence[_Report]) -> str:
    """A suite for each file; a file that cannot be used is an error."""
    root = ElementTree.Element("testsuites")
    for report in reports:
        counts = {"tests": len(report.tests), "failures": report.failed, "errors": int(bool(report.problems))}
        suite = _element(root, "testsuite", name=report.file, **{name: str(count) for name, count in counts.items()})
        if report.problems:
            error = _element(_element(suite, "testcase", name=report.file), "error", message="the file cannot be used")
            error.text = "\n".join(printable(str(problem)) for problem in report.problems)
        for name, differences in report.tests:
            case = _element(suite, "testcase", name=name, classname=report.file)
            for one in differences:
                failure = _element(case, "failure", message=f"line {one.line}, {_where(one)}")
                failure.text = printable(f"exp: {one.expected}") + "\n" + printable(f"got: {one.got}")
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True)


def _element(parent: ElementTree.Element, tag: str, **attributes: str) -> ElementTree.Element:
    return ElementTree.SubElement(parent, tag, {name: printable(text) for name, text in attributes.items()})

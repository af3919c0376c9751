"""`remediator check`: what promtool is for rules, for remediations.yaml and the files around it."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

INVALID = 2
LINT_FATAL = 3
"""promtool's exit code where --lint-fatal turns warnings into a failure."""


@click.command(short_help="Validate remediations.yaml.")
@click.argument("files", nargs=-1, metavar="[FILE]...", type=click.Path(path_type=Path))
@click.option("--schema", is_flag=True, help="Print the JSON Schema of remediations.yaml, for editors, and exit.")
@click.option("--lint-fatal", is_flag=True, help="Exit with 3 where there are warnings.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Spelling of the report.",
)
@click.pass_context
def check(context: click.Context, files: tuple[Path, ...], schema: bool, lint_fatal: bool, output: str) -> None:
    """Check files of remediations (rules/remediations.yaml if none is given).

    Says which alert of the Prometheus rules beside the file leads to which remediation, and warns of what the
    Alertmanager route beside it would send and no remediation would answer.

    \b
    Exit codes: 0 valid, 2 invalid, 3 valid with warnings and --lint-fatal.
    Examples:
      remediator check rules/remediations.yaml
      remediator check --schema > remediations.schema.json
    """
    from remediator.policy_schema import json_schema

    if schema:
        click.echo(json.dumps(json_schema(), indent=2))
        return
    reports = [_check(path) for path in files or (Path("rules/remediations.yaml"),)]
    click.echo(json.dumps(reports, indent=2) if output == "json" else "\n".join(map(_spell, reports)))
    if any(report["problems"] for report in reports):
        context.exit(INVALID)
    if lint_fatal and any(report["warnings"] for report in reports):
        context.exit(LINT_FATAL)


def _check(path: Path) -> dict[str, Any]:
    from remediator.coverage import find_coverage
    from remediator.document import InvalidDocument, read_text
    from remediator.policy_file import parse_policy

    report: dict[str, Any] = {"file": str(path), "problems": [], "warnings": [], "remediations": [], "alerts": {}}
    try:
        policy = parse_policy(read_text(path), str(path))
    except InvalidDocument as error:
        return {**report, "problems": [asdict(problem) for problem in error.problems]}
    coverage = find_coverage(policy, path)
    return {
        **report,
        "warnings": [asdict(warning) for warning in coverage.warnings],
        "remediations": [remediation.name for remediation in policy.remediations],
        "alerts": {alert: remediation.name for alert, remediation in coverage.alerts.items()},
    }


def _spell(report: dict[str, Any]) -> str:
    lines = [f"Checking {report['file']}"]
    if report["problems"]:
        lines.append("  FAILED:")
        lines += [f"  {_spell_problem(problem)}" for problem in report["problems"]]
    else:
        lines.append(f"  SUCCESS: {len(report['remediations'])} remediations found")
    width = max(map(len, report["alerts"]), default=0)
    lines += [f"  {alert:{width}} -> {remediation}" for alert, remediation in report["alerts"].items()]
    lines += [f"  WARNING: {_spell_problem(warning)}" for warning in report["warnings"]]
    return "\n".join(lines) + "\n"


def _spell_problem(problem: dict[str, Any]) -> str:
    place = problem["file"] if problem["line"] is None else f"{problem['file']}:{problem['line']}"
    return ": ".join(part for part in (place, problem["field"], problem["message"]) if part)

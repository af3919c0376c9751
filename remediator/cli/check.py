"""`remediator check`: validates remediations.yaml and the files next to it, as promtool does rules."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from remediator.config.coverage import find_coverage, read_monitoring_files
from remediator.config.document import InvalidDocument, parse_document, read_text
from remediator.config.lint import lint
from remediator.config.loader import parse_policy
from remediator.config.schema import json_schema

INVALID = 2
LINT_FATAL = 3
"""promtool's exit code where --lint-fatal turns warnings into a failure."""


@click.command()
@click.argument("files", nargs=-1, metavar="[FILE]...", type=click.Path(path_type=Path))
@click.option("--schema", is_flag=True, help="Print the JSON Schema of remediations.yaml, for editors, and exit.")
@click.option("--lint-fatal", is_flag=True, help="Exit with 3 where there are warnings.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Output format.",
)
@click.pass_context
def check(context: click.Context, files: tuple[Path, ...], schema: bool, lint_fatal: bool, output: str) -> None:
    """Check files of remediations (rules/remediations.yaml if none is given).

    Shows which alert of the Prometheus rules next to the file leads to which remediation. Warns of what is valid but
    most likely a mistake: durations that make no sense, a budget that can never be spent, a remediation that an earlier
    one shadows, an alert or a route that no remediation answers, and a route that delivers late.

    Only files are read. `remediator canary preflight` checks the cluster, Prometheus and Alertmanager.

    \b
    Exit codes: 0 valid, 2 invalid, 3 valid with warnings and --lint-fatal.
    Examples:
      remediator check rules/remediations.yaml
      remediator check --schema > remediations.schema.json
    """
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
    report: dict[str, Any] = {"file": str(path), "problems": [], "warnings": [], "remediations": [], "alerts": {}}
    try:
        text = read_text(path)
        policy = parse_policy(text, str(path))
    except InvalidDocument as error:
        return {**report, "problems": [asdict(problem) for problem in error.problems]}
    document = parse_document(text, str(path))
    coverage = find_coverage(policy, document, read_monitoring_files(path))
    warnings = [*lint(policy, document), *coverage.warnings]
    return {
        **report,
        "warnings": [asdict(warning) for warning in warnings],
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
    if not report["problems"]:
        lines.append("  Only files were read. To check the targets on the cluster: remediator canary preflight")
    return "\n".join(lines) + "\n"


def _spell_problem(problem: dict[str, Any]) -> str:
    place = problem["file"] if problem["line"] is None else f"{problem['file']}:{problem['line']}"
    return ": ".join(part for part in (place, problem["field"], problem["message"]) if part)

"""`remediator canary history`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from remediator.cli import options
from remediator.durations import format_duration

if TYPE_CHECKING:
    from remediator.canary.history import Act


@click.command(short_help="Show what was done, by whom and why.")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="How many acts, newest first.")
@options.output("table", "json", "yaml")
@options.api_server()
def history(*, limit: int, output: str, config_file: Path, kubeconfig: Path | None, context: str) -> None:
    """Show what people and the reflex did to the targets, and how long each act held.

    The list comes from the ledgers on the Deployments. They keep the last 20 acts of each effect, and of people.

    \b
    Exit codes: 0 shown, 1 failed, 2 usage.
    Examples:
      remediator canary history
      remediator canary history -o json | jq '.[] | select(.operator != "")'
    """
    from remediator.api_errors import ClusterError
    from remediator.canary.history import list_acts
    from remediator.canary.steering import NotWritten
    from remediator.cli.errors import Failed
    from remediator.cli.output import print_data, print_table, say
    from remediator.cli.site import open_site

    problems = []
    with open_site(config_file, kubeconfig, context) as site:
        workloads = {}
        for target in site.policy.targets:
            try:
                workloads[target.name] = site.read(target)
            except (ClusterError, NotWritten) as error:
                problems.append(f"{target.name}: {error}")
        acts = list_acts(workloads, site.connection.now())[:limit]
    if output != "table":
        print_data([act.as_data() for act in acts], output)
    elif workloads:
        print_table(("time", "target", "change", "by", "held", "reason"), map(_row, acts))
    for name, workload in workloads.items():
        if problem := workload.ledger.problem:
            say(f"remediator: {name}: {problem}", err=True)
    if problems:
        raise Failed("\n".join(problems))


def _row(act: "Act") -> tuple[str, ...]:
    overrode = f" (overrode {', '.join(act.entry.overrode)})" if act.entry.overrode else ""
    held = format_duration(act.held) + (f", ended by {act.ended_by}" if act.ended_by else "")
    at = act.entry.time.strftime("%Y-%m-%d %H:%M:%SZ")
    return at, act.target, act.change, act.entry.by, held, f"{act.entry.reason}{overrode}"

"""`remediator canary history`."""

import click

from remediator.canary.history import Act, list_acts
from remediator.canary.operator import NotWritten
from remediator.cli import options
from remediator.cli.exits import Failed
from remediator.cli.output import print_data, print_table, say
from remediator.cli.session import open_site
from remediator.core.durations import format_duration
from remediator.kube.errors import ClusterError


@click.command()
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="How many acts, newest first.")
@options.output("table", "json", "yaml")
@options.api_server()
def history(*, limit: int, output: str, where: options.Where) -> None:
    """Show what people and the reflex did to the targets, and how long each act held.

    The list comes from the ledgers on the Deployments. Each keeps the last 20 acts of remediations for every effect,
    and the last 20 of people.

    \b
    Exit codes: 0 shown, 1 failed, 2 usage.
    Examples:
      remediator canary history
      remediator canary history -o json | jq '.[] | select(.operator != "")'
    """
    problems = []
    with open_site(where) as site:
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


def _row(act: Act) -> tuple[str, ...]:
    overrode = f" (overrode {', '.join(act.entry.overrode)})" if act.entry.overrode else ""
    held = format_duration(act.held) + (f", ended by {act.ended_by}" if act.ended_by else "")
    at = act.entry.time.strftime("%Y-%m-%d %H:%M:%SZ")
    firing = f", firing since {act.entry.starts_at:%Y-%m-%d %H:%M:%SZ}" if act.entry.starts_at else ""
    because = f"; {act.entry.because}" if act.entry.because else ""
    return at, act.target, act.change, act.by, held, f"{act.entry.reason}{because}{firing}{overrode}"

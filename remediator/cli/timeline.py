"""`remediator timeline`: an incident as one chronological list, for a postmortem."""

import re
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import click

from remediator.canary.timeline.audit_log import add_logs
from remediator.canary.timeline.cluster import add_targets
from remediator.canary.timeline.events import add_events
from remediator.canary.timeline.findings import Findings
from remediator.canary.timeline.metrics import Recording
from remediator.canary.timeline.verdicts import add_verdicts
from remediator.cli import endpoints, options
from remediator.cli.canary.monitoring import open_prometheus
from remediator.cli.exits import Failed, InvalidConfiguration
from remediator.cli.output import print_data, print_fact, print_table
from remediator.cli.period import Period, period
from remediator.cli.session import Site, open_site
from remediator.cli.waiting import querying
from remediator.core.durations import format_duration
from remediator.core.outcome import ClusterError
from remediator.core.text import printable
from remediator.core.timeline import SLACK, Line, Source, Window, arrange
from remediator.monitoring.clocks import check_clocks

TIMEOUT = 30.0
"""Seconds for one question to Prometheus."""

COLUMNS = ("time", "kind", "source", "what happened")


@click.command()
@period("2h")
@click.option(
    "--audit.file",
    "audit_files",
    type=options.FILE,
    multiple=True,
    metavar="F",
    help="The service's standard output, as kubectl logs shows it; - is standard input. Repeatable.",
)
@endpoints.prometheus()
@endpoints.fence()
@options.api_server()
@options.output("table", "markdown", "json")
def timeline(
    *,
    period: Period,
    audit_files: Sequence[Path],
    prometheus: endpoints.Endpoint | None,
    cluster: str,
    where: options.Where,
    output: str,
) -> None:
    """List alerts, decisions, acts, their verdicts, and what people did, in chronological order.

    The Deployments give acts (ledger), Events, rollouts and the last write of each program; Prometheus gives alerts,
    Remediator's counters, and the verdicts of `review`; the audit log gives every decision. An event that several
    sources report is one line that names them all. Sources that were not asked, or did not answer, are listed on top.
    Nothing is written. All times are UTC.

    \b
    Exit codes: 0 shown; 1 the API server or Prometheus did not answer, the rest is shown; 2 usage.
    Examples:
      remediator timeline --since=2h --prometheus.url=http://localhost:9090
      kubectl -n denis logs -l app.kubernetes.io/name=remediator --tail=-1 | remediator timeline --audit.file=-
      remediator timeline --from=2026-11-29T03:00:00Z --to=2026-11-29T05:00:00Z -o markdown >>incident.md
    """
    with open_site(where) as site, ExitStack() as files:
        logs = [(_name(path), files.enter_context(_open(path))) for path in audit_files]
        with suppress(ClusterError):
            # For the API server's time: this machine's clock may differ.
            site.cluster.read(site.policy.targets[0])
        first, last = period.between(site.connection.now())
        if not first < last:
            raise click.UsageError("the period ends before it starts")
        window, found = Window(start=first, end=last), Findings()
        places = add_targets(site.connection, site.policy, window, found)
        add_logs(logs, site.policy, places, window, found)
        add_events(places, site.policy, found)
        if not logs:
            found.notes.append(
                "No audit log was given, so decisions are missing; give --audit.file=F, or - for kubectl logs."
            )
        apart = _ask_prometheus(prometheus, site, cluster, window, found)
    lines = arrange(found.lines, window, slack=apart)
    names = ", ".join(target.name for target in site.policy.targets)
    if output == "json":
        _print_json(lines, found, window, cluster)
    elif output == "markdown":
        _print_markdown(lines, found, window, names)
    else:
        _print_table(lines, found, window, names)
    if found.failed:
        raise Failed("the list is incomplete: the lines above it name the source that did not answer")


def _ask_prometheus(
    endpoint: endpoints.Endpoint | None, site: Site, cluster: str, window: Window, found: Findings
) -> timedelta:
    """Add what Prometheus recorded, and warn if its clock differs from the API server's."""
    if endpoint is None:
        found.notes.append("Prometheus was not asked, so alerts and verdicts are missing; give --prometheus.url.")
        return SLACK
    prometheus = open_prometheus(endpoint, timeout=TIMEOUT)
    try:
        recording = Recording.of(prometheus, site.policy, cluster, window)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    with querying(prometheus):
        recording.add_to(found)
        add_verdicts(prometheus, site.policy, cluster, window, site.connection.now(), found)
    theirs, ours = prometheus.api.skew, site.connection.clock.skew
    clocks = check_clocks({"Prometheus": theirs, "the API server": ours})
    if theirs is None or ours is None:
        return SLACK
    if clocks.warning:
        found.notes.append(f"Clocks now: {clocks.found}; lines from the two may be in the wrong order.")
    return abs(theirs - ours) + SLACK


def _name(path: Path) -> str:
    return "Standard input" if str(path) == "-" else f"Audit log {path}"


def _open(path: Path) -> Any:
    if str(path) == "-":
        return click.open_file("-", encoding="utf-8", errors="replace")
    try:
        return path.open(encoding="utf-8", errors="replace")
    except OSError as error:
        raise InvalidConfiguration(
            f"{path}: cannot be read: {error.strerror}; give --audit.file=F, or - for kubectl logs"
        ) from error


def _print_table(lines: Sequence[Line], found: Findings, window: Window, names: str) -> None:
    print_fact("", _title(names, window))
    for note in found.notes:
        print_fact("! ", note)
    click.echo()
    if lines:
        print_table(COLUMNS, ((_moment(line.time), line.kind, _sources(line), _text(line)) for line in lines))
    else:
        click.echo(NOTHING)


NOTHING = "No source has anything from this period."


def _print_markdown(lines: Sequence[Line], found: Findings, window: Window, names: str) -> None:
    click.echo(f"## {escape(_title(names, window))}\n")
    for note in found.notes:
        click.echo(f"* {escape(note)}")
    if found.notes:
        click.echo()
    if not lines:
        click.echo(NOTHING)
        return
    click.echo("| time (UTC) | kind | source | what happened |\n| --- | --- | --- | --- |")
    for line in lines:
        cells = (_moment(line.time).removesuffix("Z"), line.kind, _sources(line), _text(line))
        click.echo(f"| {' | '.join(escape(cell) for cell in cells)} |")


def _print_json(lines: Iterable[Line], found: Findings, window: Window, cluster: str) -> None:
    print_data(
        {
            "from": window.start.isoformat(),
            "to": window.end.isoformat(),
            "cluster": cluster,
            "notes": found.notes,
            "complete": not found.failed,
            "lines": [
                {
                    "time": line.time.isoformat(),
                    "kind": line.kind,
                    "subject": line.subject,
                    "text": line.text,
                    "sources": line.sources,
                    "withinSeconds": line.within.total_seconds(),
                    "alerts": line.alerts or None,
                    "times": line.times,
                    "until": line.until.isoformat() if line.until else None,
                }
                for line in lines
            ],
        },
        "json",
    )


def _title(names: str, window: Window) -> str:
    length = format_duration(window.end - window.start)
    return f"Timeline of {names}, {window.start:%Y-%m-%d %H:%M:%S} to {window.end:%Y-%m-%d %H:%M:%S} UTC ({length})"


def _moment(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%SZ")


def _sources(line: Line) -> str:
    return ", ".join(line.sources)


def _text(line: Line) -> str:
    until = ""
    if line.until:
        same_day = line.until.date() == line.time.date()
        until = f", until {line.until:%H:%M:%S}" if same_day else f", until {line.until:%Y-%m-%d %H:%M:%S}"
    if line.alerts and line.sources == (Source.PROMETHEUS,):
        return f"{line.text}, {line.alerts} alert{'s' * (line.alerts != 1)}{until}"
    return f"{line.text} (and {line.times - 1} more{until})" if until else line.text


_MARKUP = re.compile(r"[\\`*_\[\]<|~&$]|(?<=:)//|(?<=www)\.", re.IGNORECASE)


def escape(text: str) -> str:
    """Escape a text for Markdown, also in a table cell: nothing in it becomes markup, a link or a line break."""
    return _MARKUP.sub(lambda found: f"\\{found[0]}", printable(text))

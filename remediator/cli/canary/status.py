"""`remediator canary status`."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from remediator.cli import options
from remediator.durations import format_duration

if TYPE_CHECKING:
    from remediator.cli.canary.situation import Situation


@click.command(short_help="Show where the canary is, and whether it may go on.")
@options.prometheus_url()
@options.alertmanager_url()
@options.fence()
@options.output("table", "json", "yaml")
@options.target("canary")
@options.api_server()
def status(
    *,
    prometheus_url: str | None,
    alertmanager_url: str | None,
    cluster: str,
    output: str,
    target_name: str | None,
    config_file: Path,
    kubeconfig: Path | None,
    context: str,
) -> None:
    """Show where the canary is, since when, and whether it may go on.

    The verdict is promote, hold or rollback, with the evidence for it. What cannot be told holds the canary; without a
    Prometheus, nothing of its rates can be told.

    \b
    Exit codes: 0 shown, 1 failed, 2 usage.
    Examples:
      remediator canary status --prometheus.url=http://prometheus:9090
      remediator canary status -o json | jq .verdict
    """
    from remediator.cli.canary.situation import Sources, look
    from remediator.cli.output import print_checks, print_data, printable
    from remediator.cli.site import open_site

    with open_site(config_file, kubeconfig, context) as site:
        sources = Sources(prometheus_url=prometheus_url, alertmanager_url=alertmanager_url, cluster=cluster)
        situation = look(site, site.canary(target_name), sources)
    if output != "table":
        print_data(situation.as_data(), output)
        return
    rows = list(_rows(situation))
    width = max(len(name) for name, *_ in rows)
    for name, value, style in rows:
        click.echo(f"{printable(name):{width}}  {click.style(printable(value), **style)}")
    click.echo()
    print_checks(situation.judgement.checks)


def _rows(situation: "Situation") -> Iterator[tuple[str, str, dict[str, Any]]]:
    """The lines of the table: name, text, style."""
    from remediator.canary.judgement import Verdict

    yield "canary", str(situation.setting), {"bold": True}
    for name, value in _facts(situation):
        yield name, value, {}
    for name, answer in situation.reflex:
        yield "reflex", f"{name}: {answer}", {}
    verdict, colours = situation.judgement.verdict, {Verdict.PROMOTE: "green", Verdict.ROLLBACK: "red"}
    step = f" to {situation.judgement.next} %" if verdict is Verdict.PROMOTE else ""
    yield "verdict", f"{verdict}{step}", {"fg": colours.get(verdict, "yellow"), "bold": True}


def _facts(situation: "Situation") -> Iterator[tuple[str, str]]:
    from remediator.canary.obstacles import kill_switch, pause
    from remediator.ledger import Effect
    from remediator.monitoring.evidence import Unknown
    from remediator.policy import PERCENTAGE_FLAG

    canary, target, now = situation.canary, situation.target, situation.at
    acts = [entry for entry in canary.ledger.as_of(now).entries if entry.effect == Effect.SET_PERCENTAGE]
    if acts and acts[-1].after == situation.setting.percentage:
        last = acts[-1]
        said = f": {last.reason}" if last.reason else ""
        yield "set", f"{format_duration(now - last.time)} ago by {last.by}{said}"
    if write := canary.writers.get(PERCENTAGE_FLAG):
        yield "written by", str(write)
    yield "phase", _phase(situation)
    yield "rollout", f"{target.namespace}/{target.deployment}: {canary.rollout.spell(canary.replicas)}"
    held = pause(canary, now)
    yield "paused", held.message if held else "no"
    for name, found in situation.workers.items():
        if isinstance(found, Unknown):
            yield name, f"cannot be told: {found.why}"
            continue
        switch = kill_switch(found)
        yield name, f"{found.replicas} replicas, kill switch {f'on: {switch.message}' if switch else 'off'}"


def _phase(situation: "Situation") -> str:
    stay = situation.stay
    if stay.since is None:
        return f"the clock is not running: {stay.stopped}"
    counted = f"{format_duration(stay.counted)} since {stay.origin}"
    if stay.left is not None and stay.phase:
        counted = f"{format_duration(stay.counted)} of {format_duration(stay.phase.hold)} since {stay.origin}"
        counted += f", {format_duration(stay.left)} left" if stay.left else ", the time is served"
    return f"{counted}; stopped: {stay.stopped}" if stay.stopped else counted

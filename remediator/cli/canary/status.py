"""`remediator canary status`."""

from collections.abc import Iterator
from typing import Any

import click

from remediator.canary.checks import kill_switch, pause
from remediator.canary.verdict import Verdict
from remediator.cli import endpoints, options
from remediator.cli.canary.situation import Situation, Sources, look, spell_reflex
from remediator.cli.output import print_checks, print_data, print_fact
from remediator.cli.session import open_site
from remediator.core.durations import format_duration
from remediator.core.effects import Effect
from remediator.core.policy import PERCENTAGE_FLAG
from remediator.core.text import printable
from remediator.monitoring.evidence import Unknown


@click.command()
@endpoints.monitoring()
@endpoints.fence()
@options.output("table", "json", "yaml")
@options.target("canary")
@options.api_server()
def status(
    *,
    prometheus: endpoints.Endpoint | None,
    alertmanager: endpoints.Endpoint | None,
    cluster: str,
    output: str,
    target_name: str | None,
    where: options.Where,
) -> None:
    """Show where the canary is, since when, and whether it may go on.

    The verdict is promote, hold or rollback, with the evidence for it. Anything unknown holds the canary, and without a
    Prometheus its rates are unknown.

    \b
    Exit codes: 0 shown, 1 failed, 2 usage.
    Examples:
      remediator canary status --prometheus.url=http://prometheus:9090
      remediator canary status -o json | jq .verdict
    """
    with open_site(where) as site:
        sources = Sources(prometheus=prometheus, alertmanager=alertmanager, cluster=cluster)
        situation = look(site, site.canary(target_name), sources)
    if output != "table":
        print_data(situation.as_data(), output)
        return
    rows = list(_rows(situation))
    width = max(len(name) for name, *_ in rows)
    for name, value, style in rows:
        print_fact(f"{printable(name):{width}}  ", value, **style)
    click.echo()
    print_checks(situation.judgement.checks)


def _rows(situation: Situation) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """The lines of the table: name, text, style."""
    yield "canary", str(situation.setting), {"bold": True}
    for name, value in _facts(situation):
        yield name, value, {}
    for name, forecast in situation.reflex:
        yield "reflex", f"{name}: {spell_reflex(forecast)}", {}
    verdict, colours = situation.judgement.verdict, {Verdict.PROMOTE: "green", Verdict.ROLLBACK: "red"}
    step = f" to {situation.judgement.next} %" if verdict is Verdict.PROMOTE else ""
    yield "verdict", f"{verdict}{step}", {"fg": colours.get(verdict, "yellow"), "bold": True}


def _facts(situation: Situation) -> Iterator[tuple[str, str]]:
    canary, target, now = situation.canary, situation.target, situation.at
    acts = [entry for entry in canary.ledger.as_of(now).entries if entry.effect is Effect.SET_PERCENTAGE]
    if acts and acts[-1].after == situation.setting.percentage:
        last = acts[-1]
        said = f": {last.reason}" if last.reason else ""
        yield "set", f"{format_duration(now - last.time)} ago by {last.by}{said}"
    if write := canary.writers.get(PERCENTAGE_FLAG):
        yield "written by", str(write)
    yield "phase", _phase(situation)
    yield "rollout", f"{target.namespace}/{target.deployment}: {canary.rollout.spell(canary.replicas)}"
    held = pause(canary, now)
    yield "paused", "no" if held.passed else held.found
    for name, found in situation.workers.items():
        if isinstance(found, Unknown):
            yield name, f"not known: {found.why}"
            continue
        switch = kill_switch(found)
        yield name, f"{found.replicas} replicas, kill switch {'off' if switch.passed else f'on: {switch.found}'}"


def _phase(situation: Situation) -> str:
    stay = situation.stay
    if stay.since is None:
        return f"the clock is not running: {stay.stopped}"
    counted = f"{format_duration(stay.counted)} since {stay.origin}"
    if stay.left is not None and stay.phase:
        counted = f"{format_duration(stay.counted)} of {format_duration(stay.phase.hold)} since {stay.origin}"
        counted += f", {format_duration(stay.left)} left" if stay.left else ", the hold is over"
    return f"{counted}; stopped: {stay.stopped}" if stay.stopped else counted

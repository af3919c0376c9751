"""The report of `doctor`: each chain with its links, as text and as data."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import click

from remediator.canary.doctor import Chain
from remediator.cli.output import print_fact, say
from remediator.core.checks import Check, State
from remediator.core.text import printable

COLOURS = {State.OK: "green", State.WARNING: "yellow", State.BROKEN: "red", State.UNKNOWN: "yellow"}


def print_chains(chains: Sequence[Chain], cluster: str, now: datetime, *, short: bool) -> None:
    """Print every link (with `short`, those that are not ok), and then which remediations are armed."""
    place = f"Cluster {cluster}, " if cluster else ""
    say(f"{place}{now:%d %b %H:%M:%S} UTC. Proved by: d doing it, a asking a program, f reading a file.")
    width = max(len(link.name) for chain in chains for link in chain.links)
    for chain in chains:
        click.echo()
        print_fact(f"{printable(chain.name)}: ", chain.leads)
        for link in chain.links:
            if not short or link.state is not State.OK:
                _print_link(link, width)
    click.echo()
    say(f"Armed: {'; '.join(f'{chain.name} {_armed(chain)}' for chain in chains if chain.acts)}.")


def _print_link(link: Check, width: int) -> None:
    mark = click.style(f"{link.state:2}", fg=COLOURS[link.state])
    print_fact(f"  {mark}  {link.proof or '-'}  {printable(link.name):{width}}  ", link.found)
    if link.remedy and link.state is not State.OK:
        print_fact(f"  {'':{width + 9}}-> ", link.remedy)


def _armed(chain: Chain) -> str:
    unknown = sum(link.state is State.UNKNOWN for link in chain.links)
    broken = [link.name for link in chain.links if link.state is State.BROKEN]
    if broken:
        return f"no ({', '.join(broken)})"
    if chain.observes:
        return "no (it only observes)"
    if chain.armed:
        return "yes"
    return f"not proved ({unknown} of {len(chain.links)} links are not known)"


def chain_data(chains: Sequence[Chain]) -> list[dict[str, Any]]:
    """The chains as plain data."""
    return [
        {
            "name": chain.name,
            "leads": chain.leads,
            "armed": chain.armed,
            "links": [
                {
                    "link": link.name,
                    "state": link.state,
                    "passed": link.passed,
                    "proof": link.proof,
                    "found": link.found,
                    **({"remedy": link.remedy} if link.remedy and link.state is not State.OK else {}),
                }
                for link in chain.links
            ],
        }
        for chain in chains
    ]

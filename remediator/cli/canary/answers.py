"""Output of the commands that set the percentage, where nothing is written."""

import difflib
from collections.abc import Mapping

import click

from remediator.cli.output import say
from remediator.core.policy import Target
from remediator.core.text import printable
from remediator.core.workload import Workload


def spell_nothing_to_do(target: Target, canary: Workload, percentage: int) -> str:
    """Print that the flags are set already, and how far the rollout is: the old percentage may still be served."""
    rollout, replicas = canary.rollout, canary.replicas
    if rollout.converged(replicas):
        return f"{target.name} is at {percentage} % already; nothing to do"
    text = f"{percentage} % is written already, but not all pods follow yet"
    return f"{target.name}: {text}: {rollout.spell(replicas)}"


def show_dry_run(workload: Workload, target: Target, profile: Mapping[str, str]) -> None:
    """Print what would be changed."""
    click.echo(spell_diff(workload, target, profile), nl=False)
    say(f"{target.name}: the API server accepts this; nothing was written (dry run)")


def spell_diff(workload: Workload, target: Target, profile: Mapping[str, str]) -> str:
    """The change of the flags as `kubectl diff` shows it."""
    live = {name: value for name, value in workload.env if name in profile}
    wanted = {**live, **profile}
    place = f"apps.v1.Deployment.{target.namespace}.{target.deployment}/{target.container}"
    return "".join(
        difflib.unified_diff(
            [f"{printable(f'{name}={value}')}\n" for name, value in live.items()],
            [f"{name}={value}\n" for name, value in wanted.items()],
            f"LIVE/{place}",
            f"WANTED/{place}",
        )
    )

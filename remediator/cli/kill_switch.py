"""`remediator kill-switch`: the workers to 0, latched, and back."""

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from remediator.cli import options
from remediator.cli.arguments import Reason

if TYPE_CHECKING:
    from remediator.cli.site import Site
    from remediator.policy import Target


@click.group("kill-switch")
def kill_switch() -> None:
    """Stop the workers at once, and keep them stopped."""


@kill_switch.command("on")
@options.dry_run()
@click.option("--reason", type=Reason(), help="Why; it is shown wherever the switch is.")
@options.target("worker Deployment")
@options.api_server()
def on(
    *,
    dry_run: bool,
    reason: str | None,
    target_name: str | None,
    config_file: Path,
    kubeconfig: Path | None,
    context: str,
) -> None:
    """Take the workers to 0 replicas and latch them there.

    Nothing automatic scales them up again until `remediator kill-switch off`. An API server that does not answer is
    asked again for a minute. How many replicas there were is remembered.

    \b
    Exit codes: 0 on, 1 failed, 2 usage.
    Examples:
      remediator kill-switch on
      remediator kill-switch on --reason="jobs corrupt the index"
    """
    from remediator.canary.changes import latch
    from remediator.cli.canary.change import EMERGENCY_SECONDS, spell_seconds
    from remediator.cli.interruption import interruptible
    from remediator.cli.output import say
    from remediator.cli.site import open_site

    with open_site(config_file, kubeconfig, context) as site:
        target = site.workers(target_name)
        steering = site.steering(target, within=1.0)
        with interruptible(steering):
            written = steering.write(
                lambda workload: latch(workload, steering.operator, reason or "", site.connection.now()),
                reason=reason or "",
                within=EMERGENCY_SECONDS,
                dry_run=dry_run,
            )
        if written.entry is None:
            say(f"{target.name}: the kill switch is on already")
            return
        done = (
            "would be written (dry run)" if dry_run else f"written {spell_seconds(written.seconds)} after the decision"
        )
        say(f"{target.name}: {written.entry.before} -> 0 replicas and latched, {done}")
        _warn_of_autoscaler(site, target)


@kill_switch.command("off")
@options.dry_run()
@click.option("--reason", type=Reason(), help="Why; it goes into the history.")
@click.option("--replicas", type=click.IntRange(min=1), help="How many replicas to return to, if not what there were.")
@options.waiting()
@options.target("worker Deployment")
@options.api_server()
def off(
    *,
    dry_run: bool,
    reason: str | None,
    replicas: int | None,
    wait: bool,
    timeout: timedelta,
    target_name: str | None,
    config_file: Path,
    kubeconfig: Path | None,
    context: str,
) -> None:
    """Take the switch off, and return to the replicas that there were.

    \b
    Exit codes: 0 off, 1 failed, 2 usage, 3 somebody was first, or the pods do not come.
    Examples:
      remediator kill-switch off
      remediator kill-switch off --replicas=2 --reason="fixed, starting small"
    """
    from remediator.canary.changes import release
    from remediator.cli.interruption import interruptible
    from remediator.cli.output import say
    from remediator.cli.progress import follow
    from remediator.cli.site import open_site
    from remediator.ownership import REPLICAS

    with open_site(config_file, kubeconfig, context) as site:
        target = site.workers(target_name)
        steering = site.steering(target)
        seen = steering.read()
        most = site.policy.most_replicas(target)
        try:
            release(seen, replicas, most)
        except ValueError as error:
            raise click.UsageError(str(error)) from error
        with interruptible(steering):
            written = steering.write(
                lambda workload: release(workload, replicas, most), reason=reason or "", seen=seen, dry_run=dry_run
            )
        if written.entry is None:
            say(f"{target.name}: the kill switch is off already; {written.workload.replicas} replicas")
            return
        done = "would be written (dry run)" if dry_run else "written"
        say(f"{target.name}: switch off, {written.entry.before} -> {written.entry.after} replicas {done}")
        if wait and not dry_run:
            wanted = written.entry.after
            follow(
                steering,
                target,
                lambda found: "" if found.replicas == wanted else REPLICAS,
                f"{wanted} replicas",
                timeout,
            )


def _warn_of_autoscaler(site: "Site", target: "Target") -> None:
    """Name what may undo the switch. The switch is on, so what cannot be told is no failure."""
    from remediator.api_errors import ClusterError
    from remediator.canary.steering import NotWritten
    from remediator.cli.output import say

    try:
        scaler = site.read(target, autoscalers=True).autoscaler
    except (ClusterError, NotWritten) as error:
        say(f"{target.name}: whether an autoscaler may raise the replicas cannot be told: {error}", err=True)
        return
    if scaler:
        say(f"{target.name}: {scaler} may raise the replicas by itself; pause it as well", err=True)

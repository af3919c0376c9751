"""`remediator kill-switch off`."""

from datetime import timedelta

import click

from remediator.canary.changes import Change, TooManyReplicas, release
from remediator.cli import options
from remediator.cli.exits import Withheld
from remediator.cli.interruption import interruptible
from remediator.cli.output import say
from remediator.cli.progress import follow
from remediator.cli.session import open_site
from remediator.cli.types import Reason
from remediator.core.field_owners import REPLICAS
from remediator.core.workload import Workload


@click.command()
@options.dry_run()
@click.option("--reason", type=Reason(), help="The reason, kept in the history.")
@click.option("--replicas", type=click.IntRange(min=1), help="Replicas to return to; default: as many as before.")
@click.option("--override", is_flag=True, help="Allow more replicas than the remediation's max. Needs --reason.")
@options.unasked()
@options.waiting()
@options.target("worker Deployment")
@options.api_server()
def off(
    *,
    dry_run: bool,
    reason: str | None,
    replicas: int | None,
    override: bool,
    wait: bool,
    timeout: timedelta,
    target_name: str | None,
    where: options.Where,
) -> None:
    """Turn the switch off, and return to the replicas from before.

    At most the `max` of the target's remediation, unless --override and --reason are given; that is recorded.

    \b
    Exit codes: 0 off, 1 failed, 2 usage, 3 withheld (over the maximum, or the target was changed meanwhile), or not
    all pods start.
    Examples:
      remediator kill-switch off
      remediator kill-switch off --replicas=2 --reason="fixed, starting small"
    """
    if override and not reason:
        raise click.UsageError("--override needs --reason; it is recorded")
    with open_site(where) as site:
        target = site.workers(target_name)
        steering = site.steering(target)
        seen = steering.read()
        most = site.policy.most_replicas(target)

        def plan(workload: Workload) -> Change | None:
            try:
                return release(workload, replicas, most, override=override)
            except TooManyReplicas as error:
                raise Withheld(str(error)) from error
            except ValueError as error:
                raise click.UsageError(str(error)) from error

        plan(seen)
        with interruptible(steering):
            written = steering.write(plan, reason=reason or "", seen=seen, dry_run=dry_run)
        if written.entry is None:
            there = written.workload.replicas
            text = f"the kill switch is off already; {there} replicas"
            if replicas in (None, there):
                say(f"{target.name}: {text}")
                return
            scale = f"kubectl -n {target.namespace} scale deployment/{target.deployment} --replicas={replicas}"
            raise Withheld(f"{target.name}: {text}, and --replicas={replicas} was not set. To scale: {scale}")
        done = "would be written (dry run)" if dry_run else "written"
        say(f"{target.name}: switch off, {written.entry.before} -> {written.entry.after} replicas, {done}")
        if wait and not dry_run:
            wanted = written.entry.after
            follow(
                steering,
                target,
                lambda found: "" if found.replicas == wanted else REPLICAS,
                f"{wanted} replicas",
                timeout,
            )

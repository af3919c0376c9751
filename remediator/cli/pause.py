"""`remediator pause` and `remediator resume`: acts withheld for a time that ends by itself."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from remediator.cli import options
from remediator.cli.arguments import PauseLength, Reason
from remediator.durations import format_duration

if TYPE_CHECKING:
    from remediator.canary.changes import Change
    from remediator.canary.steering import Written
    from remediator.cli.site import Site
    from remediator.policy import Target
    from remediator.workload import Workload


NOT_WRITTEN = "; nothing was written (dry run)"


@click.command(short_help="Withhold automatic acts for a time.")
@click.argument("targets", nargs=-1, metavar="[TARGET]...")
@click.option("--for", "length", type=PauseLength(), required=True, help="How long, 24h at most: 30m, 2h.")
@click.option("--reason", type=Reason(), required=True, help="Why; everybody who is withheld an act is told.")
@options.dry_run()
@options.api_server()
def pause(
    *,
    targets: tuple[str, ...],
    length: timedelta,
    reason: str,
    dry_run: bool,
    config_file: Path,
    kubeconfig: Path | None,
    context: str,
) -> None:
    """Withhold all automatic acts on the TARGETs (all of the file if none is named).

    A pause ends by itself. A new one takes the place of the old. What people do is not withheld: `canary rollback`
    works, raising the canary is refused.

    \b
    Exit codes: 0 paused, 1 failed, 2 usage, 3 somebody was first.
    Examples:
      remediator pause --for=2h --reason="load test"
      remediator pause denis-workers --for=30m --reason="draining by hand"
    """
    from remediator.canary.changes import pause as plan
    from remediator.cli.output import say
    from remediator.cli.site import open_site

    with open_site(config_file, kubeconfig, context) as site:

        def paused(workload: "Workload", operator: str) -> "Change":
            return plan(workload, operator, reason, length, site.connection.now())

        for name, written in _write(site, targets, paused, reason, dry_run):
            before = written.entry.before if written.entry else 0
            instead = f", instead of {format_duration(timedelta(seconds=before))} that were left" if before else ""
            done = "would be paused" if dry_run else "paused"
            say(f"{name}: {done} for {format_duration(length)}{instead}{NOT_WRITTEN if dry_run else ''}")


@click.command(short_help="End a pause before its time.")
@click.argument("targets", nargs=-1, metavar="[TARGET]...")
@click.option("--reason", type=Reason(), help="Why; it goes into the history.")
@options.dry_run()
@options.api_server()
def resume(
    *,
    targets: tuple[str, ...],
    reason: str | None,
    dry_run: bool,
    config_file: Path,
    kubeconfig: Path | None,
    context: str,
) -> None:
    """End the pause of the TARGETs (all of the file if none is named) before its time.

    \b
    Exit codes: 0 not paused, 1 failed, 2 usage, 3 somebody was first.
    Example:
      remediator resume --reason="load test is over"
    """
    from remediator.canary.changes import resume as plan
    from remediator.cli.output import say
    from remediator.cli.site import open_site

    with open_site(config_file, kubeconfig, context) as site:

        def resumed(workload: "Workload", operator: str) -> "Change | None":
            return plan(workload, site.connection.now())

        for name, written in _write(site, targets, resumed, reason or "", dry_run):
            left = written.entry.before if written.entry else None
            done = "would be resumed" if dry_run else "resumed"
            text = "was not paused" if written.entry is None else done
            text += f", {format_duration(timedelta(seconds=left))} before the end" if left else ""
            say(f"{name}: {text}{NOT_WRITTEN if dry_run and written.entry else ''}")


def _write(
    site: "Site",
    names: tuple[str, ...],
    plan: "Callable[[Workload, str], Change | None]",
    reason: str,
    dry_run: bool,
) -> "Iterator[tuple[str, Written]]":
    """The plan on each of the named targets, or on all. Unknown names are refused before anything is written."""
    known = {target.name: target for target in site.policy.targets}
    if unknown := [name for name in names if name not in known]:
        raise click.UsageError(f"{unknown[0]!r} is not one of the file's targets ({', '.join(known)})")
    # One after the other, so that each is told before the next can fail.
    for name in names or known:
        yield _write_one(site, name, known[name], plan, reason, dry_run)


def _write_one(
    site: "Site",
    name: str,
    target: "Target",
    plan: "Callable[[Workload, str], Change | None]",
    reason: str,
    dry_run: bool,
) -> "tuple[str, Written]":
    steering = site.steering(target)
    seen = steering.read()

    def planned(workload: "Workload") -> "Change | None":
        return plan(workload, steering.operator)

    return name, steering.write(planned, reason=reason, seen=seen, dry_run=dry_run)

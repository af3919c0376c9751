"""`remediator pause` and `remediator resume`: withhold acts for a limited time."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import click

from remediator.canary import changes
from remediator.canary.changes import Change
from remediator.canary.operator import Written
from remediator.cli import options
from remediator.cli.completions import complete_targets
from remediator.cli.output import say
from remediator.cli.session import Site, open_site
from remediator.cli.types import PauseLength, Reason
from remediator.core.durations import format_duration
from remediator.core.policy import Target
from remediator.core.workload import Workload

NOT_WRITTEN = "; nothing was written (dry run)"


@click.command()
@click.argument("targets", nargs=-1, metavar="[TARGET]...", shell_complete=complete_targets)
@click.option("--for", "length", type=PauseLength(), required=True, help="How long, at most 24h: 30m, 2h.")
@click.option("--reason", type=Reason(), required=True, help="Reason, shown with every act that this pause withholds.")
@options.dry_run()
@options.unasked()
@options.api_server()
def pause(
    *,
    targets: tuple[str, ...],
    length: timedelta,
    reason: str,
    dry_run: bool,
    where: options.Where,
) -> None:
    """Withhold all automatic acts on the TARGETs (default: all targets of the file).

    A pause ends by itself. A new one replaces the old one. People can still act: `canary rollback` works, but raising
    the canary is refused.

    \b
    Exit codes: 0 paused, 1 failed, 2 usage, 3 the target was changed meanwhile.
    Examples:
      remediator pause --for=2h --reason="load test"
      remediator pause denis-workers --for=30m --reason="draining by hand"
    """
    with open_site(where) as site:

        def paused(workload: Workload, operator: str) -> Change:
            return changes.pause(workload, operator, reason, length, site.connection.now())

        for name, written in _write(site, targets, paused, reason, dry_run):
            before = written.entry.before if written.entry else 0
            instead = f", instead of {format_duration(timedelta(seconds=before))} that were left" if before else ""
            done = "would be paused" if dry_run else "paused"
            say(f"{name}: {done} for {format_duration(length)}{instead}{NOT_WRITTEN if dry_run else ''}")


@click.command()
@click.argument("targets", nargs=-1, metavar="[TARGET]...", shell_complete=complete_targets)
@click.option("--reason", type=Reason(), help="The reason, kept in the history.")
@options.dry_run()
@options.unasked()
@options.api_server()
def resume(
    *,
    targets: tuple[str, ...],
    reason: str | None,
    dry_run: bool,
    where: options.Where,
) -> None:
    """End the pause of the TARGETs (default: all targets of the file) early.

    \b
    Exit codes: 0 not paused, 1 failed, 2 usage, 3 the target was changed meanwhile.
    Example:
      remediator resume --reason="load test is over"
    """
    with open_site(where) as site:

        def resumed(workload: Workload, operator: str) -> Change | None:
            return changes.resume(workload, site.connection.now())

        for name, written in _write(site, targets, resumed, reason or "", dry_run):
            left = written.entry.before if written.entry else None
            done = "would be resumed" if dry_run else "resumed"
            text = "was not paused" if written.entry is None else done
            text += f", {format_duration(timedelta(seconds=left))} before the end" if left else ""
            say(f"{name}: {text}{NOT_WRITTEN if dry_run and written.entry else ''}")


def _write(
    site: Site,
    names: tuple[str, ...],
    plan: Callable[[Workload, str], Change | None],
    reason: str,
    dry_run: bool,
) -> Iterator[tuple[str, Written]]:
    """Apply the plan to each named target, or to all. Unknown names are refused before anything is written."""
    known = {target.name: target for target in site.policy.targets}
    if unknown := [name for name in names if name not in known]:
        raise click.UsageError(f"{unknown[0]!r} is not one of the file's targets ({', '.join(known)})")
    # Sequentially, so that each is reported before the next can fail.
    for name in names or known:
        yield _write_one(site, name, known[name], plan, reason, dry_run)


def _write_one(
    site: Site,
    name: str,
    target: Target,
    plan: Callable[[Workload, str], Change | None],
    reason: str,
    dry_run: bool,
) -> tuple[str, Written]:
    steering = site.steering(target)
    seen = steering.read()

    def planned(workload: Workload) -> Change | None:
        return plan(workload, steering.operator)

    return name, steering.write(planned, reason=reason, seen=seen, dry_run=dry_run)

"""How `set`, `rollback` and `promote` set the percentage: look, ask, write once, wait, and tell what is true."""

import difflib
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import click

from remediator.canary.changes import set_percentage
from remediator.canary.obstacles import Alarm, Obstacle, obstacles
from remediator.canary.setting import raises, read_setting
from remediator.canary.steering import Steering
from remediator.cli.errors import Failed, Withheld
from remediator.cli.progress import Line, await_rollout
from remediator.cli.site import Site
from remediator.ledger import spell_change
from remediator.policy import Target
from remediator.workload import Workload

EMERGENCY_SECONDS = 60.0
"""How long an emergency is tried again while the API server does not answer."""

INTERRUPTED = 130
"""The exit code of a program that SIGINT ended, as shells have it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What the person asked for."""

    percentage: int
    reason: str
    override: bool = False
    dry_run: bool = False
    yes: bool = False
    wait: bool = True
    timeout: timedelta = timedelta(minutes=10)
    emergency: bool = False
    """Do not ask, do not look for obstacles, and try for longer."""
    unattended: bool = False
    """Nobody is there: leave what people have set."""


def change(site: Site, target: Target, order: Order, alarm: Alarm | None) -> None:
    """Set the percentage. Raises Withheld, Failed."""
    profile = site.policy.profiles.get(order.percentage)
    if profile is None:
        known = ", ".join(map(str, sorted(site.policy.profiles)))
        raise click.UsageError(f"the file has no profile for {order.percentage} %; it has {known}")
    steering = site.steering(target, within=1.0 if order.emergency else 3.0, unattended=order.unattended)
    if order.emergency:
        _write(site, target, steering, order, profile, None, ())
        return
    workload = steering.read()
    if set_percentage(workload, profile) is None:
        click.echo(f"{target.name} is at {order.percentage} % already; nothing to do")
        return
    against: tuple[Obstacle, ...] = ()
    if raises(workload, profile):
        against = obstacles(workload, site.read_workers(), site.remediation(target), alarm, site.connection.now())
        if against and not order.override:
            raise Withheld(_spell_refusal(workload, site, order, against))
        if not (order.yes or order.dry_run) and sys.stdin.isatty():
            _confirm(workload, site, target, order, against)
    _write(site, target, steering, order, profile, workload, tuple(obstacle.word for obstacle in against))


def _spell_refusal(workload: Workload, site: Site, order: Order, against: tuple[Obstacle, ...]) -> str:
    now = read_setting(workload, site.policy.profiles)
    lines = [f"not raised to {order.percentage} %; the canary stays at {now}"]
    lines += [f"  {obstacle.word}: {obstacle.message} ({obstacle.remedy})" for obstacle in against]
    return "\n".join([*lines, 'if you know better: --override --reason="..."; it will be recorded'])


def _confirm(workload: Workload, site: Site, target: Target, order: Order, against: tuple[Obstacle, ...]) -> None:
    for obstacle in against:
        click.echo(f"passing over {obstacle.word}: {obstacle.message}", err=True)
    now = read_setting(workload, site.policy.profiles)
    click.confirm(f"Raise {target.name} from {now} to {order.percentage} %?", abort=True, err=True)


def _write(
    site: Site,
    target: Target,
    steering: Steering,
    order: Order,
    profile: Mapping[str, str],
    seen: Workload | None,
    overrode: tuple[str, ...],
) -> None:
    with interruptible(steering):
        written = steering.write(
            lambda workload: set_percentage(workload, profile, overrode),
            reason=order.reason,
            seen=seen,
            within=EMERGENCY_SECONDS if order.emergency else 10.0,
            dry_run=order.dry_run,
        )
    if written.entry is None:
        click.echo(f"{target.name} is at {order.percentage} % already; nothing to do")
        return
    if order.dry_run:
        click.echo(spell_diff(written.workload, target, profile), nl=False)
        click.echo(f"{target.name}: the API server accepts this; nothing was written (dry run)")
        return
    text = spell_change(written.entry.effect, written.entry.before, written.entry.after)
    click.echo(f"{target.name}: {text}, written {spell_seconds(written.seconds)} after the decision")
    if order.wait:
        follow(
            steering,
            target,
            lambda workload: next((name for name, value in profile.items() if workload.flags().get(name) != value), ""),
            f"{order.percentage} %",
            order.timeout,
        )


def follow(
    steering: Steering, target: Target, changed: Callable[[Workload], str], what: str, timeout: timedelta
) -> None:
    """Wait until the pods follow what was written. Raises Withheld where they do not.

    `changed` names the field that has another value by now, as Workload.writers does, or is empty.
    """
    line = Line()

    def taken_back(workload: Workload) -> str:
        if not (field := changed(workload)):
            return ""
        return f"{field} has been changed since, by {workload.writers.get(field, 'somebody')}"

    try:
        converged, text = await_rollout(steering.read, taken_back, timeout=timeout, line=line)
    except KeyboardInterrupt:
        click.echo(f"not waiting any longer: {what} is written, and the rollout goes on by itself", err=True)
        raise SystemExit(INTERRUPTED) from None
    finally:
        line.close()
    if not converged:
        look = f"kubectl -n {target.namespace} rollout status deployment/{target.deployment}"
        raise Withheld(f"{what} is written, but the pods do not all follow: {text}\nlook: {look}")
    click.echo(f"{target.name}: all pods follow: {text}")


@contextmanager
def interruptible(steering: Steering) -> Iterator[None]:
    """A write that says truly what became of it when Ctrl-C ends it."""
    from remediator.api_errors import ClusterError
    from remediator.canary.steering import NotWritten

    try:
        yield
    except KeyboardInterrupt:
        try:
            held = steering.held()
        except (ClusterError, NotWritten) as error:
            raise Failed(f"interrupted; whether the write holds cannot be told: {error}") from None
        if held:
            click.echo(f"interrupted, but {spell_change(held.effect, held.before, held.after)} is written", err=True)
        else:
            click.echo("interrupted; nothing was written", err=True)
        raise SystemExit(INTERRUPTED) from None


def spell_diff(workload: Workload, target: Target, profile: Mapping[str, str]) -> str:
    """The change of the flags as `kubectl diff` shows it."""
    live = {name: value for name, value in workload.env if name in profile}
    wanted = {**live, **profile}
    place = f"apps.v1.Deployment.{target.namespace}.{target.deployment}/{target.container}"
    return "".join(
        difflib.unified_diff(
            [f"{name}={value}\n" for name, value in live.items()],
            [f"{name}={value}\n" for name, value in wanted.items()],
            f"LIVE/{place}",
            f"WANTED/{place}",
        )
    )


def spell_seconds(seconds: float) -> str:
    """A short time, to be read."""
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"

"""How `set`, `rollback` and `promote` set the percentage: look, ask, write once, wait, and tell what is true."""

import difflib
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

import click

from remediator.canary.changes import Change, set_percentage
from remediator.canary.obstacles import Alarm, Obstacle, obstacles
from remediator.canary.setting import raises, read_setting
from remediator.cli.errors import Withheld
from remediator.cli.interruption import interruptible
from remediator.cli.output import printable, say
from remediator.cli.progress import follow
from remediator.cli.site import Site
from remediator.ledger import spell_change
from remediator.policy import Target
from remediator.workload import Workload

EMERGENCY_SECONDS = 60.0
"""How long an emergency is tried again while the API server does not answer."""


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


Ask = Callable[[], Alarm | None]
"""Whether an alert fires that would take the canary back; asked only where it matters."""


def change(site: Site, target: Target, order: Order, ask: Ask, judged: Workload | None = None) -> None:
    """Set the percentage. Raises Withheld, Failed.

    `judged` is the canary that the order was given for, where that was before; a change since then stops it.
    """
    profile = site.policy.profiles.get(order.percentage)
    if profile is None:
        known = ", ".join(map(str, sorted(site.policy.profiles)))
        raise click.UsageError(f"the file has no profile for {order.percentage} %; it has {known}")
    _Setting(site, target, order, profile, ask).run(judged)


class _Setting:
    """One order on its way."""

    def __init__(self, site: Site, target: Target, order: Order, profile: Mapping[str, str], ask: Ask) -> None:
        self._site, self._target, self._order, self._profile, self._ask = site, target, order, profile, ask
        within = 1.0 if order.emergency else 3.0
        self._steering = site.steering(target, within=within, unattended=order.unattended)
        self._accepted: tuple[str, ...] = ()
        """The words of the obstacles that the person passes over."""

    def run(self, judged: Workload | None) -> None:
        """From the look to the last pod."""
        order = self._order
        if order.emergency:
            self._write(None)
            return
        seen = judged or self._steering.read()
        if raises(seen, self._profile):
            against = self._against(seen, alarm=self._ask())
            if against and not order.override:
                raise Withheld(self._spell_refusal(seen, against))
            self._accepted = tuple(obstacle.word for obstacle in against)
            if not (order.yes or order.dry_run) and sys.stdin is not None and sys.stdin.isatty():
                self._confirm(seen, against)
        self._write(seen)

    def _against(self, canary: Workload, alarm: Alarm | None) -> tuple[Obstacle, ...]:
        site, now = self._site, self._site.connection.now()
        rollbacks = site.policy.rollbacks(self._target)
        return obstacles(canary, site.read_workers(), rollbacks, self._profile, alarm, now)

    def _confirm(self, seen: Workload, against: tuple[Obstacle, ...]) -> None:
        for obstacle in against:
            say(f"overriding {obstacle.word}: {obstacle.message}", err=True)
        now = read_setting(seen, self._site.policy.profiles)
        click.confirm(f"Raise {self._target.name} from {now} to {self._order.percentage} %?", abort=True, err=True)
        # A question can stand for long: what has come up since was not in it.
        self._refuse_more(seen, self._against(seen, alarm=self._ask()))

    def _refuse_more(self, canary: Workload, against: tuple[Obstacle, ...]) -> None:
        more = tuple(obstacle for obstacle in against if obstacle.word not in self._accepted)
        if more:
            raise Withheld(self._spell_refusal(canary, more))

    def _spell_refusal(self, canary: Workload, against: tuple[Obstacle, ...]) -> str:
        now = read_setting(canary, self._site.policy.profiles)
        lines = [f"not raised to {self._order.percentage} %; the canary stays at {now}"]
        lines += [f"  {obstacle.word}: {obstacle.message} ({obstacle.remedy})" for obstacle in against]
        return "\n".join([*lines, 'if you know better: --override --reason="..."; it will be recorded'])

    def _plan(self, canary: Workload) -> Change | None:
        """What is to be written on what is there at this moment."""
        if not self._order.emergency and raises(canary, self._profile):
            rollbacks, now = self._site.policy.rollbacks(self._target), self._site.connection.now()
            self._refuse_more(canary, obstacles(canary, (), rollbacks, self._profile, None, now))
        return set_percentage(canary, self._profile, self._accepted)

    def _write(self, seen: Workload | None) -> None:
        order, name = self._order, self._target.name
        with interruptible(self._steering):
            written = self._steering.write(
                self._plan,
                reason=order.reason,
                seen=seen,
                within=EMERGENCY_SECONDS if order.emergency else 10.0,
                dry_run=order.dry_run,
            )
        if written.entry is None:
            say(f"{name} is at {order.percentage} % already; nothing to do")
        elif order.dry_run:
            click.echo(spell_diff(written.workload, self._target, self._profile), nl=False)
            say(f"{name}: the API server accepts this; nothing was written (dry run)")
            return
        else:
            text = spell_change(written.entry.effect, written.entry.before, written.entry.after)
            after = f" {spell_seconds(written.seconds)} after the decision" if order.emergency else ""
            say(f"{name}: {text}, written{after}")
            if written.unrecorded:
                say(f"{name}: not recorded: {written.unrecorded}", err=True)
        if order.wait and not order.dry_run:
            follow(self._steering, self._target, self._differing, f"{order.percentage} %", order.timeout)

    def _differing(self, canary: Workload) -> str:
        """The first flag that is not as it was set, or empty."""
        flags = canary.flags()
        return next((name for name, value in self._profile.items() if flags.get(name) != value), "")


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


def spell_seconds(seconds: float) -> str:
    """A short time, to be read."""
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"

"""How `set` and `promote` set the percentage: read, check, confirm, write once, wait, and report."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import click

from remediator.canary.changes import Change, set_percentage
from remediator.canary.checks import refusals
from remediator.canary.flags import differing, raises, read_setting
from remediator.cli.canary.answers import show_dry_run, spell_nothing_to_do
from remediator.cli.exits import Withheld
from remediator.cli.interruption import interruptible
from remediator.cli.output import say
from remediator.cli.progress import follow
from remediator.cli.session import Site
from remediator.core.checks import Check
from remediator.core.policy import Target
from remediator.core.workload import Workload
from remediator.monitoring.evidence import FoundAlerts


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
    unattended: bool = False
    """No person is present: leave in place what people have set."""


Ask = Callable[[], FoundAlerts | None]
"""Returns the firing alerts that would roll the canary back, None without monitoring; called only for a raise."""

Cautions = Callable[[], Sequence[str]]
"""Returns short reasons to wait with a raise; called only for a raise."""


def change(
    site: Site,
    target: Target,
    order: Order,
    ask: Ask,
    *,
    judged: Workload | None = None,
    cautions: Cautions = tuple,
) -> None:
    """Set the percentage. Raises Withheld, Failed.

    `judged` is the earlier read that the order is based on, if any; if it is outdated, nothing is written.
    """
    profile = site.policy.profiles.get(order.percentage)
    if profile is None:
        known = ", ".join(map(str, sorted(site.policy.profiles)))
        raise click.UsageError(f"the file has no profile for {order.percentage} %; it has {known}")
    _Setting(site, target, order, profile, ask, cautions).run(judged)


class _Setting:
    """One order in progress."""

    def __init__(
        self, site: Site, target: Target, order: Order, profile: Mapping[str, str], ask: Ask, cautions: Cautions
    ) -> None:
        self._cautions = cautions
        self._site, self._target, self._order, self._profile, self._ask = site, target, order, profile, ask
        self._steering = site.steering(target, unattended=order.unattended)
        self._accepted: tuple[str, ...] = ()
        """The words of the checks that the person overrides."""

    def run(self, judged: Workload | None) -> None:
        """Check, confirm, write, and wait until all pods follow."""
        order = self._order
        seen = judged or self._steering.read()
        if raises(seen, self._profile):
            against = self._against(seen, alarm=self._ask())
            if against and not order.override:
                raise Withheld(self._spell_refusal(seen, against))
            self._accepted = tuple(check.word for check in against)
            if cautions := "; ".join(self._cautions()):
                say(f"{self._target.name}: {self._spell_raise(seen)}: {cautions}", err=True)
            if not (order.yes or order.dry_run):
                self._confirm(seen, against)
        self._write(seen)

    def _against(self, canary: Workload, alarm: FoundAlerts | None) -> tuple[Check, ...]:
        site, now = self._site, self._site.connection.now()
        return refusals(canary, site.read_workers(), self._target, site.policy, self._profile, alarm, now)

    def _spell_raise(self, canary: Workload) -> str:
        return f"{read_setting(canary, self._site.policy.profiles)} -> {self._order.percentage} %"

    def _confirm(self, seen: Workload, against: tuple[Check, ...]) -> None:
        if sys.stdin is None or not sys.stdin.isatty():
            asked = f"{self._target.name}: {self._spell_raise(seen)} was not written"
            raise click.UsageError(f"{asked}: it needs a confirmation, and there is no terminal to ask on; give --yes")
        for check in against:
            say(f"overriding {check.word}: {check.found}", err=True)
        now = read_setting(seen, self._site.policy.profiles)
        click.confirm(f"Raise {self._target.name} from {now} to {self._order.percentage} %?", abort=True, err=True)
        # The prompt may have been open for long: refuse what has come up since.
        self._refuse_more(seen, self._against(seen, alarm=self._ask()))

    def _refuse_more(self, canary: Workload, against: tuple[Check, ...]) -> None:
        more = tuple(check for check in against if check.word not in self._accepted)
        if more:
            raise Withheld(self._spell_refusal(canary, more))

    def _spell_refusal(self, canary: Workload, against: tuple[Check, ...]) -> str:
        now = read_setting(canary, self._site.policy.profiles)
        lines = [f"not raised to {self._order.percentage} %; the canary stays at {now}"]
        lines += [f"  {check.word}: {check.found} ({check.remedy})" for check in against]
        return "\n".join([*lines, 'if you know better: --override --reason="..."; it will be recorded'])

    def _plan(self, canary: Workload) -> Change | None:
        """The change to write, planned on the canary as it is now."""
        if raises(canary, self._profile):
            policy, now = self._site.policy, self._site.connection.now()
            self._refuse_more(canary, refusals(canary, (), self._target, policy, self._profile, None, now))
        return set_percentage(canary, self._profile, self._accepted)

    def _write(self, seen: Workload) -> None:
        order, name = self._order, self._target.name
        with interruptible(self._steering):
            written = self._steering.write(self._plan, reason=order.reason, seen=seen, dry_run=order.dry_run)
        if written.entry is None:
            say(spell_nothing_to_do(self._target, written.workload, order.percentage))
        elif order.dry_run:
            show_dry_run(written.workload, self._target, self._profile)
            return
        else:
            say(f"{name}: {written.entry.change}, written")
            if written.unrecorded:
                say(f"{name}: not recorded: {written.unrecorded}", err=True)
        if order.wait and not order.dry_run:
            follow(self._steering, self._target, self._differing, f"{order.percentage} %", order.timeout)

    def _differing(self, canary: Workload) -> str:
        return differing(canary, self._profile)

"""`remediator canary set`."""

from datetime import timedelta

import click

from remediator.canary.cautions import cautions
from remediator.cli import endpoints, options
from remediator.cli.canary.change import Order, change
from remediator.cli.canary.situation import Sources, ask_alarm, look
from remediator.cli.session import open_site
from remediator.cli.types import Percentage, Reason, StepCommand


@click.command("set", cls=StepCommand)
@click.argument("percentage", type=Percentage())
@options.dry_run()
@click.option("--reason", type=Reason(), help="The reason, kept in the history.")
@click.option("--override", is_flag=True, help="Raise although a check refuses it. Needs --reason.")
@options.yes("Raise without confirmation; required without a terminal.")
@options.waiting()
@endpoints.monitoring()
@endpoints.fence()
@options.target("canary")
@options.api_server()
def set_command(
    *,
    percentage: int,
    dry_run: bool,
    reason: str | None,
    override: bool,
    yes: bool,
    wait: bool,
    timeout: timedelta,
    prometheus: endpoints.Endpoint | None,
    alertmanager: endpoints.Endpoint | None,
    cluster: str,
    target_name: str | None,
    where: options.Where,
) -> None:
    """Give the canary PERCENTAGE of the traffic: 0, 1, 10, 50 or 100.

    All flags of the percentage are written in one patch, so in one rollout, together with a record of who did it.
    Raising is refused while the kill switch is on, the target is paused, a rollback alert fires (checked if Prometheus
    or Alertmanager is given), or a cooldown or a spent budget would withhold the rollback of the raised canary.
    Skipping phases, or raising against the verdict of `canary status`, is allowed with a warning. Every raise asks for
    confirmation; without a terminal it needs --yes.

    \b
    Exit codes: 0 set or nothing to do, 1 failed, 2 usage, 3 withheld, or not all pods run it.
    Examples:
      remediator canary set 10 --dry-run
      remediator canary set 10 --reason="latency looks good" --prometheus.url=http://prometheus:9090
      remediator canary set 0 --no-wait
    """
    if override and not reason:
        raise click.UsageError("--override needs --reason; it is recorded")

    with open_site(where) as site:
        target = site.canary(target_name)
        sources = Sources(prometheus=prometheus, alertmanager=alertmanager, cluster=cluster)
        order = Order(
            percentage=percentage,
            reason=reason or "",
            override=override,
            dry_run=dry_run,
            yes=yes,
            wait=wait,
            timeout=timeout,
        )

        def speak_for_waiting() -> tuple[str, ...]:
            now = look(site, target, sources)
            asked = bool(prometheus or alertmanager)
            return cautions(now.setting.percentage, percentage, now.judgement, site.policy, asked=asked)

        change(site, target, order, lambda: ask_alarm(site, target, sources), cautions=speak_for_waiting)

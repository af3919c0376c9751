"""`remediator canary set`."""

from datetime import timedelta
from pathlib import Path

import click

from remediator.cli import options
from remediator.cli.arguments import Percentage, Reason


@click.command("set", short_help="Give the canary 0, 1, 10, 50 or 100 % of the traffic.")
@click.argument("percentage", type=Percentage())
@options.dry_run()
@click.option("--reason", type=Reason(), help="Why; it goes into the history.")
@click.option("--override", is_flag=True, help="Raise in spite of what stands against it. Needs --reason.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask before raising.")
@options.waiting()
@options.prometheus_url()
@options.alertmanager_url()
@options.fence()
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
    prometheus_url: str | None,
    alertmanager_url: str | None,
    cluster: str,
    target_name: str | None,
    config_file: Path,
    kubeconfig: Path | None,
    context: str,
) -> None:
    """Give the canary PERCENTAGE of the traffic: 0, 1, 10, 50 or 100.

    All flags of the percentage are written in one patch, so in one rollout, together with a record of who did it.
    Raising is refused while the kill switch is on, the target is paused, a rollback alert fires (if a Prometheus or
    Alertmanager is given to ask), or none could take the canary back: a rollback cools down, or its budget is spent.

    \b
    Exit codes: 0 set or nothing to do, 1 failed, 2 usage, 3 withheld or the pods do not follow.
    Examples:
      remediator canary set 10 --dry-run
      remediator canary set 10 --reason="latency looks good" --prometheus.url=http://prometheus:9090
      remediator canary set 0 --no-wait
    """
    if override and not reason:
        raise click.UsageError("--override needs --reason: it is recorded for those who come after you")
    from remediator.cli.canary.change import Order, change
    from remediator.cli.canary.situation import Sources, ask_alarm
    from remediator.cli.site import open_site

    with open_site(config_file, kubeconfig, context) as site:
        target = site.canary(target_name)
        sources = Sources(prometheus_url=prometheus_url, alertmanager_url=alertmanager_url, cluster=cluster)
        order = Order(
            percentage=percentage,
            reason=reason or "",
            override=override,
            dry_run=dry_run,
            yes=yes,
            wait=wait,
            timeout=timeout,
        )
        change(site, target, order, lambda: ask_alarm(site, target, sources))

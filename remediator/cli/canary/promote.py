"""`remediator canary promote`."""

from datetime import timedelta

import click

from remediator.canary.verdict import Verdict
from remediator.cli import endpoints, options
from remediator.cli.canary.change import Order, change
from remediator.cli.canary.situation import Sources, ask_alarm, look
from remediator.cli.exits import Withheld
from remediator.cli.output import print_checks, say
from remediator.cli.session import open_site
from remediator.cli.types import Reason


@click.command()
@options.dry_run()
@click.option("--reason", type=Reason(), help="The reason, kept in the history.")
@click.option("--auto", is_flag=True, help="For a CronJob: take the step only if the verdict was promote all the time.")
@options.yes("Raise without confirmation; required without a terminal.")
@options.waiting()
@endpoints.monitoring()
@endpoints.fence()
@options.target("canary")
@options.api_server()
def promote(
    *,
    dry_run: bool,
    reason: str | None,
    auto: bool,
    yes: bool,
    wait: bool,
    timeout: timedelta,
    prometheus: endpoints.Endpoint | None,
    alertmanager: endpoints.Endpoint | None,
    cluster: str,
    target_name: str | None,
    where: options.Where,
) -> None:
    """Take the canary to its next step, if the verdict of `canary status` is promote.

    Otherwise nothing is written, and what is missing is shown. Anything unknown holds the canary, so --prometheus.url
    is needed. With --auto, holding is not a failure: the canary is held until the phase was good from its first to its
    last minute, and only a verdict of rollback, or missing evidence, exits with 3.

    \b
    Exit codes: 0 promoted (with --auto also: held), 1 failed, 2 usage, 3 not promoted.
    Examples:
      remediator canary promote --prometheus.url=http://prometheus:9090
      remediator canary promote --auto --prometheus.url=http://prometheus:9090
    """
    if auto and not prometheus:
        raise click.UsageError("--auto needs --prometheus.url: without it no verdict is ever promote")
    with open_site(where) as site:
        target = site.canary(target_name)
        sources = Sources(prometheus=prometheus, alertmanager=alertmanager, cluster=cluster)
        situation = look(site, target, sources)
        judgement = situation.judgement
        step, asked = judgement.next, (*judgement.checks, *(judgement.steady if auto else ()))
        ready = judgement.unattended if auto else judgement.verdict is Verdict.PROMOTE
        if not ready or step is None:
            print_checks([check for check in asked if not check.passed])
            text = f"not promoted; the canary stays at {situation.setting}, the verdict is {judgement.verdict}"
            known = all(check.passed is not None for check in asked)
            if auto and known and judgement.verdict is not Verdict.ROLLBACK:
                say(text)
                return
            raise Withheld(text)
        order = Order(
            percentage=step,
            reason=reason or f"promoted{' by itself' if auto else ''} after {situation.stay.percentage} %",
            dry_run=dry_run,
            yes=yes or auto,
            wait=wait,
            timeout=timeout,
            unattended=auto,
        )
        change(site, target, order, lambda: ask_alarm(site, target, sources), judged=situation.canary)

"""`remediator canary promote`."""

from datetime import timedelta
from pathlib import Path

import click

from remediator.cli import options
from remediator.cli.arguments import Reason


@click.command(short_help="Take the next step, if the verdict is promote.")
@options.dry_run()
@click.option("--reason", type=Reason(), help="Why; it goes into the history.")
@click.option("--auto", is_flag=True, help="For a CronJob: step forward where the verdict was promote all the time.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask before raising.")
@options.waiting()
@options.prometheus_url()
@options.alertmanager_url()
@options.fence()
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
    prometheus_url: str | None,
    alertmanager_url: str | None,
    cluster: str,
    target_name: str | None,
    config_file: Path,
    kubeconfig: Path | None,
    context: str,
) -> None:
    """Take the canary to its next step, if the verdict of `canary status` is promote.

    Otherwise nothing is written, and what is missing is shown. What cannot be told holds the canary, so a Prometheus
    has to be given. With --auto, nothing to do is no failure: the canary is held until the phase was good from its
    first to its last minute, and only a verdict of rollback, or evidence that is missing, ends with 3.

    \b
    Exit codes: 0 promoted (with --auto also: held), 1 failed, 2 usage, 3 not promoted.
    Examples:
      remediator canary promote --prometheus.url=http://prometheus:9090
      remediator canary promote --auto --prometheus.url=http://prometheus:9090
    """
    from remediator.canary.judgement import Verdict
    from remediator.cli.canary.change import Order, change
    from remediator.cli.canary.situation import Sources, ask_alarm, look
    from remediator.cli.errors import Withheld
    from remediator.cli.output import print_checks, say
    from remediator.cli.site import open_site

    if auto and not prometheus_url:
        raise click.UsageError("--auto needs --prometheus.url: without it no verdict is ever promote")
    with open_site(config_file, kubeconfig, context) as site:
        target = site.canary(target_name)
        sources = Sources(prometheus_url=prometheus_url, alertmanager_url=alertmanager_url, cluster=cluster)
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

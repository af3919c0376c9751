"""`remediator canary rollback`."""

from datetime import timedelta
from pathlib import Path

import click

from remediator.cli import options
from remediator.cli.arguments import Reason


@click.command()
@options.dry_run()
@click.option("--reason", type=Reason(), help="Why; it goes into the history.")
@options.waiting()
@options.target("canary")
@options.api_server()
def rollback(
    *,
    dry_run: bool,
    reason: str | None,
    wait: bool,
    timeout: timedelta,
    target_name: str | None,
    config_file: Path,
    kubeconfig: Path | None,
    context: str,
) -> None:
    """Take the canary to 0 %, now.

    Asks nothing and waits for nobody: not for a pause, not for a cooldown, and an API server that does not answer is
    asked again for a minute. The reflex does not act on the canary again while it is at 0 %.

    \b
    Exit codes: 0 at 0 %, 1 failed, 2 usage, 3 written but the pods do not follow.
    Examples:
      remediator canary rollback
      remediator canary rollback --reason="checkout is slow" --no-wait
    """
    from remediator.cli.canary.change import Order, change
    from remediator.cli.site import open_site

    with open_site(config_file, kubeconfig, context) as site:
        order = Order(percentage=0, reason=reason or "", dry_run=dry_run, wait=wait, timeout=timeout, emergency=True)
        change(site, site.canary(target_name), order, lambda: None)

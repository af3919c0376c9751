"""`remediator canary verify`: whether pods and metrics match the canary's flags."""

from typing import Any

import click

from remediator.canary.checks import rollout
from remediator.canary.pods import Pods, Running, check_flags, check_pods
from remediator.cli import endpoints, options
from remediator.cli.canary.exports import check_denis, other_way, scrape, scrape_pods
from remediator.cli.canary.report import report
from remediator.cli.session import Site, open_site
from remediator.cli.types import StepCommand
from remediator.core.checks import Check
from remediator.core.policy import Target
from remediator.kube.errors import ClusterError
from remediator.monitoring.denis import Unit


@click.command(cls=StepCommand)
@options.percentage()
@endpoints.denis("http://localhost:8084")
@options.target("canary")
@options.api_server()
@options.output()
def verify(
    percentage: int | None,
    denis_url: str,
    unit: Unit,
    via_pods: bool,
    port: int,
    target_name: str | None,
    where: options.Where,
    output: str,
) -> None:
    """Check the running canary against PERCENTAGE, or against the percentage in its own flags.

    Checks the Deployment's flags (and shows who wrote wrong ones), the rollout, the pods (all of the current template,
    with these flags in their own specs; nothing is executed in them), and what DENIS exports: all four gauges, each
    with a value that its unit allows. Nothing is written.

    Use it after `canary set` or `promote`, and whenever a dashboard and the flags disagree. DENIS is read at
    --denis.url; its default is right after `kubectl -n denis port-forward deployment/denis 8084`. --denis.via-pods
    reads every pod instead, and needs the right `get` on pods/proxy. Listing the pods needs `list` on replicasets and
    pods.

    \b
    Exit codes: 0 everything is as it should be; 1 the API server did not answer; 2 usage or configuration;
    3 a check failed, or could not be made.
    Examples:
      remediator canary verify
      remediator canary verify 10 --denis.via-pods
      remediator canary verify 10 --denis.url=http://denis.denis.svc:8084 --denis.unit=percent
    """
    with open_site(where) as site:
        target = site.canary(target_name)
        workload = site.read(target)
        wanted = workload.percentage() if percentage is None else percentage
        profile = None if wanted is None else site.policy.profiles.get(wanted)
        if wanted is None or profile is None:
            if percentage is not None:
                raise click.UsageError(f"{site.origin} has no profile {percentage}")
            said = "do not tell the percentage" if wanted is None else f"say {wanted} %, which is no profile"
            checks = [Check(name="flags", passed=False, found=f"the flags {said}", remedy="give the PERCENTAGE")]
            checks.append(rollout(workload, target))
        else:
            checks = [check_flags(workload, wanted, profile), rollout(workload, target)]
            pods, running = _pods(site, target, wanted, profile)
            checks += pods
            asked = scrape_pods(site, target, running, port) if via_pods else scrape(denis_url)
            checks += check_denis(*asked, unit, wanted, other_way(target, via_pods=via_pods))
    report(checks, output, target=target.name, percentage=wanted)


def _pods(site: Site, target: Target, wanted: int, profile: Any) -> tuple[list[Check], Running | None]:
    try:
        running = Pods(site.connection).running(target)
    except ClusterError as error:
        return [Check(name="pods", passed=False, found=str(error), remedy="make sure that you may list them")], None
    return list(check_pods(running, wanted, profile, target)), running

"""`remediator canary preflight`: checks before the canary is raised."""

from collections.abc import Sequence

import click

from remediator.canary.checks import check_canary, check_workers
from remediator.canary.doctor import Doctor
from remediator.canary.pods import Pods
from remediator.cli import endpoints, options
from remediator.cli.canary.exports import check_denis, other_way, scrape, scrape_pods
from remediator.cli.canary.monitoring import open_sources
from remediator.cli.canary.report import report
from remediator.cli.running_service import RunningService, account_option
from remediator.cli.session import Site, monitoring_files, open_site
from remediator.cli.types import StepCommand
from remediator.config.document import parse_document
from remediator.core.checks import Check, not_checked
from remediator.core.denis_signals import SIGNALS
from remediator.core.policy import Policy, Target
from remediator.core.workload import Workload
from remediator.kube.errors import ClusterError
from remediator.monitoring.denis import Unit


@click.command(cls=StepCommand)
@options.percentage(envvar="DENIS_MATERIALIZERS_PCT")
@endpoints.monitoring()
@endpoints.remediator_url()
@endpoints.denis(None)
@endpoints.fence(None)
@account_option()
@click.option("--require-all", is_flag=True, help="Count what was not checked (?) as failed.")
@options.target("canary")
@options.api_server()
@options.output()
def preflight(
    *,
    percentage: int | None,
    prometheus: endpoints.Endpoint | None,
    alertmanager: endpoints.Endpoint | None,
    remediator_url: str | None,
    denis_url: str | None,
    unit: Unit,
    via_pods: bool,
    port: int,
    cluster: str | None,
    account: str,
    require_all: bool,
    target_name: str | None,
    where: options.Where,
    output: str,
) -> None:
    """Check that the canary can be raised to PERCENTAGE safely (default: $DENIS_MATERIALIZERS_PCT, else the next step).

    On the cluster: the Deployment is healthy, its flags are those of a step, nothing is paused, switched off or cooling
    down, and a rollback alert at PERCENTAGE would be acted on. Then the path of such an alert, link by link: DENIS
    exports plausible gauges; Prometheus has fresh signals, the alerts' rules and an Alertmanager; Alertmanager's route
    leads to a webhook; the Remediator there would act; and the API server accepts the act from its account, but nothing
    more (tried as dry runs, if you may impersonate that account). Nothing is written, and no alert is posted; refused
    dry runs show up in the API server's audit log. `remediator doctor` checks the same links.

    A link is checked if its URL is given. Otherwise it is shown as ? with the flag to give, and does not count: use
    --require-all in a pipeline, so that a forgotten flag cannot pass for a safe canary.

    \b
    Exit codes: 0 no check failed; 1 the API server did not answer; 2 usage or configuration; 3 a check failed.
    Examples:
      remediator canary preflight 10
      remediator canary preflight --prometheus.url=http://prometheus:9090 --denis.via-pods
      DENIS_MATERIALIZERS_PCT=10 ./scripts/production_preflight.sh --require-all
    """
    if percentage == 0:
        raise click.UsageError("0 % needs no preflight: remediator canary rollback")
    with open_site(where) as site:
        target, policy = site.canary(target_name), site.policy
        if percentage is not None and percentage not in policy.profiles:
            raise click.UsageError(f"{site.origin} has no profile {percentage}")
        workload = site.read(target)
        wanted = _next(workload, policy) if percentage is None else percentage
        now = site.connection.now()
        checks = check_canary(workload, target, wanted, policy, now)
        checks += check_workers({other: site.cluster.read(other) for other in policy.scaled() if other != target})
        service = RunningService(site, where, account, cluster)
        sources = open_sources(prometheus, [alertmanager], [remediator_url])
        doctor = Doctor(
            policy=policy,
            document=parse_document(site.text, site.origin),
            files=monitoring_files(site, where),
            sources=sources,
            fence=service.fence,
            now=now,
            signals=tuple(SIGNALS),
        )
        checks.append(doctor.file())
        if via_pods or denis_url:
            checks += _denis(site, target, denis_url, port, unit, workload)
        else:
            checks.append(not_checked("denis", "--denis.url or --denis.via-pods"))
    withheld = next((check.found for check in checks if check.name == "reflex" and not check.passed), "")
    for remediation in policy.rollbacks(target)[:1]:
        checks += [*doctor.way(remediation, withheld), *service.check(remediation, workload)]
    excused = [check for check in checks if check.is_excused(require_all)]
    report(checks, output, excused=excused, target=target.name, percentage=wanted)


def _next(workload: Workload, policy: Policy) -> int | None:
    percentage = workload.percentage()
    return None if percentage is None else policy.next_percentage(percentage)


def _denis(site: Site, target: Target, url: str | None, port: int, unit: Unit, workload: Workload) -> Sequence[Check]:

    if url:
        return check_denis(*scrape(url), unit, workload.percentage() or 0, other_way(target, via_pods=False))
    try:
        running = Pods(site.connection).running(target)
    except ClusterError as error:
        return [Check(name="denis", passed=False, found=str(error), remedy="give --denis.url instead")]
    asked = scrape_pods(site, target, running, port)
    return check_denis(*asked, unit, workload.percentage() or 0, other_way(target, via_pods=True))

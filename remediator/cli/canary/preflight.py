"""`remediator canary preflight`: what must be true before the canary is raised."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from remediator.checks import Check
from remediator.cli import options
from remediator.cli.canary.exports import check_denis, scrape, scrape_pods
from remediator.cli.canary.report import report

if TYPE_CHECKING:
    from remediator.cli.site import Site
    from remediator.monitoring.denis import Unit
    from remediator.monitoring.prometheus import AlertRule
    from remediator.monitoring.signals import Scope
    from remediator.policy import Policy, Remediation, Target
    from remediator.workload import Workload

NOT_LOOKED_AT = "not looked at"


@click.command(short_help="Check what must be true before raising.")
@options.percentage(envvar="DENIS_MATERIALIZERS_PCT")
@options.prometheus_url()
@options.alertmanager_url()
@options.remediator_url()
@options.denis(None)
@options.fence()
@click.option("--require-all", is_flag=True, help="What was not looked at (?) counts as failed.")
@options.target("canary")
@options.api_server()
@options.output()
def preflight(
    *,
    percentage: int | None,
    prometheus_url: str | None,
    alertmanager_url: str | None,
    remediator_url: str | None,
    denis_url: str | None,
    unit: "Unit",
    via_pods: bool,
    port: int,
    cluster: str,
    require_all: bool,
    target_name: str | None,
    config_file: Path,
    kubeconfig: Path | None,
    context: str,
    output: str,
) -> None:
    """Check what must be true before the canary is raised to PERCENTAGE ($DENIS_MATERIALIZERS_PCT, else the next step).

    On the cluster: the Deployment is healthy, its flags are those of a step, nothing is paused, switched off or cooling
    down, and a rollback alert at PERCENTAGE would be acted on. The way of such an alert, link by link: DENIS exports
    believable gauges, Prometheus has fresh signals and the alerts' rules and knows an Alertmanager, Alertmanager's
    route leads to a webhook, and the Remediator there would act. Nothing is written, and no alert is posted.

    A link is looked at where its URL is given. Else it is shown as ? with the flag to give, and does not count: give
    --require-all in a pipeline, so that a forgotten flag cannot pass for a safe canary.

    \b
    Exit codes: 0 no check failed; 1 the API server did not tell; 2 usage or configuration; 3 a check failed.
    Examples:
      remediator canary preflight 10
      remediator canary preflight --prometheus.url=http://prometheus:9090 --denis.via-pods
      DENIS_MATERIALIZERS_PCT=10 ./scripts/production_preflight.sh --require-all
    """
    from remediator.canary.readiness import check_canary, check_workers
    from remediator.cli.site import open_site
    from remediator.monitoring.signals import Scope

    if percentage == 0:
        raise click.UsageError("0 % needs no preflight: remediator canary rollback")
    with open_site(config_file, kubeconfig, context) as site:
        target, policy = site.canary(target_name), site.policy
        if percentage is not None and percentage not in policy.profiles:
            raise click.UsageError(f"{config_file} has no profile {percentage}")
        workload = site.read(target)
        wanted = _next(workload, policy) if percentage is None else percentage
        checks = check_canary(workload, target, wanted, policy, site.connection.now())
        checks += check_workers({other: site.cluster.read(other) for other in policy.scaled() if other != target})
        if via_pods or denis_url:
            checks += _denis(site, target, denis_url, port, unit, workload)
    remediation = next(iter(policy.rollbacks(target)), None)
    if not (via_pods or denis_url):
        checks.append(_not_looked_at("denis", "--denis.url or --denis.via-pods"))
    scope = Scope(policy=policy, target=target, cluster=cluster)
    found, rules = _prometheus(prometheus_url, scope, config_file)
    checks += found
    checks += _alertmanager(alertmanager_url, remediation, rules, scope)
    checks += _remediator(remediator_url, remediation, cluster)
    excused = [] if require_all else [check for check in checks if check.found == NOT_LOOKED_AT]
    report(checks, output, excused=excused, target=target.name, percentage=wanted)


def _next(workload: "Workload", policy: "Policy") -> int | None:
    percentage = workload.percentage()
    return None if percentage is None else policy.next_percentage(percentage)


def _not_looked_at(name: str, flag: str) -> Check:
    return Check(name=name, passed=None, found=NOT_LOOKED_AT, remedy=f"give {flag}")


def _denis(
    site: "Site", target: "Target", url: str | None, port: int, unit: "Unit", workload: "Workload"
) -> Sequence[Check]:
    from remediator.api_errors import ClusterError
    from remediator.canary.pods import Pods

    if url:
        return check_denis(*scrape(url), unit, workload.percentage() or 0)
    try:
        running = Pods(site.connection).running(target)
    except ClusterError as error:
        return [Check(name="denis", passed=False, found=str(error), remedy="give --denis.url instead")]
    return check_denis(*scrape_pods(site, target, running, port), unit, workload.percentage() or 0)


def _prometheus(url: str | None, scope: "Scope", config_file: Path) -> "tuple[Sequence[Check], Sequence[AlertRule]]":
    """What Prometheus says, and its rules of alerts that would take the canary back."""
    from remediator.coverage import find_coverage
    from remediator.monitoring.json_api import NoAnswer
    from remediator.monitoring.prometheus import Prometheus
    from remediator.monitoring.watching import check_alertmanagers, check_rules, check_signals

    if not url:
        return [_not_looked_at("prometheus", "--prometheus.url")], ()
    coverage = find_coverage(scope.policy, config_file).alerts
    expected = [name for name in coverage if scope.asks_for_rollback({"alertname": name, **_wanted(coverage[name])})]
    try:
        prometheus = Prometheus(url)
        rules, told = prometheus.alert_rules(), prometheus.alertmanagers()
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--prometheus.url") from error
    except NoAnswer as error:
        return [Check(name="prometheus", passed=False, found=str(error))], ()
    checks = [*check_signals(prometheus, scope), *check_rules(rules, expected, scope), check_alertmanagers(told)]
    return checks, scope.rollback_rules(rules)


def _wanted(remediation: "Remediation") -> dict[str, str]:
    """Labels with which a remediation is asked for, as far as its matchers name them."""
    return {matcher.name: matcher.value for matcher in remediation.matchers if matcher.operator == "="}


def _alertmanager(
    url: str | None, remediation: "Remediation | None", rules: "Sequence[AlertRule]", scope: "Scope"
) -> Sequence[Check]:
    from remediator.monitoring.alertmanager import Alertmanager
    from remediator.monitoring.json_api import NoAnswer
    from remediator.monitoring.routing import check_route

    if not url:
        return [_not_looked_at("route", "--alertmanager.url")]
    labels = {"namespace": scope.target.namespace, **({"cluster": scope.cluster} if scope.cluster else {})}
    if rules:
        labels |= rules[0].static_labels
    elif remediation:
        labels |= _wanted(remediation)
    try:
        return [check_route(Alertmanager(url).config(), labels)]
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--alertmanager.url") from error
    except NoAnswer as error:
        return [Check(name="route", passed=False, found=str(error))]


def _remediator(url: str | None, remediation: "Remediation | None", fence: str) -> Sequence[Check]:
    from remediator.monitoring.json_api import JsonApi, NoAnswer
    from remediator.monitoring.serving import check_service

    if not url:
        return [_not_looked_at("service", "--remediator.url")]
    if remediation is None:
        return []
    try:
        service = JsonApi("Remediator", url, timeout=5.0)
        ready = service.text("/-/ready", asked="its readiness")
        status = service.get("/api/v1/status", {}, asked="its status")
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--remediator.url") from error
    except NoAnswer as error:
        return [Check(name="service", passed=False, found=str(error))]
    return [Check(name="ready", passed=True, found=ready.strip()[:100]), check_service(status, remediation, fence)]

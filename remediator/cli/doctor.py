"""`remediator doctor`: whether an alert would lead to an act now, proved link by link."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial

import click

from remediator.canary.doctor import Chain, Doctor
from remediator.canary.probe import send_probe
from remediator.cli import endpoints, options
from remediator.cli.canary.monitoring import open_sources
from remediator.cli.chains import chain_data, print_chains
from remediator.cli.output import print_data
from remediator.cli.running_service import RunningService, account_option
from remediator.cli.session import Site, monitoring_files, open_site
from remediator.cli.types import Duration
from remediator.config.document import parse_document
from remediator.core.checks import OPTIONAL
from remediator.core.ladder import Snapshot
from remediator.core.outcome import ClusterError
from remediator.core.policy import Remediation

SECONDS = 8.0
"""Timeout for all requests together, however slow the programs are that answer."""

NOT_HEALTHY = 3
PAUSE_SECONDS = 2.0


@click.command()
@endpoints.monitoring(several=True)
@endpoints.remediator_url(several=True)
@endpoints.fence(None)
@account_option()
@click.option("--probe", is_flag=True, help="Post a heartbeat to Alertmanager and wait up to 90 s until it arrives.")
@click.option("--short", is_flag=True, help="Show only what is not ok.")
@click.option("--require-all", is_flag=True, help="Count links that lack a flag to be checked (?) as broken.")
@click.option(
    "--wait",
    type=Duration(),
    metavar="DURATION",
    help="Repeat the checks for up to this long, until no link is broken.",
)
@options.api_server()
@options.output()
def doctor(
    *,
    prometheus: endpoints.Endpoint | None,
    alertmanager: Sequence[endpoints.Endpoint],
    remediator_url: Sequence[str],
    cluster: str | None,
    account: str,
    probe: bool,
    short: bool,
    require_all: bool,
    wait: timedelta | None,
    where: options.Where,
    output: str,
) -> None:
    """Check the whole chain: would an alert at this moment lead to an act, and if not, which link is broken?

    One chain for each remediation, in the order in which an alert travels: DENIS's gauges, Prometheus's rules,
    Alertmanager's route and what mutes it, the running Remediator, the Deployment. Every link is checked even if an
    earlier one is broken, in less than 10 seconds. Nothing is written. If you may impersonate the service's account,
    the act, and writes that must be refused, are sent as dry runs; those refused show up in the API server's audit log.

    \b
      ok   works                          d  proved by doing it
      !!   works now, but read this       a  proved by asking a program that knows
      x    broken: -> says what to do     f  proved by reading a file
      ?    not known, never counted as ok: -> says which flag to give

    \b
    Exit codes: 0 no link is broken; 2 usage or configuration; 3 a link is broken, or was checked and is not known.
    Links that lack a flag to be checked do not count, unless --require-all is given.
    Examples:
      remediator doctor --prometheus.url=http://localhost:9090 --alertmanager.url=http://localhost:9093
      remediator doctor --short                        at 3 a.m., with the URLs in REMEDIATOR_..._URL
      remediator doctor --probe                        is safe: a heartbeat never leads to an act
      remediator doctor --wait=5m --require-all        after an install or upgrade, in a pipeline
    """
    until = time.monotonic() + (wait.total_seconds() if wait else 0)
    with open_site(where) as site:
        service = RunningService(site, where, account, cluster)
        connect = partial(open_sources, prometheus, alertmanager, remediator_url)
        namespace = site.policy.targets[0].namespace
        sent = send_probe(connect, namespace, service.fence, site.connection.now) if probe else None
        document, files = parse_document(site.text, site.origin), monitoring_files(site, where)
        while True:
            sources = connect(time.monotonic() + SECONDS)
            with ThreadPoolExecutor(len(site.policy.remediations)) as pool:
                snapshots = list(pool.map(partial(_read, site), site.policy.remediations))
            now = site.connection.now()
            examined = Doctor(
                policy=site.policy,
                document=document,
                files=files,
                sources=sources,
                fence=service.fence,
                now=now,
                probe=sent,
            )
            chains = _examine(examined, service, snapshots)
            chains.append(examined.people(site.connection))
            healthy = all(link.passed or link.is_excused(require_all) for chain in chains for link in chain.links)
            if healthy or time.monotonic() + PAUSE_SECONDS > until:
                break
            time.sleep(PAUSE_SECONDS)
    if output == "table":
        print_chains(chains, service.fence or "", now, short=short)
    else:
        known = all(link.passed or link.name in OPTIONAL for chain in chains for link in chain.links)
        facts = {"cluster": service.fence, "time": now.isoformat(), "passed": healthy and (known or None)}
        print_data({**facts, "chains": chain_data(chains)}, output)
    if not healthy:
        click.get_current_context().exit(NOT_HEALTHY)


def _examine(doctor: Doctor, service: RunningService, snapshots: Sequence[Snapshot | ClusterError]) -> list[Chain]:
    """The chain of each remediation, examined in parallel."""

    def examine(remediation: Remediation, found: Snapshot | ClusterError) -> Chain:
        return doctor.chain(remediation, found, service.check(remediation, found))

    with ThreadPoolExecutor(len(snapshots)) as pool:
        return list(pool.map(examine, doctor.policy.remediations, snapshots))


def _read(site: Site, remediation: Remediation) -> Snapshot | ClusterError:
    try:
        return site.cluster.read(remediation.target, autoscalers=remediation.target in site.policy.scaled())
    except ClusterError as error:
        return error

"""`remediator canary verify`: is the canary really what it should be?"""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from remediator.checks import Check
from remediator.cli import options
from remediator.cli.canary.report import report

if TYPE_CHECKING:
    from remediator.cli.site import Site
    from remediator.denis import Scrape, Unit
    from remediator.policy import Target
    from remediator.running import Running

SCRAPES_SECONDS = 20.0
"""For the metrics of all pods together."""


@click.command()
@options.percentage()
@options.denis
@click.option("--denis.via-pods", "via_pods", is_flag=True, help="Ask every ready pod, through the API server's proxy.")
@click.option(
    "--denis.port", "port", type=click.IntRange(1, 65535), default=8084, show_default=True, help="Of --denis.via-pods."
)
@options.target("canary")
@options.api_server
@options.output()
def verify(
    percentage: int | None,
    denis_url: str,
    unit: "Unit",
    via_pods: bool,
    port: int,
    target_name: str | None,
    config_file: Path,
    kubeconfig: Path | None,
    context: str,
    output: str,
) -> None:
    """Hold the running canary against PERCENTAGE, or against the percentage that its own flags say.

    Looks at the Deployment's flags and who wrote the wrong ones, at the rollout, at the pods (all of the present
    template, with these flags in their own specs; nothing is executed in them), and at what DENIS exports: all four
    gauges are there, and each value is one that its unit allows. Nothing is written.

    Use it after `canary set` or `promote`, and whenever a dashboard and the flags disagree. DENIS is asked at
    --denis.url, which after `kubectl port-forward deploy/denis 8084` is the default; --denis.via-pods asks every pod
    instead, and needs the right `get` on pods/proxy. To see the pods takes `list` on replicasets and pods.

    \b
    Exit codes: 0 everything is as it should be; 1 the API server did not tell; 2 usage or configuration;
    3 a check failed, or could not be made.
    Examples:
      remediator canary verify
      remediator canary verify 10 --denis.via-pods
      remediator canary verify 10 --denis.url=http://denis.denis.svc:8084 --denis.unit=percent
    """
    from remediator.cli.site import open_site
    from remediator.running import check_flags, check_rollout

    with open_site(config_file, kubeconfig, context) as site:
        target = site.canary(target_name)
        workload = site.read(target)
        wanted = workload.percentage() if percentage is None else percentage
        profile = None if wanted is None else site.policy.profiles.get(wanted)
        if wanted is None or profile is None:
            if percentage is not None:
                raise click.UsageError(f"{config_file} has no profile {percentage}")
            said = "do not tell the percentage" if wanted is None else f"say {wanted} %, which is no profile"
            checks = [Check(name="flags", passed=False, found=f"the flags {said}", remedy="give the PERCENTAGE")]
            checks.append(check_rollout(workload, target))
        else:
            checks = [check_flags(workload, wanted, profile), check_rollout(workload, target)]
            pods, running = _pods(site, target, wanted, profile)
            checks += pods
            asked = _through_pods(site, target, running, port) if via_pods else _at(denis_url)
            checks += _gauges(*asked, unit, wanted)
    report(checks, output, target=target.name, percentage=wanted)


def _pods(site: "Site", target: "Target", wanted: int, profile: Any) -> "tuple[list[Check], Running | None]":
    from remediator.api_errors import ClusterError
    from remediator.pods import Pods
    from remediator.running import check_pods

    try:
        running = Pods(site.connection).running(target)
    except ClusterError as error:
        return [Check(name="pods", passed=False, found=str(error), remedy="see that they may be listed")], None
    return list(check_pods(running, wanted, profile, target)), running


def _gauges(scrapes: "list[Scrape]", problems: list[str], unit: "Unit", wanted: int) -> list[Check]:
    from remediator.denis import check_gauges

    if problems:
        found = "; ".join(problems[:3]) + (f" and {len(problems) - 3} more" if len(problems) > 3 else "")
        remedy = "kubectl port-forward deploy/denis 8084, or --denis.via-pods, or --denis.url"
        answers = Check(name="metrics", passed=False, found=found, remedy=remedy)
    else:
        answers = Check(name="metrics", passed=True, found=", ".join(scrape.source for scrape in scrapes))
    return [answers, *(check_gauges(scrapes, unit, wanted) if scrapes else ())]


def _at(url: str) -> "tuple[list[Scrape], list[str]]":
    """What DENIS exports at a URL, or why that is not known."""
    from remediator.denis import NotMetrics, read_scrape
    from remediator.json_api import JsonApi, NoAnswer

    try:
        text = JsonApi("DENIS", url.removesuffix("/metrics"), timeout=5.0).text("/metrics", asked="its metrics")
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--denis.url") from error
    except NoAnswer as error:
        return [], [str(error)]
    try:
        return [read_scrape(urlsplit(url).netloc.rpartition("@")[2], text)], []
    except NotMetrics as error:
        return [], [f"what DENIS exports is {error}"]


def _through_pods(
    site: "Site", target: "Target", running: "Running | None", port: int
) -> "tuple[list[Scrape], list[str]]":
    """What each ready pod exports, and why that is not known of some."""
    from remediator.api_errors import ClusterError, Unavailable
    from remediator.denis import NotMetrics, read_scrape
    from remediator.pods import Pods

    ready = [pod.name for pod in running.current() if pod.ready] if running else []
    scrapes: list[Scrape] = []
    problems = [] if ready else ["no pod is ready to be asked"]
    reasons: dict[str, list[str]] = {}
    ends = time.monotonic() + SCRAPES_SECONDS
    for name in ready:
        try:
            if time.monotonic() > ends:
                raise Unavailable(f"not asked within {SCRAPES_SECONDS:g} s")
            scrapes.append(read_scrape(name, Pods(site.connection).metrics(target, name, port)))
        except (ClusterError, NotMetrics) as error:
            reasons.setdefault(str(error), []).append(name)
    return scrapes, problems + [f"{', '.join(names)}: {reason}" for reason, names in reasons.items()]

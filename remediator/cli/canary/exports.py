"""DENIS's own metrics, fetched for the commands that check them: from one URL, or from every pod."""

import time
from urllib.parse import urlsplit

import click

from remediator.canary.pods import Pods, Running
from remediator.cli.session import Site
from remediator.core.checks import Check
from remediator.core.policy import Target
from remediator.kube.errors import ClusterError, NotFound, Unavailable
from remediator.monitoring.denis import NotMetrics, Scrape, Unit, check_gauges, read_scrape
from remediator.monitoring.http_json import JsonApi, NoAnswer

SCRAPES_SECONDS = 20.0
"""Timeout for the metrics of all pods together."""


def check_denis(scrapes: list[Scrape], problems: list[str], unit: Unit, wanted: int, remedy: str) -> list[Check]:
    """Whether every pod or URL answered, and what it exports is plausible at this percentage."""
    if problems:
        found = "; ".join(problems[:3]) + (f" and {len(problems) - 3} more" if len(problems) > 3 else "")
        answers = Check(name="metrics", passed=False, found=found, remedy=remedy)
    else:
        answers = Check(name="metrics", passed=True, found=", ".join(scrape.source for scrape in scrapes))
    return [answers, *(check_gauges(scrapes, unit, wanted) if scrapes else ())]


def other_way(target: Target, *, via_pods: bool) -> str:
    """Other ways to reach DENIS's metrics, after the one that was tried failed."""
    forward = f"kubectl -n {target.namespace} port-forward deployment/{target.deployment} 8084"
    return f"{forward}, then --denis.url=http://127.0.0.1:8084" + ("" if via_pods else ", or --denis.via-pods")


def scrape(url: str) -> tuple[list[Scrape], list[str]]:
    """The metrics that DENIS exports at a URL, or why they are not known."""
    try:
        text = JsonApi("DENIS", url.rstrip("/").removesuffix("/metrics"), timeout=5.0).text(
            "/metrics", asked="its metrics"
        )
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--denis.url") from error
    except NoAnswer as error:
        return [], [str(error)]
    try:
        return [read_scrape(urlsplit(url).netloc.rpartition("@")[2], text)], []
    except NotMetrics as error:
        return [], [f"what DENIS exports is {error}"]


def scrape_pods(site: Site, target: Target, running: Running | None, port: int) -> tuple[list[Scrape], list[str]]:
    """The metrics of each ready pod, and why those of other pods are not known."""
    ready = [pod.name for pod in running.current() if pod.ready] if running else []
    scrapes: list[Scrape] = []
    problems = [] if ready else ["no pod is ready"]
    reasons: dict[str, list[str]] = {}
    ends = time.monotonic() + SCRAPES_SECONDS
    for name in ready:
        try:
            if time.monotonic() > ends:
                raise Unavailable(f"not read within {SCRAPES_SECONDS:g} s")
            scrapes.append(read_scrape(name, Pods(site.connection).metrics(target, name, port)))
        except NotFound as error:
            # A real API server's 404 for a missing pod names the pod, not the "requested resource".
            no_way = "this API server has no pods/proxy, like that of `remediator serve --embedded`"
            reasons.setdefault(no_way if "requested resource" in str(error) else str(error), []).append(name)
        except (ClusterError, NotMetrics) as error:
            reasons.setdefault(str(error), []).append(name)
    return scrapes, problems + [f"{', '.join(names)}: {reason}" for reason, names in reasons.items()]

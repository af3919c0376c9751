"""DENIS's own metrics, fetched for the commands that check them: from one URL, or from every pod."""

import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from remediator.checks import Check

if TYPE_CHECKING:
    from remediator.canary.running import Running
    from remediator.cli.site import Site
    from remediator.monitoring.denis import Scrape, Unit
    from remediator.policy import Target

SCRAPES_SECONDS = 20.0
"""For the metrics of all pods together."""


def check_denis(scrapes: "list[Scrape]", problems: list[str], unit: "Unit", wanted: int) -> list[Check]:
    """Whether everybody who was asked answered, and what they export at this percentage can be believed."""
    from remediator.monitoring.denis import check_gauges

    if problems:
        found = "; ".join(problems[:3]) + (f" and {len(problems) - 3} more" if len(problems) > 3 else "")
        remedy = "kubectl port-forward deploy/denis 8084, or --denis.via-pods, or --denis.url"
        answers = Check(name="metrics", passed=False, found=found, remedy=remedy)
    else:
        answers = Check(name="metrics", passed=True, found=", ".join(scrape.source for scrape in scrapes))
    return [answers, *(check_gauges(scrapes, unit, wanted) if scrapes else ())]


def scrape(url: str) -> "tuple[list[Scrape], list[str]]":
    """What DENIS exports at a URL, or why that is not known."""
    from remediator.monitoring.denis import NotMetrics, read_scrape
    from remediator.monitoring.json_api import JsonApi, NoAnswer

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


def scrape_pods(
    site: "Site", target: "Target", running: "Running | None", port: int
) -> "tuple[list[Scrape], list[str]]":
    """What each ready pod exports, and why that is not known of some."""
    from remediator.api_errors import ClusterError, Unavailable
    from remediator.canary.pods import Pods
    from remediator.monitoring.denis import NotMetrics, read_scrape

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

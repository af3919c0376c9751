"""Prometheus, Alertmanager and Remediator as the options name them: a wrong URL or file ends the command with 2."""

import math
from collections.abc import Sequence
from pathlib import Path

import click

from remediator.canary.doctor import Sources
from remediator.cli.endpoints import Endpoint
from remediator.cli.exits import InvalidConfiguration
from remediator.config.document import InvalidDocument
from remediator.monitoring.alertmanager import Alertmanager
from remediator.monitoring.http_config import HttpConfig
from remediator.monitoring.http_json import JsonApi
from remediator.monitoring.prometheus import Prometheus

CONNECTIONS = 6
"""Connections opened to one address of Remediator: each may reach another of its replicas."""


def open_sources(
    prometheus: Endpoint | None,
    alertmanagers: Sequence[Endpoint | None],
    remediators: Sequence[str | None],
    ends: float = math.inf,
) -> Sources:
    """What doctor and preflight query, by a time of time.monotonic(). Raises BadParameter, InvalidConfiguration."""
    urls = [url for url in remediators if url]
    try:
        services = [JsonApi("Remediator", url, timeout=5.0, ends=ends) for url in urls for _ in range(CONNECTIONS)]
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--remediator.url") from error
    return Sources(
        prometheus=open_prometheus(prometheus, ends) if prometheus else None,
        alertmanagers=[open_alertmanager(one, ends) for one in alertmanagers if one],
        services=services,
        remediator_url=next(iter(urls), ""),
    )


def open_prometheus(endpoint: Endpoint, ends: float = math.inf, *, timeout: float = 5.0) -> Prometheus:
    """The Prometheus at an endpoint. Raises BadParameter and InvalidConfiguration."""
    try:
        return Prometheus(endpoint.url, timeout=timeout, http=_read(endpoint.http_config_file), ends=ends)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--prometheus.url") from error


def open_alertmanager(endpoint: Endpoint, ends: float = math.inf) -> Alertmanager:
    """The Alertmanager at an endpoint. Raises BadParameter and InvalidConfiguration."""
    try:
        return Alertmanager(endpoint.url, http=_read(endpoint.http_config_file), ends=ends)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--alertmanager.url") from error


def _read(file: Path | None) -> HttpConfig | None:
    try:
        return HttpConfig(file) if file else None
    except InvalidDocument as error:
        raise InvalidConfiguration(str(error)) from error

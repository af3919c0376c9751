"""Options for the programs besides the API server: monitoring, DENIS, a running Remediator; and the fence."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, cast

import click

from remediator.cli.options import FILE, Command, together


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """The URL of a Prometheus or an Alertmanager, and the file that says how to reach it."""

    url: str
    http_config_file: Path | None


def monitoring(*, several: bool = False) -> Callable[[Command], Command]:
    """`--prometheus.url`, `--alertmanager.url` and the files that say how to reach them.

    The command gets `prometheus` and `alertmanager`, each an Endpoint, or None where there is no URL; with `several`,
    `alertmanager` is a list of them.
    """
    text = "The Alertmanager that gets the alerts; queried for unsilenced alerts."
    return _endpoints(
        ("prometheus", "alertmanager"),
        _url("prometheus", "The Prometheus that evaluates the rules; queried for signals and alerts."),
        _http_config("prometheus"),
        _url("alertmanager", f"{text} Repeatable: give each of a pair." if several else text, several=several),
        _http_config("alertmanager"),
        click.option(
            "--http.config.file",
            "http_config_file",
            type=FILE,
            envvar="REMEDIATOR_HTTP_CONFIG_FILE",
            show_envvar=True,
            help="One such file for both, where they have none of their own.",
        ),
    )


def confirming_prometheus() -> Callable[[Command], Command]:
    """`--prometheus.url`, which may be given more than once, and the file that says how to reach all of them."""
    text = "A Prometheus that evaluates the rules, to confirm alerts before an act. Repeatable."
    return together(_url("prometheus", text, several=True), _http_config("prometheus"))


def prometheus() -> Callable[[Command], Command]:
    """`--prometheus.url` and `--prometheus.http-config-file`; the command gets `prometheus`, an Endpoint or None."""
    return _endpoints(
        ("prometheus",), _url("prometheus", "The Prometheus that has the history."), _http_config("prometheus")
    )


def _endpoints(programs: Sequence[str], *options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Options that the command gets as one Endpoint for each program, as a list of them, or as None."""

    def decorate(command: Command) -> Command:
        @wraps(command)
        def call(*, http_config_file: Path | None = None, **given: Any) -> Any:
            for program in programs:
                url, own = given.pop(f"{program}_url"), given.pop(f"{program}_http_config_file")
                file = own or http_config_file
                if isinstance(url, tuple):
                    given[program] = [Endpoint(url=one, http_config_file=file) for one in url]
                else:
                    given[program] = Endpoint(url=url, http_config_file=file) if url else None
            return command(**given)

        return together(*options)(cast(Command, call))

    return decorate


def _url(program: str, text: str, *, several: bool = False) -> Callable[[Command], Command]:
    return click.option(
        f"--{program}.url",
        f"{program}_url",
        metavar="URL",
        multiple=several,
        envvar=f"REMEDIATOR_{program.upper()}_URL",
        show_envvar=True,
        help=text,
    )


def _http_config(program: str) -> Callable[[Command], Command]:
    return click.option(
        f"--{program}.http-config-file",
        f"{program}_http_config_file",
        type=FILE,
        envvar=f"REMEDIATOR_{program.upper()}_HTTP_CONFIG_FILE",
        show_envvar=True,
        help="Its credentials, headers, TLS and proxy, as promtool's and amtool's --http.config.file has them.",
    )


def fence(default: str | None = "") -> Callable[[Command], Command]:
    """`--cluster`, with its default."""
    return click.option(
        "--cluster",
        default=default,
        metavar="NAME",
        envvar="REMEDIATOR_CLUSTER",
        show_envvar=True,
        help="The cluster filter (the fence): ignore series and alerts of other clusters.",
    )


def denis(default: str | None) -> Callable[[Command], Command]:
    """`--denis.url`, `--denis.via-pods`, `--denis.port` and `--denis.unit`."""
    return together(
        click.option(
            "--denis.url",
            "denis_url",
            metavar="URL",
            default=default,
            show_default=bool(default),
            envvar="REMEDIATOR_DENIS_URL",
            show_envvar=True,
            help="Where DENIS exports /metrics.",
        ),
        click.option(
            "--denis.via-pods", "via_pods", is_flag=True, help="Read every ready pod, through the API server's proxy."
        ),
        click.option(
            "--denis.port",
            "port",
            type=click.IntRange(1, 65535),
            default=8084,
            show_default=True,
            help="Port of /metrics in the pods, for --denis.via-pods.",
        ),
        click.option(
            "--denis.unit",
            "unit",
            type=click.Choice(["ratio", "percent"]),
            default="ratio",
            show_default=True,
            help="How DENIS exports rates; must agree with denis:hundred_percent in the rules.",
        ),
    )


def remediator_url(*, several: bool = False) -> Callable[[Command], Command]:
    """`--remediator.url`; with `several` the command gets a list."""
    return click.option(
        "--remediator.url",
        "remediator_url",
        metavar="URL",
        multiple=several,
        envvar="REMEDIATOR_URL",
        show_envvar=True,
        help="Internal listener of the running Remediator; read for its state and cluster filter.",
    )

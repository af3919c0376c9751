"""`remediator serve`: the options of the service, and which combinations are refused before it starts."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from remediator.cli import endpoints
from remediator.cli.exits import Failed, InvalidConfiguration
from remediator.cli.logs import LEVELS, configure_logging
from remediator.cli.options import there
from remediator.config.credentials import InvalidCredentials
from remediator.config.document import InvalidDocument
from remediator.config.shipped import shipped_rules
from remediator.kube.kubeconfig import NoCluster
from remediator.reflex.relay import InvalidRelay
from remediator.service import InvalidPrometheus, Settings
from remediator.service import serve as run
from remediator.web.certificates import TLS
from remediator.web.listeners import CannotServe

FILE = click.Path(path_type=Path)


def _config_file(context: click.Context, parameter: click.Parameter, path: Path) -> Path:
    """The file; the embedded cluster falls back to the shipped one if the default is missing."""
    if context.params.get("embedded") and path == parameter.get_default(context) and not path.exists():
        return shipped_rules() / "remediations.yaml"
    return there("give --config.file=F")(context, parameter, path)


def _serve_options(command: Callable[..., None]) -> Callable[..., None]:
    flags = [
        click.option(
            "--config.file",
            "config_file",
            type=FILE,
            default=Path("rules/remediations.yaml"),
            show_default=True,
            callback=_config_file,
            help="Targets, profiles and remediations. Changes are picked up without a restart.",
        ),
        click.option(
            "--web.listen-address",
            "listen_address",
            default=":8080",
            show_default=True,
            help="Address of the webhook. :PORT listens on IPv6 and IPv4.",
        ),
        click.option(
            "--web.internal-listen-address",
            "internal_listen_address",
            default=":9090",
            show_default=True,
            help="Address of metrics, health, readiness and status.",
        ),
        click.option(
            "--web.token-file",
            "token_files",
            type=FILE,
            multiple=True,
            help="File of valid bearer tokens, one a line. Repeatable; re-read when changed.",
        ),
        click.option(
            "--web.basic-auth-file",
            "basic_auth_files",
            type=FILE,
            multiple=True,
            help="File of valid user:password pairs, one a line. Repeatable; re-read when changed.",
        ),
        click.option("--web.tls-cert-file", "tls_cert_file", type=FILE, help="Certificate of the webhook listener."),
        click.option("--web.tls-key-file", "tls_key_file", type=FILE, help="Key of the webhook listener."),
        click.option(
            "--web.tls-client-ca-file",
            "tls_client_ca_file",
            type=FILE,
            help="Only clients with a certificate signed by one of these may connect.",
        ),
        click.option(
            "--insecure-no-auth",
            is_flag=True,
            help="Let anyone post. For trials: listeners without an address listen on 127.0.0.1 only.",
        ),
        click.option(
            "--kubeconfig", type=FILE, help="Else $KUBECONFIG, else ~/.kube/config, else in-cluster configuration."
        ),
        click.option(
            "--embedded",
            is_flag=True,
            is_eager=True,  # The default of --config.file depends on it.
            help="Act on a sandbox cluster on this machine. For trials.",
        ),
        click.option(
            "--embedded.kubeconfig",
            "embedded_kubeconfig",
            type=FILE,
            help="Where to write the kubeconfig of the sandbox.",
        ),
        click.option(
            "--cluster",
            default="",
            metavar="NAME",
            help="The fence: act only on alerts with this cluster label.",
        ),
        click.option(
            "--heartbeat.relay-url-file",
            "relay_url_file",
            type=FILE,
            help="File with a URL to request after each heartbeat, while an act is possible. Read each time.",
        ),
        endpoints.confirming_prometheus(),
        click.option("--dry-run", is_flag=True, help="Decide, have the API server validate, and write nothing."),
        click.option(
            "--log.level",
            "log_level",
            type=click.Choice(LEVELS),
            default="info",
            show_default=True,
            help="Minimum log level.",
        ),
        click.option(
            "--log.format",
            "log_format",
            type=click.Choice(["json", "logfmt"]),
            default="logfmt",
            show_default=True,
            help="Format of the logs on standard error. Audit lines on standard output are JSON.",
        ),
    ]
    for flag in reversed(flags):
        command = flag(command)
    return command


@click.command()
@_serve_options
def serve(
    *,
    config_file: Path,
    listen_address: str,
    internal_listen_address: str,
    token_files: tuple[Path, ...],
    basic_auth_files: tuple[Path, ...],
    tls_cert_file: Path | None,
    tls_key_file: Path | None,
    tls_client_ca_file: Path | None,
    insecure_no_auth: bool,
    kubeconfig: Path | None,
    embedded: bool,
    embedded_kubeconfig: Path | None,
    cluster: str,
    relay_url_file: Path | None,
    prometheus_url: tuple[str, ...],
    prometheus_http_config_file: Path | None,
    dry_run: bool,
    log_level: str,
    log_format: Any,
) -> None:
    """Receive alerts from Alertmanager and act on them.

    \b
    Try it without a cluster:
      remediator serve --embedded --insecure-no-auth
    In production, with the token that Alertmanager sends:
      remediator serve --web.token-file=/etc/remediator/token --cluster=eu-1
    """
    configure_logging(log_level, log_format)
    if not (token_files or basic_auth_files or tls_client_ca_file or insecure_no_auth):
        raise click.UsageError(
            "no credentials for the webhook: give --web.token-file, --web.basic-auth-file or"
            " --web.tls-client-ca-file (or, for a trial, --insecure-no-auth)"
        )
    if embedded and kubeconfig:
        raise click.UsageError("--embedded and --kubeconfig name two different clusters; give only one")
    if embedded_kubeconfig and not embedded:
        raise click.UsageError("--embedded.kubeconfig needs --embedded")

    # Until gunicorn installs its own handler, SIGTERM must exit in a way that still cleans up.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    anybody = insecure_no_auth and not (token_files or basic_auth_files or tls_client_ca_file)
    tls = _tls(tls_cert_file, tls_key_file, tls_client_ca_file)
    try:
        with _embedded(embedded_kubeconfig) if embedded else nullcontext(kubeconfig) as reached_by:
            run(
                Settings(
                    config_file=config_file,
                    listen_address=_address("listen_address", listen_address, anybody),
                    internal_listen_address=_address("internal_listen_address", internal_listen_address, anybody),
                    token_files=token_files,
                    basic_auth_files=basic_auth_files,
                    authenticate=bool(token_files or basic_auth_files),
                    tls=tls,
                    kubeconfig=reached_by,
                    cluster=cluster,
                    dry_run=dry_run,
                    relay_url_file=relay_url_file,
                    prometheus_urls=prometheus_url,
                    prometheus_http_config_file=prometheus_http_config_file,
                )
            )
    except (CannotServe, InvalidCredentials, InvalidDocument, InvalidPrometheus, InvalidRelay, NoCluster) as error:
        raise InvalidConfiguration(str(error)) from error


def _address(parameter: str, address: str, anybody: bool) -> str:
    """Where to listen. If anyone may post, a listener without an explicit address listens on localhost only."""
    source = click.get_current_context().get_parameter_source(parameter)
    return f"127.0.0.1{address}" if anybody and source is ParameterSource.DEFAULT else address


@contextmanager
def _embedded(kubeconfig: Path | None) -> Iterator[Path]:
    """The sandbox's kubeconfig; its code is imported only if it is used."""
    from remediator.sandbox.child import EmbeddedClusterFailed, embedded_cluster

    try:
        with embedded_cluster(kubeconfig) as written:
            yield written
    except EmbeddedClusterFailed as error:
        raise Failed(str(error)) from error


def _tls(cert: Path | None, key: Path | None, client_ca: Path | None) -> TLS | None:
    if not (cert or key or client_ca):
        return None
    if not (cert and key):
        raise click.UsageError("TLS needs both --web.tls-cert-file and --web.tls-key-file")
    for path in filter(None, (cert, key, client_ca)):
        if not path.is_file():
            raise InvalidConfiguration(f"{path}: cannot be read: no such file")
    return TLS(cert_file=cert, key_file=key, client_ca_file=client_ca)

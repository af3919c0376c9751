"""`remediator serve`: the options of the service, and what is refused before it starts."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from remediator.cli.errors import Failed, InvalidConfiguration
from remediator.cli.options import there
from remediator.logs import LEVELS, configure_logging

if TYPE_CHECKING:
    from remediator.listening import TLS

FILE = click.Path(path_type=Path)


def _serve_options(command: Callable[..., None]) -> Callable[..., None]:
    options = [
        click.option(
            "--config.file",
            "config_file",
            type=FILE,
            default=Path("rules/remediations.yaml"),
            show_default=True,
            callback=there("give --config.file=F"),
            help="Targets, profiles and remediations. Changes are picked up without a restart.",
        ),
        click.option(
            "--web.listen-address",
            "listen_address",
            default="0.0.0.0:8080",
            show_default=True,
            help="Where Alertmanager posts to /webhook.",
        ),
        click.option(
            "--web.internal-listen-address",
            "internal_listen_address",
            default="0.0.0.0:9090",
            show_default=True,
            help="Metrics, health, readiness and status.",
        ),
        click.option(
            "--web.token-file",
            "token_files",
            type=FILE,
            multiple=True,
            help="Bearer tokens that may post, one a line. Repeatable; re-read when changed.",
        ),
        click.option(
            "--web.basic-auth-file",
            "basic_auth_files",
            type=FILE,
            multiple=True,
            help="user:password pairs that may post, one a line. Repeatable; re-read when changed.",
        ),
        click.option("--web.tls-cert-file", "tls_cert_file", type=FILE, help="Certificate of the webhook listener."),
        click.option("--web.tls-key-file", "tls_key_file", type=FILE, help="Key of the webhook listener."),
        click.option(
            "--web.tls-client-ca-file",
            "tls_client_ca_file",
            type=FILE,
            help="Only clients with a certificate signed by one of these may connect.",
        ),
        click.option("--insecure-no-auth", is_flag=True, help="Let everybody post. For trying out."),
        click.option(
            "--kubeconfig", type=FILE, help="Else in-cluster configuration, else $KUBECONFIG, else ~/.kube/config."
        ),
        click.option(
            "--embedded", is_flag=True, help="Act on a made-up cluster inside of this machine. For trying out."
        ),
        click.option(
            "--embedded.kubeconfig",
            "embedded_kubeconfig",
            type=FILE,
            help="Where to write the kubeconfig of the made-up cluster.",
        ),
        click.option(
            "--cluster",
            default="",
            metavar="NAME",
            help="The fence: act only on alerts whose label cluster is this.",
        ),
        click.option("--dry-run", is_flag=True, help="Decide, validate on the API server, write nothing."),
        click.option(
            "--log.level",
            "log_level",
            type=click.Choice(LEVELS),
            default="info",
            show_default=True,
            help="Logs from here.",
        ),
        click.option(
            "--log.format",
            "log_format",
            type=click.Choice(["json", "logfmt"]),
            default="logfmt",
            show_default=True,
            help="Spelling of the logs on standard error. Audit lines on standard output are JSON.",
        ),
    ]
    for option in reversed(options):
        command = option(command)
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
            "nothing says who may post alerts: give --web.token-file, --web.basic-auth-file or"
            " --web.tls-client-ca-file (or, to try it out, --insecure-no-auth)"
        )
    if embedded and kubeconfig:
        raise click.UsageError("--embedded and --kubeconfig name two clusters; give one")
    if embedded_kubeconfig and not embedded:
        raise click.UsageError("--embedded.kubeconfig needs --embedded")

    from remediator import heap

    heap.begin()

    from remediator.credentials import InvalidCredentials
    from remediator.document import InvalidDocument
    from remediator.kubeconfig import NoCluster
    from remediator.listening import CannotServe
    from remediator.server import Settings
    from remediator.server import serve as run

    # Until gunicorn has its own handler, SIGTERM must leave through the exits that clean up.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    tls = _tls(tls_cert_file, tls_key_file, tls_client_ca_file)
    try:
        with _embedded(embedded_kubeconfig) if embedded else nullcontext(kubeconfig) as reached_by:
            run(
                Settings(
                    config_file=config_file,
                    listen_address=listen_address,
                    internal_listen_address=internal_listen_address,
                    token_files=token_files,
                    basic_auth_files=basic_auth_files,
                    authenticate=bool(token_files or basic_auth_files),
                    tls=tls,
                    kubeconfig=reached_by,
                    cluster=cluster,
                    dry_run=dry_run,
                )
            )
    except (CannotServe, InvalidCredentials, InvalidDocument, NoCluster) as error:
        raise InvalidConfiguration(str(error)) from error
    finally:
        heap.end()


@contextmanager
def _embedded(kubeconfig: Path | None) -> Iterator[Path]:
    """The made-up cluster's kubeconfig; its program is only imported for those who ask for it."""
    from remediator.embedded.child import EmbeddedClusterFailed, embedded_cluster

    try:
        with embedded_cluster(kubeconfig) as written:
            yield written
    except EmbeddedClusterFailed as error:
        raise Failed(str(error)) from error


def _tls(cert: Path | None, key: Path | None, client_ca: Path | None) -> "TLS | None":
    from remediator.listening import TLS

    if not (cert or key or client_ca):
        return None
    if not (cert and key):
        raise click.UsageError("TLS needs both --web.tls-cert-file and --web.tls-key-file")
    for path in filter(None, (cert, key, client_ca)):
        if not path.is_file():
            raise InvalidConfiguration(f"{path}: cannot be read: no such file")
    return TLS(cert_file=cert, key_file=key, client_ca_file=client_ca)

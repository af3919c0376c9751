"""Options that several commands share, spelled once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from remediator.cli.arguments import Duration, Percentage
from remediator.cli.errors import InvalidConfiguration

FILE = click.Path(path_type=Path)

Command = TypeVar("Command", bound=Callable[..., Any])


def there(remedy: str) -> Callable[[click.Context, click.Parameter, Path], Path]:
    """A callback that refuses a file that is not there, and says what to do about it."""

    def check(context: click.Context, parameter: click.Parameter, path: Path) -> Path:
        if not context.resilient_parsing:
            try:
                path.stat()
            except OSError as error:
                raise InvalidConfiguration(f"{path}: cannot be read: {error.strerror}; {remedy}") from error
        return path

    return check


def config_file() -> Callable[[Command], Command]:
    """`--config.file`."""
    return click.option(
        "--config.file",
        "config_file",
        type=FILE,
        default=Path("rules/remediations.yaml"),
        show_default=True,
        envvar="REMEDIATOR_CONFIG_FILE",
        show_envvar=True,
        callback=there("give --config.file=F, or set REMEDIATOR_CONFIG_FILE"),
        help="Targets, profiles, remediations and phases.",
    )


def _together(*decorators: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Several options as one, shown in this order."""

    def decorate(command: Command) -> Command:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return decorate


def api_server() -> Callable[[Command], Command]:
    """`--config.file`, `--kubeconfig` and `--context`: what a command works on, and as whom."""
    return _together(
        config_file(),
        click.option(
            "--kubeconfig", type=FILE, help="Else in-cluster configuration, else $KUBECONFIG, else ~/.kube/config."
        ),
        click.option(
            "--context", default="", metavar="NAME", help="Context of the kubeconfig, if not its current one."
        ),
    )


def dry_run() -> Callable[[Command], Command]:
    """`--dry-run`."""
    return click.option("--dry-run", is_flag=True, help="Let the API server validate the write, and write nothing.")


def waiting() -> Callable[[Command], Command]:
    """`--wait` and `--timeout`."""
    return _together(
        click.option("--wait/--no-wait", default=True, show_default=True, help="Wait until all pods follow."),
        click.option(
            "--timeout", type=Duration(), default="10m", show_default=True, help="Wait for no longer than this."
        ),
    )


def output(*spellings: str) -> Callable[[Command], Command]:
    """`-o, --output`; table, json and yaml if nothing else is given. The first is the default."""
    choices = spellings or ("table", "json", "yaml")
    return click.option(
        "-o",
        "--output",
        type=click.Choice(choices),
        default=choices[0],
        show_default=True,
        help="Spelling of the answer.",
    )


def target(kind: str) -> Callable[[Command], Command]:
    """`--target`, for files that name more than one `kind`."""
    return click.option(
        "--target", "target_name", metavar="NAME", help=f"Which of the file's targets is the {kind}, if several are."
    )


def prometheus_url() -> Callable[[Command], Command]:
    """`--prometheus.url`."""
    return click.option(
        "--prometheus.url",
        "prometheus_url",
        metavar="URL",
        envvar="REMEDIATOR_PROMETHEUS_URL",
        show_envvar=True,
        help="The Prometheus that evaluates the rules; asked for signals and firing alerts.",
    )


def alertmanager_url() -> Callable[[Command], Command]:
    """`--alertmanager.url`."""
    return click.option(
        "--alertmanager.url",
        "alertmanager_url",
        metavar="URL",
        envvar="REMEDIATOR_ALERTMANAGER_URL",
        show_envvar=True,
        help="The Alertmanager that the rules' alerts go to; asked for what fires and is not silenced.",
    )


def fence() -> Callable[[Command], Command]:
    """`--cluster`."""
    return click.option(
        "--cluster",
        default="",
        metavar="NAME",
        envvar="REMEDIATOR_CLUSTER",
        show_envvar=True,
        help="The fence: series and alerts of another cluster do not count.",
    )


def percentage(*, envvar: str | None = None) -> Callable[[Command], Command]:
    """`[PERCENTAGE]`, a step of the canary; None where it is not given."""
    return click.argument("percentage", metavar="[PERCENTAGE]", type=Percentage(), required=False, envvar=envvar)


def denis(default: str | None) -> Callable[[Command], Command]:
    """`--denis.url`, `--denis.via-pods`, `--denis.port` and `--denis.unit`."""
    return _together(
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
            "--denis.via-pods", "via_pods", is_flag=True, help="Ask every ready pod, through the API server's proxy."
        ),
        click.option(
            "--denis.port",
            "port",
            type=click.IntRange(1, 65535),
            default=8084,
            show_default=True,
            help="Where pods export /metrics, for --denis.via-pods.",
        ),
        click.option(
            "--denis.unit",
            "unit",
            type=click.Choice(["ratio", "percent"]),
            default="ratio",
            show_default=True,
            help="What a rate of DENIS is at 100 %: 1 or 100. The rules have it in denis:hundred_percent.",
        ),
    )


def remediator_url() -> Callable[[Command], Command]:
    """`--remediator.url`."""
    return click.option(
        "--remediator.url",
        "remediator_url",
        metavar="URL",
        envvar="REMEDIATOR_URL",
        show_envvar=True,
        help="The internal listener of the running Remediator; asked whether it would act.",
    )

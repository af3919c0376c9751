"""Options that several commands share: what they work on and as whom, and how they go about it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar, cast

import click
from click.core import ParameterSource

from remediator.cli.completions import complete_contexts, complete_targets
from remediator.cli.exits import InvalidConfiguration
from remediator.cli.types import Duration, Percentage

FILE = click.Path(path_type=Path)

Command = TypeVar("Command", bound=Callable[..., Any])


def there(remedy: str) -> Callable[[click.Context, click.Parameter | None, Path], Path]:
    """A callback that rejects a missing file, and says what to do about it."""

    def check(context: click.Context, parameter: click.Parameter | None, path: Path) -> Path:
        if not context.resilient_parsing:
            try:
                path.stat()
            except OSError as error:
                raise InvalidConfiguration(f"{path}: cannot be read: {error.strerror}; {remedy}") from error
        return path

    return check


FILE_REMEDY = "give --config.file=F, or set REMEDIATOR_CONFIG_FILE"


def _given_is_there(context: click.Context, parameter: click.Parameter, path: Path) -> Path:
    """Rejects a missing file if the flag names it; a missing default file may be replaced by a release."""
    if context.get_parameter_source("config_file") is ParameterSource.COMMANDLINE:
        there(FILE_REMEDY)(context, parameter, path)
    return path


def config_file(*, must_exist: bool = True) -> Callable[[Command], Command]:
    """`--config.file`."""
    check = _given_is_there if must_exist else None
    return click.option(
        "--config.file",
        "config_file",
        type=FILE,
        default=Path("rules/remediations.yaml"),
        show_default=True,
        envvar="REMEDIATOR_CONFIG_FILE",
        show_envvar=True,
        callback=check,
        help="Targets, profiles, remediations and phases.",
    )


def together(*decorators: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Several options as one, shown in this order."""

    def decorate(command: Command) -> Command:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return decorate


IMPERSONATION = "remediator.kube.impersonation"
"""Key in the command's context for the options below; read only where the connection is opened."""


def _impersonate(context: click.Context, parameter: click.Parameter, value: str | tuple[str, ...] | None) -> None:
    if "" in (value if isinstance(value, tuple) else (value,)):
        raise click.BadParameter("must not be empty")
    if parameter.name == "extra" and not all(pair.partition("=")[0] and "=" in pair for pair in value or ()):
        raise click.BadParameter("must be KEY=VALUE")
    context.meta.setdefault(IMPERSONATION, {})[parameter.name] = value


RELEASE = "remediator.canary.release"
"""Key in the command's context for `--release` and `--namespace`; read where the session is opened."""


def _of_release(context: click.Context, parameter: click.Parameter, value: str) -> None:
    context.meta.setdefault(RELEASE, {})[parameter.name] = value


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """The remediations.yaml and the API server that a command works on."""

    config_file: Path
    kubeconfig: Path | None
    context: str


def api_server() -> Callable[[Command], Command]:
    """`--config.file`, `--release`, `--kubeconfig`, `--as...`; the command gets them as `where`."""
    options = together(
        config_file(),
        click.option(
            "--release",
            "name",
            default="",
            metavar="NAME",
            callback=_of_release,
            expose_value=False,
            help="Release of the chart whose ConfigMap replaces the file.",
        ),
        click.option(
            "-n",
            "--namespace",
            default="",
            metavar="NS",
            callback=_of_release,
            expose_value=False,
            help="Namespace of the release; default: the context's.",
        ),
        *connection(),
    )

    def decorate(command: Command) -> Command:
        @wraps(command)
        def call(*, config_file: Path, kubeconfig: Path | None, context: str, **values: Any) -> Any:
            return command(where=Where(config_file=config_file, kubeconfig=kubeconfig, context=context), **values)

        return options(cast(Command, call))

    return decorate


def connection() -> list[Callable[[Command], Command]]:
    return [
        click.option(
            "--kubeconfig", type=FILE, help="Else $KUBECONFIG, else ~/.kube/config, else in-cluster configuration."
        ),
        click.option(
            "--context",
            default="",
            metavar="NAME",
            shell_complete=complete_contexts,
            help="Context of the kubeconfig; default: its current one.",
        ),
        click.option(
            "--as",
            "user",
            metavar="USER",
            callback=_impersonate,
            expose_value=False,
            help="Impersonate this user in all requests, as kubectl does.",
        ),
        click.option(
            "--as-group",
            "groups",
            metavar="GROUP",
            multiple=True,
            callback=_impersonate,
            expose_value=False,
            help="A group of the impersonated user. Repeatable.",
        ),
        click.option(
            "--as-uid",
            "uid",
            metavar="UID",
            callback=_impersonate,
            expose_value=False,
            help="UID of the impersonated user.",
        ),
        click.option(
            "--as-user-extra",
            "extra",
            metavar="KEY=VALUE",
            multiple=True,
            callback=_impersonate,
            expose_value=False,
            help="An extra field of the impersonated user. Repeatable, also for one key.",
        ),
    ]


def yes(help_text: str = "Do not ask.") -> Callable[[Command], Command]:
    """`-y, --yes`; commands that never ask accept it too, because people and pipelines add it out of habit."""
    return click.option("-y", "--yes", is_flag=True, help=help_text)


def unasked() -> Callable[[Command], Command]:
    """`-y, --yes` of a command that asks nothing anyway."""
    return click.option(
        "-y", "--yes", is_flag=True, expose_value=False, help="Accepted and ignored: this command never asks."
    )


def dry_run() -> Callable[[Command], Command]:
    """`--dry-run`."""
    return click.option("--dry-run", is_flag=True, help="Have the API server validate the write, without writing.")


def waiting() -> Callable[[Command], Command]:
    """`--wait` and `--timeout`."""
    return together(
        click.option("--wait/--no-wait", default=True, show_default=True, help="Wait until all pods run the change."),
        click.option("--timeout", type=Duration(), default="10m", show_default=True, help="The longest time to wait."),
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
        help="Output format.",
    )


def target(kind: str) -> Callable[[Command], Command]:
    """`--target`, for files that name more than one `kind`."""
    return click.option(
        "--target",
        "target_name",
        metavar="NAME",
        shell_complete=complete_targets,
        help=f"The target that is the {kind}, if the file has several.",
    )


def percentage(*, envvar: str | None = None) -> Callable[[Command], Command]:
    """`[PERCENTAGE]`, a step of the canary; None where it is not given."""
    return click.argument("percentage", metavar="[PERCENTAGE]", type=Percentage(), required=False, envvar=envvar)

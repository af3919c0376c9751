"""Options that several commands share, spelled once."""

from collections.abc import Callable, Sequence
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
    """A callback that refuses a file that is not there, and says what to do about it."""

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
    """Refuses a file that the flag names and that is not there; instead of any other, a release may be asked."""
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
"""Where the command's context keeps the options below: what opens the connection asks for them, and nobody else."""


def _impersonate(context: click.Context, parameter: click.Parameter, value: str | tuple[str, ...] | None) -> None:
    if "" in (value if isinstance(value, tuple) else (value,)):
        raise click.BadParameter("must not be empty")
    if parameter.name == "extra" and not all(pair.partition("=")[0] and "=" in pair for pair in value or ()):
        raise click.BadParameter("must be KEY=VALUE")
    context.meta.setdefault(IMPERSONATION, {})[parameter.name] = value


RELEASE = "remediator.canary.release"
"""Where the command's context keeps `--release` and `--namespace`, for what opens the session."""


def _of_release(context: click.Context, parameter: click.Parameter, value: str) -> None:
    context.meta.setdefault(RELEASE, {})[parameter.name] = value


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """The remediations.yaml and the API server that a command works on."""

    config_file: Path
    kubeconfig: Path | None
    context: str


def api_server() -> Callable[[Command], Command]:
    """`--config.file`, `--release`, `--kubeconfig`, `--as...`: what a command works on, and as whom, as `where`."""
    options = together(
        config_file(),
        click.option(
            "--release",
            "name",
            default="",
            metavar="NAME",
            callback=_of_release,
            expose_value=False,
            help="The chart's release whose ConfigMap to take instead of a file.",
        ),
        click.option(
            "-n",
            "--namespace",
            default="",
            metavar="NS",
            callback=_of_release,
            expose_value=False,
            help="Where the release is, if not in the context's namespace.",
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
            help="Context of the kubeconfig, if not its current one.",
        ),
        click.option(
            "--as",
            "user",
            metavar="USER",
            callback=_impersonate,
            expose_value=False,
            help="Make all requests in the name of this user, as kubectl does.",
        ),
        click.option(
            "--as-group",
            "groups",
            metavar="GROUP",
            multiple=True,
            callback=_impersonate,
            expose_value=False,
            help="A group of the user of --as. Repeatable.",
        ),
        click.option(
            "--as-uid", "uid", metavar="UID", callback=_impersonate, expose_value=False, help="UID of the user of --as."
        ),
        click.option(
            "--as-user-extra",
            "extra",
            metavar="KEY=VALUE",
            multiple=True,
            callback=_impersonate,
            expose_value=False,
            help="An extra field of the user of --as. Repeatable, for several values of a key too.",
        ),
    ]


def yes(help_text: str = "Do not ask.") -> Callable[[Command], Command]:
    """`-y, --yes`; commands that never ask take it too, for fingers and pipelines add it."""
    return click.option("-y", "--yes", is_flag=True, help=help_text)


def unasked() -> Callable[[Command], Command]:
    """`-y, --yes` of a command that asks nothing anyway."""
    return click.option(
        "-y", "--yes", is_flag=True, expose_value=False, help="Taken, and true anyway: nothing is asked."
    )


def dry_run() -> Callable[[Command], Command]:
    """`--dry-run`."""
    return click.option("--dry-run", is_flag=True, help="Let the API server validate the write, and write nothing.")


def waiting() -> Callable[[Command], Command]:
    """`--wait` and `--timeout`."""
    return together(
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
        help="Output format.",
    )


def target(kind: str) -> Callable[[Command], Command]:
    """`--target`, for files that name more than one `kind`."""
    return click.option(
        "--target",
        "target_name",
        metavar="NAME",
        shell_complete=complete_targets,
        help=f"Which of the file's targets is the {kind}, if several are.",
    )


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
    text = "The Alertmanager that the alerts go to; asked for what fires and is not silenced."
    return _endpoints(
        ("prometheus", "alertmanager"),
        _url("prometheus", "The Prometheus that evaluates the rules; asked for signals and firing alerts."),
        _http_config("prometheus"),
        _url("alertmanager", f"{text} Repeatable: give each of a pair." if several else text, several=several),
        _http_config("alertmanager"),
        click.option(
            "--http.config.file",
            "http_config_file",
            type=FILE,
            envvar="REMEDIATOR_HTTP_CONFIG_FILE",
            show_envvar=True,
            help="The same file for both, where they have none of their own.",
        ),
    )


def confirming_prometheus() -> Callable[[Command], Command]:
    """`--prometheus.url`, which may be given more than once, and the file that says how to reach all of them."""
    text = "A Prometheus that evaluates the rules. It is asked before an act whether the alert holds. Repeatable."
    return together(_url("prometheus", text, several=True), _http_config("prometheus"))


def prometheus() -> Callable[[Command], Command]:
    """`--prometheus.url` and `--prometheus.http-config-file`; the command gets `prometheus`, an Endpoint or None."""
    return _endpoints(
        ("prometheus",), _url("prometheus", "The Prometheus that has the history."), _http_config("prometheus")
    )


def _endpoints(programs: Sequence[str], *options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Options of which the command gets an Endpoint for each program, a list where it takes several, or None."""

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
    """`--cluster`; `default` is what it is where nobody gives one."""
    return click.option(
        "--cluster",
        default=default,
        metavar="NAME",
        envvar="REMEDIATOR_CLUSTER",
        show_envvar=True,
        help="The cluster filter (the fence): series and alerts of another cluster do not count.",
    )


def percentage(*, envvar: str | None = None) -> Callable[[Command], Command]:
    """`[PERCENTAGE]`, a step of the canary; None where it is not given."""
    return click.argument("percentage", metavar="[PERCENTAGE]", type=Percentage(), required=False, envvar=envvar)


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


def remediator_url(*, several: bool = False) -> Callable[[Command], Command]:
    """`--remediator.url`; with `several` the command gets a list."""
    return click.option(
        "--remediator.url",
        "remediator_url",
        metavar="URL",
        multiple=several,
        envvar="REMEDIATOR_URL",
        show_envvar=True,
        help="The internal listener of the running Remediator; asked for its state and its cluster filter.",
    )

"""What `rollback` and `kill-switch on` share: finding the target and writing, whatever else is broken.

One rule: nothing stops them that the write does not need. The target comes from flags, from the readable part of a
file, or from the release's ConfigMap; any other fault is a warning after the write; and every error ends with the
kubectl command that does the same.
"""

import shlex
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property, wraps
from pathlib import Path
from typing import Any, cast

import click
from click.core import ParameterSource

from remediator.canary.operator import Patience, Steering
from remediator.canary.release import ReleaseFile, find_release_files
from remediator.cli import options
from remediator.cli.exits import Failed, InvalidConfiguration, Withheld
from remediator.cli.output import say
from remediator.cli.patience import FIELD_MANAGER, PatientConnection
from remediator.cli.problems import translated
from remediator.config.document import InvalidDocument, read_text
from remediator.config.emergency_policy import EmergencyPolicy, profile_of_0, read_emergency_policy
from remediator.core.policy import PERCENTAGE_FLAG, Target
from remediator.kube.errors import Conflict, Forbidden, NotFound
from remediator.kube.kubeconfig import find_namespace
from remediator.kube.request import Request
from remediator.kube.targets import Cluster, deployment_path
from remediator.kube.whoami import operator_name

SECONDS = 60.0
"""How long an emergency command retries while the API server does not answer."""

NAME_SECONDS = 1.0
"""How long to wait for the API server to name the person: the record is worth no longer delay."""

_BY_HAND = "by hand"


class EmergencyCommand(click.Command):
    """A command whose errors all show how to do the same with kubectl."""

    def __init__(self, *arguments: Any, by_hand: str, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._by_hand = by_hand

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse as click does."""
        with self._telling(ctx):
            return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run as click does."""
        with self._telling(ctx):
            return super().invoke(ctx)

    @contextmanager
    def _telling(self, ctx: click.Context) -> Iterator[None]:
        try:
            yield
        except Withheld:
            raise  # Nothing has failed; the message says what to do.
        except click.ClickException as error:
            text = f"{error.message}\nby hand: {ctx.meta.get(_BY_HAND, self._by_hand)}"
            if isinstance(error, click.UsageError):
                raise click.UsageError(text, error.ctx) from error
            kind = InvalidConfiguration if isinstance(error, InvalidConfiguration) else Failed
            raise kind(text) from error
        except Exception as error:
            if not isinstance(error, click.exceptions.Exit | click.Abort):
                click.echo(f"by hand: {ctx.meta.get(_BY_HAND, self._by_hand)}", err=True)
            raise


@dataclass(frozen=True, slots=True, kw_only=True)
class Hints:
    """What the flags say about where the target is; empty where they say nothing."""

    target: str = ""
    namespace: str = ""
    deployment: str = ""
    container: str = ""
    release: str = ""
    config_file: Path
    file_given: bool
    """Whether the file was named by a flag or a variable."""
    kubeconfig: Path | None = None
    context: str = ""

    def kubectl(self, *arguments: str) -> str:
        """A kubectl command line on the same cluster."""
        flags = [f"--kubeconfig={self.kubeconfig}"] if self.kubeconfig else []
        flags += [f"--context={self.context}"] if self.context else []
        return shlex.join(["kubectl", *flags, *arguments])


def emergency_options(kind: str) -> Callable[[options.Command], options.Command]:
    """The options that locate the target (flags, a file or a release) and the user to act as; passed on as `hints`."""

    def decorate(command: options.Command) -> options.Command:
        @wraps(command)
        def call(**values: Any) -> Any:
            source = click.get_current_context().get_parameter_source("config_file")
            hints = Hints(
                target=values.pop("target_name") or "",
                namespace=values.pop("namespace"),
                deployment=values.pop("deployment"),
                container=values.pop("container", ""),
                release=values.pop("release"),
                config_file=values.pop("config_file"),
                file_given=source is not ParameterSource.DEFAULT,
                kubeconfig=values.pop("kubeconfig"),
                context=values.pop("context"),
            )
            return command(hints=hints, **values)

        name = click.option
        flags = [
            options.target(kind),
            name("-n", "--namespace", default="", metavar="NS", help="Namespace of the target or the release."),
            name("--deployment", default="", metavar="NAME", help=f"The {kind}'s Deployment; no file is needed then."),
            *(
                [name("--container", default="", metavar="NAME", help="Its container; else the one with the flags.")]
                if kind == "canary"
                else []
            ),
            name("--release", default="", metavar="NAME", help="The chart's release whose ConfigMap names it."),
            options.config_file(must_exist=False),
            *options.connection(),
        ]
        return options.together(*flags)(cast(options.Command, call))

    return decorate


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A target, and the flags that switch its canary off."""

    target: Target
    profile: Mapping[str, str]
    origin: str
    """Where the target was read, or empty for flags."""


class Emergency:
    """One run of an emergency command: the API server, and how long to retry it."""

    def __init__(self, ctx: click.Context, hints: Hints) -> None:
        self._ctx, self._hints = ctx, hints
        self.patience = Patience(SECONDS, self._tell)
        self._until = datetime.now().astimezone() + timedelta(seconds=SECONDS)
        self._told = ""
        self.warnings: list[str] = []

    @cached_property
    def connection(self) -> PatientConnection:
        """The connection to the API server; opened late, so that its errors can name the target. Raises NoCluster."""
        connection = PatientConnection(self._hints.kubeconfig, context=self._hints.context)
        connection.trying = self._trying()
        return connection

    @cached_property
    def cluster(self) -> Cluster:
        """The targets. Raises NoCluster."""
        return Cluster(self.connection, field_manager=FIELD_MANAGER)

    def _trying(self) -> str:
        """Until when it retries, in words."""
        return f"trying again until {self._until:%H:%M:%S}, Ctrl-C to stop"

    def _tell(self, error: Exception) -> None:
        """Print each new failure once while retrying."""
        if isinstance(error, Conflict) or str(error) == self._told:
            return
        self.connection.hush()
        self._told = str(error)
        where = "" if self.connection.server in self._told else f"{self.connection.server}: "
        say(f"{where}{error}; {self._trying()}", err=True)

    def canary(self) -> Found:
        """The canary's target. Raises UsageError, Failed, ClusterError."""
        found = self._find("canary", lambda policy: policy.canaries)
        self._by_hand(found.target, *_set_env(found))
        if not found.target.container:
            found = self._with_container(found)
            self._by_hand(found.target, *_set_env(found))
        return found

    def workers(self) -> Found:
        """The workers' target. Raises UsageError, Failed, ClusterError."""
        found = self._find("worker Deployment", lambda policy: policy.workers)
        self._by_hand(found.target, "scale", f"deployment/{found.target.deployment}", "--replicas=0")
        return found

    def steering(self, target: Target) -> Steering:
        """Writes to the target, under the name of the person who runs this."""
        operator = operator_name(self.connection, NAME_SECONDS)
        return Steering(self.cluster, target, operator=operator, now=self.connection.now)

    def kubectl(self, target: Target, *arguments: str) -> str:
        """A line for kubectl on the same cluster, in the target's namespace."""
        return self._hints.kubectl("-n", target.namespace, *arguments)

    def _by_hand(self, target: Target, *arguments: str) -> None:
        self._ctx.meta[_BY_HAND] = self.kubectl(target, *arguments)

    def _find(self, kind: str, choose: Callable[[EmergencyPolicy], Sequence[Target]]) -> Found:
        """The target from the flags, else from the file, else from the release."""
        hints = self._hints
        policy, problem = self._read_file()
        if hints.deployment:
            namespace = hints.namespace or self._namespace() or "default"
            target = Target(
                name=hints.deployment, namespace=namespace, deployment=hints.deployment, container=hints.container
            )
            return Found(target=target, profile=policy.profile if policy else profile_of_0(), origin="")
        if policy and not hints.release and (found := self._choose(kind, choose(policy))):
            return Found(target=found, profile=policy.profile, origin="")
        if policy and not problem:
            problem = f"{hints.config_file} names no {kind} that can be read"
            problem += f" in namespace {hints.namespace}" if hints.namespace else ""
        return self._find_release(kind, choose, problem)

    def _choose(self, kind: str, targets: Sequence[Target]) -> Target | None:
        hints = self._hints
        fitting = [one for one in targets if hints.namespace in ("", one.namespace)]
        fitting = [one for one in fitting if hints.target in ("", one.name)]
        if len(fitting) > 1:
            names = ", ".join(one.name for one in fitting)
            raise click.UsageError(f"the file does not say which target is the {kind} ({names}); give --target")
        if not fitting and hints.target and targets:
            names = ", ".join(one.name for one in targets)
            raise click.UsageError(f"{hints.target!r} is no {kind} of the file; it has: {names}")
        return fitting[0] if fitting else None

    def _read_file(self) -> tuple[EmergencyPolicy | None, str]:
        """The readable part of the file, or why there is none."""
        path = self._hints.config_file
        try:
            text = path.read_bytes().decode("utf-8", errors="replace")
        except OSError as error:
            remedy = "give --config.file=F, or set REMEDIATOR_CONFIG_FILE"
            problem = f"{path}: cannot be read: {error.strerror}; {remedy}"
            if self._hints.file_given:
                self.warnings.append(problem)
            return None, problem
        return read_emergency_policy(text), ""

    def _find_release(self, kind: str, choose: Callable[[EmergencyPolicy], Sequence[Target]], problem: str) -> Found:
        """The target in the ConfigMap of the one release that has it: in the namespace, else in any."""
        found: list[tuple[ReleaseFile, EmergencyPolicy, Target]] = []
        for file in self._release_files(problem):
            policy = read_emergency_policy(file.text)
            hints = self._hints
            targets = [one for one in choose(policy) if hints.target in ("", one.name)]
            found += [(file, policy, target) for target in targets]
        if not found:
            raise InvalidConfiguration(f"{problem}; no release of the chart names a {kind} either\n{_REMEDY}")
        if len(found) > 1:
            which = ", ".join(f"{target.name} of {file}" for file, _, target in found)
            raise click.UsageError(f"several could be meant: {which}; give --namespace, --release or --target")
        file, policy, target = found[0]
        return Found(target=target, profile=policy.profile, origin=str(file))

    def _release_files(self, problem: str) -> list[ReleaseFile]:
        hints, namespaces = self._hints, [self._hints.namespace or self._namespace(), ""]
        for namespace in namespaces[:1] if hints.namespace else dict.fromkeys(namespaces):

            def ask(seconds: float, namespace: str = namespace) -> list[ReleaseFile]:
                return find_release_files(self.connection, namespace, hints.release, seconds)

            try:
                if files := self.patience.ask(ask):
                    return files
            except Forbidden as error:
                problem += f"; {error}"
        release = f"release {hints.release}" if hints.release else "release of the chart"
        where = f"in namespace {hints.namespace}" if hints.namespace else "on the cluster"
        raise InvalidConfiguration(f"{problem}; no {release} is found {where}\n{_REMEDY}")

    def _namespace(self) -> str:
        return find_namespace(self._hints.kubeconfig, self._hints.context)

    def _with_container(self, found: Found) -> Found:
        """The container that has the canary's flags, else the only one."""
        target = found.target

        def ask(seconds: float) -> Any:
            ends = time.monotonic() + seconds
            return self.connection.request(Request(verb="get", path=deployment_path(target), ends=ends))

        try:
            manifest = self.patience.ask(ask)
        except NotFound as error:
            raise Failed(f"Deployment {target.deployment} in namespace {target.namespace} is not there") from error
        containers = manifest["spec"]["template"]["spec"]["containers"]
        flagged = [one for one in containers if any(env["name"] == PERCENTAGE_FLAG for env in one.get("env") or ())]
        fitting = [str(one["name"]) for one in flagged or containers]
        if len(fitting) != 1:
            raise click.UsageError(f"which container has the canary's flags ({', '.join(fitting)})? Give --container")
        return replace(found, target=replace(target, container=fitting[0]))

    def warn(self) -> None:
        """Print what is wrong with the file, after the write has succeeded or failed."""
        path = self._hints.config_file
        if path.is_file() and not (self._hints.deployment or self._hints.release):
            # Importing the strict parser is slow, and the write must not wait for it.
            from remediator.config.loader import parse_policy

            try:
                parse_policy(read_text(path), str(path))
            except InvalidDocument as error:
                text = "only its targets and the names of its flags were used"
                self.warnings.append(f"the file is invalid; {text}:\n{error}")
        for warning in self.warnings:
            for line in f"warning: {warning}".splitlines():
                say(line, err=True)
        self.warnings.clear()


def _set_env(found: Found) -> list[str]:
    flags = [f"{name}={value}" for name, value in found.profile.items()]
    place = f"deployment/{found.target.deployment}"
    return ["set", "env", place, "-c", found.target.container or "CONTAINER", *flags]


_REMEDY = "name the Deployment: --namespace=NS --deployment=NAME; or the release: --namespace=NS --release=NAME"


@contextmanager
def open_emergency(ctx: click.Context, hints: Hints) -> Iterator[Emergency]:
    """An emergency command: errors inside end it with a message, and its warnings are printed in any case."""
    with translated():
        emergency = Emergency(ctx, hints)
        try:
            yield emergency
        finally:
            emergency.warn()

"""What the commands work on: a policy, and the API server with its targets."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click
from click.core import ParameterSource

from remediator.canary.operator import Steering, usable
from remediator.canary.release import ReleaseFile, find_release_files
from remediator.cli import options
from remediator.cli.exits import InvalidConfiguration
from remediator.cli.output import say
from remediator.cli.patience import FIELD_MANAGER, PatientConnection
from remediator.cli.problems import translated
from remediator.config.coverage import MonitoringFiles, parse_monitoring_files, read_monitoring_files
from remediator.config.document import read_text
from remediator.config.loader import parse_policy
from remediator.core.policy import Policy, Target
from remediator.core.workload import Workload
from remediator.kube.connection import Connection
from remediator.kube.errors import Forbidden
from remediator.kube.kubeconfig import find_namespace
from remediator.kube.targets import Cluster
from remediator.kube.whoami import operator_name

ASK_SECONDS = 10.0
"""Timeout of the search for a release in one namespace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A policy and the cluster that it is about."""

    policy: Policy
    text: str
    """The text of the remediations.yaml."""
    origin: str
    """Where that text is from: a file, or a release's ConfigMap."""
    release: ReleaseFile | None
    """None where it is a file."""
    connection: Connection
    cluster: Cluster

    def canary(self, name: str | None) -> Target:
        """The canary target, by name if there are several. Raises UsageError."""
        return self._target(name, "canary", lambda target: bool(target.container))

    def workers(self, name: str | None) -> Target:
        """The worker target, by name if there are several. Raises UsageError."""
        scaled = self.policy.scaled()
        return self._target(name, "worker Deployment", lambda target: target in scaled)

    def _target(self, name: str | None, kind: str, fits: Callable[[Target], bool]) -> Target:
        found = [target for target in self.policy.targets if fits(target) and name in (None, target.name)]
        if name and not found:
            which = ", ".join(target.name for target in self.policy.targets if fits(target)) or "none"
            raise click.UsageError(f"{name!r} is no {kind} of the file; it has: {which}")
        if len(found) != 1:
            which = ", ".join(target.name for target in found) or "none"
            raise click.UsageError(f"the file does not say which target is the {kind} ({which}); give --target")
        return found[0]

    def steering(self, target: Target, *, unattended: bool = False) -> Steering:
        """Writes to a target, under the name of the person who runs this.

        With `unattended`, a program runs this without a person: it leaves in place what people have set.
        """
        operator = operator_name(self.connection)
        return Steering(self.cluster, target, operator=operator, now=self.connection.now, unattended=unattended)

    def read(self, target: Target, *, autoscalers: bool = False) -> Workload:
        """The target's current state. Raises Unusable, ClusterError."""
        return usable(self.cluster.read(target, autoscalers=autoscalers), target)

    def read_workers(self) -> tuple[Workload, ...]:
        """All Deployments that remediations scale. Raises Unusable, ClusterError."""
        return tuple(self.read(target) for target in self.policy.scaled())


def monitoring_files(site: Site, where: options.Where) -> MonitoringFiles:
    """The rules and the route of the release, or of the file's folder."""
    if site.release:
        return parse_monitoring_files(site.release.texts, site.origin)
    return read_monitoring_files(where.config_file)


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """The release of the chart to take the remediations.yaml from; empty where not given."""

    name: str = ""
    namespace: str = ""


def asked_release(file: Path) -> Release | None:
    """The release to use instead of this file, or None. Raises UsageError, InvalidConfiguration.

    The flag wins over the variable, that over the file in the working directory, and that over a release.
    """
    context = click.get_current_context()
    asked = Release(**context.meta.get(options.RELEASE, {}))
    if asked != Release():
        if context.get_parameter_source("config_file") is ParameterSource.COMMANDLINE:
            raise click.UsageError("give either --config.file, or the release by --release and --namespace")
        return asked
    if _is_searched() and not file.exists():
        return asked
    options.there(options.FILE_REMEDY)(context, None, file)
    return None


def _is_searched() -> bool:
    """Whether no flag or variable names the file, so that the command has to show which one it uses."""
    return click.get_current_context().get_parameter_source("config_file") is ParameterSource.DEFAULT


@contextmanager
def open_site(where: options.Where) -> Iterator[Site]:
    """The site of the options; errors inside end the command with a message instead of a traceback."""
    with translated():
        connect = partial(PatientConnection, where.kubeconfig, context=where.context)
        if (asked := asked_release(where.config_file)) is None:
            found, text, origin = None, read_text(where.config_file), str(where.config_file)
            policy, connection = parse_policy(text, origin), connect()
        else:
            connection = connect()
            namespace = asked.namespace or find_namespace(where.kubeconfig, where.context) or "default"
            found = _find_release(connection, where.config_file, asked, namespace)
            text, origin = found.text, str(found)
            policy = parse_policy(text, origin)
        if asked is not None or _is_searched():
            say(f"remediations.yaml: {origin}", err=True)
        cluster = Cluster(connection, field_manager=FIELD_MANAGER)
        yield Site(policy=policy, text=text, origin=origin, release=found, connection=connection, cluster=cluster)


def _find_release(connection: Connection, config_file: Path, asked: Release, namespace: str) -> ReleaseFile:
    """The one release in the namespace, else on the cluster. Raises UsageError, InvalidConfiguration, ClusterError."""
    problems = [] if asked.name or asked.namespace else [f"{config_file}: not there"]
    for place in (namespace,) if asked.namespace else (namespace, ""):
        try:
            found = find_release_files(connection, place, asked.name, ASK_SECONDS)
        except Forbidden as error:
            problems.append(str(error))
            continue
        if len(found) == 1:
            return found[0]
        if found:
            which = ", ".join(map(str, found))
            raise click.UsageError(f"several releases could be meant: {which}; give --namespace and --release")
    release = f"release {asked.name}" if asked.name else "release of the chart"
    where = f"in namespace {namespace}" if asked.namespace else f"in namespace {namespace}, nor elsewhere"
    problems.append(f"no {release} is found {where}")
    raise InvalidConfiguration(f"{'; '.join(problems)}\n{options.FILE_REMEDY}, or --namespace=NS and --release=NAME")

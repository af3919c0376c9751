"""What the commands work on: a policy, and the API server with its targets."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from remediator.cli.errors import Failed, InvalidConfiguration, Withheld

if TYPE_CHECKING:
    from remediator.canary.steering import Steering
    from remediator.cluster import Cluster
    from remediator.connection import Connection
    from remediator.policy import Policy, Target
    from remediator.workload import Workload

FIELD_MANAGER = "remediator-cli"
"""The name in managedFields of what people write by these commands; the service's own is `remediator`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A policy and the cluster that it is about."""

    policy: "Policy"
    connection: "Connection"
    cluster: "Cluster"

    def canary(self, name: str | None) -> "Target":
        """The target whose percentage is set, by its name where several are. Raises UsageError."""
        return self._target(name, "canary", lambda target: bool(target.container))

    def workers(self, name: str | None) -> "Target":
        """The target that is scaled, by its name where several are. Raises UsageError."""
        scaled = self.policy.scaled()
        return self._target(name, "worker Deployment", lambda target: target in scaled)

    def _target(self, name: str | None, kind: str, fits: Callable[["Target"], bool]) -> "Target":
        found = [target for target in self.policy.targets if fits(target) and name in (None, target.name)]
        names = ", ".join(target.name for target in self.policy.targets)
        if name and not found:
            raise click.UsageError(f"{name!r} is not a {kind} among the file's targets ({names})")
        if len(found) != 1:
            which = ", ".join(target.name for target in found) or "none"
            raise click.UsageError(f"the file does not say which target is the {kind} ({which}); give --target")
        return found[0]

    def steering(self, target: "Target", *, within: float = 3.0, unattended: bool = False) -> "Steering":
        """A hand on a target, under the name of whoever runs this; the name is asked for `within` so many seconds.

        `unattended` stands for a program without a person: what people have set stays.
        """
        from remediator.canary.identity import operator_name
        from remediator.canary.steering import Steering

        operator = operator_name(self.connection, within)
        return Steering(self.cluster, target, operator=operator, now=self.connection.now, unattended=unattended)

    def read(self, target: "Target", *, autoscalers: bool = False) -> "Workload":
        """The target as it is now. Raises Unusable, ClusterError."""
        from remediator.canary.steering import usable

        return usable(self.cluster.read(target, autoscalers=autoscalers), target)

    def read_workers(self) -> "tuple[Workload, ...]":
        """All Deployments that remediations scale. Raises Unusable, ClusterError."""
        return tuple(self.read(target) for target in self.policy.scaled())


@contextmanager
def open_site(config_file: Path, kubeconfig: Path | None, context: str) -> Iterator[Site]:
    """The site of the options; within, what goes wrong ends the command with a message instead of a traceback."""
    from remediator.api_errors import ClusterError, Forbidden
    from remediator.canary.steering import NotWritten, Overtaken
    from remediator.checks import DOCS
    from remediator.cluster import Cluster
    from remediator.connection import Connection
    from remediator.document import InvalidDocument, read_text
    from remediator.kubeconfig import NoCluster
    from remediator.policy_file import parse_policy

    try:
        policy = parse_policy(read_text(config_file), str(config_file))
        connection = Connection(kubeconfig, context=context)
        yield Site(policy=policy, connection=connection, cluster=Cluster(connection, field_manager=FIELD_MANAGER))
    except (InvalidDocument, NoCluster) as error:
        raise InvalidConfiguration(str(error)) from error
    except Forbidden as error:
        raise Failed(
            f"{error}\nask for the right, or use another --context; {DOCS}/canary.md lists the rights"
        ) from error
    except Overtaken as error:
        raise Withheld(str(error)) from error
    except (ClusterError, NotWritten) as error:
        raise Failed(str(error)) from error

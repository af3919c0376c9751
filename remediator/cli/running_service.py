"""The Remediator running on the cluster: its cluster filter, and what the API server lets its account write."""

from collections.abc import Callable

import click

from remediator.canary.release import ACCOUNT, find_service
from remediator.canary.trials import ACT, FENCE, check_trials
from remediator.cli.options import Command, Where
from remediator.cli.patience import PatientConnection
from remediator.cli.session import Site
from remediator.core.checks import NOT_CHECKED, Check
from remediator.core.ladder import Snapshot
from remediator.core.outcome import ClusterError
from remediator.core.policy import Remediation
from remediator.core.workload import Workload
from remediator.kube.impersonation import Impersonation
from remediator.kube.targets import Cluster


def account_option() -> Callable[[Command], Command]:
    """`--as-service`; the command gets `account`, the user name of a service account, or an empty string."""
    return click.option(
        "--as-service",
        "account",
        metavar="NAMESPACE:NAME",
        default="",
        callback=_account,
        help="Service account to impersonate in dry runs; default: that of the release.",
    )


def _account(context: click.Context, parameter: click.Parameter, value: str) -> str:
    name = value.removeprefix(ACCOUNT)
    if value and not all(name.partition(":")[::2]):
        raise click.BadParameter("write NAMESPACE:NAME, the service account of the running Remediator")
    return f"{ACCOUNT}{name}" if value else ""


class RunningService:
    """The service of the release that the file comes from, else of the one in the first target's namespace.

    The flags `account` and `fence` win over what its Deployment says.
    """

    def __init__(self, site: Site, where: Where, account: str, fence: str | None) -> None:
        self._site, self._why = site, ""
        found = None
        if not account or fence is None:
            namespace = site.release.namespace if site.release else site.policy.targets[0].namespace
            try:
                found = find_service(site.connection, namespace, site.release.name if site.release else "")
                self._why = "" if found else f"no release of the chart, or more than one, is in namespace {namespace}"
            except ClusterError as error:
                self._why = str(error)
        self.fence = fence if fence is not None else found.fence if found else None
        """Its cluster filter, empty for none; None if not known."""
        self._account = account or (found.account if found else "")
        identity = Impersonation(user=self._account, alone=True)
        connection = PatientConnection(where.kubeconfig, context=where.context, impersonation=identity, threads=4)
        self._cluster = Cluster(connection)

    def check(self, remediation: Remediation, found: Snapshot | ClusterError) -> list[Check]:
        """Whether the API server accepts the act from it, and refuses anything more."""
        if not isinstance(found, Workload):
            return []
        if not self._account:
            text, remedy = f"{NOT_CHECKED}: {self._why}", "give --as-service=NAMESPACE:NAME"
            return [Check(name=name, passed=None, found=text, remedy=remedy) for name in (ACT, FENCE)]
        policy, now = self._site.policy, self._site.connection.now()
        return check_trials(self._cluster, self._account, remediation, policy, found, now)

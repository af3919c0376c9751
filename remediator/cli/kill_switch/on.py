"""`remediator kill-switch on`."""

import click

from remediator.canary.changes import latch
from remediator.canary.operator import NotWritten, usable
from remediator.cli import options
from remediator.cli.emergency import Emergency, EmergencyCommand, Hints, emergency_options, open_emergency
from remediator.cli.interruption import interruptible
from remediator.cli.output import format_short, say
from remediator.cli.types import Reason
from remediator.core.policy import Target
from remediator.core.workload import Workload
from remediator.kube.errors import ClusterError


@click.command(cls=EmergencyCommand, by_hand="kubectl -n NAMESPACE scale deployment/DEPLOYMENT --replicas=0")
@options.dry_run()
@click.option("--reason", type=Reason(), help="The reason, shown with the switch.")
@options.unasked()
@emergency_options("worker Deployment")
@click.pass_context
def on(ctx: click.Context, *, dry_run: bool, reason: str | None, hints: Hints) -> None:
    """Take the workers to 0 replicas and latch them there.

    Remediator does not scale them up again until `remediator kill-switch off`. The number of replicas is remembered. If
    the API server does not answer, it is retried for a minute. Only the targets are read from the file, so an error
    elsewhere in it does not matter; without a file, the target comes from the ConfigMap of the chart's release, or from
    --namespace and --deployment.

    \b
    Exit codes: 0 on, 1 failed, 2 usage.
    Examples:
      remediator kill-switch on
      remediator kill-switch on --reason="jobs corrupt the index"
      remediator kill-switch on --namespace=denis --deployment=denis-workers
    """
    with open_emergency(ctx, hints) as emergency:
        found = emergency.workers()
        target, steering = found.target, emergency.steering(found.target)
        if found.origin:
            say(f"{target.name}: target {target.namespace}/{target.deployment}, by {found.origin}")
        with interruptible(steering):
            written = steering.write(
                lambda workload: latch(workload, steering.operator, reason or "", emergency.connection.now()),
                reason=reason or "",
                patience=emergency.patience,
                dry_run=dry_run,
            )
        if written.entry is None:
            say(f"{target.name}: the kill switch is on already{_left(written.workload)}")
            return
        done = (
            "would be written (dry run)" if dry_run else f"written {format_short(written.seconds)} after the decision"
        )
        say(f"{target.name}: {written.entry.before} -> 0 replicas and latched, {done}")
        if written.unrecorded:
            say(f"{target.name}: not recorded: {written.unrecorded}", err=True)
        if not dry_run:
            _warn_of_autoscaler(emergency, target)


def _left(workload: Workload) -> str:
    """How many workers still run although the switch is on, in words."""
    rollout = workload.rollout
    if not rollout.seen:
        return ", and the Deployment controller has not seen it yet"
    return f", and {rollout.total} pods still run" if rollout.total else ""


def _warn_of_autoscaler(emergency: Emergency, target: Target) -> None:
    """Warn of an autoscaler that may undo the switch. The switch is on already, so not knowing is no failure."""
    try:
        scaler = usable(emergency.cluster.read(target, autoscalers=True), target).autoscaler
    except (ClusterError, NotWritten) as error:
        say(f"{target.name}: whether an autoscaler may raise the replicas is not known: {error}", err=True)
        return
    if scaler:
        say(f"{target.name}: {scaler} may raise the replicas by itself; pause it as well", err=True)

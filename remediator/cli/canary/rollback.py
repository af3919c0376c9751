"""`remediator canary rollback`."""

import sys
from collections.abc import Mapping
from datetime import timedelta

import click

from remediator.canary.changes import set_percentage
from remediator.canary.flags import differing
from remediator.canary.operator import Written
from remediator.cli import options
from remediator.cli.canary.answers import show_dry_run, spell_nothing_to_do
from remediator.cli.emergency import Emergency, EmergencyCommand, Hints, emergency_options, open_emergency
from remediator.cli.exits import Withheld
from remediator.cli.interruption import interruptible
from remediator.cli.output import format_short, say
from remediator.cli.progress import follow
from remediator.cli.types import Reason
from remediator.core.policy import Target
from remediator.core.workload import Workload

BY_HAND = (
    "kubectl -n NAMESPACE set env deployment/DEPLOYMENT -c CONTAINER DENIS_MATERIALIZERS_ENABLED=false "
    "DENIS_MATERIALIZERS_PCT=0 ASYNC_ENABLED=false RUNS_ENABLED=false"
)


@click.command(cls=EmergencyCommand, by_hand=BY_HAND)
@options.dry_run()
@click.option("--reason", type=Reason(), help="The reason, kept in the history.")
@click.option("--resume", is_flag=True, help="Resume a paused rollout in the same write.")
@options.yes("Ask nothing. A paused rollout stays paused unless --resume is given.")
@options.waiting()
@emergency_options("canary")
@click.pass_context
def rollback(
    ctx: click.Context,
    *,
    dry_run: bool,
    reason: str | None,
    resume: bool,
    yes: bool,
    wait: bool,
    timeout: timedelta,
    hints: Hints,
) -> None:
    """Take the canary to 0 %, now.

    Asks nothing before it writes, and ignores pauses and cooldowns. If the API server does not answer, it is retried
    for a minute. Only the targets and flag names are read from the file, so an error elsewhere in it does not matter;
    without a file, the target comes from the ConfigMap of the chart's release, or from --namespace and --deployment.
    The reflex does not act on the canary again while it is at 0 %.

    If the rollout is paused (`kubectl rollout pause`), 0 % is written but reaches no pod until it is resumed: --resume
    does both at once. On a terminal the command offers to resume it, after the write.

    \b
    Exit codes: 0 at 0 %, 1 failed, 2 usage, 3 written, but not all pods run it.
    Examples:
      remediator canary rollback
      remediator canary rollback --reason="checkout is slow" --no-wait
      remediator canary rollback --namespace=denis --deployment=denis
    """
    with open_emergency(ctx, hints) as emergency:
        found = emergency.canary()
        rolling = _Rollback(emergency, found.target, found.profile, reason=reason or "", dry_run=dry_run)
        if found.origin:
            rolling.say(f"target {found.target.namespace}/{found.target.deployment}, by {found.origin}")
        written = rolling.write(resume=resume)
        if dry_run:
            return
        if rolling.held(written.workload, resume=resume):
            rolling.offer_resume(ask=not yes)
        if wait:
            rolling.follow(timeout)


class _Rollback:
    """One rollback in progress."""

    def __init__(
        self, emergency: Emergency, target: Target, profile: Mapping[str, str], *, reason: str, dry_run: bool
    ) -> None:
        self._emergency, self._target, self._profile = emergency, target, profile
        self._reason, self._dry_run = reason, dry_run
        self._steering = emergency.steering(target)

    def say(self, text: str, *, err: bool = False) -> None:
        """Print a line about the target."""
        say(f"{self._target.name}: {text}", err=err)

    def write(self, *, resume: bool) -> Written:
        """Write 0 % whatever the flags are now. Raises NotWritten, ClusterError."""
        with interruptible(self._steering):
            written = self._steering.write(
                lambda workload: set_percentage(workload, self._profile, resume=resume),
                reason=self._reason,
                patience=self._emergency.patience,
                dry_run=self._dry_run,
            )
        self._tell(written, resume=resume)
        return written

    def _tell(self, written: Written, *, resume: bool) -> None:
        if written.entry is None:
            say(spell_nothing_to_do(self._target, written.workload, 0))
        elif self._dry_run:
            show_dry_run(written.workload, self._target, self._profile)
        else:
            change = written.entry.change
            resumed = " and the rollout resumed" if resume and written.workload.rollout.paused else ""
            self.say(f"{change}, written{resumed} {format_short(written.seconds)} after the decision")
            if written.unrecorded:
                self.say(f"not recorded: {written.unrecorded}", err=True)

    def held(self, workload: Workload, *, resume: bool) -> bool:
        """Whether a paused rollout keeps the new flags from the pods."""
        if resume or not workload.rollout.paused:
            return False
        return set_percentage(workload, self._profile) is not None or not workload.rollout.reached(workload.replicas)

    def offer_resume(self, *, ask: bool) -> None:
        """Resume the rollout if the person agrees; else end the command with what they can do. Raises Withheld."""
        place = f"deployment/{self._target.deployment}"
        text = "0 % is written, but reaches no pod: the Deployment is paused (kubectl rollout pause)"
        if ask and sys.stdin is not None and sys.stdin.isatty():
            self.say(text, err=True)
            question = "Resume it? This also rolls out everything else that was changed since the pause"
            if click.confirm(question, err=True):
                self.write(resume=True)
                return
        kubectl = self._emergency.kubectl
        raise Withheld(
            f"{self._target.name}: {text}\n"
            f"resume it: remediator canary rollback --resume, or {kubectl(self._target, 'rollout', 'resume', place)}\n"
            f"whatever else was changed since the pause is rolled out with it; check first: "
            f"{kubectl(self._target, 'rollout', 'history', place)}"
        )

    def follow(self, timeout: timedelta) -> None:
        """Wait until all pods run the new flags. Raises Withheld, ClusterError."""

        def changed(workload: Workload) -> str:
            return differing(workload, self._profile)

        follow(self._steering, self._target, changed, "0 %", timeout)

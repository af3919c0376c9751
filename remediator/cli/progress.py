"""Shows a rollout's progress: one line that is rewritten on a terminal, elsewhere one line per change."""

import os
import shutil
import sys
import time
from collections.abc import Callable
from datetime import timedelta

import click

from remediator.canary.operator import Steering
from remediator.cli.exits import INTERRUPTED, Withheld
from remediator.cli.output import say
from remediator.core.durations import format_duration
from remediator.core.policy import Target
from remediator.core.text import printable
from remediator.core.workload import Workload
from remediator.kube.errors import Unavailable

INTERVAL_SECONDS = 0.5


def follow(
    steering: Steering, target: Target, changed: Callable[[Workload], str], what: str, timeout: timedelta
) -> None:
    """Wait until all pods run what was written. Raises Withheld if they do not, ClusterError.

    `changed` returns the field that someone has changed since, by its key in Workload.writers, or an empty string.
    """
    line, began = _Line(), time.monotonic()
    try:
        converged, text = _await_rollout(steering.read, changed, timeout, line)
    except KeyboardInterrupt:
        line.close()
        say(f"not waiting any longer: {what} is written, and the rollout goes on by itself", err=True)
        raise SystemExit(INTERRUPTED) from None
    finally:
        line.close()
    if not converged:
        look = f"kubectl -n {target.namespace} rollout status deployment/{target.deployment}"
        raise Withheld(f"{what} is written, but not all pods follow: {text}\nsee: {look}")
    elapsed = format_duration(timedelta(seconds=round(time.monotonic() - began)))
    say(f"{target.name}: all pods follow: {text}, after {elapsed}")


def _await_rollout(
    read: Callable[[], Workload], changed: Callable[[Workload], str], timeout: timedelta, line: "_Line"
) -> tuple[bool, str]:
    """Whether all pods follow in time, and the progress in words.

    If the API server does not answer, it is retried until the timeout.
    """
    began, text = time.monotonic(), "not read yet"
    while True:
        try:
            workload = read()
        except Unavailable as error:
            text = str(error)
        else:
            text = workload.rollout.spell(workload.replicas)
            if field := changed(workload):
                return False, f"{field} has been changed since, by {workload.writers.get(field, 'someone')}"
            if workload.rollout.converged(workload.replicas):
                return True, text
            if workload.rollout.paused or (workload.rollout.seen and workload.rollout.deadline_exceeded):
                return False, text
        elapsed = timedelta(seconds=int(time.monotonic() - began))
        line.show(format_duration(elapsed), text)
        if time.monotonic() - began > timeout.total_seconds():
            return False, f"{text}, after {format_duration(timeout)}"
        time.sleep(INTERVAL_SECONDS)


class _Line:
    """A line that is rewritten if standard error is a terminal; otherwise each change is a line of its own."""

    def __init__(self) -> None:
        self._moves = sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._shown = ""
        self._text = ""

    def show(self, elapsed: str, text: str) -> None:
        """Replace the last text. Elapsed time alone is no change: a log gets a new line only for a new text."""
        line = printable(f"{elapsed}: {text}")
        if self._moves:
            width = shutil.get_terminal_size().columns - 1
            line = line if len(line) <= width else f"{line[: width - 1]}…"
            click.echo(f"\r{line:{len(self._shown)}}", nl=False, err=True)
        elif text != self._text:
            click.echo(line, err=True)
        self._shown, self._text = line, text

    def close(self) -> None:
        """Keep the last text on the screen."""
        if self._moves and self._shown:
            click.echo(err=True)
        self._shown = self._text = ""

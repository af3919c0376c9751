"""Waiting for a rollout before the eyes of a person: one line that moves on a terminal, a line a change elsewhere."""

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
    """Wait until the pods follow what was written. Raises Withheld where they do not, ClusterError.

    `changed` names the field that has another value by now, as Workload.writers does, or is empty.
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
        raise Withheld(f"{what} is written, but the pods do not all follow: {text}\nlook: {look}")
    elapsed = format_duration(timedelta(seconds=round(time.monotonic() - began)))
    say(f"{target.name}: all pods follow: {text}, after {elapsed}")


def _await_rollout(
    read: Callable[[], Workload], changed: Callable[[Workload], str], timeout: timedelta, line: "_Line"
) -> tuple[bool, str]:
    """Whether all pods follow in time, and how far they are in words.

    An API server that does not answer is asked again until the time is over.
    """
    began, text = time.monotonic(), "not looked at yet"
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
    """A line that is written over, where standard error is a terminal; else each change is a line of its own."""

    def __init__(self) -> None:
        self._moves = sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._shown = ""
        self._text = ""

    def show(self, elapsed: str, text: str) -> None:
        """Show a text in place of the last one. Time alone is no change: a log gets a line only for another text."""
        line = printable(f"{elapsed}: {text}")
        if self._moves:
            width = shutil.get_terminal_size().columns - 1
            line = line if len(line) <= width else f"{line[: width - 1]}…"
            click.echo(f"\r{line:{len(self._shown)}}", nl=False, err=True)
        elif text != self._text:
            click.echo(line, err=True)
        self._shown, self._text = line, text

    def close(self) -> None:
        """Leave the last text standing."""
        if self._moves and self._shown:
            click.echo(err=True)
        self._shown = self._text = ""

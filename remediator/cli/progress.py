"""Waiting for a rollout before the eyes of a person: one line that moves on a terminal, a line a change elsewhere."""

import sys
import time
from collections.abc import Callable
from datetime import timedelta

import click

from remediator.durations import format_duration
from remediator.workload import Workload

INTERVAL_SECONDS = 0.5


class Line:
    """A line that is written over, where standard error is a terminal; else each new text is a line of its own."""

    def __init__(self) -> None:
        self._moves = sys.stderr.isatty()
        self._shown = ""

    def show(self, text: str) -> None:
        """Show a text in place of the last one."""
        if text == self._shown:
            return
        self._shown = text
        click.echo(f"\r\x1b[K{text}" if self._moves else text, nl=not self._moves, err=True)

    def close(self) -> None:
        """Leave the last text standing."""
        if self._moves and self._shown:
            click.echo(err=True)
        self._shown = ""


def await_rollout(
    read: Callable[[], Workload], stands: Callable[[Workload], str], *, timeout: timedelta, line: Line
) -> tuple[bool, str]:
    """Wait until all pods follow. Returns whether they do, and how far they are in words.

    `stands` says who took back what was written, or empty. An API server that does not answer is asked again until
    the time is over. Raises ClusterError where it refuses.
    """
    from remediator.api_errors import Unavailable

    ends = time.monotonic() + timeout.total_seconds()
    began, text = time.monotonic(), "not looked at yet"
    while True:
        try:
            workload = read()
        except Unavailable as error:
            text = str(error)
        else:
            text = workload.rollout.spell(workload.replicas)
            if taken_back := stands(workload):
                return False, taken_back
            if workload.rollout.converged(workload.replicas):
                return True, text
            if workload.rollout.seen and (workload.rollout.deadline_exceeded or workload.rollout.paused):
                return False, text
        line.show(f"{format_duration(timedelta(seconds=int(time.monotonic() - began)))}: {text}")
        if time.monotonic() > ends:
            return False, f"{text}, after {format_duration(timeout)}"
        time.sleep(INTERVAL_SECONDS)

"""Waiting for an API server: after a second without an answer, the person is shown what the command waits for."""

import sys
import threading
from typing import Any

import click

from remediator.cli import options
from remediator.cli.output import say
from remediator.kube.connection import Connection
from remediator.kube.credential_plugin import PluginPatience
from remediator.kube.errors import Unavailable
from remediator.kube.impersonation import Impersonation
from remediator.kube.request import Request

FIELD_MANAGER = "remediator-cli"
"""The field manager of writes by these commands; that of the service is `remediator`."""

SILENCE_SECONDS = 1.0
"""After this long, a person thinks that the command hangs."""


class PatientConnection(Connection):
    """A connection that reports on standard error, once until the next answer, that no answer has come."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        settings = {"impersonation": _impersonation(), "patience": _patience(), **settings}
        super().__init__(*arguments, **settings)
        self.trying = "waiting, Ctrl-C to stop"
        """What is being done about it, in words."""
        self._timer: threading.Timer | None = None
        # Of parallel requests, the first starts the timer, and the first answer ends it.
        self._lock = threading.Lock()

    def send(self, request: Request) -> bytes:
        """The body of the answer. Raises ClusterError."""
        with self._lock:
            if self._timer is None:
                self._timer = threading.Timer(SILENCE_SECONDS, self._tell)
                self._timer.daemon = True
                self._timer.start()
        try:
            body = super().send(request)
        except Unavailable:
            raise  # Not an answer, so the timer keeps running.
        except BaseException:
            self._answered()
            raise
        self._answered()
        return body

    def hush(self) -> None:
        """Report nothing until the next answer: the person knows already."""
        with self._lock:
            if self._timer:
                self._timer.cancel()

    def _answered(self) -> None:
        with self._lock:
            if self._timer:
                self._timer.cancel()
            self._timer = None

    def _tell(self) -> None:
        say(f"no answer from {self.server} yet; {self.trying}", err=True)


def _impersonation() -> Impersonation:
    """The user that `--as` and its related flags name for the running command."""
    given = click.get_current_context().meta.get(options.IMPERSONATION, {})
    extra: dict[str, tuple[str, ...]] = {}
    for key, value in (pair.split("=", 1) for pair in given.get("extra") or ()):
        extra[key] = (*extra.get(key, ()), value)
    return Impersonation(
        user=given.get("user") or "", uid=given.get("uid") or "", groups=given.get("groups") or (), extra=extra
    )


def _patience() -> PluginPatience:
    """How commands run a credential plugin: a longer timeout than the service's, prompts, a notice if it is slow."""
    return PluginPatience(
        seconds=60.0,
        seconds_at_terminal=300.0,
        terminal=sys.stdin is not None and sys.stdin.isatty(),
        say=lambda text: say(text, err=True),
    )

"""remediations.yaml while it changes: the last good policy stays in force until a better one can be read.

Except for one: when gunicorn has to replace a worker that died while the file is bad, the new one has no more than what
the service was started with. The metrics, the status and the log of the new worker say so.
"""

import logging
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Protocol

from remediator.config.document import InvalidDocument, read_text
from remediator.config.loader import parse_policy
from remediator.core.policy import Policy

log = logging.getLogger(__name__)

POLL_SECONDS = 1.0
"""A ConfigMap's change takes the kubelet up to a minute; a file on disk is seen within this."""


class ReloadMetrics(Protocol):
    """What shows whether the file in force is the one on disk."""

    def policy_loaded(self, policy: Policy, now: datetime) -> None:
        """A good file was read."""

    def policy_refused(self) -> None:
        """The file as it stands cannot be used."""


class PolicyFile:
    """The policy in a file. Raises InvalidDocument where the file cannot be used from the start."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problem = ""
        """Why the file as it stands is not in force, or empty."""
        self._text = read_text(path)
        self._policy = parse_policy(self._text, str(path))

    def show(self, metrics: ReloadMetrics, now: datetime) -> None:
        """Let the metrics show that the file was read."""
        metrics.policy_loaded(self._policy, now)

    def current(self) -> Policy:
        """The last good policy."""
        return self._policy

    def watch(self, metrics: ReloadMetrics, now: Callable[[], datetime], stop: threading.Event) -> None:
        """Take over every change of the file until asked to stop."""
        while not stop.wait(POLL_SECONDS):
            self.poll(metrics, now())

    def poll(self, metrics: ReloadMetrics, now: datetime) -> None:
        """Take over what the file says, if it has changed and is good."""
        try:
            text = read_text(self.path)
            if text == self._text and not self.problem:
                return
            policy = parse_policy(text, str(self.path))
        except InvalidDocument as error:
            if self.problem != str(error):
                log.error("configuration not reloaded, the last good one stays", extra={"error": str(error)})
            self.problem = str(error)
            metrics.policy_refused()
            return
        self._text, self._policy, self.problem = text, policy, ""
        self.show(metrics, now)
        log.info("configuration reloaded", extra={"file": str(self.path)})

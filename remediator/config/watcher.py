"""Reloads remediations.yaml when it changes; after a bad change the last good policy stays in force.

One exception: if gunicorn replaces a worker that died while the file is bad, the new worker has only the policy that
the service was started with. Its metrics, status and log show that.
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
"""How often the file is checked. For a ConfigMap the kubelet adds up to a minute."""


class ReloadMetrics(Protocol):
    """Callbacks that show whether the file on disk is in force."""

    def policy_loaded(self, policy: Policy, now: datetime) -> None:
        """A valid file was loaded."""

    def policy_refused(self) -> None:
        """The current file is invalid."""


class PolicyFile:
    """The policy in a file. Raises InvalidDocument if the file is invalid at the start."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problem = ""
        """Why the current file is not in force, or empty."""
        self._text = read_text(path)
        self._policy = parse_policy(self._text, str(path))

    def show(self, metrics: ReloadMetrics, now: datetime) -> None:
        """Report that the file was loaded."""
        metrics.policy_loaded(self._policy, now)

    def current(self) -> Policy:
        """The policy in force."""
        return self._policy

    def watch(self, metrics: ReloadMetrics, now: Callable[[], datetime], stop: threading.Event) -> None:
        """Apply changes of the file until asked to stop."""
        while not stop.wait(POLL_SECONDS):
            self.poll(metrics, now())

    def poll(self, metrics: ReloadMetrics, now: datetime) -> None:
        """Apply the file if it has changed and is valid."""
        try:
            text = read_text(self.path)
            if text == self._text and not self.problem:
                return
            policy = parse_policy(text, str(self.path))
        except InvalidDocument as error:
            if self.problem != str(error):
                log.error("failed to reload the configuration, keeping the previous one", extra={"error": str(error)})
            self.problem = str(error)
            metrics.policy_refused()
            return
        self._text, self._policy, self.problem = text, policy, ""
        self.show(metrics, now)
        log.info("configuration reloaded", extra={"file": str(self.path)})

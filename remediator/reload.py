"""remediations.yaml while it changes: the last good policy stays in force until a better one can be read.

Except for one: when gunicorn has to replace a worker that died while the file is bad, the new one has no more than what
the service was started with. The metrics, the status and the log of the new worker say so.
"""

import logging
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from remediator.document import InvalidDocument, read_text
from remediator.metrics import Metrics
from remediator.policy import Policy
from remediator.policy_file import parse_policy

log = logging.getLogger(__name__)

POLL_SECONDS = 1.0
"""A ConfigMap's change takes the kubelet up to a minute; a file on disk is seen within this."""


class PolicyFile:
    """The policy in a file. Raises InvalidDocument where the file cannot be used from the start."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problem = ""
        """Why the file as it stands is not in force, or empty."""
        self._text = read_text(path)
        self._policy = parse_policy(self._text, str(path))

    def show(self, metrics: Metrics, now: datetime) -> None:
        """Let the metrics show that the file was read."""
        metrics.preregister(self._policy)
        metrics.config_reload_successful.set(1)
        metrics.config_reload_success_time.set(now.timestamp())

    def current(self) -> Policy:
        """The last good policy."""
        return self._policy

    def watch(self, metrics: Metrics, now: Callable[[], datetime], stop: threading.Event) -> None:
        """Take over every change of the file until told to stop."""
        while not stop.wait(POLL_SECONDS):
            self.poll(metrics, now())

    def poll(self, metrics: Metrics, now: datetime) -> None:
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
            metrics.config_reload_successful.set(0)
            return
        self._text, self._policy, self.problem = text, policy, ""
        self.show(metrics, now)
        log.info("configuration reloaded", extra={"file": str(self.path)})

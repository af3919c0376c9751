"""A service whose page is looked at, and what happens to it meanwhile."""

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from remediator.config.watcher import PolicyFile
from remediator.sandbox import EmbeddedCluster
from tests.support.internal import Internal, Listening
from tests.support.kubectl import patch_deployment
from tests.support.service import Service, alert


class Watched:
    """A service on a cluster, which has looked at its targets once and received a heartbeat, and its page."""

    def __init__(
        self, embedded: EmbeddedCluster, service: Service, config: Path, now: Callable[[], datetime], **settings: Any
    ) -> None:
        self._embedded = embedded
        self._policy_file = PolicyFile(config)
        self._now = now
        self.service = service
        recorded = {"recorded": f"{now().timestamp() - 22.4:.3f}"}
        service.reasons({**alert("heartbeat"), "annotations": recorded})
        self.internal = Internal(service, now, self._policy_file, **settings)
        self.internal.observer.look()
        self.listener = Listening(self.internal)

    def __enter__(self) -> Self:
        self.listener.come_back()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.listener.go()

    @property
    def url(self) -> str:
        """Where the page is."""
        return self.listener.url

    def annotate(self, name: str = "denis", **annotations: Any) -> None:
        """Write annotations onto a Deployment (`pause`, `kill_switch`, `ledger`; None takes one away), and look."""
        values = {
            f"remediator.denis.run/{key.replace('_', '-')}": None if value is None else json.dumps(value)
            for key, value in annotations.items()
        }
        self.patch({"metadata": {"annotations": values}}, name)

    def patch(self, patch: dict[str, Any], name: str = "denis") -> None:
        """Change a Deployment as an operator does, and look."""
        patch_deployment(self._embedded, patch, name)
        self.internal.observer.look()

    def reload(self) -> None:
        """Read the file of remediations again."""
        self._policy_file.poll(self.service.metrics, self._now())

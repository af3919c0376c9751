"""A proxy in front of a real API server that delays every request."""

import threading
from types import TracebackType
from typing import Any

from tests.acceptance.crossing import Crossing
from tests.support.control_plane.api_server import ApiServer


class SlowApi(Crossing):
    """Holds every request for `delay` seconds before it is forwarded."""

    def __init__(self, server: ApiServer) -> None:
        super().__init__(server.address, server.trust())
        self.delay = 0.0
        self._closing = threading.Event()

    def pass_on(self, request: Any) -> None:
        """Called on a thread of the server."""
        self._closing.wait(self.delay)
        super().pass_on(request)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        super().__exit__(kind, error, trace)

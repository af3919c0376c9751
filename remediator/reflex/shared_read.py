"""One read at a time, shared by all callers that asked before it began: no alert is decided on an older read."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

SHORTEST_SECONDS = 0.05
"""The shortest timeout for a call at the last moment, because 0 can mean no timeout."""

T = TypeVar("T")


class SharedRead(Generic[T]):
    """Shares the calls of one function, which gets its timeout in seconds. Thread-safe."""

    def __init__(self, call: Callable[[float], T]) -> None:
        self._call = call
        self._turn = threading.Lock()
        self._last: Future[T] | None = None
        """The call that began last. It has ended whenever the lock is free."""

    def __call__(self, timeout: float) -> T:
        """The result, or the exception, of a call that begins now or later.

        Raises TimeoutError if its turn does not come within `timeout` seconds.
        """
        deadline, before = time.monotonic() + timeout, self._last
        if not self._turn.acquire(timeout=timeout):
            raise TimeoutError
        try:
            if self._last is None or self._last is before:
                self._last = self._begin(max(deadline - time.monotonic(), SHORTEST_SECONDS))
            return self._last.result(0)
        finally:
            self._turn.release()

    def _begin(self, seconds: float) -> Future[T]:
        call = self._last = Future()
        try:
            call.set_result(self._call(seconds))
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to all who share the call
            call.set_exception(error)
        return call

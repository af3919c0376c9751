"""Calls shared by those who ask at the same time: each caller gets the result of a call that began after it asked.

So a storm of notifications costs the API server at most two reads in flight per target, and yet nobody decides on
what was read before its own alert arrived. The word is Go's, from golang.org/x/sync/singleflight, which shares the
call already under way instead.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

MAX_IN_FLIGHT = 2
"""Two, so that one call that hangs does not hold up those who came after it."""

SHORTEST_SECONDS = 0.05
"""What a call is given that begins at the last moment: a timeout of 0 would mean none to some."""

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """Shares the calls of one function, which is told how many seconds it has."""

    def __init__(self, call: Callable[[float], T]) -> None:
        self._call = call
        self._lock = threading.Lock()
        self._places = threading.Semaphore(MAX_IN_FLIGHT)
        self._next: Future[T] | None = None

    def __call__(self, timeout: float) -> T:
        """The result, or the exception, of a call that begins from now on.

        Raises TimeoutError where none has ended within `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        while True:
            with self._lock:
                leads = self._next is None
                flight = self._next = self._next or Future()
            if leads:
                self._lead(flight, deadline)
            try:
                return flight.result(max(deadline - time.monotonic(), 0))
            except _NeverBegan:
                # The leader had less time than we have.
                if leads or time.monotonic() >= deadline:
                    raise TimeoutError from None

    def _lead(self, flight: Future[T], deadline: float) -> None:
        in_place = self._places.acquire(timeout=max(deadline - time.monotonic(), 0))
        with self._lock:
            self._next = None
        if not in_place:
            flight.set_exception(_NeverBegan())
            return
        try:
            flight.set_result(self._call(max(deadline - time.monotonic(), SHORTEST_SECONDS)))
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to those who wait for the result
            flight.set_exception(error)
        finally:
            self._places.release()


class _NeverBegan(Exception):
    """The call found no place in flight while its leader could wait."""

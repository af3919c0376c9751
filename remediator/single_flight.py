"""Calls shared by those who ask at the same time: each caller gets the result of a call that began after it asked.

So a storm of notifications costs the API server at most two reads in flight per target, and yet nobody decides on
what was read before its own alert arrived. The word is Go's, from golang.org/x/sync/singleflight, which shares the
call already under way instead.
"""

import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

MAX_IN_FLIGHT = 2
"""Two, so that one call that hangs does not hold up those who came after it."""

SECOND_AFTER_SECONDS = 0.1
"""A call that takes longer may be hanging; until then, those who come share the one that follows it."""

SPACING_SECONDS = 0.0006
"""From the beginning of a call to that of the next, for each of those who may be on their way to it: about what it
takes to read a notification, so that in a storm the others are there when the next call begins."""

MAX_SPACING_SECONDS = 0.05
"""However large the crowd is: hardly anything of the 8 s that a notification has."""

SHORTEST_SECONDS = 0.05
"""What a call is given that begins at the last moment: a timeout of 0 would mean none to some."""

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """Shares the calls of one function, which is told how many seconds it has.

    `crowd` says how many may be on their way here.
    """

    def __init__(self, call: Callable[[float], T], crowd: Callable[[], int] = lambda: 0) -> None:
        self._call = call
        self._crowd = crowd
        self._change = threading.Condition()
        self._next: Future[T] | None = None
        self._in_flight = 0
        self._began = -SECOND_AFTER_SECONDS

    def __call__(self, timeout: float) -> T:
        """The result, or the exception, of a call that begins from now on.

        Raises TimeoutError where none has ended within `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        while True:
            with self._change:
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
        if not self._begin(deadline):
            flight.set_exception(_NeverBegan())
            return
        try:
            flight.set_result(self._call(max(deadline - time.monotonic(), SHORTEST_SECONDS)))
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to those who wait for the result
            flight.set_exception(error)
        finally:
            with self._change:
                self._in_flight -= 1
                self._change.notify()

    def _begin(self, deadline: float) -> bool:
        """Wait for the turn of the next call, and close it to those who ask from now on; whether its turn came."""
        with self._change:
            while (wait := self._turn() - (now := time.monotonic())) > 0 and now < deadline:
                self._change.wait(min(wait, deadline - now))
            self._next = None
            if wait > 0:
                return False
            self._in_flight += 1
            self._began = time.monotonic()
            return True

    def _turn(self) -> float:
        """The time of time.monotonic() from which the next call may begin, as it is now."""
        if self._in_flight == MAX_IN_FLIGHT:
            return math.inf
        if self._in_flight:
            return self._began + SECOND_AFTER_SECONDS
        return self._began + min(self._crowd() * SPACING_SECONDS, MAX_SPACING_SECONDS)


class _NeverBegan(Exception):
    """The call had no turn while its leader could wait."""

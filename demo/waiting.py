"""Waiting for a condition, with a deadline and the name of what did not come."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

POLL_SECONDS = 0.05


def until(what: str, condition: Callable[[], T | None], seconds: float, *, every: float = POLL_SECONDS) -> T:
    """The first value of the condition that is true. An OSError counts as not yet: what is asked may be starting.

    Raises TimeoutError, which names what was waited for.
    """
    deadline = time.monotonic() + seconds
    while True:
        problem = ""
        try:
            if found := condition():
                return found
        except OSError as error:
            problem = f" ({error})"
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:g} s in vain: {what}{problem}")
        time.sleep(every)

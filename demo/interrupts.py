"""Ctrl-C and its relatives become KeyboardInterrupt, but never in the middle of starting what must be stopped."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """Takes over the signals that end a program."""

    def __init__(self) -> None:
        self._held = False
        self._pending = False
        for number in _NUMBERS:
            signal.signal(number, self._arrive)

    @contextmanager
    def held(self) -> Iterator[None]:
        """An interrupt in here comes at the end."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
        if self._pending:
            raise KeyboardInterrupt

    @staticmethod
    def ignore() -> None:
        """From now on none arrives: a second Ctrl-C must not leave anything running."""
        for number in _NUMBERS:
            signal.signal(number, signal.SIG_IGN)

    def _arrive(self, number: int, frame: FrameType | None) -> None:
        self._pending = True
        if not self._held:
            raise KeyboardInterrupt

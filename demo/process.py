"""A program as a child process: its output goes to files, and it is gone when it is stopped."""

import os
import re
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from demo.waiting import until

START_SECONDS = 60.0
STOP_SECONDS = 10.0


class Ended(Exception):
    """A program that should be running is not; the text has its last words."""


class Process:
    """A running program. Stopping it is harmless if it has ended by itself."""

    def __init__(self, name: str, command: Sequence[str | Path], directory: Path) -> None:
        self.name = name
        directory.mkdir(parents=True, exist_ok=True)
        self.output, self.log = directory / f"{name}.out", directory / f"{name}.log"
        with self.output.open("ab") as output, self.log.open("ab") as log:
            self._before = log.tell()
            # A session of its own: Ctrl-C is for the parent, which stops its children in order.
            self._child = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=log,
                cwd=directory,
                env=_environment(),
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._child.pid

    def says(self, pattern: str) -> re.Match[str]:
        """Wait for what the log says of this run. Raises Ended, TimeoutError."""

        def look() -> re.Match[str] | None:
            if self._child.poll() is not None:
                raise Ended(f"{self.name} ended with exit code {self._child.returncode}:\n{self.last_words()}")
            return re.search(pattern, self.log.read_bytes()[self._before :].decode(errors="replace"))

        return until(f"{self.name} says {pattern}", look, START_SECONDS)

    def last_words(self, lines: int = 8) -> str:
        """The end of the log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def ask_to_stop(self) -> None:
        """Send SIGTERM and do not wait."""
        self.signal(signal.SIGTERM)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if it runs."""
        if self._child.poll() is None:
            self._child.send_signal(number)

    def stop(self) -> int:
        """Stop it and return its exit code; with force if it takes too long."""
        self.ask_to_stop()
        try:
            return self._child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self._child.pid, signal.SIGKILL)
            return self._child.wait()


def _environment() -> Mapping[str, str]:
    """Ours, without what would lead a program away from loopback or to another cluster."""
    foreign = re.compile(r"(?i)(https?|all)_proxy|KUBECONFIG|KUBERNETES_.*")
    return {name: value for name, value in os.environ.items() if not foreign.fullmatch(name)}

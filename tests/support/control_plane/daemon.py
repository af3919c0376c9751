"""A program of the control plane: started, awaited, and gone at once when it is killed."""

import os
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path

from demo.process import Process


class Daemon(Process):
    """A running program that does not outlive the tests, however they end."""

    def __init__(self, name: str, command: Sequence[str | Path], directory: Path) -> None:
        tether = [found, "--pdeathsig", "KILL", "--"] if (found := shutil.which("setpriv")) else []
        super().__init__(name, [*tether, *command], directory)

    @property
    def pid(self) -> int:
        """The id of the process, which is also that of its group."""
        return self._child.pid

    @property
    def runs(self) -> bool:
        """Whether it has not ended."""
        return self._child.poll() is None

    def kill(self) -> None:
        """End it and its children with SIGKILL: nothing of a test's cluster is worth the seconds of a farewell."""
        if self.runs:
            os.killpg(self.pid, signal.SIGKILL)
        self._child.wait()

    def stop(self) -> int:
        """What leaving its `with` does."""
        self.kill()
        return self._child.returncode

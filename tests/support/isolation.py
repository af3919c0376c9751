"""What a kubelet does before it starts a container, for a Pod of the restricted profile with a read-only root.

There is no runtime: a container is a process with a root, mounts and a process 1 of its own, as a user who may do next
to nothing. Its network is this machine's. What it mounts is mounted in a namespace that ends with it.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from demo.process import Process

# Arguments: root, kind of file system at /tmp or none, user, group, working directory, what is mounted read-only as
# pairs of a folder or file and its place below the root, --, NAME=value..., command.
KUBELET = """
set -eu
root=$1 scratch=$2 user=$3 group=$4 directory=$5
shift 5
mount --bind "$root" "$root"
mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
[ "$scratch" = none ] || mount -t "$scratch" -o nosuid,nodev,size=64m "$scratch" "$root/tmp"
mount -t tmpfs -o nosuid,mode=755 tmpfs "$root/dev"
for device in null zero full random urandom; do
  touch "$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/shm"
mount -t tmpfs -o nosuid,nodev,size=64m tmpfs "$root/dev/shm"
while [ "$1" != -- ]; do
  mount --bind "$1" "$root$2"
  mount -o remount,bind,ro "$root$2"
  shift 2
done
shift
mount -o remount,bind,ro "$root"
exec chroot "$root" setpriv --reuid="$user" --regid="$group" --clear-groups --bounding-set=-all --inh-caps=-all \\
  --no-new-privs --pdeathsig=KILL env -i --chdir="$directory" "$@"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Isolation:
    """Where a container runs, and as whom."""

    root: Path
    mounts: Sequence[tuple[Path, str]] = ()
    """What is mounted read-only, and where; the places are there already."""
    user: int | str
    group: int | str
    directory: str = "/"
    environment: Mapping[str, str] = field(default_factory=dict)
    scratch: bool = False
    """Whether /tmp can be written."""

    def command(self, command: Sequence[str | Path]) -> list[str | Path]:
        """How a command is started there."""
        # Whoever ends the tests ends the container. The signal of --kill-child is lost where the user changes.
        namespaces = ["setpriv", "--pdeathsig=KILL", "--", "unshare", "--mount", "--pid", "--fork", "--kill-child"]
        place = [self.root, "tmpfs" if self.scratch else "none", str(self.user), str(self.group), self.directory]
        mounts = [part for pair in self.mounts for part in pair]
        environment = [f"{name}={value}" for name, value in self.environment.items()]
        return [*namespaces, "sh", "-c", KUBELET, "kubelet", *place, *mounts, "--", *environment, *command]


class Isolated(Process):
    """A running container. Stopping it sends SIGTERM to its process 1, as a kubelet does."""

    @property
    def pid(self) -> int:
        """The container's process 1, by the number that it has outside."""
        return int(Path(f"/proc/{self._child.pid}/task/{self._child.pid}/children").read_text())

    def ask_to_stop(self) -> None:
        """Send SIGTERM and do not wait."""
        if self._child.poll() is None:
            os.kill(self.pid, 15)

    def status(self) -> dict[str, str]:
        """What the kernel says of process 1."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def need_isolation(what: str) -> None:
    """Skip the test on a machine that cannot isolate. Raises pytest's Skipped (or Failed in CI)."""
    if sys.platform == "linux" and not os.geteuid():
        return
    reason = f"{what} needs Linux, and root: for namespaces"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)

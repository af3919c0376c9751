"""The one container of a Pod as a process: started from the Pod's specification, probed, and stopped as a kubelet does.

It stands in for an image that holds this tree: the root has the machine's programs, Python and the tree, and no more.
"""

import contextlib
import functools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from demo.loopback import get_text
from tests.acceptance.stack import free_address
from tests.support.control_plane.volumes import Volumes
from tests.support.isolation import Isolated, Isolation

TREE = Path(__file__).parents[3]
RESTRICTED: Mapping[str, Any] = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
}
"""The only security context that is known here: it is what isolation.py enforces."""

PROGRAMS = Path(sys.executable).parent
# What the Dockerfile sets.
ENVIRONMENT = {"PATH": f"{PROGRAMS}:/usr/bin:/bin", "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}
ENTRYPOINT = PROGRAMS / "remediator"
LISTENING = {"webhook": "--web.listen-address", "internal": "--web.internal-listen-address"}
"""Pods of one machine share its network, so each is told to listen on an address of its own, at ports that nobody else
listens on: the only arguments that differ."""


@functools.cache
def local_port(port: int) -> int:
    """What stands on this machine for a port of the Pods."""
    return int(free_address().rpartition(":")[2])


class Container(Isolated):
    """A running container; `address` stands for the Pod's IP."""

    def __init__(self, pod: Mapping[str, Any], volumes: Volumes, directory: Path, *, address: str, api: str) -> None:
        (self._spec,) = pod["spec"]["containers"]
        self.address = address
        context = pod["spec"]["securityContext"]
        assert self._spec["securityContext"] == RESTRICTED, self._spec["securityContext"]
        assert context["fsGroup"] == context["runAsGroup"], context
        assert "command" not in self._spec, "the image's entrypoint is what is started"
        volumes.bring()
        mounts = [(volumes.folder(mount["name"]), mount["mountPath"]) for mount in self._spec["volumeMounts"]]
        host, _, port = api.removeprefix("https://").rpartition(":")
        own = {one["name"]: one["value"] for one in self._spec.get("env", [])}
        service = {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}
        root = directory / "root"
        place = Isolation(
            root=root,
            mounts=[*_image(root), *_made(root, mounts)],
            user=context["runAsUser"],
            group=context["runAsGroup"],
            environment={**ENVIRONMENT, **service, **own},
        )
        listening = [f"{flag}={self.endpoint(name)}" for name, flag in LISTENING.items()]
        command = [ENTRYPOINT, *self._spec["args"], *listening]
        super().__init__(pod["metadata"]["name"], place.command(command), directory)

    def endpoint(self, name: str) -> str:
        """Where a port is reached, by its name."""
        port = next(int(port["containerPort"]) for port in self._spec["ports"] if port["name"] == name)
        return f"{self.address}:{local_port(port)}"

    def is_ready(self) -> bool:
        """What the readiness probe finds."""
        probe = self._spec["readinessProbe"]["httpGet"]
        try:
            get_text(f"http://{self.endpoint(probe['port'])}{probe['path']}")
        except OSError:
            return False
        return True

    def audit(self) -> list[dict[str, Any]]:
        """The whole lines that it has written to standard output so far."""
        lines = self.output.read_text().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def end(self, grace: int) -> int:
        """The hook, then SIGTERM, then SIGKILL at the end of the Pod's grace; the exit code."""
        hook: Sequence[str] = self._spec["lifecycle"]["preStop"]["exec"]["command"]
        inside = ["nsenter", f"--target={self.pid}", "--mount", "--pid", "--root"]
        subprocess.run([*inside, *hook], check=True, timeout=grace)
        self.ask_to_stop()
        try:
            return self._child.wait(grace)
        except subprocess.TimeoutExpired:
            self.kill()
            return self._child.wait()

    def kill(self) -> None:
        """End it with SIGKILL."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._child.pid, signal.SIGKILL)
        self._child.wait()

    @property
    def exit_code(self) -> int | None:
        """Its exit code, once it has ended."""
        return self._child.poll()


def _image(root: Path) -> list[tuple[Path, str]]:
    """Make the root, and say what is mounted there instead of being copied."""
    for name in ("proc", "dev", "tmp"):
        (root / name).mkdir(parents=True)
    folders = [Path("/usr"), TREE, Path(sys.prefix).resolve(), Path(sys.base_prefix).resolve()]
    for path in map(Path, ("/bin", "/lib", "/lib64")):
        if path.is_symlink():
            (root / path.name).symlink_to(path.readlink())
        elif path.exists():
            folders.append(path)
    whole = [one for one in folders if not any(other in one.parents for other in folders)]
    return _made(root, [(folder, str(folder)) for folder in dict.fromkeys(whole)])


def _made(root: Path, mounts: Sequence[tuple[Path, str]]) -> list[tuple[Path, str]]:
    """Make the places of mounts below a root."""
    for _, place in mounts:
        # Kubernetes writes /var/run, which is a link to /run in most images.
        (root / place.lstrip("/")).mkdir(parents=True, exist_ok=True)
    return list(mounts)

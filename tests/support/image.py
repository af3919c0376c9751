"""The container image: built by buildah on a stand-in for its base, and run as a kubelet runs it.

One rule: nothing outlives a test session but two caches, the base and pip's. Images and containers are layers that are
mounted over each other where the system can do that, and else plain folders, which takes three times as long; what a
container mounts is mounted in a namespace that ends with it.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from remediator import __version__
from tests.support.components import CACHE, component
from tests.support.isolation import Isolated, Isolation, need_isolation

TREE = Path(__file__).parents[2]
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
BUILD_SECONDS = 600

SUITES = {"3.13": "trixie", "3.14": "sid"}
"""Debian's suite for each version of Python; the first is what the Dockerfile asks for."""

MOUNTED = "/mnt"
"""Where a container finds the folder that it is given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A built image: its configuration as the OCI specifies it, and its files."""

    config: Mapping[str, Any]
    root: Path

    def command(self, directory: Path, *arguments: str | Path, scratch: bool = False) -> list[str | Path]:
        """How a container of it is started; no arguments are the image's own. With scratch, /tmp can be written."""
        return self._isolated(directory, scratch, [*self.config["Entrypoint"], *(arguments or self.config["Cmd"])])

    def python(self, directory: Path, code: str, *, scratch: bool = False) -> subprocess.CompletedProcess[str]:
        """Run a few lines of Python in a container."""
        command = self._isolated(directory, scratch, ["python", "-c", code])
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    def _isolated(self, directory: Path, scratch: bool, command: Sequence[str | Path]) -> list[str | Path]:
        user, group = self.config["User"].split(":")
        place = Isolation(
            root=self.root,
            mounts=[(directory, MOUNTED)],
            user=user,
            group=group,
            directory=self.config["WorkingDir"],
            environment=dict(setting.split("=", 1) for setting in self.config["Env"]),
            scratch=scratch,
        )
        return place.command(command)


class Container(Isolated):
    """A running container of an image."""

    def __init__(self, image: Image, directory: Path, mounted: Path, *arguments: str, scratch: bool = False) -> None:
        super().__init__("container", image.command(mounted, *arguments, scratch=scratch), directory)


@contextmanager
def built_image(directory: Path, python: str = "3.13") -> Iterator[Image]:
    """Build the image as a user would, but on the stand-in with this Python; everything is removed afterwards.

    Raises pytest's Skipped (or Failed in CI) on a machine that cannot.
    """
    need_isolation("building and running the image")
    buildah = _Buildah(directory)
    try:
        built = buildah.build(_base(directory, python))
        info = json.loads(buildah.run("inspect", "--type=image", built))
        container = buildah.run("from", "--quiet", built)
        config = {**info["OCIv1"]["config"], "Healthcheck": info["Docker"]["config"].get("Healthcheck")}
        yield Image(config=config, root=Path(buildah.run("mount", container)))
    finally:
        buildah.remove()


class _Buildah:
    """buildah with a storage of its own."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        places = [f"--root={directory}/storage", f"--runroot={directory}/run"]
        program = str(component("buildah", "buildah"))
        self._command = [program, "--storage-driver=overlay", *places]
        # A file system may be none that layers can be on, above all where this itself runs in a container.
        if subprocess.run([*self._command, "info"], capture_output=True, timeout=BUILD_SECONDS, check=False).returncode:
            shutil.rmtree(directory / "storage", ignore_errors=True)
            self._command = [program, "--storage-driver=vfs", *places]

    def run(self, *arguments: str) -> str:
        """What it prints."""
        return _output([*self._command, *arguments], TMPDIR=str(self._directory))

    def build(self, base: Path) -> str:
        """Build the Dockerfile; the image's id."""
        cache = CACHE / "image" / "pip"
        cache.mkdir(parents=True, exist_ok=True)
        settings = self._directory / "pip.conf"
        settings.write_text(_pip_settings())
        volumes = [f"{cache}:/root/.cache/pip", f"{settings}:/etc/pip.conf:ro"]
        if AUTHORITIES.exists():
            volumes.append(f"{AUTHORITIES}:{AUTHORITIES}:ro")
        said = self.run(
            *("bud", "--isolation=chroot", "--quiet", *(f"--volume={volume}" for volume in volumes)),
            *(f"--build-arg=BASE_IMAGE=oci-archive:{base}", f"--build-arg=VERSION={__version__}", "."),
        )
        return said.splitlines()[-1]

    def remove(self) -> None:
        """Remove every container and image, once nothing of them is mounted any more."""
        mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
        for place in sorted((one for one in mounts if Path(one).is_relative_to(self._directory)), reverse=True):
            subprocess.run(["umount", "--lazy", place], capture_output=True, timeout=60, check=False)
        shutil.rmtree(self._directory, ignore_errors=True)


def _output(command: Sequence[str | Path], **environment: str) -> str:
    ended = subprocess.run(
        command,
        cwd=TREE,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=BUILD_SECONDS,
    )
    assert ended.returncode == 0, ended.stdout[-2000:] + ended.stderr[-2000:]
    return ended.stdout.strip()


def _pip_settings() -> str:
    """Where this machine's pip gets packages from, for the pip in the builder."""
    listed = _output([sys.executable, "-m", "pip", "config", "list"])
    keys = "index-url|extra-index-url|trusted-host|proxy"
    own = re.findall(rf"^(?:global|install|:env:)\.({keys})='(.*)'$", listed, re.MULTILINE)
    settings = {"cert": str(AUTHORITIES)} if AUTHORITIES.exists() else {}
    return "\n".join(["[global]", *(f"{key} = {value}" for key, value in {**settings, **dict(own)}.items()), ""])


def _debootstrap(python: str) -> list[str]:
    """How the stand-in is made: as the real base, with a pip, and without bytecode of the standard library."""
    return [
        "--variant=minbase",
        # A mirror may be a snapshot, which is as good for this.
        '--aptopt=Acquire::Check-Valid-Until "false"',
        "--include=python3,python3-venv,ca-certificates",
        '--customize-hook=find "$1"/usr/lib/python3* -name __pycache__ -prune -exec rm -r {} +',
        f'--customize-hook=mkdir -p "$1"/usr/lib/python{python}/site-packages/pip "$1"/usr/local/bin',
        f'--customize-hook=touch "$1"/usr/lib/python{python}/site-packages/pip/__init__.py "$1"/usr/local/bin/pip3',
        SUITES[python],
    ]


def _base(directory: Path, python: str) -> Path:
    """The stand-in for the base image, as an archive that a Dockerfile can start from; made once."""
    mmdebstrap = component("mmdebstrap", "mmdebstrap")
    made_by = _debootstrap(python)
    key = hashlib.sha256(repr(made_by).encode()).hexdigest()[:16]
    archive = CACHE / "image" / f"base-{key}.tar"
    if not archive.exists():
        archive.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=directory) as place:
            files = Path(place) / "rootfs.tar"
            _output([mmdebstrap, "--quiet", *made_by, files])
            buildah = _Buildah(Path(place))
            try:
                container = buildah.run("from", "scratch")
                buildah.run("add", "--quiet", container, str(files), "/")
                image = buildah.run("commit", "--quiet", "--rm", container).splitlines()[-1]
                # Written beside, then renamed: whoever else builds at the same time sees it whole or not at all.
                fresh = archive.with_suffix(f".{os.getpid()}")
                buildah.run("push", "--quiet", image, f"oci-archive:{fresh}")
                fresh.replace(archive)
            finally:
                buildah.remove()
    return archive

"""Prometheus and Alertmanager on this machine, if they are here: on PATH, or where `make components` puts them."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

# The name of Alertmanager's own release, and that of Debian.
PROMETHEUS = ("prometheus",)
ALERTMANAGER = ("alertmanager", "prometheus-alertmanager")


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A program and what it calls its version."""

    path: Path
    version: str


def find(names: tuple[str, ...]) -> Program | None:
    """The first that is found and runs."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "remediator" / "components"
    components = Path(os.environ.get("REMEDIATOR_COMPONENTS", cache))
    installed = [Path(found) for name in names if (found := shutil.which(name))]
    fetched = [found for name in names for found in components.glob(f"*-newest/usr/bin/{name}")]
    for path in [*installed, *fetched]:
        if version := _version(path):
            return Program(path=path, version=version)
    return None


def _version(path: Path) -> str:
    try:
        asked = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    said = re.search(r"version (\d+\.\d+\.\d+)", asked.stdout + asked.stderr)
    return said[1] if said else ""

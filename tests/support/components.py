"""The real programs that tests drive: where they are found, and what happens where they are not.

A program is looked for in the cache that `make components` fills, then on PATH. Where it is missing, a test
that needs it skips and says so; with CI=true that is a failure, so that nothing can be skipped unseen.
"""

import hashlib
import os
import shutil
from pathlib import Path

import pytest

CACHE = Path(
    os.environ.get(
        "REMEDIATOR_COMPONENTS",
        Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "remediator" / "components",
    )
)


def component(name: str, program: str, *, on_path: bool = True, made_by: str = "components") -> Path:
    """The program's path; `name` is the cache's folder for it, as in .ci/components, and `made_by` the target that
    fills it.

    Raises pytest's Skipped (or Failed in CI) where the program is missing.
    """
    # A Debian package, or a virtual environment.
    for cached in (CACHE / name / "usr" / "bin" / program, CACHE / name / "bin" / program):
        if os.access(cached, os.X_OK):
            return cached
    if on_path and (found := shutil.which(program)):
        return Path(found)
    raise lack(f"{name} is not here: `make {made_by}` fetches it")


def node_modules(folder: Path, *, made_by: str) -> Path:
    """Where .ci/node-modules has installed what the folder's package-lock.json names.

    Raises pytest's Skipped (or Failed in CI) where it has not, or where there is no Node.js.
    """
    lock = (folder / "package-lock.json").read_bytes()
    place = CACHE / f"node-{hashlib.sha256(lock).hexdigest()[:16]}"
    if (place / "installed").exists() and shutil.which("node"):
        return place / "node_modules"
    raise lack(
        f"what {folder.name}/package-lock.json names is not here: `make {made_by}` fetches it, with Node.js and npm"
    )


def go_program(folder: Path, program: str, *, made_by: str) -> Path:
    """The program that .ci/linters has built of what the folder's go.mod names.

    Raises pytest's Skipped (or Failed in CI) where it has not.
    """
    module = (folder / "go.mod").read_bytes()
    name = f"{folder.name}-{hashlib.sha256(module).hexdigest()[:16]}"
    return component(name, program, on_path=False, made_by=made_by)


def lack(missing: str) -> BaseException:
    """What pytest takes for a skipped test, or in CI for a failed one."""
    return pytest.fail.Exception(missing) if os.environ.get("CI") == "true" else pytest.skip.Exception(missing)

"""Where the programs of a control plane are: in KUBEBUILDER_ASSETS, in the cache of `make control-plane`, on PATH."""

import hashlib
import os
import shutil
from pathlib import Path

import pytest

from tests.support.components import CACHE

MODULES = Path(__file__).parent / "modules"


def _built() -> Path:
    """The folder that `make control-plane` fills; its name is the content of what was built."""
    content = b"".join(path.read_bytes() for path in sorted(MODULES.glob("*/go.mod")))
    return CACHE / f"control-plane-{hashlib.sha256(content).hexdigest()[:16]}"


def find_program(name: str) -> Path:
    """The path of a program, or of kwok's stages.

    Raises pytest's Skipped (or Failed in CI) where it is missing.
    """
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    for folder in [*([Path(assets)] if assets else []), _built()]:
        if (folder / name).is_file():
            return folder / name
    # Any Helm may be on PATH; the chart is tested with the one that was built.
    if name != "helm" and (found := shutil.which(name)):
        return Path(found)
    missing = f"{name} is not here: `make control-plane` builds it"
    if os.environ.get("CI") == "true":
        pytest.fail(missing)
    pytest.skip(missing)

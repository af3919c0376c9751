"""The krew manifest: accepted by krew itself, which installs what the release puts beside it."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from release.archives import krew_archive
from remediator import __version__
from tests.support.components import component, go_program
from tests.support.service import SHIPPED

MANIFEST = SHIPPED.parents[1] / "krew" / "remediator.yaml"
MODULE = Path(__file__).parent / "krew"
PROGRAMS = Path(sys.executable).parent


def test_krews_index_would_take_the_manifest() -> None:
    """The tool that krew's index checks manifests with finds nothing wrong."""
    tool = go_program(MODULE, "validate-krew-manifest", made_by="linters")
    ended = subprocess.run([tool, f"-manifest={MANIFEST}", "-skip-install"], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr


def test_the_manifest_is_of_this_version_and_of_the_archive() -> None:
    """Version, addresses and hash are those of the release that is built from this tree."""
    spec = yaml.safe_load(MANIFEST.read_text())["spec"]
    (platform,) = spec["platforms"]
    assert spec["version"] == f"v{__version__}"
    assert f"/v{__version__}/" in platform["uri"]
    assert f"/v{__version__}/remediator-{__version__}-py3-none-any.whl" in spec["caveats"]
    assert platform["sha256"] == hashlib.sha256(krew_archive()).hexdigest()


@pytest.mark.parametrize(
    ("path", "code", "said"),
    [
        (f"{PROGRAMS}:", 0, f"remediator, version {__version__}\n"),
        ("", 127, "kubectl remediator: remediator is not on PATH"),
    ],
    ids=["with the program", "without it"],
)
def test_what_krew_installs_is_run_by_kubectl(tmp_path: Path, path: str, code: int, said: str) -> None:
    """`kubectl remediator` hands over to the program, and says what is missing where there is none."""
    krew = go_program(MODULE, "krew", made_by="linters")
    archive = tmp_path / "kubectl-remediator.zip"
    archive.write_bytes(krew_archive())
    environment = {**os.environ, "KREW_ROOT": str(tmp_path / "krew"), "KREW_NO_UPGRADE_CHECK": "1"}
    install: list[str | Path] = [krew, "install", f"--manifest={MANIFEST}", f"--archive={archive}"]
    subprocess.run(install, env=environment, check=True, capture_output=True, timeout=60)

    ended = subprocess.run(
        [component("kubectl", "kubectl"), "remediator", "--version"],
        env={"PATH": f"{tmp_path}/krew/bin:{path}/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (ended.returncode, said in ended.stdout + ended.stderr) == (code, True)

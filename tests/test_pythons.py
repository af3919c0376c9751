"""Every Python that pyproject.toml names runs the locked dependencies: it starts, decides, writes and ends."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from demo.loopback import get_text, send_json
from demo.process import Process
from demo.waiting import until
from tests.support.components import lack
from tests.support.image import SUITES, TREE, Container, built_image
from tests.support.service import alert, body

SERVE = (
    *("serve", "--embedded", "--insecure-no-auth"),
    *("--web.listen-address=127.0.0.1:0", "--web.internal-listen-address=127.0.0.1:0"),
)

pytestmark = pytest.mark.timeout(900)


def _interpreter(version: str) -> Path:
    """A Python of this version: on PATH, or as pyenv has it. Raises Skipped, or Failed in CI."""
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    found = shutil.which(f"python{version}")
    candidates = [Path(found)] if found else []
    candidates += sorted(root.glob(f"versions/{version}.*/bin/python"))
    for candidate in candidates:
        # A shim of pyenv is there for versions, too, that are not switched on.
        code = "import ensurepip, sys; print('%d.%d' % sys.version_info[:2])"
        asked = subprocess.run([candidate, "-c", code], capture_output=True, text=True, timeout=60)
        if asked.stdout.strip() == version:
            return candidate
    raise lack(f"there is no Python {version}")


def _rolls_back(service: Process) -> None:
    started = service.says(r"webhook=([\d.:]+) internal=([\d.:]+)")
    until("ready", lambda: get_text(f"http://{started[2]}/-/ready") is not None, 60)
    answer = send_json(f"http://{started[1]}/webhook", json.loads(body(alert())))
    assert answer["outcomes"][0]["reason"] == "Applied"
    until("the page shows it", lambda: "Safe at 0 %" in (get_text(f"http://{started[2]}/") or ""), 60)


@pytest.mark.parametrize("version", ["3.11", "3.12"])
def test_it_works_on_an_installed_python(version: str, tmp_path: Path) -> None:
    """The oldest Python, and the one that no image of ours has, take the lock file as it is and roll a canary back."""
    venv = tmp_path / "venv"
    subprocess.run([_interpreter(version), "-m", "venv", "--without-pip", venv], check=True, timeout=120)
    pip: list[str | Path] = [sys.executable, "-m", "pip", f"--python={venv}/bin/python"]
    pip += ["install", "--quiet", "--no-compile", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*pip, "--require-hashes", "--requirement", TREE / "requirements.txt"], check=True, timeout=600)
    build = [sys.executable, "-c", "import sys; from hatchling.build import build_wheel; build_wheel(sys.argv[1])"]
    subprocess.run([*build, tmp_path], cwd=TREE, check=True, timeout=120)
    subprocess.run([*pip, *tmp_path.glob("*.whl")], check=True, timeout=120)
    with Process("remediator", [venv / "bin" / "remediator", *SERVE], tmp_path / "run") as service:
        _rolls_back(service)
    assert "Traceback" not in service.log.read_text()


def test_it_works_on_the_newest_python(tmp_path: Path) -> None:
    """The image on a base with the newest Python that is named runs as it does on its own."""
    newest = max(SUITES)
    mounted, storage = tmp_path / "mounted", tmp_path / "image"
    mounted.mkdir()
    storage.mkdir()
    with (
        built_image(storage, newest) as image,
        Container(image, tmp_path, mounted, *SERVE, scratch=True) as container,
    ):
        _rolls_back(container)
        assert container.stop() == 0
        assert "Traceback" not in container.log.read_text()


def test_the_pythons_that_are_named_are_those_that_are_tried() -> None:
    """The classifiers name the versions of this file and of the image, and no other."""
    named = re.findall(r"Python :: (3\.\d+)", (TREE / "pyproject.toml").read_text())
    assert named == ["3.11", "3.12", *SUITES]

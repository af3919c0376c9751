"""The dashboard against Grafana's own types, by the TypeScript compiler."""

import copy
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.dashboard.dashboard import Json, dashboard
from tests.support.components import node_modules

HERE = Path(__file__).parent
OPTIONS = [
    "--noEmit",
    "--strict",
    "--skipLibCheck",
    "--module",
    "esnext",
    "--moduleResolution",
    "bundler",
    "--types",
    "",
]
FAULTS: dict[str, Callable[[Json], Any]] = {
    "an unknown key": lambda board: board.update(graphToolTip=1),
    "a key of another type": lambda board: board.update(schemaVersion="39"),
    "a missing key": lambda board: board.pop("schemaVersion"),
    "an unknown kind of panel": lambda board: board["panels"][1].update(type="graph"),
    "an unknown key of a panel": lambda board: board["panels"][1].update(tooltip="x"),
    "an unknown option of a panel": lambda board: board["panels"][1]["options"].update(colourMode="value"),
    "an unknown value of an option": lambda board: board["panels"][1]["options"].update(colorMode="green"),
    "a threshold without a colour": lambda board: _defaults(board)["thresholds"]["steps"][0].pop("color"),
    "an unknown style of a threshold": lambda board: _defaults(board)["custom"]["thresholdsStyle"].update(mode="lines"),
    "an unknown mapping": lambda board: board["panels"][1]["fieldConfig"]["defaults"]["mappings"][0].update(type="v"),
    "an unknown key of an annotation": lambda board: board["annotations"]["list"][0].update(valueForTime=True),
}


def _defaults(board: Json) -> Json:
    (found,) = (panel for panel in board["panels"] if panel["title"] == "Success rate")
    defaults: Json = found["fieldConfig"]["defaults"]
    return defaults


@pytest.fixture
def complaints(tmp_path: Path) -> Callable[[Json], str]:
    """What the compiler says of a dashboard."""
    modules = node_modules(HERE, made_by="chart-tools")
    (tmp_path / "node_modules").symlink_to(modules)
    shutil.copy(HERE / "shape.ts", tmp_path)

    def ask(board: Json) -> str:
        text = json.dumps(board)
        source = f"import type {{ Checked }} from './shape';\nexport const dashboard: Checked = {text};\n"
        (tmp_path / "dashboard.ts").write_text(source)
        command = [str(modules / ".bin" / "tsc"), *OPTIONS, "dashboard.ts"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
        assert done.stdout or not done.returncode, done.stderr
        return done.stdout

    return ask


def test_it_has_grafanas_types(complaints: Callable[[Json], str]) -> None:
    """Every key and value is one that Grafana knows, down to the options of each panel."""
    assert complaints(dashboard()) == ""


@pytest.mark.parametrize("spoil", FAULTS.values(), ids=FAULTS)
def test_a_fault_is_found(complaints: Callable[[Json], str], spoil: Callable[[Json], Any]) -> None:
    """The compiler does look: each of these is an error in our file."""
    board = copy.deepcopy(dashboard())
    spoil(board)
    assert "dashboard.ts" in complaints(board)

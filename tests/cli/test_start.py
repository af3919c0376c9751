"""What a command imports before it works: in an emergency, no library that the write does not need."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from remediator.core.ledger import LEDGER, PAUSE
from remediator.sandbox import EmbeddedCluster
from tests.support.commands import run
from tests.support.kubectl import patch_deployment

CALL = """
import atexit, json, sys
# Of the file nothing is said after the write, so what is loaded in the end was loaded before it.
atexit.register(lambda: print(json.dumps(list(sys.modules)), file=sys.stderr))
from remediator.cli import main
main(sys.argv[1:], prog_name="remediator")
"""

COLLECTIONS = """
import gc, json
from remediator.cli import COMMANDS
before = [generation["collections"] for generation in gc.get_stats()]
COMMANDS["serve"].load()
print(json.dumps([before, [generation["collections"] for generation in gc.get_stats()], gc.isenabled()]))
"""

EMERGENCIES = {
    "rollback": ("canary", "rollback", "--no-wait", "--namespace=denis", "--deployment=denis", "--container=denis"),
    "kill-switch": ("kill-switch", "on", "--namespace=denis", "--deployment=denis-workers"),
}
PACKAGES = {"click", "remediator", "urllib3", "yaml", "socks"}
"""All that an emergency command may import, beside Python's own library."""
READS_RECORDS = "pydantic_core"
"""What it imports too where the target has a record to be read."""
ROOMS = {"canary", "cli", "config", "core", "kube"}


def loaded(*arguments: str | Path) -> set[str]:
    """The modules of a `remediator` with these arguments, when it ends with 0."""
    command = [sys.executable, "-I", "-c", CALL, *map(str, arguments)]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(json.loads(ended.stderr.splitlines()[-1]))


def packages(modules: set[str]) -> set[str]:
    """The packages of these modules that are not of Python's own library."""
    own = sys.stdlib_module_names | {"__main__"}
    return {name.partition(".")[0] for name in modules if "." in name} - own


@pytest.mark.parametrize("arguments", EMERGENCIES.values(), ids=EMERGENCIES)
def test_an_emergency_command_imports_what_its_write_needs(
    arguments: Sequence[str], kubeconfig: Path, config: Path
) -> None:
    """From Enter to the write, neither pydantic nor anything of the service is loaded."""
    modules = loaded(*arguments, f"--kubeconfig={kubeconfig}", f"--config.file={config}")
    # The answer to the write has the new record, which is read.
    assert sorted(packages(modules) - PACKAGES - {READS_RECORDS}) == []
    rooms = {name.split(".")[1] for name in modules if name.startswith("remediator.")}
    assert sorted(rooms - ROOMS) == []


@pytest.mark.parametrize("arguments", EMERGENCIES.values(), ids=EMERGENCIES)
def test_a_record_on_the_target_is_read_without_all_of_pydantic(
    arguments: Sequence[str], kubeconfig: Path, config: Path, embedded: EmbeddedCluster
) -> None:
    """A ledger and a pause cost an emergency command pydantic's core and no more."""
    pause = {"reason": "x", "author": "ada", "until": "2026-11-23T12:00:00Z"}
    annotations = {LEDGER: json.dumps({"version": 1, "acts": []}), PAUSE: json.dumps(pause)}
    for name in ("denis", "denis-workers"):
        patch_deployment(embedded, {"metadata": {"annotations": annotations}}, name)
    modules = loaded(*arguments, f"--kubeconfig={kubeconfig}", f"--config.file={config}")
    assert sorted(packages(modules) - PACKAGES) == [READS_RECORDS]


@pytest.mark.parametrize("arguments", [["--help"], ["canary", "--help"], ["kill-switch", "-h"]], ids=" ".join)
def test_a_list_of_commands_imports_none_of_them(arguments: list[str]) -> None:
    """Help imports click and the groups, for whoever only asks what there is."""
    modules = loaded(*arguments)
    assert sorted(packages(modules) - {"click", "remediator"}) == []
    assert not {f"remediator.cli.{name}" for name in ("check", "explain", "pause", "serve", "options")} & modules


def test_nothing_looks_for_garbage_among_what_a_command_imports() -> None:
    """The first collection comes after the imports, for what they made stays."""
    ended = subprocess.run([sys.executable, "-I", "-c", COLLECTIONS], capture_output=True, text=True, check=True)
    before, after, enabled = json.loads(ended.stdout)
    assert after == before
    assert enabled


@pytest.mark.parametrize(
    ("typed", "meant"), [(["paus"], "pause"), (["canary", "rolback"], "rollback"), (["kill-switch", "onn"], "on")]
)
def test_a_mistyped_command_is_answered_with_the_one_that_is_meant(typed: list[str], meant: str) -> None:
    """A command that there is not ends with 2, and with the name of the nearest one."""
    ended = run(*typed)
    assert ended.exit_code == 2
    assert f"'{meant}'" in ended.output

"""The scripts that DENIS's runbook calls, word for word."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from remediator.sandbox import EmbeddedCluster

SCRIPTS = Path(__file__).parents[2] / "scripts"
# The tests have no terminal, so canary_set.sh gives the yes by itself.
RUNBOOK = {
    "canary_set.sh": ("canary set --yes", ("10", "--dry-run")),
    "production_preflight.sh": ("canary preflight", ()),
}


def call(script: Path | str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Call a script with nothing in the environment but these variables."""
    environment = {"PATH": "/usr/bin:/bin", **variables}
    return subprocess.run(
        [script, *arguments], capture_output=True, text=True, env=environment, check=False, timeout=60, cwd="/"
    )


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the scripts in a folder with a space in its name, where nothing is installed."""
    return Path(shutil.copytree(SCRIPTS, tmp_path / "a checkout" / "scripts")).parent


def install(folder: Path) -> Path:
    """Put a program there that says how it was called."""
    folder.mkdir(parents=True)
    program = folder / "remediator"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$0" "$REMEDIATOR_CONFIG_FILE" "$@"\nexit 3\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program


@pytest.mark.parametrize("script", RUNBOOK)
def test_the_scripts_call_the_program(checkout: Path, script: str) -> None:
    """What is on PATH is called, else what is in .venv: with all arguments as they are, and its exit code."""
    command, arguments = RUNBOOK[script]
    given = [*arguments, "--reason=a  b", "*"]
    words = [*command.split(), *given]
    ours = install(checkout / ".venv" / "bin")
    ended = call(checkout / "scripts" / script, *given)
    assert (ended.returncode, ended.stderr) == (3, "")
    assert ended.stdout.splitlines() == [str(ours), str(checkout / "rules" / "remediations.yaml"), *words]

    theirs = install(checkout / "bin")
    found = call(checkout / "scripts" / script, *given, PATH=f"{theirs.parent}:/usr/bin:/bin")
    assert found.stdout.splitlines()[0] == str(theirs)


def test_the_script_asks_at_a_terminal(checkout: Path) -> None:
    """With a terminal there is somebody to ask, so the script leaves the question to the program."""
    install(checkout / ".venv" / "bin")
    main, terminal = os.openpty()
    try:
        script = checkout / "scripts" / "canary_set.sh"
        ended = subprocess.run(
            [script, "10"],
            stdin=terminal,
            capture_output=True,
            text=True,
            env={"PATH": "/usr/bin:/bin"},
            check=False,
            timeout=60,
        )
    finally:
        os.close(main)
        os.close(terminal)
    assert ended.stdout.splitlines()[2:] == ["canary", "set", "10"]


def test_a_file_that_is_named_stays(checkout: Path) -> None:
    """The checkout's remediations are used only where nobody names others."""
    install(checkout / ".venv" / "bin")
    ended = call(checkout / "scripts" / "canary_set.sh", REMEDIATOR_CONFIG_FILE="mine.yaml")
    assert ended.stdout.splitlines()[1] == "mine.yaml"


def test_a_link_to_a_script_works(checkout: Path, tmp_path: Path) -> None:
    """A script that is called by a link still finds what belongs to it."""
    ours = install(checkout / ".venv" / "bin")
    link = tmp_path / "canary_set"
    link.symlink_to(checkout / "scripts" / "canary_set.sh")
    assert call(link).stdout.splitlines()[0] == str(ours)


@pytest.mark.parametrize("script", RUNBOOK)
def test_without_the_program(checkout: Path, script: str) -> None:
    """Where nothing is installed the script says what to do, and ends with 2."""
    ended = call(checkout / "scripts" / script)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == (
        f"remediator: not on PATH and not in {checkout}/.venv/bin: run `make venv` in {checkout}, or install it\n"
    )


def test_the_preflight_of_the_runbook(embedded: EmbeddedCluster, tmp_path: Path) -> None:
    """DENIS_MATERIALIZERS_PCT=50 ./scripts/production_preflight.sh checks the raise to 50 %."""
    kubeconfig = tmp_path / "kubeconfig"
    embedded.write_kubeconfig(kubeconfig)
    path = f"{Path(sys.executable).parent}{os.pathsep}/usr/bin{os.pathsep}/bin"
    ended = call(
        SCRIPTS / "production_preflight.sh", PATH=path, KUBECONFIG=str(kubeconfig), DENIS_MATERIALIZERS_PCT="50"
    )
    assert ended.returncode == 0, ended.stderr
    assert "✓ step           10 % -> 50 %" in ended.stdout.splitlines()


@pytest.mark.parametrize("path", sorted(SCRIPTS.glob("*.sh")), ids=lambda path: path.name)
def test_a_plain_shell_can_read_it(path: Path) -> None:
    """The scripts are for any POSIX shell."""
    subprocess.run(["sh", "-n", path], check=True, timeout=60)

"""`remediator completion`: the scripts, and what a real bash makes of its own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import run
from tests.support.service import SHIPPED

PRESS_TAB = """
eval "$(remediator completion bash)" || exit 1
complete_with=$(complete -p remediator | sed -n 's/.*-F \\([^ ]*\\) .*/\\1/p')
COMP_WORDS=("$@"); COMP_CWORD=$(( $# - 1 ))
"$complete_with" remediator "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        (("ca",), ["canary"]),
        (("canary", "ver"), ["verify"]),
        (("explain", "--st"), ["--state"]),
        (("explain", "-o", ""), ["table", "json", "yaml"]),
        (("completion", "z"), ["zsh"]),
        (("pause", "d"), ["denis", "denis-workers"]),
        (("pause", "denis", "d"), ["denis-workers"]),
        (("resume", ""), ["denis", "denis-workers"]),
        (("canary", "status", "--target", ""), ["denis", "denis-workers"]),
        (("canary", "status", "--target", "denis-"), ["denis-workers"]),
        (("canary", "status", "--target", "="), ["denis", "denis-workers"]),
        (("canary", "status", "--target", "=", "denis-"), ["denis-workers"]),
        (("canary", "status", "--context", ""), ["prod", "staging"]),
        (("explain", "--context", "s"), ["staging"]),
        (("canary", "status", "--config.file", "/nowhere", "--target", ""), []),
    ],
)
def test_a_real_bash_completes(tmp_path: Path, words: tuple[str, ...], completed: list[str]) -> None:
    """In a bash that has loaded the script, TAB completes commands, flags and values."""
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is not here")
    environment = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "HOME": str(tmp_path)}
    environment["REMEDIATOR_CONFIG_FILE"] = str(SHIPPED)
    (tmp_path / ".kube").mkdir()
    contexts = "[{name: prod, context: {}}, {name: staging, context: {}}]"
    (tmp_path / ".kube" / "config").write_text(f"apiVersion: v1\nkind: Config\ncontexts: {contexts}\n")
    ended = subprocess.run(
        [bash, "--norc", "--noprofile", "-c", PRESS_TAB, "bash", "remediator", *words],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
        timeout=60,
    )
    assert ended.stderr == ""
    assert ended.stdout.split() == completed


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_each_shell(shell: str) -> None:
    """Each script asks this program, in its shell's own way."""
    result = run("completion", shell)

    assert result.exit_code == 0
    assert f"_REMEDIATOR_COMPLETE={shell}_complete" in result.stdout


def test_an_unknown_shell_is_2() -> None:
    """A shell that is not known is a matter of usage, and the known ones are listed."""
    result = run("completion", "tcsh")

    assert result.exit_code == 2
    assert "'tcsh' is not one of 'bash', 'zsh', 'fish'" in result.output

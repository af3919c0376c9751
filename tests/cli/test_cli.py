"""The command line as a whole: quick to say what it can do, and every command explained with examples."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from remediator.cli import main
from tests.support.service import SHIPPED


def commands(group: click.Group, path: str = "remediator") -> Iterator[tuple[str, click.Command]]:
    """Every command below a group, by what a person types."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


COMMANDS = dict(commands(main))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_how_it_ends_and_how_it_is_used(name: str) -> None:
    """Help has the exit codes, and at least one line that can be copied."""
    text = COMMANDS[name].help or ""
    assert any(name in line for line in text.splitlines()[2:])
    if name != "remediator serve":
        assert "Exit codes: 0 " in text


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_explained(name: str) -> None:
    """No option stands there without words."""
    options = [one for one in COMMANDS[name].params if isinstance(one, click.Option)]
    assert [option.opts for option in options if not option.help] == []


CONFIGURED = [name for name, one in COMMANDS.items() if any("--config.file" in option.opts for option in one.params)]


@pytest.mark.parametrize("name", CONFIGURED)
def test_a_missing_file_of_remediations_is_named_with_what_to_do(name: str, tmp_path: Path) -> None:
    """Outside of a checkout, a command says which file it misses and how to give another; `serve` reads no variable."""
    needed = {"remediator canary set": ["10"], "remediator pause": ["--for=1h", "--reason=x"]}.get(name, [])
    typed = [*name.split()[1:], *needed]
    ended = CliRunner().invoke(main, [*typed, f"--config.file={tmp_path}/none.yaml"])
    assert ended.exit_code == 2
    assert f"{tmp_path}/none.yaml: cannot be read: No such file or directory; give --config.file=F" in ended.output
    assert ("REMEDIATOR_CONFIG_FILE" in ended.output) == (name != "remediator serve")


@pytest.mark.parametrize("group", [main, *(one for one in main.commands.values() if isinstance(one, click.Group))])
def test_lists_of_commands_fit_a_terminal(group: click.Group) -> None:
    """In 80 columns, no command's line of help is cut off."""
    context = click.Context(group, info_name="remediator", terminal_width=80, max_content_width=80)
    listed = group.get_help(context).partition("Commands:")[2]
    assert "..." not in listed


@pytest.mark.parametrize(
    "arguments", [("check", str(SHIPPED)), ("check", "--schema"), ("--help",), ("completion", "bash")]
)
def test_an_answer_that_nobody_can_take_is_one_line(arguments: tuple[str, ...]) -> None:
    """A full disk behind standard output ends the command with 1 and a line, and no traceback."""
    program = str(Path(sys.executable).with_name("remediator"))
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run([program, *arguments], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert ended.stderr == "remediator: cannot write the output: No space left on device\n"
    assert ended.returncode == 1


def test_ctrl_c_is_no_failure(tmp_path: Path) -> None:
    """A command that only reads ends with 130, as one that writes: 1 would say that there was no answer."""
    pipe = tmp_path / "incidents.csv"
    os.mkfifo(pipe)
    # Whoever started the tests may ignore SIGINT, and children inherit that.
    command = ["env", "--default-signal=INT", str(Path(sys.executable).with_name("remediator")), "backtest"]
    process = subprocess.Popen([*command, "--load=none", f"--truth={pipe}"], stderr=subprocess.PIPE, text=True)
    with pipe.open("w"):  # Opened once the command reads it.
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (130, "remediator: interrupted\n")

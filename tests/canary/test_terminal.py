"""The canary's commands before a person: what they ask on a terminal, and what they say when Ctrl-C ends them."""

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from demo.waiting import until
from tests.canary.place import Place
from tests.faults import BlackHole, FaultyApi, Then

SECONDS = 20.0
CTRL_C = 130


class Terminal:
    """A command in a terminal of its own."""

    def __init__(self, place: Place, *arguments: str) -> None:
        self._master, slave = pty.openpty()
        self._seen = ""
        # Whoever started the tests may ignore SIGINT, and children inherit that.
        command = ["env", "--default-signal=INT", str(Path(sys.executable).with_name("remediator")), *arguments]
        command += [f"--kubeconfig={place.kubeconfig}", f"--config.file={place.config_file}"]
        environment = {**os.environ, "TERM": "xterm"}
        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True
        )
        os.close(slave)
        os.set_blocking(self._master, False)

    def type(self, text: str) -> None:
        """Type, and press Enter."""
        os.write(self._master, f"{text}\n".encode())

    def press_ctrl_c(self) -> None:
        """Interrupt the command."""
        self.process.send_signal(signal.SIGINT)

    def shows(self, text: str) -> None:
        """Wait until this stands on the terminal."""
        until(f"{text!r} is shown; so far: {self.text()}", lambda: text in self.text(), SECONDS)

    def ends(self) -> int:
        """Wait for the end; the exit code."""
        return self.process.wait(SECONDS)

    def text(self) -> str:
        """All that was shown."""
        try:
            while chunk := os.read(self._master, 65536):
                self._seen += chunk.decode()
        except OSError:
            pass  # Nothing more for now, or the other end is closed.
        return self._seen

    def close(self) -> None:
        """Take the terminal away."""
        self.process.kill()
        self.process.wait()
        os.close(self._master)


@contextmanager
def terminal(place: Place, *arguments: str) -> Iterator[Terminal]:
    """A command in a terminal, gone afterwards."""
    opened = Terminal(place, *arguments)
    try:
        yield opened
    finally:
        opened.close()


@pytest.mark.parametrize(("answer", "code", "percentage"), [("y", 0, "50"), ("n", 1, "10"), ("", 1, "10")])
def test_raising_is_asked_for(here: Place, answer: str, code: int, percentage: str) -> None:
    """A person says yes before the canary gets more traffic; anything else writes nothing."""
    with terminal(here, "canary", "set", "50", "--no-wait") as opened:
        opened.shows("Raise denis from 10 % to 50 %? [y/N]:")
        opened.type(answer)
        assert opened.ends() == code
    assert here.percentage() == percentage


@pytest.mark.parametrize("arguments", [("set", "1"), ("rollback",), ("set", "50", "--yes")], ids=" ".join)
def test_lowering_is_not_asked_for(here: Place, arguments: tuple[str, ...]) -> None:
    """Less traffic needs no second thought, and --yes is one."""
    with terminal(here, "canary", *arguments, "--no-wait") as opened:
        assert opened.ends() == 0
        assert "[y/N]" not in opened.text()
    assert here.percentage() != "10"


def test_what_comes_up_during_the_question_stops_the_answer(here: Place) -> None:
    """A yes is for what was asked: a kill switch that somebody puts on meanwhile was not in it."""
    with terminal(here, "canary", "set", "50", "--no-wait") as opened:
        opened.shows("[y/N]")
        here.run("kill-switch", "on", "--reason=jobs corrupt the index")
        opened.type("y")
        assert opened.ends() == 3
        opened.shows("KillSwitchOn: the workers are latched at 0")
    assert here.percentage() == "10"


def test_ctrl_c_at_the_question_writes_nothing(here: Place) -> None:
    """Who thinks again has changed nothing."""
    with terminal(here, "canary", "set", "50") as opened:
        opened.shows("[y/N]")
        opened.press_ctrl_c()
        assert opened.ends() == 1
    assert (here.percentage(), here.acts()) == ("10", [])


def test_ctrl_c_while_waiting_says_what_holds(here: Place) -> None:
    """The write holds, and the rollout goes on by itself."""
    here.patch("denis", {"spec": {"template": {"spec": {"containers": [{"name": "denis", "image": "x:1"}]}}}})
    here.patch("denis", {"spec": {"minReadySeconds": 300}})
    with terminal(here, "canary", "set", "1") as opened:
        opened.shows("pods updated")
        opened.press_ctrl_c()
        assert opened.ends() == CTRL_C
        opened.shows("not waiting any longer: 1 % is written, and the rollout goes on by itself")
    assert here.percentage() == "1"


def test_ctrl_c_during_the_write_says_what_became_of_it(faulty: Place, api: FaultyApi) -> None:
    """An interrupted write is looked for; that it is not there does not mean that it will not come."""
    api.next("PATCH", BlackHole())
    with terminal(faulty, "canary", "rollback") as opened:
        until("the write is under way", lambda: not api.waiting("PATCH"), SECONDS)
        opened.press_ctrl_c()
        assert opened.ends() == CTRL_C
        opened.shows("interrupted during the write: it is not there, and may still come")
    assert faulty.percentage() == "10"


def test_ctrl_c_after_the_write_says_that_it_holds(faulty: Place, api: FaultyApi) -> None:
    """A write that was made before the interruption is found by its record."""
    opened: list[Terminal] = []

    def interrupt() -> None:
        opened[0].press_ctrl_c()
        opened[0].shows("interrupted, but 10 % -> 0 % is written")

    api.next("PATCH", Then(do=interrupt))
    with terminal(faulty, "canary", "rollback") as shown:
        opened.append(shown)
        assert shown.ends() == CTRL_C
    assert (faulty.percentage(), len(faulty.acts())) == ("0", 1)

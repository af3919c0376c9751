"""The canary's commands before a person: what they ask on a terminal, and what they say when Ctrl-C ends them."""

import fcntl
import itertools
import os
import pty
import re
import signal
import socket
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from demo.waiting import until
from tests.canary.place import Place
from tests.support.faults import BlackHole, FaultyApi, Then

SECONDS = 60.0
CTRL_C = 130


class Terminal:
    """A command in a terminal of its own."""

    def __init__(self, place: Place, *arguments: str, columns: int = 200, **variables: str) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        self._seen = ""
        # Whoever started the tests may ignore SIGINT, and children inherit that.
        command = ["env", "--default-signal=INT", str(Path(sys.executable).with_name("remediator")), *arguments]
        command += [f"--kubeconfig={place.kubeconfig}", f"--config.file={place.config_file}"]
        environment = {
            **{name: value for name, value in os.environ.items() if name != "COLUMNS"},
            "TERM": "xterm",
            **variables,
        }
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
def terminal(place: Place, *arguments: str, columns: int = 200, **variables: str) -> Iterator[Terminal]:
    """A command in a terminal, gone afterwards."""
    opened = Terminal(place, *arguments, columns=columns, **variables)
    try:
        yield opened
    finally:
        opened.close()


@pytest.mark.parametrize(("answer", "code", "percentage"), [("y", 0, "50"), ("n", 1, "10"), ("", 1, "10")])
def test_raising_is_asked_for(here: Place, answer: str, code: int, percentage: str) -> None:
    """A person says yes before the canary gets more traffic; anything else writes nothing."""
    with terminal(here, "canary", "set", "50", "--no-wait") as opened:
        opened.shows("Raise denis from 10 % to 50 %? [y/N]:")
        assert "denis: 10 % -> 50 %: verdict hold: " in opened.text().partition("[y/N]")[0]
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
        opened.shows("interrupted during the write: not written yet, but it may still arrive")
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


def shown(place: Place, *arguments: str, columns: int, **variables: str) -> str:
    """All that a command shows in a terminal of this width."""
    with terminal(place, *arguments, columns=columns, **variables) as opened:
        opened.ends()
        return opened.text().replace("\r\n", "\n")


def plain(text: str) -> str:
    """A text without colours."""
    return re.sub("\x1b\\[[0-9;]*m", "", text)


QUESTIONS = [
    ("canary", "status"),
    ("canary", "history"),
    ("canary", "preflight", "50"),
    ("explain", "--label=alertname=DenisErrorRateHigh", "--label=remediation=rollback"),
    ("explain", "--label=remediation=rolback"),
]


@pytest.mark.parametrize("question", QUESTIONS, ids=" ".join)
def test_no_line_is_wider_than_the_terminal(here: Place, question: tuple[str, ...]) -> None:
    """In a narrow terminal, lines end between words and go on under their column: nothing is lost, no word is cut."""
    here.run("canary", "set", "1", "--reason=latency of the checkout is higher than it was before the last release")
    text = plain(shown(here, *question, columns=40))
    here_words = here.run(*question).output.split()
    assert max(map(len, text.splitlines())) <= max(40, max(map(len, here_words)) + 22)
    for word in here_words:
        if not re.search(r"\d", word) and not word.isupper():
            assert word in text, word


def test_a_long_text_goes_on_under_its_column(here: Place) -> None:
    """The second line of a check begins where the first one's text does."""
    lines = plain(shown(here, "canary", "preflight", "50", columns=60)).splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("✓ reflex") or "✓ record" in line)
    column = len(re.match(r"\S \S+(?: \S+)?\s+", lines[first]).group())  # type: ignore[union-attr]
    assert lines[first + 1].startswith(" " * column)
    assert not lines[first + 1].startswith(" " * (column + 1))


def test_history_in_a_narrow_terminal_is_a_block_for_each_act(here: Place) -> None:
    """Columns that have no room become lines with names."""
    here.run("canary", "set", "1", "--no-wait", "--reason=latency of the checkout is higher than before")
    lines = plain(shown(here, "canary", "history", columns=60)).splitlines()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ", lines[0])
    assert "  target  denis" in lines
    assert "  change  10 % -> 1 %" in lines
    assert "  reason  latency of the checkout is higher than before" in lines


@pytest.mark.parametrize("question", [*QUESTIONS[:3], ("canary", "set", "1")], ids=" ".join)
def test_who_wants_no_colour_gets_none(here: Place, question: tuple[str, ...]) -> None:
    """NO_COLOR keeps every code away from every command."""
    assert "\x1b" not in shown(here, *question, columns=100, NO_COLOR="1")


@pytest.mark.parametrize(("name", "value"), [("TERM", "dumb"), ("NO_COLOR", "yes")])
def test_a_wish_for_no_colour_has_many_forms(here: Place, name: str, value: str) -> None:
    """A terminal that knows no codes gets none either, and any text in NO_COLOR is a wish."""
    assert "\x1b" not in shown(here, "canary", "status", columns=100, **{name: value})


def test_a_terminal_has_colours(here: Place) -> None:
    """Without a wish, marks are coloured; an empty NO_COLOR is none."""
    assert "\x1b[" in shown(here, "canary", "status", columns=100)
    assert "\x1b[" in shown(here, "canary", "status", columns=100, NO_COLOR="")


def test_waiting_into_a_pipe_prints_changes_alone(here: Place) -> None:
    """A log gets a line when something has changed, and none because time has passed."""
    here.patch("denis", {"spec": {"minReadySeconds": 300}})
    ended = here.run("canary", "set", "1", "--timeout=4s")
    assert ended.code == 3
    progress = [line.split(": ", 1)[1] for line in ended.output.splitlines() if re.match(r"\d+s: ", line)]
    assert progress
    assert all(one != other for one, other in itertools.pairwise(progress))


@pytest.mark.parametrize("command", ["review", "timeline"])
def test_a_person_who_waits_for_a_history_knows_for_whom(here: Place, command: str) -> None:
    """A Prometheus that hangs is named after a second, and Ctrl-C ends it."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with terminal(here, command, f"--prometheus.url={url}") as opened:
            opened.shows(f"querying the history of Prometheus at {url}: it can take minutes, Ctrl-C to stop")
            opened.press_ctrl_c()
            assert opened.ends() == CTRL_C

"""`python -m demo`: the story comes true, is told in order, and leaves nothing behind."""

import os
import re
import signal
import subprocess
import sys
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from demo.waiting import until
from tests.support.components import component

ROOT = Path(__file__).parents[2]
SECONDS = 120
NOWHERE = Path("/nonexistent")

BEGINNING = [r"the canary of denis is at 10 %", r"the error rate is 5(\.\d+)? %, over 5 %"]
ROLLBACK = [
    r"notification received",
    r"Applied: set 10 % -> 0 %, because of DenisErrorRateHigh",
    r"the canary of denis is at 0 %, in one patch: generation 2",
    r"From over 5 % to a canary at 0 % in",
    r"Remediator +\d+ ms",
]
REPEAT = [r"notification received", r"CoolingDown: .* cooling down for another 29m\d+s", r"still generation 2"]
MORE_WORKERS = [
    r"Applied: set 4 -> 6 replicas",
    r"from 4 to 6 replicas",
    r"the queue shrinks",
    r"2 acts",
    r"Look further",
]


class Demo:
    """One run of the demo, with a mark by which all its processes can be found."""

    def __init__(self, directory: Path, path: Sequence[Path], *arguments: str) -> None:
        self._mark = f"REMEDIATOR_DEMO_MARK={uuid.uuid4()}"
        self._directory = directory / "tmp"
        self._directory.mkdir()
        name, _, value = self._mark.partition("=")
        environment: Mapping[str, str] = {
            **{key: value for key, value in os.environ.items() if key not in ("PATH", "NO_COLOR")},
            "PATH": os.pathsep.join(map(str, path)),
            "REMEDIATOR_COMPONENTS": str(NOWHERE),
            "TMPDIR": str(self._directory),
            name: value,
        }
        self.output = directory / "output"
        with self.output.open("wb") as output:
            command = [sys.executable, "-m", "demo", *arguments]
            self._process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output)

    def says(self, text: str) -> bool:
        """Whether it has said so; it must not have ended before."""
        said = self.output.read_text()
        assert self._process.poll() is None, said
        return text in said

    def interrupt(self) -> None:
        """As Ctrl-C does."""
        self._process.send_signal(signal.SIGINT)

    def ends(self) -> tuple[int, str]:
        """The exit code and all that was said, after checking that nothing is left."""
        try:
            code = self._process.wait(SECONDS)
        finally:
            self._process.kill()
            self._process.wait()
        text = self.output.read_text()
        assert "Traceback" not in text
        assert not self._left(), text
        assert not list(self._directory.iterdir()), text
        return code, text

    def _left(self) -> list[str]:
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if self._mark.encode() in (process / "environ").read_bytes():
                    found.append((process / "cmdline").read_text().replace("\0", " "))
            except OSError:
                continue  # it is gone, or somebody else's
        return found


def test_the_story_with_prometheus_and_alertmanager(tmp_path: Path) -> None:
    """Real programs tell it: the alert is pending, then fires, and every part of the way has its time."""
    programs = [
        component("prometheus-newest", "prometheus").parent,
        component("alertmanager-newest", "prometheus-alertmanager").parent,
    ]
    code, text = Demo(tmp_path, programs).ends()
    assert code == 0, text
    alerting = ["is pending", "is firing", "Alertmanager +received it"]
    growing = ["over 500 jobs", "DenisQueueDepthHigh is pending", "DenisQueueDepthHigh is firing"]
    hops = ["next evaluation", "pending .* for: 2m as shipped", "group_wait"]
    told = [*BEGINNING, *alerting, *ROLLBACK[:-1], *hops, ROLLBACK[-1], *REPEAT, *growing, *MORE_WORKERS]
    _in_order(told, text)
    _queue_makes_sense(text)


def test_the_story_without_them(tmp_path: Path) -> None:
    """A machine without Prometheus: the demo says that it plays a recording, and the rest is as real."""
    code, text = Demo(tmp_path, [NOWHERE]).ends()
    assert code == 0, text
    posts = "posts the recorded notification of Denis"
    beginning = ["Prometheus and Alertmanager not found", *BEGINNING, posts]
    _in_order([*beginning, *ROLLBACK, posts, *REPEAT, "over 500 jobs", posts, *MORE_WORKERS], text)
    assert "\x1b" not in text, "colour is for terminals"
    _queue_makes_sense(text)
    assert re.search(r"Converged, denis: .*; seen at this time", text)


@pytest.mark.parametrize("moment", ["a story of half a minute", "the canary fails"])
def test_an_interrupted_demo_leaves_nothing(tmp_path: Path, moment: str) -> None:
    """Ctrl-C while it starts, and in the middle: everything stops."""
    demo = Demo(tmp_path, [NOWHERE])
    until(moment, lambda: demo.says(moment), SECONDS)
    demo.interrupt()
    code, text = demo.ends()
    assert code == 130
    assert "nothing is left running" in text


def test_a_demo_that_stays_can_be_looked_at_until_it_is_interrupted(tmp_path: Path) -> None:
    """With --stay the commands work against it after one pasted line, and Ctrl-C is the normal end."""
    demo = Demo(tmp_path, [NOWHERE], "--stay")
    until("it stays", lambda: demo.says("stops everything"), SECONDS)
    pasted = re.search(r"^ +export .*$", demo.output.read_text(), re.MULTILINE)
    assert pasted
    for command in ("remediator canary status", "remediator canary verify"):
        tried = subprocess.run(
            ["bash", "-c", f"{pasted[0]}\n{command}"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
        )
        assert tried.returncode == 0, tried.stdout + tried.stderr
    demo.interrupt()
    code, text = demo.ends()
    assert code == 0
    assert re.search(r"status page +http://127\.0\.0\.1:\d+/", text)


@pytest.mark.parametrize("failing", ["prometheus", "alertmanager"])
def test_a_failure_is_explained(tmp_path: Path, failing: str) -> None:
    """A program that does not start: exit code 1, and its last words are shown."""
    for name in ("prometheus", "alertmanager"):
        running = (
            'echo "msg=\\"Listening on\\" address=127.0.0.1:1" >&2\n'
            'echo "msg=\\"Server is ready to receive web requests.\\"" >&2\nexec /bin/sleep 99'
        )
        end = "exit 1" if name == failing else running
        said = f'#!/bin/sh\n[ "$1" = --version ] && echo version 9.9.9 && exit\necho "no space left" >&2\n{end}\n'
        (tmp_path / name).write_text(said)
        (tmp_path / name).chmod(0o755)
    code, text = Demo(tmp_path, [tmp_path]).ends()
    assert code == 1
    _in_order(["did not come true", f"{failing} ended with exit code 1", "no space left"], text)


def _in_order(milestones: Sequence[str], text: str) -> None:
    position = 0
    for milestone in milestones:
        found = re.compile(milestone).search(text, position)
        assert found, f"{milestone!r} is not told, or not in its place:\n{text}"
        position = found.end()


def _queue_makes_sense(text: str) -> None:
    """What has grown is more than it was, what shrinks is less, and a rate has two decimals at the most."""
    first = int(re.findall(r"the queue is (\d+) jobs", text)[0])
    for grown in re.findall(r"the queue has grown to (\d+) jobs", text):
        assert int(grown) >= first
    (shrunk,) = re.findall(r"the queue shrinks: (\d+) jobs", text)
    assert int(shrunk) < first or "has grown" in text
    assert re.findall(r"\d+\.\d{3,} %", text) == []

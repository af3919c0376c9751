"""`python -m benchmarks.profile`: where the time of a notification goes, between its body and the answer.

The application runs on one thread, in a process of its own, in front of a real API server; beside it only audit lines
are written, as they always are. A timer interrupts it a thousand times a second, and whoever is at work then is
counted: that costs less than a hundredth of the time, where a profiler that follows each call takes a third, and
makes what calls much look worse than what waits. The way in and out over HTTP is no part of it: the figures compare
that with a bare view's.
"""

import argparse
import multiprocessing
import re
import signal
import ssl
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from types import FrameType

import pytest
from flask import Flask
from werkzeug.test import create_environ, run_wsgi_app

import remediator
from benchmarks.bodies import Nowhere
from benchmarks.figure import Effort, spell_seconds
from benchmarks.floors.bare_flask import app as bare_view
from benchmarks.floors.floor import Floor
from benchmarks.place import Place, notification, place
from benchmarks.report import renew, table
from demo.waiting import until
from remediator.document import read_text
from remediator.ledger import MAX_ENTRIES
from remediator.policy_file import parse_policy
from remediator.web import create_app
from tests.control_plane.programs import find_program
from tests.service import Service, alert, body

INTERVAL_SECONDS = 0.001

ROUNDS, ROUND_SECONDS = 30, 1.0

ACTING, WITHHOLDING = "denis", "denis-2"
"""Canaries: the one is acted on and reset again and again, the other is in its cooldown."""

WAITING = "waiting for the API server"
REST = "the benchmark itself"

PARTS: Mapping[str, str] = {
    "urllib3, http.client, TLS": r".*/site-packages/urllib3/|.*/http/client\.py|.*/ssl\.py",
    "Flask and Werkzeug": r".*/site-packages/(?:flask|werkzeug)/|benchmarks/floors/bare_flask\.py",
    "asking the API server, and reading what it says": (
        r"remediator/(?:cluster|connection|api_request|workload)\.py|benchmarks/floors/floor\.py"
    ),
    "the alerts, and the answer about them": r"remediator/(?:alerts|web)\.py",
    "metrics, and handing on the record": r"remediator/(?:recorder|audit)\.py|.*/site-packages/prometheus_client/",
    "the decision, and spelling the patch": r"remediator/",
}
"""What a file is part of, by its path below the checkout's. A sample belongs to the innermost frame that is part of
anything."""

_CHECKOUT = f"{Path(remediator.__file__).parent.parent}/"


@dataclass(kw_only=True)
class Profile:
    """What one kind of notification spends its time on."""

    name: str
    count: int = 0
    seconds: float = 0.0
    samples: Counter[str] = field(default_factory=Counter)

    def spent(self, part: str) -> float:
        """Seconds of each notification."""
        return self.seconds / self.count * self.samples[part] / max(self.samples.total(), 1)


def main() -> int:
    """Measure, print the table, and renew it in docs/performance.md if asked to; 1 if it could not be measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.profile", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only show that everything works")
    parser.add_argument("--write", action="store_true", help="renew the table in docs/performance.md")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="remediator-") as directory:
        try:
            text = lines(measure(Effort(quick=arguments.quick), Path(directory)))
        except (pytest.skip.Exception, pytest.fail.Exception) as error:
            print(f"not measured: {error}", file=sys.stderr)
            return 1
    print("\n".join(text))
    if arguments.write:
        renew("python -m benchmarks.profile --write", text)
    return 0


def measure(effort: Effort, directory: Path) -> list[Profile]:
    """A profile for each kind of notification, and for what none can do without.

    Raises pytest's Skipped where there is no API server.
    """
    # Not in the other process, from which what pytest raises cannot come back.
    for program in ("etcd", "kube-apiserver"):
        find_program(program)
    # The timer interrupts a process's main thread, which this one may need for itself.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        return process.submit(_measure, effort, directory).result()


def lines(profiles: Sequence[Profile]) -> list[str]:
    """The parts of a notification's time, a column for each profile."""
    rows = [["", *(profile.name for profile in profiles)]]
    for part in (WAITING, *PARTS, REST):
        rows.append([part, *(_spell(profile.spent(part)) for profile in profiles)])
    rows.append(["**all of it**", *(f"**{spell_seconds(profile.seconds / profile.count)}**" for profile in profiles)])
    rows.append(["samples", *(f"{profile.samples.total():,}" for profile in profiles)])
    return table(rows)


class _Watch:
    """A `with` around what is looked at; a profile of nothing else."""

    def __init__(self, name: str) -> None:
        self.profile = Profile(name=name)
        self._began = 0.0

    def __enter__(self) -> None:
        self._began = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.profile.seconds += time.perf_counter() - self._began
        self.profile.count += 1
        self._began = 0.0

    def sample(self, _: int, frame: FrameType | None) -> None:
        """Called by the timer."""
        if self._began:
            self.profile.samples[_part(frame)] += 1


_Turn = Callable[[_Watch], None]
"""One notification, with all that goes before it; only the notification is in the watch."""


def _measure(effort: Effort, directory: Path) -> list[Profile]:
    with place(directory, [ACTING, WITHHOLDING], cooldown="1ms") as scene:
        eager, patient = _service(scene, "1ms"), _service(scene, "30m")
        path, acting, withholding = scene.path(ACTING), _app(eager), _app(patient)

        def act(watch: _Watch) -> None:
            scene.reset(ACTING)
            events = eager.requests("create")
            _notify(watch, acting, notification(ACTING), "Applied")
            # Or it would be written during what comes next.
            until("the act's Event is written", lambda: eager.requests("create") > events, 20)

        # From then on the ledger is as long as it gets.
        for _ in range(effort.of(MAX_ENTRIES + 5, 1)):
            act(_Watch(""))
        _notify(_Watch(""), withholding, notification(WITHHOLDING), "Applied")
        resolved = body(alert(WITHHOLDING, status="resolved"), status="resolved")
        with closing(Floor(**scene.floor(ACTING))) as floor:

            def ask(watch: _Watch) -> None:
                # The same before it as before an act: whoever has rested is slower.
                act(_Watch(""))
                scene.reset(ACTING)
                with watch:
                    floor.act(path)

            turns: Mapping[str, _Turn] = {
                "an act": act,
                "its GET and PATCH alone": ask,
                "in its cooldown": lambda watch: _notify(watch, withholding, notification(WITHHOLDING), "CoolingDown"),
                "resolved": lambda watch: _notify(watch, withholding, resolved, "NotFiring"),
                "a bare view's 204": lambda watch: _notify(watch, bare_view, resolved),
            }
            watches = {name: _Watch(name) for name in turns}
            # What drifts on the machine meets all alike.
            for _ in range(effort.of(ROUNDS, 1)):
                for name, turn in turns.items():
                    _sample(watches[name], turn)
            return [watch.profile for watch in watches.values()]


def _service(scene: Place, cooldown: str) -> Service:
    """Each remembers its own acts."""
    policy = parse_policy(read_text(scene.config).replace("1ms", cooldown), str(scene.config))
    return Service(scene.kubeconfig, clock=lambda: datetime.now(UTC), policy=policy, audit=Nowhere())


def _app(service: Service) -> Flask:
    return create_app(service.handle, None, service.metrics)


def _notify(watch: _Watch, app: Flask, notification: bytes, reason: str = "") -> None:
    environ = create_environ("/webhook", method="POST", content_type="application/json", data=notification)
    with watch:
        answer, _, _ = run_wsgi_app(app, environ)
        text = b"".join(answer)
    assert reason.encode() in text, text


def _sample(watch: _Watch, turn: _Turn) -> None:
    """Take a turn after the other for a while."""
    before = signal.signal(signal.SIGALRM, watch.sample)
    signal.setitimer(signal.ITIMER_REAL, INTERVAL_SECONDS, INTERVAL_SECONDS)
    try:
        ends = time.monotonic() + ROUND_SECONDS
        while time.monotonic() < ends:
            turn(watch)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _part(frame: FrameType | None) -> str:
    """What a stack is part of; reading from the API server is mostly waiting for it."""
    if frame and frame.f_code.co_filename == ssl.__file__ and frame.f_code.co_name == "read":
        return WAITING
    while frame:
        if part := _part_of_file(frame.f_code.co_filename):
            return part
        frame = frame.f_back
    return REST


@cache
def _part_of_file(name: str) -> str:
    path = name.removeprefix(_CHECKOUT)
    return next((part for part, files in PARTS.items() if re.match(files, path)), "")


def _spell(seconds: float) -> str:
    return spell_seconds(seconds) if seconds >= 1e-7 else "-"


if __name__ == "__main__":
    sys.exit(main())

"""`python -m benchmarks.soak`: minutes of mixed load and faults, after which nothing may have leaked or acted twice.

The first rounds bring everything into being that is created once and kept. What the service holds after them, at rest,
is what the end is compared with.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.canaries import canaries
from benchmarks.report import lines
from benchmarks.results import Figure, ratio_of
from benchmarks.slow_api import SlowApi
from benchmarks.soak.accounts import Record, Tally, discrepancies
from benchmarks.soak.faults import FAULTS
from benchmarks.soak.processes import State, state_of
from benchmarks.soak.targets import CANARIES, Targets
from benchmarks.soak.traffic import traffic
from demo.waiting import until
from remediator.web.admission import TURNS
from remediator.web.gunicorn_arbiter import THREADS
from tests.acceptance.fleet import Member

OTHER_THREADS = 16
"""Of master and worker, beside those for requests, which are started when they are needed."""

SETTLE_SECONDS = 15.0
"""Longer than a stalled client is kept (10 s), and than the interval at which targets are read (5 s)."""

FIRST_SHARE = 0.1
"""Length of the first rounds, as a share of the soak."""

MOST_MEMORY = 1.10
"""The worker grows by 4 MiB in the first ten minutes only; 100 bytes a notification are 8 MiB after half an hour."""


def main() -> int:
    """Soak; 0 if nothing leaked and no act happened twice, else 1."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30, help="after the first rounds, which take a minute or more")
    parser.add_argument("--keep", type=Path, help="folder for the service's audit lines and log")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="remediator-") as directory:
        try:
            figures = list(measure(arguments.minutes, arguments.keep or Path(directory)))
        except (pytest.skip.Exception, pytest.fail.Exception) as error:
            print(f"not soaked: {error}", file=sys.stderr)
            return 1
    print("\n".join(lines(figures)))
    return 1 if any(figure.reached is False for figure in figures) else 0


def measure(minutes: float, directory: Path) -> Iterator[Figure]:
    """What the service held before and after, and what is wrong."""
    tally = Tally()
    with canaries(directory, CANARIES) as there, SlowApi(there.server) as api:
        targets = Targets(there, api, directory)
        with targets.start(directory / "service") as service:
            _rounds(targets, service, tally, FIRST_SHARE * minutes * 60)
            before = _rest(service, tally)
            _rounds(targets, service, tally, minutes * 60)
            after = _rest(service, tally)
            record = Record.of(service)
            wrong = list(discrepancies(tally, record, {name: targets.changes(name) for name in CANARIES}))
            if service.get("/-/ready")[0] != 200:
                wrong.append("the service is not ready in the end")
    yield from _held(before, after)
    yield Figure(
        name="soak: answers and acts",
        ours=f"{tally.sent.total()} sent, {tally.answered.total()} answered, {len(record.decisions)} decisions",
        goal="each change is one recorded act; each whole request has an answer",
        reached=not wrong,
        notes=wrong,
    )


def _rounds(targets: Targets, service: Member, tally: Tally, seconds: float) -> None:
    """Traffic, and one fault after the other, until the time is over and the round complete."""
    ends = time.monotonic() + seconds
    with targets.raising(), traffic(service.address, tally):
        while True:
            for name, fault in FAULTS.items():
                print(f"{time.strftime('%H:%M:%S')} {name}", file=sys.stderr, flush=True)
                fault(targets)
                time.sleep(2)
            if time.monotonic() > ends:
                return


def _rest(service: Member, tally: Tally) -> State:
    """What the service holds after a while without requests."""
    until("the service is ready", lambda: service.get("/-/ready")[0] == 200, 60)
    time.sleep(SETTLE_SECONDS)
    state = state_of(service)
    print(f"at rest: {state}; sent {tally.sent.total()}, answered {dict(tally.answered)}", file=sys.stderr, flush=True)
    return state


def _held(before: State, after: State) -> Iterator[Figure]:
    yield Figure(
        name="soak: threads",
        ours=f"{after.threads}",
        baseline=f"{before.threads} after the first rounds",
        goal=f"≤ {THREADS + OTHER_THREADS}",
        reached=after.threads <= THREADS + OTHER_THREADS and after.worker == before.worker,
        notes=[] if after.worker == before.worker else ["the worker was replaced"],
    )
    # The client opens up to one connection to the API server for each notification at the same time, and keeps them.
    allowed = {**before.descriptors, "api": TURNS}
    grown = [kind for kind, number in after.descriptors.items() if number > allowed.get(kind, 0)]
    yield Figure(
        name="soak: file descriptors",
        ours=f"{sum(after.descriptors.values())}",
        baseline=f"{sum(before.descriptors.values())} after the first rounds",
        goal=f"the same, and up to {TURNS} to the API server",
        reached=not grown,
        notes=[f"{after.descriptors[kind]} {kind} instead of {before.descriptors.get(kind, 0)}" for kind in grown],
    )
    for name, size in after.mebibytes.items():
        yield Figure(
            name=f"soak: PSS of the {name}",
            ours=f"{size:.1f} MiB",
            baseline=f"{before.mebibytes[name]:.1f} MiB after the first rounds",
            ratio=ratio_of([size / before.mebibytes[name]]),
            goal=f"≤ {MOST_MEMORY}",
            reached=size <= MOST_MEMORY * before.mebibytes[name],
        )


if __name__ == "__main__":
    sys.exit(main())

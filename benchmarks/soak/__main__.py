"""`python -m benchmarks.soak`: minutes of mixed load and trouble, and then: nothing leaked, and everything adds up.

Traffic and all faults come first for some rounds, so that whatever is made once and kept is there; what is held then,
at rest, is what the end is compared with.
"""

import argparse
import itertools
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.figure import Figure, ratio_of, spell_seconds
from benchmarks.place import place
from benchmarks.report import lines
from benchmarks.slow_api import SlowApi
from benchmarks.soak.accounts import Record, discrepancies
from benchmarks.soak.beside import beside
from benchmarks.soak.book import Book
from benchmarks.soak.crowd import Crowd
from benchmarks.soak.estate import ACTING, CANARIES, SCALING, Estate
from benchmarks.soak.processes import State, state_of
from benchmarks.soak.trouble import FAULTS
from demo.waiting import until
from remediator.arbiter import THREADS
from tests.acceptance.fleet import Member

SETTLE_SECONDS = 15.0
"""More than a client that stalls is put up with (10 s), and than a look at the targets comes again (5 s)."""

SECONDS = 60.0

FIRST_SHARE = 0.1
"""How long the first rounds go on, as a share of the time after them: what is made once and kept is there then."""

MOST_MEMORY = 1.10
"""What the end may hold of the beginning. The worker grows by 4 MiB in the first ten minutes and then no more; a
leak of 100 bytes a notification is 8 MiB after half an hour."""


def main() -> int:
    """Soak; 0 if nothing leaked and everything added up, 1 if not, or if it could not be done."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30, help="after the first rounds, which take two or more")
    parser.add_argument("--keep", type=Path, help="a folder for the service's audit lines and log")
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
    """What was held before and after, and whether everything adds up."""
    with place(directory, CANARIES) as where, SlowApi(where.server) as api:
        estate = Estate(where, api, directory)
        with estate.start(directory / "service") as service:
            book = Book()
            crowd = Crowd(service.address, book, estate.webhook_token, (*ACTING,))
            clock = _Clock()
            _rounds(estate, crowd, clock, FIRST_SHARE * minutes * 60, whole=True)
            before = _rest(service, book, clock)
            with _reporting(service, book, clock):
                _rounds(estate, crowd, clock, minutes * 60, whole=False)
            after = _rest(service, book, clock)
            record = Record.of(service)
            wrong = list(discrepancies(book, record, {name: estate.acts(name) for name in (*ACTING, SCALING)}))
            if not service.get("/-/healthy")[0] == service.get("/-/ready")[0] == 200:
                wrong.append("the service is not healthy and ready in the end")
    yield from _held(before, after)
    yield _accounts(book, record, wrong)


class _Clock:
    """Prints lines with the time since the start."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def say(self, text: str) -> None:
        passed = int(time.monotonic() - self._began)
        print(f"{passed // 60:02d}:{passed % 60:02d} {text}", file=sys.stderr, flush=True)


def _rounds(estate: Estate, crowd: Crowd, clock: _Clock, seconds: float, *, whole: bool) -> None:
    """Traffic, and one fault after the other, until the time is over; whole rounds end with the last fault."""
    ends = time.monotonic() + seconds
    with estate.changing(), crowd.running():
        for last, (name, fault) in itertools.cycle(enumerate(FAULTS.items(), start=1 - len(FAULTS))):
            clock.say(name)
            fault(estate, crowd)
            time.sleep(2)
            if time.monotonic() > ends and (last == 0 or not whole):
                return


def _rest(service: Member, book: Book, clock: _Clock) -> State:
    """What the service holds when nobody has wanted anything of it for a while."""
    until("the service is ready", lambda: service.get("/-/ready")[0] == 200, SECONDS)
    time.sleep(SETTLE_SECONDS)
    state = state_of(service)
    clock.say(f"at rest: {state}\n      {_told(book)}")
    return state


@contextmanager
def _reporting(service: Member, book: Book, clock: _Clock) -> Iterator[None]:
    """A line a minute."""

    def run(stop: threading.Event) -> None:
        while not stop.wait(SECONDS):
            clock.say(f"{state_of(service)}\n      {_told(book)}")

    with beside("reporting", run):
        yield


def _told(book: Book) -> str:
    codes = " ".join(f"{code}={number}" for code, number in sorted(book.answered.items()))
    return (
        f"sent {book.sent.total()}, answered {codes}, left {book.gone}, cut {book.cut},"
        f" unanswered {book.unanswered.total()}, slowest {spell_seconds(book.slowest)}"
    )


def _held(before: State, after: State) -> Iterator[Figure]:
    yield Figure(
        name="soak: threads",
        ours=f"{after.threads}",
        baseline=f"{before.threads} after the first rounds",
        goal="the same",
        reached=after.threads == before.threads and after.worker == before.worker,
        notes=[] if after.worker == before.worker else ["the worker was replaced"],
    )
    grown = [kind for kind, number in after.descriptors.items() if number > _most(kind, before)]
    yield Figure(
        name="soak: file descriptors and sockets",
        ours=_kinds(after),
        baseline=f"{_kinds(before)} after the first rounds",
        goal=f"the same, and up to {THREADS} to the API server",
        reached=not grown,
        notes=[f"more than before: {', '.join(grown)}"] if grown else [],
    )
    for name, mine, other in (
        ("master", after.master_bytes, before.master_bytes),
        ("worker", after.worker_bytes, before.worker_bytes),
    ):
        yield Figure(
            name=f"soak: PSS of the {name}",
            ours=f"{mine / 2**20:.1f} MiB",
            baseline=f"{other / 2**20:.1f} MiB after the first rounds",
            ratio=ratio_of([mine / other]),
            goal=f"≤ {MOST_MEMORY}",
            reached=mine <= MOST_MEMORY * other,
        )


def _most(kind: str, before: State) -> int:
    """The client keeps as many connections to the API server as there are threads, opened when they are first used."""
    return THREADS if kind == "api" else before.descriptors.get(kind, 0)


def _kinds(state: State) -> str:
    return ", ".join(f"{number} {kind}" for kind, number in sorted(state.descriptors.items()))


def _accounts(book: Book, record: Record, wrong: Sequence[str]) -> Figure:
    return Figure(
        name="soak: notifications accounted for",
        ours=f"{book.whole} and {book.cut} cut, {book.outcomes.total()} outcomes, {len(record.decisions)} decisions",
        goal="sent = answered = counted; outcomes answered = counted = written; acts recorded = acts",
        reached=not wrong,
        notes=wrong,
    )


if __name__ == "__main__":
    sys.exit(main())

"""Callers who ask at the same time share a read, and it begins after each of them asked."""

import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from demo.waiting import until
from remediator.reflex.shared_read import SharedRead

LONG = 60.0


class Calls:
    """A function whose calls end when they are told to, and that are counted."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.go = threading.Semaphore(0)
        self.count = 0
        self.error: Exception | None = None

    def __call__(self, seconds: float) -> int:
        self.count += 1
        number = self.count
        self.begun.release()
        assert self.go.acquire(timeout=LONG)
        if self.error:
            raise self.error
        return number


@pytest.fixture
def calls() -> Calls:
    """A function whose calls wait."""
    return Calls()


@pytest.fixture
def pool(calls: Calls) -> Iterator[ThreadPoolExecutor]:
    """Threads that ask; calls that still wait at the end are let go."""
    with ThreadPoolExecutor(max_workers=64) as threads:
        yield threads
        calls.go.release(1_000)


def test_a_lone_caller_gets_a_read_of_its_own() -> None:
    """Without company, every caller has its own read."""
    numbers = iter(range(10))
    shared = SharedRead(lambda seconds: next(numbers))

    assert [shared(LONG), shared(LONG)] == [0, 1]


def test_who_asks_during_a_read_gets_a_later_one(pool: ThreadPoolExecutor, calls: Calls) -> None:
    """A read that was under way when an alert came is never what decides on it."""
    shared = SharedRead(calls)
    first = pool.submit(shared, LONG)
    assert calls.begun.acquire(timeout=LONG)
    second = pool.submit(shared, LONG)
    calls.go.release(2)

    assert (first.result(LONG), second.result(LONG)) == (1, 2)


def test_a_storm_costs_one_read_at_a_time(pool: ThreadPoolExecutor, calls: Calls) -> None:
    """Forty who ask during a read share the one that follows it."""
    shared = SharedRead(calls)
    first = pool.submit(shared, LONG)
    assert calls.begun.acquire(timeout=LONG)

    def all_wait() -> bool:
        frames = sys._current_frames().values()
        return sum(frame.f_code is SharedRead.__call__.__code__ for frame in frames) == 40

    storm = [pool.submit(shared, LONG) for _ in range(40)]
    # Who has not come so far when the read ends has another one to itself.
    until("all wait for their turn", all_wait, LONG)
    assert not calls.begun.acquire(blocking=False)
    calls.go.release(1_000)

    assert first.result(LONG) == 1
    answers = [future.result(LONG) for future in storm]
    assert min(answers) >= 2
    assert calls.count < 5


def test_an_error_is_shared_and_over_with_its_read(pool: ThreadPoolExecutor, calls: Calls) -> None:
    """All who share a read share its error; the next read may succeed."""
    shared = SharedRead(calls)
    calls.error = OSError("black hole")
    asked = pool.submit(shared, LONG)
    assert calls.begun.acquire(timeout=LONG)
    calls.go.release(1_000)
    with pytest.raises(OSError, match="black hole"):
        asked.result(LONG)

    calls.error = None
    assert shared(LONG) == 2


def test_who_gets_no_turn_in_time_is_told(pool: ThreadPoolExecutor, calls: Calls) -> None:
    """Behind a read that hangs, a caller's own time ends its waiting, and it makes no read."""
    shared = SharedRead(calls)
    hanging = pool.submit(shared, LONG)
    assert calls.begun.acquire(timeout=LONG)

    with pytest.raises(TimeoutError):
        shared(0.01)
    assert calls.count == 1
    calls.go.release(1_000)
    assert hanging.result(LONG) == 1
    assert shared(LONG) == 2

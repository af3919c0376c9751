"""Callers who ask at the same time share a call, and it begins after each of them asked."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from remediator.single_flight import MAX_IN_FLIGHT, SingleFlight

LONG = 10.0


class Calls:
    """A function whose calls end when they are told to, and that are counted."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.go = threading.Semaphore(0)
        self.running = self.most = self.count = 0
        self._lock = threading.Lock()

    def __call__(self, seconds: float) -> int:
        with self._lock:
            self.count += 1
            number = self.count
            self.running += 1
            self.most = max(self.most, self.running)
        self.begun.release()
        assert self.go.acquire(timeout=LONG)
        with self._lock:
            self.running -= 1
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


def fill(pool: ThreadPoolExecutor, calls: Calls, flight: SingleFlight[int]) -> list[Future[int]]:
    """As many calls under way as there may be, one asker each."""
    asked = []
    for _ in range(MAX_IN_FLIGHT):
        asked.append(pool.submit(flight, LONG))
        assert calls.begun.acquire(timeout=LONG)
    return asked


def test_a_lone_caller_gets_the_result_of_its_own_call() -> None:
    """Who asks alone gets a call of its own, each time."""
    numbers = iter(range(10))
    flight = SingleFlight(lambda seconds: next(numbers))

    assert [flight(LONG), flight(LONG)] == [0, 1]


def test_who_asks_during_a_call_gets_a_later_one(pool: ThreadPoolExecutor, calls: Calls) -> None:
    """A call that was under way when somebody asked is never the answer to that one."""
    flight = SingleFlight(calls)
    first = pool.submit(flight, LONG)
    assert calls.begun.acquire(timeout=LONG)
    second = pool.submit(flight, LONG)
    assert calls.begun.acquire(timeout=LONG)
    calls.go.release(2)

    assert (first.result(LONG), second.result(LONG)) == (1, 2)


def test_a_storm_costs_two_calls_in_flight(pool: ThreadPoolExecutor, calls: Calls) -> None:
    """However many ask, no more than two calls run at once, and those who wait share."""
    flight = SingleFlight(calls)
    first = fill(pool, calls, flight)
    barrier = threading.Barrier(41)

    def ask() -> int:
        barrier.wait(LONG)
        return flight(LONG)

    storm = [pool.submit(ask) for _ in range(40)]
    barrier.wait(LONG)
    assert not calls.begun.acquire(blocking=False)
    calls.go.release(1_000)
    early = {future.result(LONG) for future in first}
    answers = [future.result(LONG) for future in storm]

    assert early == {1, 2}
    assert min(answers) > MAX_IN_FLIGHT
    assert calls.most == MAX_IN_FLIGHT


def test_an_exception_is_handed_on() -> None:
    """Where the call fails who waited for it is told, and the next one may succeed."""
    answers: Iterator[object] = iter([OSError("black hole"), "well"])

    def call(seconds: float) -> object:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    flight = SingleFlight(call)

    with pytest.raises(OSError, match="black hole"):
        flight(LONG)
    assert flight(LONG) == "well"


def test_who_finds_no_place_in_time_is_told(pool: ThreadPoolExecutor, calls: Calls) -> None:
    """Where the calls under way hang, who comes later gets a TimeoutError and makes no call."""
    flight = SingleFlight(calls)
    fill(pool, calls, flight)

    with pytest.raises(TimeoutError):
        flight(0.01)
    assert calls.count == MAX_IN_FLIGHT


def test_a_call_that_hangs_does_not_hold_up_the_next(pool: ThreadPoolExecutor) -> None:
    """One call that hangs leaves a place for another."""
    hanging = threading.Event()
    begun = threading.Event()

    def call(seconds: float) -> str:
        if begun.is_set():
            return "well"
        begun.set()
        return "late" if hanging.wait(LONG) else "never"

    flight = SingleFlight(call)
    first = pool.submit(flight, LONG)
    assert begun.wait(LONG)

    assert flight(LONG) == "well"
    assert not first.done()
    hanging.set()
    assert first.result(LONG) == "late"


def test_after_a_storm_the_next_caller_is_served(pool: ThreadPoolExecutor, calls: Calls) -> None:
    """Places are given back, after calls that hung and after callers that gave up."""
    flight = SingleFlight(calls)
    first = fill(pool, calls, flight)
    with pytest.raises(TimeoutError):
        flight(0.01)
    calls.go.release(1_000)
    assert {future.result(LONG) for future in first} == {1, 2}

    assert [flight(LONG), flight(LONG)] == [3, 4]


def test_a_leader_out_of_time_costs_only_itself(pool: ThreadPoolExecutor, calls: Calls) -> None:
    """Who waits for a place for others and runs out of time leaves them to lead themselves."""
    flight = SingleFlight(calls)
    under_way = fill(pool, calls, flight)
    leader = pool.submit(flight, 0.1)
    follower = pool.submit(flight, LONG)
    with pytest.raises(TimeoutError):
        leader.result(LONG)
    calls.go.release(MAX_IN_FLIGHT + 1)

    assert {asked.result(LONG) for asked in under_way} == {1, 2}
    assert follower.result(LONG) == 3

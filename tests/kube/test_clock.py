"""What answers say of the API server's clock: never more than they prove, and after a few of them a good deal."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import remediator
from remediator.kube.clock import ApiClock, Offset
from tests.support.service import NOON


@dataclass(slots=True, kw_only=True)
class World:
    """A machine and an API server with clocks of their own, in a time that tests move."""

    seconds: float = 1000.0
    machine_ahead: float = 0.0
    server_ahead: float = 0.0
    clock: ApiClock = field(init=False)

    def __post_init__(self) -> None:
        self.clock = ApiClock(steady=lambda: self.seconds, wall=lambda: self._true().timestamp() + self.machine_ahead)

    def _true(self) -> datetime:
        return NOON + timedelta(seconds=self.seconds)

    def server(self) -> datetime:
        """What the API server takes for the time."""
        return self._true() + timedelta(seconds=self.server_ahead)

    def ask(self, there: float = 0.001, back: float = 0.001) -> None:
        """A request and its answer; the answer is stamped in between."""
        sent = self.seconds
        self.seconds += there
        date = format_datetime(self.server().astimezone(UTC), usegmt=True)
        self.seconds += back
        self.clock.learn(date, sent, self.seconds)

    def error(self) -> float:
        """How far the estimate is off, in seconds."""
        return (self.clock.now() - self.server()).total_seconds()


offsets = st.floats(min_value=-1e6, max_value=1e6)
trips = st.floats(min_value=0, max_value=3)
waits = st.floats(min_value=0, max_value=60)


def test_before_the_first_answer_it_is_the_machines_clock() -> None:
    """Without an answer there is nothing else to go by, and the skew is not known."""
    world = World(machine_ahead=900)

    assert world.error() == pytest.approx(900)
    assert world.clock.skew is None
    assert world.clock.unsure == timedelta(0)


@given(offsets, offsets, st.lists(st.tuples(waits, trips, trips), min_size=1, max_size=20))
def test_the_truth_is_never_outside_of_what_is_proved(
    machine: float, server: float, exchanges: list[tuple[float, float, float]]
) -> None:
    """However slow the answers are, the error is no more than the best answer leaves open, and never a step."""
    world = World(machine_ahead=machine, server_ahead=server)
    best = float("inf")
    for wait, there, back in exchanges:
        world.seconds += wait
        world.ask(there, back)
        best = min(best + wait * 2e-3, 1 + there + back)
        assert abs(world.error()) <= best + 0.01
        assert world.clock.unsure == timedelta(0)


@given(st.floats(min_value=-3600, max_value=3600), st.floats(min_value=0, max_value=1))
def test_the_looks_of_two_minutes_tell_the_clock_to_a_fraction_of_a_second(server: float, phase: float) -> None:
    """Looks every 5 s, never at quite the same part of a second, narrow the Date's grain down."""
    world = World(server_ahead=server, machine_ahead=7200)
    world.seconds += phase
    for _ in range(24):
        world.ask()
        world.seconds += 5.043

    assert abs(world.error()) < 0.1


@given(st.floats(min_value=-0.4, max_value=0.4))
def test_a_machine_whose_clock_can_be_right_is_believed(server: float) -> None:
    """Within what an answer leaves open, the machine's own clock is the better one, and no skew is shown."""
    world = World(server_ahead=server)
    world.seconds += 0.5
    world.ask()

    assert abs(world.error()) <= 0.4 + 1e-3
    assert world.clock.skew is not None
    assert abs(world.clock.skew) < timedelta(seconds=1)


@given(st.floats(min_value=3, max_value=1e6) | st.floats(min_value=-1e6, max_value=-3), st.integers(0, 20))
def test_a_step_is_followed_at_the_next_answer(step: float, answers: int) -> None:
    """A clock that is set, to either side, is followed at once, and how far older records may be off is known."""
    world = World(server_ahead=5000)
    for _ in range(answers + 1):
        world.ask()
        world.seconds += 5.043
    world.server_ahead += step
    world.ask()

    assert abs(world.error()) <= 0.51
    assert world.clock.unsure.total_seconds() == pytest.approx(abs(step), abs=1.1)


def test_two_servers_that_differ_are_followed_one_after_the_other() -> None:
    """Of a pair behind one address each answer counts for itself, and records may be off by what they differ."""
    world = World()
    for _ in range(10):
        world.server_ahead = 900 - world.server_ahead
        world.seconds += 1
        world.ask()
        assert abs(world.error()) <= 0.51
    assert world.clock.unsure.total_seconds() == pytest.approx(900, abs=1.1)


def test_a_step_is_forgotten_after_an_hour() -> None:
    """Records from before a step are old by then."""
    world = World()
    world.ask()
    world.server_ahead = -600
    world.ask()
    world.seconds += 3601
    world.ask()

    assert world.clock.unsure == timedelta(0)


def test_a_machine_whose_own_clock_is_set_changes_nothing() -> None:
    """Between two answers nothing but the API server's clock counts, whatever happens to the machine's."""
    world = World(server_ahead=60)
    world.ask()
    world.machine_ahead = -86_400

    assert abs(world.error()) <= 0.51
    assert world.clock.skew is not None
    assert world.clock.skew.total_seconds() == pytest.approx(86_460, abs=1)


@pytest.mark.parametrize("date", [None, "", "garbage", "Thu, 32 Foo 99999 99:99:99 GMT", "Mon, 23 Nov 2026 12:00:00"])
def test_an_answer_without_a_time_is_no_news(date: str | None) -> None:
    """What is no time, or one without a zone, changes nothing of what was known."""
    world = World(server_ahead=900)
    world.ask()
    world.clock.learn(date, world.seconds, world.seconds)

    assert abs(world.error()) <= 0.51


@pytest.mark.parametrize("date", ["Mon, 01 Jan 0001 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_the_end_of_the_calendar_is_a_time(date: str) -> None:
    """An API server whose clock is out of its mind costs no traceback."""
    world = World()
    world.clock.learn(date, world.seconds, world.seconds)
    world.seconds += 1e9

    assert world.clock.now().tzinfo is UTC


def test_what_an_answer_proved_wears_off() -> None:
    """Clocks drift apart, so an old answer proves less than a new one."""
    proved = Offset.proved_by(date=100.0, sent=0.0, received=0.5)

    assert (proved.low, proved.high) == (99.5, 101.0)
    assert proved.as_of(1000.5).high == pytest.approx(101.5)


OWN_CLOCK = {
    "kube/clock.py": "what the API server's is compared with",
    "kube/identity.py": "when a plugin's credentials end",
    "kube/kubeconfig.py": "when a certificate ends",
    "service.py": "before the first answer: when the file in force was read",
    "cli/emergency.py": "until when is tried again, for who reads it",
    "cli/explain.py": "of --state, which comes from a file",
    "cli/backtest/source.py": "back from when 30 days are counted",
    "monitoring/http_json.py": "what other programs' clocks are compared with",
    "monitoring/rule_states.py": "what Prometheus's own time is computed from, by its answer",
}
"""The modules that may ask for the machine's time of day, and what for."""


def test_nothing_else_goes_by_the_machines_own_clock() -> None:
    """What is stamped or compared takes the API server's time as an argument, and does not ask the machine for it."""
    package = Path(remediator.__file__).parent
    asking = {
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        if re.search(r"datetime\.(now|utcnow|today)\(|time\.time\b", path.read_text())
    }

    assert {path for path in asking if not path.startswith("sandbox/")} == OWN_CLOCK.keys()

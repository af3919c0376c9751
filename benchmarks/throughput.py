"""Notifications that nothing is done about, as many as there can be in a second, against a bare Flask view."""

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.clients.load import CONNECTIONS, Load, load
from benchmarks.clients.sender import Sender
from benchmarks.clients.wire import Address
from benchmarks.figure import Compared, Effort, Figure, alternate, ratio_of, spell, spell_seconds
from benchmarks.floors.bare import bare
from benchmarks.place import place
from benchmarks.processor import children, seconds
from tests.acceptance.fleet import PAYLOADS, Member

GOAL = 0.7

NAME = "rollback"
"""What the payloads' alerts ask for."""

FIRING = (PAYLOADS / "am0.25.0-error-rate.json").read_bytes()
RESOLVED = FIRING.replace(b'"status":"firing"', b'"status":"resolved"')


def measure(effort: Effort, directory: Path) -> Iterator[Figure]:
    """Rates, and processor time for each notification: in a cooldown, and of a resolved alert."""
    with (
        place(directory, [NAME]) as scene,
        scene.start(directory / "service") as service,
        bare(directory / "bare") as (floor, address),
    ):
        assert _reason(service, FIRING) == "Applied"
        for name, reason, body in (("in its cooldown", "CoolingDown", FIRING), ("resolved", "NotFiring", RESOLVED)):
            assert _reason(service, body) == reason
            ours = _Side(service.address, body, effort.of(2, 1), directory / "load", service.workers)
            theirs = _Side(address, body, effort.of(2, 1), directory / "load", lambda: children(floor.pid))
            before = service.counted("remediator_outcomes_total", reason=reason)
            compared = alternate(ours, theirs, effort.of(7, 1))
            _account(ours.loads, service.counted("remediator_outcomes_total", reason=reason) - before)
            yield _figure(name, compared, ours, theirs)


@dataclass
class _Side:
    """One of the two services under load."""

    address: Address
    body: bytes
    seconds: int
    directory: Path
    workers: Callable[[], Sequence[int]]
    loads: list[Load] = field(default_factory=list)
    costs: list[float] = field(default_factory=list)
    """Processor time of the workers for each notification, in seconds."""

    def __call__(self) -> float:
        """Notifications in a second."""
        before = seconds(self.workers())
        done = load(self.address, self.body, self.seconds, self.directory)
        assert (done.refused, done.lost) == (0, 0), done
        self.loads.append(done)
        self.costs.append((seconds(self.workers()) - before) / done.answers)
        return done.rate

    def waits(self) -> str:
        """How long an answer takes."""
        median = statistics.median(load.p50 for load in self.loads[1:])
        slow = statistics.median(load.p99 for load in self.loads[1:])
        return f"{spell_seconds(median)} (p99 {spell_seconds(slow)})"


def _reason(service: Member, body: bytes) -> str:
    with Sender(service.address) as sender:
        return sender.notify(body)[1]


def _account(loads: Sequence[Load], outcomes: float) -> None:
    """Every answer that was counted is an outcome with the reason; wrk leaves at most one open on each connection."""
    answers = sum(done.answers for done in loads)
    assert answers <= outcomes <= answers + CONNECTIONS * len(loads), (answers, outcomes)


def _figure(name: str, compared: Compared, ours: _Side, theirs: _Side) -> Figure:
    # The first of each is the turn that does not count.
    costs = [mine / other for mine, other in zip(ours.costs[1:], theirs.costs[1:], strict=True)]
    own, bare = statistics.median(ours.costs[1:]), statistics.median(theirs.costs[1:])
    return Figure(
        name=f"notifications per second, an alert {name}",
        ours=f"{spell(statistics.median(compared.ours))}/s",
        baseline=f"bare Flask answering 204: {spell(statistics.median(compared.baseline))}/s",
        ratio=compared.ratio,
        goal=f"≥ {GOAL}",
        reached=compared.ratio.median >= GOAL,
        notes=[
            f"processor time of the worker for each {spell_seconds(own)}, of bare Flask {spell_seconds(bare)}: "
            f"{ratio_of(costs)} times as much; that ratio does not depend on who else is busy",
            f"over {CONNECTIONS} connections an answer takes {ours.waits()}, of bare Flask {theirs.waits()}",
        ],
    )

"""What the whole service holds of the memory: idle, after many notifications, after the largest ones and more of them.

Memory is not noisy, so the long part has one turn. The service and the baseline run one after the other: side by side
they would share the interpreter's pages.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks import footprint
from benchmarks.clients.flood import flood
from benchmarks.clients.wire import Address
from benchmarks.figure import Compared, Effort, Figure, spell
from benchmarks.floors.bare import bare
from benchmarks.place import Place, notification, place
from remediator.alerts import MAX_BODY_BYTES
from tests.service import alert, body

IDLE_MIB = 75.0
FLAT = 1.10
"""What counts as flat, to the same service idle: the stacks of threads and first uses of code are in it."""

MANY, CONNECTIONS = 100_000, 16
ROUNDS, AT_ONCE = 5, 4
DESCRIPTION = "The error rate of the canary is over its threshold. " * 4

Running = tuple[Callable[[], list[int]], Address]
"""The processes of a service at any moment, and its address."""

Start = Callable[[], AbstractContextManager[Running]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """MiB at each station of one service."""

    idle: float
    many: float
    large: float
    again: float
    """After as many large ones once more."""
    peak: float


def measure(effort: Effort, directory: Path) -> Iterator[Figure]:
    """Idle by several starts, then one service through all of it; in each turn first the one, then the other."""
    with place(directory) as here:
        sides: list[Start] = [partial(_ours, here, directory), partial(_bare, directory)]
        idle = [[_idle(start, effort) for start in sides] for _ in range(effort.of(3, 1))]
        ours, bare = ([turn[side][0] for turn in idle] for side in (0, 1))
        alone = max(turn[0][1] for turn in idle)
        yield Figure(
            name="memory, idle",
            ours=_mib(max(ours)),
            baseline=f"bare Flask under gunicorn: {_mib(max(bare))}",
            ratio=Compared(ours=ours, baseline=bare).ratio,
            goal=f"≤ {_mib(IDLE_MIB)}",
            reached=max(ours) <= IDLE_MIB,
            notes=[
                "PSS of gunicorn's master and worker together, two looks at the targets after it is ready",
                f"where no other process has the interpreter's files in memory, as alone in a Pod: {_mib(alone)}",
            ],
        )
        yield from _loaded(_load(sides[0], effort), _load(sides[1], effort), effort)


def _loaded(ours: _Held, bare: _Held, effort: Effort) -> Iterator[Figure]:
    """What the stations came to."""
    count, rounds = effort.of(MANY, 1_000), effort.of(ROUNDS, 1)
    large = f"{rounds * AT_ONCE} bodies of 10 MiB, {AT_ONCE} at the same time"
    for name, held, other in (
        (f"memory, after {count:,} notifications", ours.many, bare.many),
        (f"memory, then after {large}", ours.large, bare.large),
    ):
        yield Figure(
            name=name,
            ours=f"{_mib(held)}, {spell(held / ours.idle)} of idle",
            baseline=f"bare Flask: {_mib(other)}, {spell(other / bare.idle)} of idle",
            ratio=Compared(ours=[held], baseline=[other]).ratio,
            goal=f"≤ {spell(FLAT)} of idle",
            reached=held / ours.idle <= FLAT,
        )
    yield Figure(
        name="memory, after as many of them again",
        ours=f"{_mib(ours.again)}, {spell(ours.again / ours.large)} of before",
        baseline=f"bare Flask: {_mib(bare.again)}, {spell(bare.again / bare.large)} of before",
        ratio=Compared(ours=[ours.again], baseline=[bare.again]).ratio,
        goal=f"≤ {spell(FLAT)} of before",
        reached=ours.again / ours.large <= FLAT,
    )
    yield Figure(
        name="memory, the worker's peak with these bodies",
        ours=_mib(ours.peak),
        baseline=f"bare Flask, which only reads them: {_mib(bare.peak)}",
        ratio=Compared(ours=[ours.peak], baseline=[bare.peak]).ratio,
        notes=["resident, with the pages that the worker shares with its master"],
    )


def _idle(start: Start, effort: Effort) -> tuple[float, float]:
    """MiB by shares, and if it were alone."""
    with start() as (processes, _):
        time.sleep(effort.of(10, 1))
        return footprint.proportional(processes()), footprint.alone(processes())


def _load(start: Start, effort: Effort) -> _Held:
    """Take a service through the stations."""
    with start() as (processes, address):
        time.sleep(effort.of(10, 1))
        idle = footprint.proportional(processes())
        flood(address, notification("denis"), effort.of(MANY, 1_000), CONNECTIONS)
        many = footprint.proportional(processes())
        footprint.forget_peaks(processes())
        after = list[float]()
        for _ in range(2):
            flood(address, large(), effort.of(ROUNDS, 1) * AT_ONCE, AT_ONCE)
            # What a request held is let go of when its thread is done, and a look at the targets later at the latest.
            time.sleep(effort.of(6, 1))
            after.append(footprint.proportional(processes()))
        peak = footprint.peak(processes())
        return _Held(idle=idle, many=many, large=after[0], again=after[1], peak=peak)


def large() -> bytes:
    """As many real alerts as fit into the largest body that is taken."""
    one = {**alert("denis", pod="denis-6f7d8c9b5-00000", instance="10.0.0.0:8084", cluster="eu-1", severity="critical")}
    one["annotations"] = {"summary": "Too many requests fail.", "description": DESCRIPTION, "value": "0.061"}
    size = len(body(one, one)) - len(body(one))
    whole = body(*({**one, "fingerprint": f"{number:016x}"} for number in range((MAX_BODY_BYTES - 1000) // size)))
    assert MAX_BODY_BYTES - 3000 < len(whole) <= MAX_BODY_BYTES
    return whole


@contextmanager
def _ours(here: Place, directory: Path) -> Iterator[Running]:
    with here.start(directory / "ours") as member:
        yield lambda: footprint.family(member.pid), member.address


@contextmanager
def _bare(directory: Path) -> Iterator[Running]:
    with bare(directory / "bare") as (daemon, address):
        yield lambda: footprint.family(daemon.pid), address


def _mib(size: float) -> str:
    return f"{spell(size)} MiB"

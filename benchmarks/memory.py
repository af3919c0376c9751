"""The memory of the whole service: idle, after many notifications, and after the largest ones.

The service and the baseline run one after the other: side by side they would share the interpreter's pages.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks import footprint
from benchmarks.baseline import bare_flask
from benchmarks.canaries import canaries, notification
from benchmarks.clients.connection import Address
from benchmarks.clients.flood import flood
from benchmarks.results import Compared, Effort, Figure, digits
from remediator.core.alerts import MAX_BODY_BYTES
from tests.support.service import alert, body

IDLE_MIB = 60.0
FLAT = 1.10
"""What counts as flat, relative to idle: stacks of threads, and code that runs for the first time."""

MANY, CONNECTIONS = 100_000, 16
ROUNDS, AT_ONCE = 5, 4
DESCRIPTION = "The error rate of the canary is over its threshold. " * 4


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """MiB of one service."""

    idle: float
    alone: float
    many: float
    large: float


def measure(effort: Effort, directory: Path) -> Iterator[Figure]:
    """First the service, then bare Flask."""
    with canaries(directory) as there, there.start(directory / "ours") as member:
        ours = _load(lambda: footprint.family(member.pid), member.address, effort)
    with bare_flask(directory / "bare") as (daemon, address):
        bare = _load(lambda: footprint.family(daemon.pid), address, effort)
    yield Figure(
        name="memory, idle",
        ours=_mib(ours.idle),
        baseline=f"bare Flask under gunicorn: {_mib(bare.idle)}",
        ratio=Compared(ours=[ours.idle], baseline=[bare.idle]).ratio,
        goal=f"≤ {_mib(IDLE_MIB)}",
        reached=ours.idle <= IDLE_MIB,
        notes=[
            "PSS of gunicorn's master and worker together, 10 s after it is ready",
            f"alone in a Pod, sharing no files with other processes: {_mib(ours.alone)}",
        ],
    )
    large = f"{effort.of(ROUNDS, 1) * AT_ONCE} bodies of 10 MiB, {AT_ONCE} at the same time"
    for name, held, other in (
        (f"memory, after {effort.of(MANY, 1_000):,} notifications", ours.many, bare.many),
        (f"memory, then after {large}", ours.large, bare.large),
    ):
        yield Figure(
            name=name,
            ours=f"{_mib(held)}, {digits(held / ours.idle)} of idle",
            baseline=f"bare Flask: {_mib(other)}, {digits(other / bare.idle)} of idle",
            ratio=Compared(ours=[held], baseline=[other]).ratio,
            goal=f"≤ {digits(FLAT)} of idle",
            reached=held / ours.idle <= FLAT,
        )


def _load(processes: Callable[[], list[int]], address: Address, effort: Effort) -> _Held:
    time.sleep(effort.of(10, 1))
    idle, alone = footprint.proportional(processes()), footprint.alone(processes())
    flood(address, notification("denis"), effort.of(MANY, 1_000), CONNECTIONS)
    many = footprint.proportional(processes())
    flood(address, large(), effort.of(ROUNDS, 1) * AT_ONCE, AT_ONCE)
    time.sleep(effort.of(6, 1))  # What a request held is freed with its thread, or at the next read of the targets.
    return _Held(idle=idle, alone=alone, many=many, large=footprint.proportional(processes()))


def large() -> bytes:
    """As many real alerts as fit into the largest body that is accepted."""
    one = {**alert("denis", pod="denis-6f7d8c9b5-00000", instance="10.0.0.0:8084", cluster="eu-1", severity="critical")}
    one["annotations"] = {"summary": "Too many requests fail.", "description": DESCRIPTION, "value": "0.061"}
    size = len(body(one, one)) - len(body(one))
    whole = body(*({**one, "fingerprint": f"{number:016x}"} for number in range((MAX_BODY_BYTES - 1000) // size)))
    assert MAX_BODY_BYTES - 3000 < len(whole) <= MAX_BODY_BYTES
    return whole


def _mib(size: float) -> str:
    return f"{digits(size)} MiB"

"""A storm at three replicas: as many notifications at once as a big incident can bring, one act, and few reads."""

import asyncio
import statistics
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.clients.sender import reason
from benchmarks.clients.wire import Address, Connection, request
from benchmarks.figure import Effort, Figure, spell_seconds
from benchmarks.place import Place, place
from remediator.observation import FOLLOWING_SECONDS
from tests.acceptance.fleet import Fleet, Member, pair
from tests.acceptance.incidents import acts_of, env_of

REPLICAS = 3
NOTIFICATIONS = 240
GOAL = 0.1
"""Reads of the API server for each notification."""

NAME = "denis"


def measure(effort: Effort, directory: Path) -> Iterator[Figure]:
    """What all storms came to: acts and writes, and how often the API server was asked."""
    with place(directory, [NAME]) as scene:
        storms = [_storm(scene, directory / f"storm-{number}") for number in range(effort.of(7, 1))]
    worst = max(storms, key=lambda storm: storm.reads)
    median = statistics.median(storm.reads for storm in storms) / NOTIFICATIONS
    yield Figure(
        name=f"{REPLICAS} replicas, {NOTIFICATIONS} notifications at once",
        ours="1 act, 1 write",
        goal="1 act, 1 write",
        reached=True,
        notes=[
            f"in each of {len(storms)} storms: every notification answered 200, one of them by the act. Refused with "
            f"409 were {statistics.median(storm.conflicts for storm in storms):.0f} writes, "
            f"{max(storm.conflicts for storm in storms):.0f} in the worst storm",
            f"all were answered after {spell_seconds(statistics.median(storm.seconds for storm in storms))}, in the "
            f"worst storm after {spell_seconds(max(storm.seconds for storm in storms))}; the act was done after "
            f"{spell_seconds(statistics.median(storm.acted for storm in storms))}, in the worst after "
            f"{spell_seconds(max(storm.acted for storm in storms))}",
        ],
    )
    yield Figure(
        name="reads of the API server for each of them",
        ours=f"{median:.3f} (worst storm {worst.reads / NOTIFICATIONS:.3f})",
        goal=f"≤ {GOAL}",
        reached=worst.reads / NOTIFICATIONS <= GOAL,
        notes=[
            "counted is everything that the replicas read from the first notification to the last answer, also their "
            f"regular looks at the target, one in {FOLLOWING_SECONDS:.0f} s of each at the most"
        ],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Storm:
    """What one storm came to."""

    reads: float
    conflicts: float
    seconds: float
    """Until all were answered."""
    acted: float
    """Until the one that acted was answered."""


def _storm(scene: Place, directory: Path) -> _Storm:
    """New replicas, which know nothing of an act, and all notifications at once."""
    scene.reset(NAME)
    fleet = Fleet(lambda number: Member(directory / f"{number}", *scene.flags()), REPLICAS)
    try:
        generation = scene.api.get(scene.path(NAME)).body["metadata"]["generation"]
        before = _asked(fleet)
        answers = asyncio.run(_deliver([member.address for member in fleet.members]))
        after = _asked(fleet)
    finally:
        fleet.stop()
    counts = Counter(reason for _, reason in answers)
    assert counts == {"Applied": 1, "CoolingDown": NOTIFICATIONS - 1}, counts
    deployment = scene.api.get(scene.path(NAME)).body
    assert len(acts_of(deployment)) == 1
    assert env_of(deployment)["DENIS_MATERIALIZERS_PCT"] == "0"
    assert deployment["metadata"]["generation"] == generation + 1
    asked = {key: after[key] - before[key] for key in after}
    assert asked["written"] == 1, asked
    return _Storm(
        reads=asked["read"],
        conflicts=asked["refused"],
        seconds=max(seconds for seconds, _ in answers),
        acted=next(seconds for seconds, reason in answers if reason == "Applied"),
    )


async def _deliver(addresses: Sequence[Address]) -> list[tuple[float, str]]:
    """Every notification over a connection of its own, from both Alertmanagers of a pair, to the replicas in turn.

    For each of them, the seconds from the first one sent to its answer, and the reason in that.
    """
    connections = [await Connection.to(addresses[number % REPLICAS]) for number in range(NOTIFICATIONS)]
    messages, began = [request(body) for body in pair(NAME)], time.perf_counter()

    async def exchange(number: int, connection: Connection) -> tuple[float, str]:
        answer = await connection.exchange(messages[number % 2])
        return time.perf_counter() - began, reason(answer.code, answer.body)

    try:
        return await asyncio.gather(*(exchange(*numbered) for numbered in enumerate(connections)))
    finally:
        for connection in connections:
            connection.close()


def _asked(fleet: Fleet) -> dict[str, float]:
    """How often the replicas have asked the API server, by what for."""
    name = "remediator_kubernetes_requests_total"
    return {
        "read": fleet.counted(name, verb="get"),
        "written": fleet.counted(name, verb="patch", code="200"),
        "refused": fleet.counted(name, verb="patch", code="409"),
    }

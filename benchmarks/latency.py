"""One notification to applied, through the whole service, against the GET and the PATCH that it cannot do without."""

import json
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

from benchmarks import processor
from benchmarks.clients.sender import Sender
from benchmarks.figure import Compared, Effort, Figure, alternate, percentile, ratio_of, spell_seconds
from benchmarks.floors.bare import bare
from benchmarks.floors.floor import FLOOR, Floor
from benchmarks.place import Place, notification, place
from remediator.ledger import MAX_ENTRIES
from tests.service import alert, body

GOAL = 1.25

BLOCK = 100
"""Turns that make one p99. With fewer it would be the slowest of them."""

NAME = "denis"


def measure(effort: Effort, directory: Path) -> Iterator[Figure]:
    """The times at p50 and at p99, and what the time is spent on."""
    with (
        place(directory, [NAME], cooldown="1ms") as scene,
        scene.start(directory / "service") as service,
        Sender(service.address) as sender,
    ):
        race = _Race(scene, sender, service.workers())
        # From then on the ledger is as long as it gets, for the service remembers what the reset takes away.
        for _ in range(effort.of(MAX_ENTRIES + 5, 3)):
            race.ours()
        arguments = race.take_ledger()
        compared = alternate(race.ours, race.floor, effort.of(6 * BLOCK, 5))
        environment = {FLOOR: json.dumps({**arguments, "path": scene.path(NAME)})}
        with (
            bare(directory / "least", "benchmarks.floors.bare_actor", environment) as (_, address),
            Sender(address) as least,
        ):
            hop = alternate(race.ours, partial(race.least, least), effort.of(2 * BLOCK, 5))
        race.close()
    ours, floor = statistics.median(compared.ours), statistics.median(compared.baseline)
    yield Figure(
        name="one notification to applied, p50",
        ours=spell_seconds(ours),
        baseline=f"one GET and one PATCH by bare urllib3: {spell_seconds(floor)}",
        ratio=compared.ratio,
        goal=f"≤ {GOAL}",
        reached=compared.ratio.median <= GOAL,
        notes=race.explain(ours),
    )
    yield _p99(compared)
    yield Figure(
        name="the same, to the least service",
        ours=spell_seconds(statistics.median(hop.ours)),
        baseline=f"a bare Flask view around that GET and PATCH: {spell_seconds(statistics.median(hop.baseline))}",
        ratio=hop.ratio,
        notes=[
            "a view that reads no alert, decides nothing and records nothing shows what the way over HTTP to any "
            "service costs on this machine; what is left of the ratio is the service's own"
        ],
    )


class _Race:
    """Both sides act on the same canary, which is reset before each act, untimed."""

    def __init__(self, scene: Place, sender: Sender, workers: Sequence[int]) -> None:
        self._scene, self._sender, self._workers, self._path = scene, sender, workers, scene.path(NAME)
        self._firing = notification(NAME)
        self._resolved = body(alert(NAME, status="resolved"))
        self._floor: Floor | None = None
        self._acts = 0
        self._idle, self._gets, self._patches = list[float](), list[float](), list[float]()
        # Of the service a single one is 0 or a tick, but the mean is right.
        self._costs, self._costs_of_floor = list[float](), list[float]()

    def take_ledger(self) -> Mapping[str, Any]:
        """Let the floor write what the service has written last. Returns the floor's arguments."""
        arguments = self._scene.floor(NAME)
        self._acts = len(json.loads(arguments["ledger"])["acts"])
        self._floor = Floor(**arguments)
        return arguments

    def close(self) -> None:
        """Hang up."""
        if self._floor:
            self._floor.close()

    def ours(self) -> float:
        """Seconds for an act of the service."""
        self._scene.reset(NAME)
        before = processor.seconds(self._workers)
        seconds, reason = self._sender.notify(self._firing)
        self._costs.append(processor.seconds(self._workers) - before)
        assert reason == "Applied"
        return seconds

    def floor(self) -> float:
        """Seconds for the same act without a service. The service is quiet now, so that it is asked for its own share:
        the time for an alert that wants no act.
        """
        assert self._floor
        self._scene.reset(NAME)
        before = time.process_time()
        get, patch = self._floor.act(self._path)
        self._costs_of_floor.append(time.process_time() - before)
        self._gets.append(get)
        self._patches.append(patch)
        idle, reason = self._sender.notify(self._resolved)
        assert reason == "NotFiring"
        self._idle.append(idle)
        return get + patch

    def least(self, sender: Sender) -> float:
        """Seconds for the same act by the least service."""
        self._scene.reset(NAME)
        seconds, code, _ = sender.post(self._firing)
        assert code == HTTPStatus.NO_CONTENT
        return seconds

    def explain(self, ours: float) -> Sequence[str]:
        """What the time of ours is spent on."""
        idle, get, patch = (statistics.median(times) for times in (self._idle, self._gets, self._patches))
        parts = {
            "for the GET, as the floor needs it": get,
            "for the PATCH": patch,
            "for what an alert costs that asks for no act: HTTP in and out, between two processes, and parsing": idle,
            "for the rest, which is the service's share of both requests, the decision and its record": ours
            - (get + patch + idle),
        }
        shares = "; ".join(f"{spell_seconds(part)} ({part / ours:.0%}) {what}" for what, part in parts.items())
        mine, others = statistics.mean(self._costs), statistics.mean(self._costs_of_floor)
        return [
            f"by medians: {shares}. Each patch brings a ledger of {self._acts} acts, on both sides",
            f"processor time until the answer: {spell_seconds(mine)} of the service's worker, {spell_seconds(others)} "
            "of the floor's process; HTTP in and out and a second process are no part of the floor",
        ]


def _p99(compared: Compared) -> Figure:
    def blocks(times: list[float]) -> list[float]:
        starts = range(0, len(times), BLOCK)
        return [percentile(times[start : start + BLOCK], 99) for start in starts]

    ours, floor = blocks([*compared.ours]), blocks([*compared.baseline])
    ratio = ratio_of([mine / other for mine, other in zip(ours, floor, strict=True)])
    return Figure(
        name="one notification to applied, p99",
        ours=spell_seconds(statistics.median(ours)),
        baseline=f"one GET and one PATCH by bare urllib3: {spell_seconds(statistics.median(floor))}",
        ratio=ratio,
        goal=f"≤ {GOAL}",
        reached=ratio.median <= GOAL,
        notes=[f"each ratio is that of the p99 of {BLOCK} turns; {len(ours)} of them"],
    )

"""Notifications per second that lead to no act, compared with a bare Flask view."""

import statistics
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from benchmarks.baseline import bare_flask
from benchmarks.canaries import canaries, notification
from benchmarks.clients.connection import Address, request
from benchmarks.clients.open_loop import Schedule, run
from benchmarks.clients.sender import Sender
from benchmarks.results import Effort, Figure, alternate, digits
from tests.support.service import alert, body

GOAL = 0.6
NAME = "denis"
CONNECTIONS = 16


def measure(effort: Effort, directory: Path) -> Iterator[Figure]:
    """The rates in a cooldown, and of a resolved alert. Every answer has to be counted as an outcome."""
    with (
        canaries(directory, [NAME]) as there,
        there.start(directory / "service") as service,
        bare_flask(directory / "bare") as (_, address),
        Sender(service.address) as sender,
    ):
        firing, resolved = notification(NAME), body(alert(NAME, status="resolved"), status="resolved")
        assert sender.notify(firing)[1] == "Applied"
        number, turns = effort.of(2_000, 200), effort.of(7, 1)
        for name, reason, content in (("in its cooldown", "CoolingDown", firing), ("resolved", "NotFiring", resolved)):
            assert sender.notify(content)[1] == reason
            before = service.counted("remediator_outcomes_total", reason=reason)
            ours, bare = (partial(_rate, side, content, number) for side in (service.address, address))
            compared = alternate(ours, bare, turns)
            outcomes = service.counted("remediator_outcomes_total", reason=reason) - before
            assert outcomes == number * (turns + 1), outcomes
            yield Figure(
                name=f"notifications per second, an alert {name}",
                ours=f"{digits(statistics.median(compared.ours))}/s",
                baseline=f"bare Flask answering 204: {digits(statistics.median(compared.baseline))}/s",
                ratio=compared.ratio,
                goal=f"≥ {GOAL}",
                reached=compared.ratio.median >= GOAL,
            )


def _rate(address: Address, content: bytes, number: int) -> float:
    requests = [request(content)]
    samples = run(Schedule(address=address, requests=requests, number=number, seconds=0, connections=CONNECTIONS))
    assert {sample.code for sample in samples} <= {200, 204}
    return number / max(sample.seconds for sample in samples)

"""A storm of notifications while other clients stall, and more notifications at once than can be handled."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.canaries import Canaries, canaries, notification
from benchmarks.clients.connection import Address, request
from benchmarks.clients.open_loop import PATIENCE_SECONDS, Sample, Schedule, run
from benchmarks.clients.probes import probing
from benchmarks.clients.stalled import stalled
from benchmarks.results import Effort, Figure, duration, percentile, ratio_of
from benchmarks.slow_api import SlowApi
from tests.acceptance.fleet import Member
from tests.support.service import alert, body

STALLED = 200
NAMES = ("denis", "denis-2", "denis-3", "denis-4")
WINDOWS = 3
"""The storm and the calm are cut into so many windows each; each pair gives a ratio."""


def measure(effort: Effort, directory: Path) -> Iterator[Figure]:
    """The storm, and the overload, each with a service of its own."""
    with canaries(directory, NAMES) as there:
        yield from _storm(effort, there, directory)
        yield from _overload(effort, there, directory)


def _storm(effort: Effort, there: Canaries, directory: Path) -> Iterator[Figure]:
    number, seconds = effort.of(10_000, 500), effort.of(60, 3)
    with there.start(directory / "storm") as service:
        for name in NAMES:  # Everything after these acts falls into the cooldowns.
            assert service.post(notification(name))[0] == 200
        run(_mixed(service.address, 200, 2))
        calm = run(_mixed(service.address, number, seconds))
        with stalled(service.address, STALLED), probing(service.internal) as probes:
            storm = run(_mixed(service.address, number, seconds))
    ratio = ratio_of([_p99(mine) / _p99(other) for mine, other in zip(_cut(storm), _cut(calm), strict=True)])
    good = sum(sample.code == 200 for sample in storm)
    yield Figure(
        name=f"storm: p99 with {STALLED} stalled clients",
        ours=duration(_p99(storm)),
        baseline=f"without them: {duration(_p99(calm))}",
        ratio=ratio,
        goal="≤ 2",
        reached=ratio.median <= 2,
        notes=[f"{number} notifications; each latency counts from when it was due, and is 10 s without an answer"],
    )
    yield Figure(
        name="storm: notifications answered 200",
        ours=f"{good} of {number}",
        baseline=f"{sum(sample.code == 200 for sample in calm)} of {number}",
        goal="all",
        reached=good == number,
        notes=[] if good == number else [_codes(storm)],
    )
    yield Figure(
        name="storm: internal listener, p99",
        ours=f"{duration(percentile(probes.seconds, 99))}, slowest {duration(max(probes.seconds))}",
        goal="all within 1 s",
        reached=max(probes.seconds) <= 1,
        notes=probes.failures[:3],
    )


def _overload(effort: Effort, there: Canaries, directory: Path) -> Iterator[Figure]:
    number = effort.of(600, 60)
    firing = [request(notification(name)) for name in NAMES]
    with SlowApi(there.server) as api:
        kubeconfig = there.server.write_kubeconfig(directory / "slow", there.server.admin_token, url=api.url)
        flags = (f"--config.file={there.config}", f"--kubeconfig={kubeconfig}", "--insecure-no-auth")
        for held, seconds in (("slow, 1 s a request", 1.0), ("held", 3600.0)):
            with Member(directory / f"overload-{seconds:.0f}", *flags) as service:
                api.delay = 0
                service.wait_until_ready()
                api.delay = seconds
                at_once = Schedule(
                    address=service.address, requests=firing, number=number, seconds=0, connections=number
                )
                with probing(service.internal) as probes:
                    samples = run(at_once)
                slowest, probe = max(sample.seconds for sample in samples), max(probes.seconds)
                answered = all(sample.code in (200, 503) for sample in samples)
                yield Figure(
                    name=f"{number} at once, API server {held}",
                    ours=f"{_codes(samples)}; slowest {duration(slowest)}",
                    baseline=f"internal listener: slowest {duration(probe)}",
                    goal=f"200 or 503 within {PATIENCE_SECONDS:.0f} s; internal listener within 1 s",
                    reached=answered and slowest < PATIENCE_SECONDS and probe <= 1,
                    notes=probes.failures[:3],
                )


def _mixed(address: Address, number: int, seconds: float) -> Schedule:
    """Four repeats in a cooldown, which cost a read of the target, and one resolved alert, which costs none."""
    firing = [request(notification(name, alerts=count)) for count, name in enumerate(NAMES, start=1)]
    resolved = request(body(alert(NAMES[0], status="resolved"), status="resolved"))
    return Schedule(address=address, requests=[*firing, resolved], number=number, seconds=seconds)


def _cut(samples: Sequence[Sample]) -> list[Sequence[Sample]]:
    size = len(samples) // WINDOWS
    return [samples[window * size : (window + 1) * size] for window in range(WINDOWS)]


def _p99(samples: Sequence[Sample]) -> float:
    return percentile([sample.seconds for sample in samples], 99)


def _codes(samples: Sequence[Sample]) -> str:
    names = {0: "closed", -1: "without an answer"}
    counted = Counter(sample.code for sample in samples)
    return ", ".join(f"{count} × {names.get(code, code)}" for code, count in sorted(counted.items()))

"""A storm of notifications while other clients stall, and more of them at once than can be done."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.clients.open_loop import PATIENCE_SECONDS, Load, Sample, run
from benchmarks.clients.probes import Probed, probing
from benchmarks.clients.stalled import stalled
from benchmarks.clients.wire import request
from benchmarks.figure import Effort, Figure, percentile, ratio_of, spell_seconds
from benchmarks.place import Place, notification, place
from benchmarks.slow_api import SlowApi
from tests.acceptance.fleet import Member
from tests.service import alert, body

STALLED = 200
NAMES = ("denis", "denis-2", "denis-3", "denis-4")

WINDOWS = 3
"""Into how many parts a calm and the half of the storm beside it are cut; each pair of parts gives a ratio."""


def measure(effort: Effort, directory: Path) -> Iterator[Figure]:
    """The storm, and the overload, each at a service of its own."""
    with place(directory, NAMES) as where:
        yield from _storm(effort, where, directory)
        yield from _overload(effort, where, directory)


def _storm(effort: Effort, where: Place, directory: Path) -> Iterator[Figure]:
    """Half of the calm, the storm, the other half of the calm: what drifts on the machine meets both alike."""
    number, seconds = effort.of(10_000, 500), effort.of(60, 3)
    with where.start(directory / "storm") as service:
        _act(service)
        load = Load(address=service.address, requests=_mixed(), number=number // 2, seconds=seconds / 2)
        settling = Load(address=service.address, requests=_mixed(), number=200, seconds=2)
        run(settling)
        with probing(service.internal) as calm_probes:
            before = run(load)
        with stalled(service.address, STALLED), probing(service.internal) as storm_probes:
            storm = run(Load(address=service.address, requests=_mixed(), number=number, seconds=seconds))
        run(settling)
        with probing(service.internal) as later_probes:
            after = run(load)
    calm_probes.seconds += later_probes.seconds
    yield _latency(storm, before, after)
    yield _answered("storm: notifications answered 200", storm, [*before, *after])
    yield _listener(storm_probes, calm_probes)


def _latency(storm: Sequence[Sample], before: Sequence[Sample], after: Sequence[Sample]) -> Figure:
    half = len(storm) // 2
    pairs = [*zip(_parts(storm[:half]), _parts(before), strict=True)]
    pairs += [*zip(_parts(storm[half:]), _parts(after), strict=True)]
    ratio = ratio_of([_p99(mine) / _p99(calm) for mine, calm in pairs])
    calm = [*before, *after]
    return Figure(
        name=f"storm: p99 with {STALLED} stalled clients",
        ours=_spell(storm),
        baseline=f"the same without them: {_spell(calm)}",
        ratio=ratio,
        goal="≤ 2",
        reached=ratio.median <= 2 and _p99(storm) <= 2 * _p99(calm),
        notes=[
            f"{len(storm)} notifications in an open loop: a latency begins when one is due, and without an answer it"
            f" is {PATIENCE_SECONDS:.0f} s. Stalled clients hold on in mid-body, in mid-header, half-closed or silent,"
            " three in ten with a byte a second, and come again at once when they are cut. They are spread over the"
            " second; if all that comes each second came at the same moment, the p99 would be that moment's."
        ],
    )


def _answered(name: str, storm: Sequence[Sample], calm: Sequence[Sample]) -> Figure:
    good = sum(sample.code == 200 for sample in storm)
    return Figure(
        name=name,
        ours=f"{good} of {len(storm)}",
        baseline=f"{sum(sample.code == 200 for sample in calm)} of {len(calm)}",
        goal="all",
        reached=good == len(storm),
        notes=[] if good == len(storm) else [f"what became of them: {_codes(storm)}"],
    )


def _listener(storm: Probed, calm: Probed) -> Figure:
    return Figure(
        name="storm: internal listener, p99",
        ours=f"{spell_seconds(storm.p99)}, slowest {spell_seconds(storm.slowest)}",
        baseline=f"{spell_seconds(calm.p99)}, slowest {spell_seconds(calm.slowest)}",
        ratio=ratio_of([storm.p99 / calm.p99]),
        goal="all within 1 s",
        reached=storm.slowest <= 1,
        notes=storm.failures[:3],
    )


def _overload(effort: Effort, where: Place, directory: Path) -> Iterator[Figure]:
    number = effort.of(600, 60)
    firing = [request(notification(name)) for name in NAMES]
    with SlowApi(where.server) as api:
        kubeconfig = where.server.write_kubeconfig(directory / "slow", where.server.admin_token, url=api.url)
        flags = (f"--config.file={where.config}", f"--kubeconfig={kubeconfig}", "--insecure-no-auth")
        for held, seconds in (("slow, 1 s a request", 1.0), ("held", 3600.0)):
            with Member(directory / f"overload-{seconds:.0f}", *flags) as service:
                api.delay = 0
                service.wait_until_ready()
                api.delay = seconds
                load = Load(address=service.address, requests=firing, number=number, seconds=0, connections=number)
                with probing(service.internal) as probes:
                    samples = run(load)
                yield _overloaded(f"{number} at once, API server {held}", samples, probes)


def _overloaded(name: str, samples: Sequence[Sample], probes: Probed) -> Figure:
    honest = all(sample.code in (200, 503) for sample in samples)
    slowest = max(sample.seconds for sample in samples)
    return Figure(
        name=name,
        ours=f"{_codes(samples)}; p50 {spell_seconds(percentile([one.seconds for one in samples], 50))},"
        f" slowest {spell_seconds(slowest)}",
        baseline=f"internal listener: slowest {spell_seconds(probes.slowest)}",
        goal=f"200 or 503 within {PATIENCE_SECONDS:.0f} s; internal listener within 1 s",
        reached=honest and slowest < PATIENCE_SECONDS and probes.slowest <= 1,
        notes=probes.failures[:3],
    )


def _act(service: Member) -> None:
    """Let every canary be rolled back, so that what follows falls into the cooldowns."""
    for name in NAMES:
        status, answer = service.post(notification(name))
        assert status == 200, answer


def _mixed() -> list[bytes]:
    """Four repeats in the cooldown, which cost a look at the API server, and one that tells of an end."""
    firing = [request(notification(name, alerts=count)) for count, name in enumerate(NAMES, start=1)]
    return [*firing, request(body(alert(NAMES[0], status="resolved"), status="resolved"))]


def _parts(samples: Sequence[Sample]) -> list[Sequence[Sample]]:
    size = len(samples) // WINDOWS
    return [samples[part * size : (part + 1) * size] for part in range(WINDOWS)]


def _p99(samples: Sequence[Sample]) -> float:
    return percentile([sample.seconds for sample in samples], 99)


def _spell(samples: Sequence[Sample]) -> str:
    middle = percentile([sample.seconds for sample in samples], 50)
    return f"{spell_seconds(_p99(samples))} (p50 {spell_seconds(middle)})"


def _codes(samples: Sequence[Sample]) -> str:
    """How many were answered by which code, and how many were not."""
    names = {0: "cut", -1: "without an answer"}
    counted = Counter(sample.code for sample in samples)
    return ", ".join(f"{count} × {names.get(code, code)}" for code, count in sorted(counted.items()))

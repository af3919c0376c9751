"""A month of DENIS that never was, in a Prometheus: to try `backtest` and `review` without waiting for a month.

    python -m demo.month

The rule of this file: the same seed makes the same month, up to when it ends.
"""

import argparse
import contextlib
import math
import random
import subprocess
import threading
import time
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from demo.interrupts import Interrupts
from demo.process import Process
from demo.shipped import RULES

STEP = 15
PODS = ("denis-7d9c4-a", "denis-7d9c4-b", "denis-7d9c4-c")
DAY, HOUR, MINUTE = 86_400, 3_600, 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """A time in which a signal is not as it is on a quiet day; times are seconds since the month's start."""

    start: int
    length: int
    signal: str
    value: float
    """In a `gap`, which is a trouble of all signals, there are no samples."""
    pods: Sequence[str] = PODS


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a person set, and when."""

    at: int
    value: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    """What happened."""

    days: int
    troubles: Sequence[Trouble]
    percentages: Sequence[Change] = ()
    """Recorded from the first of them on."""
    replicas: Sequence[Change] = ()
    acts: Sequence[int] = ()
    """When Remediator rolled back. Before, it only observed."""
    watched: bool = True
    """Whether the rules were loaded, so that Prometheus has what they record."""
    namespace: str = "denis"


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    """One time that an alert fired; times are seconds since the month's start."""

    alert: str
    remediation: str
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bound:
    """When a shipped alert fires."""

    alert: str
    signal: str
    remediation: str
    hold: int
    """How many seconds it has to be bad."""
    is_bad: Callable[[float], bool]


BOUNDS = (
    _Bound(
        alert="DenisErrorRateHigh",
        signal="error_rate",
        remediation="rollback",
        hold=2 * MINUTE,
        is_bad=lambda value: value > 0.05,
    ),
    _Bound(
        alert="DenisErrorRateSevere",
        signal="error_rate",
        remediation="rollback",
        hold=30,
        is_bad=lambda value: value > 0.25,
    ),
    _Bound(
        alert="DenisMaterializerSuccessRateLow",
        signal="materializer_success_rate",
        remediation="rollback",
        hold=2 * MINUTE,
        is_bad=lambda value: value < 0.9,
    ),
    _Bound(
        alert="DenisQueueDepthHigh",
        signal="async_queue_depth",
        remediation="scale-workers",
        hold=5 * MINUTE,
        is_bad=lambda value: value > 500,
    ),
)

LOOKBACK = 5 * MINUTE
"""For so long Prometheus shows a sample after it: blocks that are made of text cannot say that a series has ended."""

HELD = 75
"""How many seconds the rules hold a reading when there are no more."""


def firings(month: Month) -> list[Firing]:
    """The times that shipped alerts fired on all pods."""
    gaps = {trouble.start for trouble in month.troubles if trouble.signal == "gap"}
    found = []
    for trouble in month.troubles:
        end = trouble.start + trouble.length
        end += HELD if end in gaps else STEP
        for bound in BOUNDS:
            start = trouble.start + bound.hold + STEP
            concerned = bound.signal == trouble.signal and len(trouble.pods) == len(PODS)
            if concerned and bound.is_bad(trouble.value) and start < end:
                found.append(Firing(alert=bound.alert, remediation=bound.remediation, start=start, end=end))
    return found


def eventful(days: int = 30) -> Month:
    """A bad canary that a person takes back, blips, a queue, an outage of Prometheus, a cause that is elsewhere."""

    def on(day: float, hours: float) -> int:
        return int(day * days / 30 * DAY + hours * HOUR)

    troubles = [
        Trouble(start=on(3, 13.8), length=20 * MINUTE, signal="error_rate", value=0.12),
        Trouble(start=on(11, 18.6), length=45 * MINUTE, signal="materializer_success_rate", value=0.84),
        Trouble(start=on(15, 9), length=12 * MINUTE, signal="error_rate", value=0.055),
        Trouble(start=on(15, 9.7), length=8 * MINUTE, signal="error_rate", value=0.056),
        Trouble(start=on(18, 4), length=90, signal="error_rate", value=0.3),
        Trouble(start=on(19, 16.8), length=4 * HOUR, signal="async_queue_depth", value=900),
        Trouble(start=on(22, 3), length=6 * MINUTE, signal="materializer_success_rate", value=0.91),
        Trouble(start=on(24, 1), length=3 * HOUR, signal="gap", value=math.nan),
        Trouble(start=on(26, 12), length=3 * MINUTE, signal="error_rate", value=0.4),
        Trouble(start=on(26, 12) + 3 * MINUTE, length=40 * MINUTE, signal="gap", value=math.nan),
        Trouble(start=on(27, 10), length=5 * MINUTE, signal="error_rate", value=math.nan, pods=PODS[:1]),
        Trouble(start=on(28, 8), length=2 * MINUTE, signal="gap", value=math.nan, pods=PODS[1:2]),
        Trouble(start=on(28, 15), length=9 * MINUTE, signal="error_rate", value=0.12),
        Trouble(start=on(29, 10), length=9 * MINUTE, signal="error_rate", value=0.09),
    ]
    acts = [on(28, 15) + 2 * MINUTE + 20, on(29, 10) + 2 * MINUTE + 20]
    percentages = [
        Change(at=0, value=10),
        Change(at=on(3, 13.8) + 20 * MINUTE, value=0),
        Change(at=on(4, 9), value=10),
        Change(at=on(11, 12), value=0),
        Change(at=on(12, 9), value=10),
        Change(at=acts[0], value=0),
        Change(at=on(29, 9), value=10),
        Change(at=acts[1], value=0),
        Change(at=acts[1] + 22 * MINUTE, value=10),
    ]
    replicas = [Change(at=0, value=4), Change(at=on(19, 16.8) + 57 * MINUTE, value=8), Change(at=on(20, 9), value=4)]
    return Month(days=days, troubles=troubles, percentages=percentages, replicas=replicas, acts=acts)


def random_month(seed: int, days: int) -> Month:
    """Incidents, gaps, restarts, NaN and a pod with another unit, at random."""
    chance = random.Random(seed)
    rates = ("error_rate", "materializer_success_rate", "async_queue_depth")
    troubles = []
    for _ in range(max(12 * days // 30, 4)):
        signal = chance.choice((*rates, *rates, "gap", "nan", "unit"))
        start, length = chance.randrange(2 * HOUR, days * DAY - HOUR), int(chance.expovariate(1 / 600)) + 30
        pods = PODS if chance.random() < 0.7 else (chance.choice(PODS),)
        value = {
            "error_rate": chance.uniform(0.02, 0.3),
            "materializer_success_rate": chance.uniform(0.5, 0.97),
            "async_queue_depth": chance.uniform(300, 2_000),
            "unit": chance.uniform(5, 99),
        }.get(signal, math.nan)
        signal = {"nan": "error_rate", "unit": chance.choice(rates[:2])}.get(signal, signal)
        troubles.append(Trouble(start=start, length=length, signal=signal, value=value, pods=pods))
    percentages = [Change(at=0, value=10)]
    replicas = [Change(at=0, value=4)]
    return Month(days=days, troubles=troubles, percentages=percentages, replicas=replicas, watched=False)


def samples(month: Month, start: int, seed: int) -> Iterator[str]:
    """The month in OpenMetrics; `start` is in seconds since 1970."""
    chance = random.Random(seed)
    target = f'job="denis",namespace="{month.namespace}"'
    for signal, quiet, spread in (
        ("error_rate", 0.01, 0.004),
        ("materializer_success_rate", 0.985, 0.008),
        ("materializer_latency_p99", 0.4, 0.1),
        ("async_queue_depth", 80.0, 40.0),
    ):
        readings = {pod: array("d", [math.nan]) * (month.days * DAY // STEP) for pod in PODS}
        for pod in PODS:
            bad = [one for one in month.troubles if one.signal in (signal, "gap") and pod in one.pods]
            labels = f'{target},instance="{pod}:8084",pod="{pod}"'
            # Targets are scraped at moments of their own.
            first = PODS.index(pod) * 4 + 2
            for at in range(first, month.days * DAY, STEP):
                now = [one for one in bad if one.start <= at < one.start + one.length]
                if any(one.signal == "gap" for one in now):
                    continue
                value = (
                    now[-1].value * chance.uniform(0.98, 1.02)
                    if now
                    else chance.uniform(quiet - spread, quiet + spread)
                )
                readings[pod][at // STEP] = value
                yield f"{signal}{{{labels}}} {value:.5g} {start + at}\n".replace("nan", "NaN")
        if month.watched:
            yield from _recorded(signal, target, readings, start)
    yield from _steps('denis:hundred_percent{canary="denis/denis"}', [Change(at=0, value=1)], month, start)
    if month.watched:
        yield from _alerts(month, target, start)
    yield from _remediator(month, start)
    yield "# EOF\n"


def _recorded(signal: str, target: str, readings: Mapping[str, Sequence[float]], start: int) -> Iterator[str]:
    """What the rules record of a signal, as far as alerts read it."""
    for index, found in enumerate(zip(*readings.values(), strict=True), 1):
        known = [value for value in found if not math.isnan(value)]
        if not known:
            continue
        if signal == "async_queue_depth":
            labels = f'canary="denis/denis",signal="{signal}",{target}'
            yield f"denis:signal{{{labels}}} {max(known):.5g} {start + index * STEP}\n"
        elif signal != "materializer_latency_p99":
            yield f"denis:{signal}:avg_ratio{{{target}}} {sum(known) / len(known):.5g} {start + index * STEP}\n"


def _alerts(month: Month, target: str, start: int) -> Iterator[str]:
    """What Prometheus records of alerts that fire, where it shows when they ended."""
    for name in dict.fromkeys(one.alert for one in firings(month)):
        fired = [one for one in firings(month) if one.alert == name]
        asks = fired[0].remediation.removesuffix("-workers")
        labels = f'alertname="{name}",alertstate="firing",remediation="{asks}",{target}'
        for at in range(0, month.days * DAY, STEP):
            if any(one.start <= at < one.end - LOOKBACK for one in fired):
                yield f"ALERTS{{{labels}}} 1 {start + at}\n"


def _remediator(month: Month, start: int) -> Iterator[str]:
    """What Remediator exports of the targets, of what it would have done, and of what it did."""
    scraped = f'job="remediator",namespace="{month.namespace}",instance="10.0.0.9:9090"'
    canary, workers = f'{scraped},target="denis"', f'{scraped},target="denis-workers"'
    yield from _steps(f"remediator_canary_percentage{{{canary}}}", month.percentages, month, start)
    yield from _steps(f"remediator_replicas{{{workers}}}", month.replicas, month, start)
    if not month.percentages:
        return
    for remediation in ("rollback", "scale-workers"):
        observed = sorted(
            at
            for firing in firings(month)
            for at in range(firing.start + 5, firing.end, 6 * MINUTE)
            if firing.remediation == remediation and _observes(month, at, remediation)
        )
        counted = [Change(at=0, value=0), *(Change(at=at, value=number) for number, at in enumerate(observed, 1))]
        labels = f'{scraped},remediation="{remediation}",reason="Observing"'
        yield from _steps(f"remediator_outcomes_total{{{labels}}}", counted, month, start)
    effect = f'{canary},effect="SetPercentage"'
    acts = [Change(at=0, value=0), *(Change(at=at, value=start + at) for at in month.acts)]
    yield from _steps(f"remediator_last_action_timestamp_seconds{{{effect}}}", acts, month, start)
    followed = [Change(at=0, value=0), *(Change(at=at + 40, value=number) for number, at in enumerate(month.acts, 1))]
    yield from _steps(f'remediator_verifications_total{{{effect},verdict="Converged"}}', followed, month, start)


def _observes(month: Month, at: int, remediation: str) -> bool:
    """Whether an alert would have been answered with what would have been done."""
    percentage = [change.value for change in month.percentages if change.at <= at][-1]
    return (remediation != "rollback" or percentage > 0) and (not month.acts or at < month.acts[0] - MINUTE)


def _steps(series: str, changes: Sequence[Change], month: Month, start: int) -> Iterator[str]:
    """A series that keeps a value until it gets another one."""
    left = list(changes)
    for at in range(left[0].at if left else 0, month.days * DAY if left else 0, STEP):
        while len(left) > 1 and left[1].at <= at:
            left.pop(0)
        yield f"{series} {left[0].value} {start + at}\n"


def write_month(promtool: Path, directory: Path, month: Month, *, end: int, seed: int = 1) -> Path:
    """Prometheus's data directory with this month."""
    text, data = directory / "month.txt", directory / "data"
    with text.open("w") as lines:
        lines.writelines(samples(month, end - month.days * DAY, seed))
    command: list[str | Path] = [
        promtool,
        "tsdb",
        "create-blocks-from",
        "openmetrics",
        "--max-block-duration=1000d",
        text,
        data,
    ]
    subprocess.run(command, check=True, capture_output=True)
    text.unlink()
    return data


def _main() -> None:
    from tests.support.components import component

    parser = argparse.ArgumentParser(
        prog="python -m demo.month",
        description="Serve a generated month of DENIS as a Prometheus.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--days", type=int, default=30, help="how long it is")
    parser.add_argument("--seed", type=int, help="a month at random; else the one that docs/backtest.md shows")
    parser.add_argument("--listen-address", default="127.0.0.1:9091", help="where to serve it")
    given = parser.parse_args()
    Interrupts()
    month = eventful(given.days) if given.seed is None else random_month(given.seed, given.days)
    with TemporaryDirectory() as directory:
        place = Path(directory)
        print("Writing the month (half a minute) ...", flush=True)
        promtool = component("promtool-newest", "promtool", on_path=False)
        end = int(time.time()) // STEP * STEP
        data = write_month(promtool, place, month, end=end, seed=given.seed or 1)
        program = component("prometheus-newest", "prometheus")
        (place / "prometheus.yml").write_text(f"rule_files: [{RULES / 'denis.rules.yaml'}]\n")
        flags = [
            f"--storage.tsdb.path={data}",
            f"--config.file={place}/prometheus.yml",
            "--storage.tsdb.retention.time=1y",
        ]
        with Process("prometheus", [program, *flags, f"--web.listen-address={given.listen_address}"], place) as process:
            process.says("Server is ready to receive web requests")
            print(
                f"Prometheus with {month.days} days of DENIS: http://{given.listen_address} (Ctrl-C ends it)",
                flush=True,
            )
            threading.Event().wait()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        _main()

"""The real rule manager against the back-test, on rough histories: where they disagree about what fires."""

import random
import re
import subprocess
import time
from collections.abc import Iterator, Sequence
from itertools import repeat
from pathlib import Path

import yaml

from demo.process import Process
from remediator.canary.backtest.alert_history import load_history
from remediator.canary.backtest.setup import Setup, read_setup
from remediator.core.alert_states import firings
from remediator.core.sampled_series import Grid
from remediator.monitoring.prometheus import Prometheus
from remediator.monitoring.ranges import Ranges
from tests.support.alert_rules import INTERVAL, RULES, Reading, Scraped
from tests.support.components import component

VERSIONS = {"oldest": ("prometheus-oldest", "prometheus-oldest"), "newest": ("prometheus-newest", "promtool-newest")}
"""Where Prometheus and its promtool are."""

APART = 3 * 3600
"""Seconds from one seed's history to the next: longer than any rule looks back."""

QUIET = {
    "error_rate": 0.01,
    "materializer_success_rate": 0.98,
    "materializer_latency_p99": 0.4,
    "async_queue_depth": 80.0,
}


def rough_readings(chance: random.Random, quiet: float) -> Iterator[Reading]:
    """Health, badness, failed scrapes, NaN, another unit, and what no unit allows, for a few readings each."""
    kinds = ("quiet", "quiet", "bad", "bad", "missing", "nan", "percent", "zero", "negative")
    while True:
        kind = chance.choice(kinds)
        for _ in range(chance.choice((1, 3, 12, 60))):
            match kind:
                case "quiet":
                    yield quiet * chance.uniform(0.8, 1.02)
                case "bad":
                    yield quiet * chance.choice((0.5, 8))
                case "percent":
                    yield quiet * 100
                case "zero":
                    yield 0.0
                case "negative":
                    yield -1.0
                case "nan":
                    yield float("nan")
                case _:
                    yield None


def rough_series(seed: int, readings: int) -> Iterator[Scraped]:
    """Three pods, of which some have troubles of their own."""
    chance = random.Random(seed)
    rough = 1 if seed % 2 else 3
    for pod in range(3):
        labels = {"job": "denis", "namespace": "denis", "instance": f"pod-{pod}"}
        for name, quiet in QUIET.items():
            found: Iterator[Reading] = rough_readings(chance, quiet) if pod < rough else repeat(quiet)
            yield Scraped(name=name, labels=labels, readings=[next(found) for _ in range(readings)], delay=5 * pod)


def disagreements(version: str, seeds: Sequence[int], readings: int, folder: Path) -> tuple[int, int, int, str]:
    """At how many evaluations they disagree, of how many, at how many of these an alert fires, and promtool's words."""
    server, tool = VERSIONS[version]
    promtool = component(tool, "promtool", on_path=False)
    rules = folder / "denis.rules.yaml"
    # promtool evaluates all groups at one interval, whatever theirs is.
    rules.write_text((RULES / "denis.rules.yaml").read_text().replace("interval: 5s", f"interval: {INTERVAL}s"))
    setup = read_setup(RULES / "remediations.yaml", [rules], RULES / "alertmanager.yaml", None)
    start = (int(time.time()) - APART * (len(seeds) + 1)) // INTERVAL * INTERVAL
    data = _write_blocks(component("promtool-newest", "promtool", on_path=False), folder, seeds, readings, start)
    (folder / "prometheus.yml").write_text("")
    flags = [
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={data}",
        "--web.listen-address=127.0.0.1:0",
    ]
    with Process("prometheus", [component(server, "prometheus", on_path=False), *flags], folder) as process:
        address = process.says(r"msg=\"?Listening on\"? .*address=(\S+)")[1]
        process.says("Server is ready to receive web requests")
        prometheus = Prometheus(f"http://{address}", timeout=60)
        grids = [Grid(start=start + number * APART, step=INTERVAL, count=readings) for number in range(len(seeds))]
        firing = [_firing(prometheus, setup, grid) for grid in grids]
    tests = [
        {
            "name": f"seed {seed}",
            "interval": "5s",
            # Blocks that promtool makes of a text have no stale markers.
            "input_series": [
                {name: text.replace("stale", "_") for name, text in series.as_input().items()}
                for series in rough_series(seed, readings)
            ],
            "promql_expr_test": [
                {
                    "expr": f'count(ALERTS{{alertname="{name}", alertstate="firing"}}) or vector(0)',
                    "eval_time": f"{index * step}s",
                    "exp_samples": [{"labels": "{}", "value": flag}],
                }
                for name, (step, flags) in found.items()
                for index, flag in enumerate(flags)
            ],
        }
        for seed, found in zip(seeds, firing, strict=True)
    ]
    suite = {
        "rule_files": [str(rules)],
        "evaluation_interval": f"{INTERVAL}s",
        # Else promtool evaluates the groups in any order, and what one reads of the other may be an interval old.
        "group_eval_order": ["denis", "denis-severe"],
        "tests": tests,
    }
    (folder / "oracle.test.yaml").write_text(yaml.safe_dump(suite))
    done = subprocess.run(
        [promtool, "test", "rules", folder / "oracle.test.yaml"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=3600,
    )
    wrong = len(re.findall(r"^\s+exp:", done.stdout, re.MULTILINE))
    assert bool(wrong) == bool(done.returncode), done.stdout
    every = [flags for found in firing for _, flags in found.values()]
    return wrong, sum(map(len, every)), sum(map(sum, every)), done.stdout


def _write_blocks(promtool: Path, folder: Path, seeds: Sequence[int], readings: int, start: int) -> Path:
    text, data = folder / "history.txt", folder / "data"
    with text.open("w") as lines:
        for number, seed in enumerate(seeds):
            for series in rough_series(seed, readings):
                labels = ",".join(f'{name}="{value}"' for name, value in series.labels.items())
                for index, reading in enumerate(series.readings):
                    at = start + number * APART + series.delay + index * INTERVAL
                    if reading is not None:
                        lines.write(f"{series.name}{{{labels}}} {reading} {at}\n".replace("nan", "NaN"))
        lines.write("# EOF\n")
    command: list[str | Path] = [promtool, "tsdb", "create-blocks-from", "openmetrics", "--max-block-duration=1000d"]
    subprocess.run([*command, text, data], check=True, capture_output=True)
    return data


def _firing(prometheus: Prometheus, setup: Setup, grid: Grid) -> dict[str, tuple[int, list[int]]]:
    """For each alert its interval, and how many of its series fire at each evaluation by the back-test."""
    ranges = Ranges(prometheus, grid, lookback=setup.lookback)
    found = {}
    for history in load_history(setup, ranges.fetch, grid, ""):
        own, alarm = history.grid, history.alert.alarm
        flags = [0] * own.count
        for breached in history.breached:
            for firing in firings(breached, own, alarm.duration, alarm.keep_firing_for):
                for index in range(firing.fired, own.count if firing.resolved is None else firing.resolved):
                    flags[index] += 1
        found[alarm.name] = (own.step, flags)
    return found

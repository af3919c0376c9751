"""The rules while scrapes fail: a sick target is also one that answers its scrapes badly."""

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.support.alert_rules import INTERVAL, Firing, OneOf, Reading, Scenario, Scraped, judge
from tests.support.components import component

ROLLBACKS = ("DenisErrorRateHigh", "DenisMaterializerSuccessRateLow")
BAD = {"error_rate": 0.6, "materializer_success_rate": 0.3, "materializer_latency_p99": 9.0, "async_queue_depth": 0.0}
GOOD = {
    "error_rate": 0.01,
    "materializer_success_rate": 0.99,
    "materializer_latency_p99": 0.2,
    "async_queue_depth": 0.0,
}
FIVE_MINUTES = 20
"""In scrapes."""
CLUSTERS = 12
"""As many fit into one scenario: promtool bounds the samples of a query."""

Scrapes = Sequence[bool]
"""Which of a target's scrapes succeed."""


@pytest.fixture(params=["prometheus-oldest", "promtool-newest"])
def promtool(request: pytest.FixtureRequest) -> Path:
    """promtool, oldest and newest."""
    return component(request.param, "promtool", on_path=False)


def pod(
    scrapes: Scrapes, values: dict[str, float], *, instance: str = "a", cluster: str = "", delay: int = 0
) -> Iterator[Scraped]:
    """The four gauges of a pod that always exports the same."""
    labels = {"job": "denis", "namespace": "denis", "instance": instance} | ({"cluster": cluster} if cluster else {})
    for name, value in values.items():
        readings: list[Reading] = [value if succeeds else None for succeeds in scrapes]
        yield Scraped(name=name, labels=labels, readings=readings, delay=delay)


def every(number: int, length: int) -> Scrapes:
    """Scrapes of which each so-manieth fails."""
    return [position % number != number - 1 for position in range(length)]


def bursts(succeed: int, fail: int, length: int, *, shift: int = 0) -> Scrapes:
    """So many scrapes succeed, then so many fail, and so on."""
    return [(position + shift) % (succeed + fail) < succeed for position in range(length)]


def half(seed: int) -> Scrapes:
    """Half of the scrapes of five minutes fail, wherever chance puts them."""
    failed = set(random.Random(seed).sample(range(FIVE_MINUTES), FIVE_MINUTES // 2))
    return [position not in failed for position in range(FIVE_MINUTES)]


def survivable() -> dict[str, Scrapes]:
    """Patterns in which at most half of the scrapes of five minutes fail, by name."""
    patterns = {f"every-{number}": every(number, FIVE_MINUTES) for number in (2, 3, 7, 8)}
    for length in range(2, 11):
        for shift in (0, length):
            patterns[f"bursts-of-{length}-from-{shift}"] = bursts(length, length, FIVE_MINUTES, shift=shift)
    return patterns | {f"seed-{seed}": half(seed) for seed in range(26)}


def fires_by_cluster(pods: dict[str, list[Scraped]], alerts: Sequence[str], *, until: str) -> Iterator[Scenario]:
    """All clusters have the same expectation, a dozen to a scenario."""
    names = sorted(pods)
    for start in range(0, len(names), CLUSTERS):
        here = names[start : start + CLUSTERS]
        expected = Firing(
            until=until, of="|".join(ROLLBACKS), alerts=[(alert, name) for name in here for alert in alerts]
        )
        series = [one for name in here for one in pods[name]]
        yield Scenario(name=" ".join(here), series=series, expected=[expected])


def test_a_bad_canary_is_taken_back_while_half_of_its_scrapes_fail(promtool: Path, tmp_path: Path) -> None:
    """Bad for five minutes, at most every second scrape fails, in any pattern: both rollback alerts fire."""
    pods = {
        name: list(pod([*scrapes, True], BAD, cluster=name, delay=5 * (number % 3)))
        for number, (name, scrapes) in enumerate(survivable().items())
    }
    judge(promtool, tmp_path, fires_by_cluster(pods, ROLLBACKS, until="5m30s"))


def test_pods_that_fail_together_or_in_turn_are_taken_back(promtool: Path, tmp_path: Path) -> None:
    """Three pods whose scrapes fail at the same time, as in an overload, or each at another."""
    pods: dict[str, list[Scraped]] = {}
    for name in ("every-2", "bursts-of-4-from-0", "seed-3"):
        scrapes = survivable()[name]
        together = [
            one for instance in "abc" for one in pod(scrapes, BAD, instance=instance, cluster=f"{name}-together")
        ]
        turned = [
            one
            for turn, instance in enumerate("abc")
            for one in pod([*scrapes[turn:], *scrapes[:turn]], BAD, instance=instance, cluster=f"{name}-in-turn")
        ]
        pods |= {f"{name}-together": together, f"{name}-in-turn": turned}
    judge(promtool, tmp_path, fires_by_cluster(pods, ROLLBACKS, until="5m30s"))


def test_a_healthy_canary_stays_whatever_fails(promtool: Path, tmp_path: Path) -> None:
    """Failed scrapes are no failures of the canary: none of the same patterns takes a healthy one back."""
    pods = {name: list(pod([*scrapes, *scrapes], GOOD, cluster=name)) for name, scrapes in survivable().items()}
    judge(promtool, tmp_path, fires_by_cluster(pods, (), until="10m30s"))


def test_failed_scrapes_blind_nobody_in_silence(promtool: Path, tmp_path: Path) -> None:
    """However many scrapes fail, in bursts or at random: a rollback alert fires, or DenisSignalMissing says so."""
    length = 20 * 60 // INTERVAL
    patterns = {
        f"{succeed} of {succeed + fail}": bursts(succeed, fail, length)
        for succeed, fail in ((1, 6), (1, 7), (1, 20), (2, 7), (3, 6), (4, 8), (6, 10), (8, 16))
    }
    for share in (6, 8, 9):
        chance = random.Random(share)
        patterns[f"{share} of 10 fail at random"] = [chance.random() > share / 10 for _ in range(length)]
    expected = [OneOf(until="19m", alerts=[*ROLLBACKS, "DenisSignalMissing"])]
    judge(
        promtool,
        tmp_path,
        [
            Scenario(name=name, series=list(pod(scrapes, BAD, delay=5)), expected=expected)
            for name, scrapes in patterns.items()
        ],
    )


def test_the_guard_says_that_most_scrapes_fail(promtool: Path, tmp_path: Path) -> None:
    """One scrape of eight succeeds: DenisSignalMissing fires for each signal, and for nothing while half succeed."""
    length = 15 * 60 // INTERVAL
    missing = [Firing(until="14m", of="DenisSignalMissing", alerts=[("DenisSignalMissing", "")])]
    quiet = [Firing(until="14m", of="DenisSignalMissing", alerts=[])]
    judge(
        promtool,
        tmp_path,
        [
            Scenario(name="one of eight", series=list(pod(bursts(1, 7, length), GOOD)), expected=missing),
            Scenario(name="every second", series=list(pod(every(2, length), GOOD)), expected=quiet),
            Scenario(name="bursts", series=list(pod(bursts(8, 8, length), GOOD)), expected=quiet),
        ],
    )


def test_one_last_bad_reading_is_not_enough(promtool: Path, tmp_path: Path) -> None:
    """A pod that is bad in its last one or two readings and then gone takes nothing back."""
    gone = {
        f"gone-after-{number}": list(pod([True] * number + [False] * 20, BAD, cluster=f"gone-after-{number}"))
        for number in (1, 2)
    }
    replaced = [
        *pod([True] * 2 + [False] * 20, BAD, cluster="replaced"),
        *pod([False] * 2 + [True] * 20, GOOD, instance="b", cluster="replaced"),
    ]
    judge(promtool, tmp_path, fires_by_cluster(gone | {"replaced": replaced}, (), until="6m"))


def test_a_rate_that_is_no_number_at_every_second_reading(promtool: Path, tmp_path: Path) -> None:
    """NaN, which a gauge shows that measured nothing just then, is like a failed scrape: both rollback alerts fire."""
    labels = {"job": "denis", "namespace": "denis", "instance": "a", "cluster": "nan"}
    series = []
    for name, value in BAD.items():
        flapping: list[Reading] = [value if position % 2 else float("nan") for position in range(24)]
        readings = flapping if name in ("error_rate", "materializer_success_rate") else [value] * 24
        series.append(Scraped(name=name, labels=labels, readings=readings))
    judge(promtool, tmp_path, fires_by_cluster({"nan": series}, ROLLBACKS, until="5m30s"))


REMEDIATOR = {
    "RemediatorKillSwitchOn": ("remediator_kill_switch", 1.0, "70m"),
    "RemediatorPaused": ("remediator_paused", 1.0, "70m"),
    "RemediatorTargetUnusable": ("remediator_target_up", 0.0, "7m"),
    "RemediatorRollbackBlocked": ("remediator_rollback_blocked", 1.0, "7m"),
    "RemediatorConfigReloadFailed": ("remediator_config_last_reload_successful", 0.0, "7m"),
}


@pytest.mark.parametrize("alertname", REMEDIATOR)
def test_failed_scrapes_of_remediator_hide_nothing(promtool: Path, tmp_path: Path, alertname: str) -> None:
    """An alert about Remediator fires although every second scrape of it fails, or the first seven of ten."""
    metric, value, until = REMEDIATOR[alertname]
    length = 75 * 60 // INTERVAL if until == "70m" else 8 * 60 // INTERVAL
    scenarios = []
    for name, scrapes in {"every second": every(2, length), "three of ten": bursts(3, 7, length, shift=3)}.items():
        labels = {"job": "remediator", "namespace": "denis", "instance": "a"}
        values = {metric: (value, {} if "config" in metric else {"target": "denis"})}
        if "config" in metric:
            values["remediator_credentials_last_reload_successful"] = (1.0, {})
        series = [
            Scraped(name=metric, labels=labels | more, readings=[value if succeeds else None for succeeds in scrapes])
            for metric, (value, more) in values.items()
        ]
        scenarios.append(
            Scenario(name=name, series=series, expected=[Firing(until=until, of=alertname, alerts=[(alertname, "")])])
        )
    judge(promtool, tmp_path, scenarios)


def test_remediator_that_comes_and_goes_is_down(promtool: Path, tmp_path: Path) -> None:
    """A replica that fails every second scrape is reported; one restart, or one bad replica of two, is not."""
    length = 15 * 60 // INTERVAL

    def replica(instance: str, scrapes: Scrapes, namespace: str = "denis") -> Scraped:
        labels = {"job": "remediator", "namespace": namespace, "instance": instance}
        return Scraped(
            name="remediator_build_info", labels=labels, readings=[1.0 if succeeds else None for succeeds in scrapes]
        )

    down = [Firing(until="14m", of="RemediatorDown", alerts=[("RemediatorDown", "")])]
    up = [Firing(until="14m", of="RemediatorDown", alerts=[])]
    crash_loop = bursts(1, 3, length)
    judge(
        promtool,
        tmp_path,
        [
            Scenario(name="every second", series=[replica("a", every(2, length))], expected=down),
            Scenario(name="crash loop", series=[replica("a", crash_loop)], expected=down),
            Scenario(
                name="the other release's is up",
                series=[replica("a", [True] * 4 + [False] * 40), replica("b", [True] * length, "denis-staging")],
                expected=down,
            ),
            Scenario(
                name="one of two is up", series=[replica("a", crash_loop), replica("b", [True] * length)], expected=up
            ),
            Scenario(name="restart", series=[replica("a", [True] * 20 + [False] * 6 + [True] * 34)], expected=up),
        ],
    )

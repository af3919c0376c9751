"""The unit of the rates: a wrong one never takes a canary back, and single readings never switch the reflex off."""

import random
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.support.alert_rules import RULES, Firing, Scenario, Scraped, judge
from tests.support.components import component

ERRORS, SUCCESSES, MISMATCH = "DenisErrorRateHigh", "DenisMaterializerSuccessRateLow", "DenisSignalUnitMismatch"
JUDGED = "|".join([ERRORS, SUCCESSES, MISMATCH])
TURNED_BAD = [0.01] * 20 + [0.5] * 20
TURNED_UNSUCCESSFUL = [0.99] * 20 + [0.5] * 20


@pytest.fixture(params=["prometheus-oldest", "promtool-newest"])
def promtool(request: pytest.FixtureRequest) -> Path:
    """promtool, oldest and newest."""
    return component(request.param, "promtool", on_path=False)


@pytest.fixture
def percent(tmp_path: Path) -> Path:
    """The shipped rules, set to percent."""
    text = (RULES / "denis.rules.yaml").read_text()
    path = tmp_path / "percent.rules.yaml"
    path.write_text(text.replace("expr: vector(1)\n", "expr: vector(100)\n"))
    return path


def pod(errors: Sequence[float] = (), successes: Sequence[float] = (), *, instance: str = "a") -> Iterator[Scraped]:
    """A pod that is scraped for these rates."""
    labels = {"job": "denis", "namespace": "denis", "instance": instance, "cluster": "x"}
    latencies = [0.2] * max(len(errors), len(successes))
    rates = {"error_rate": errors, "materializer_success_rate": successes, "materializer_latency_p99": latencies}
    for name, readings in rates.items():
        if readings:
            yield Scraped(name=name, labels=labels, readings=readings)


def expect(name: str, alerts: Iterable[str], *pods: Iterable[Scraped], until: str = "10m15s") -> Scenario:
    """What fires in cluster x, of the alerts on rates and their unit."""
    expected = [Firing(until=until, of=JUDGED, alerts=[(alert, "x") for alert in alerts])]
    return Scenario(name=name, series=[series for one in pods for series in one], expected=expected)


def with_glitches(rates: Sequence[float], positions: Iterable[int], value: float) -> list[float]:
    """The rates with another value at some positions."""
    glitches = set(positions)
    return [value if position in glitches else rate for position, rate in enumerate(rates)]


@pytest.mark.parametrize(
    ("promtool", "value"),
    [
        ("prometheus-oldest", 2.0),  # What is wrong does not depend on who evaluates it.
        *(("promtool-newest", value) for value in (1.02, 2.0, 100.0, -1.0, float("inf"))),
    ],
    indirect=["promtool"],
    ids=str,
)
def test_wrong_readings_do_not_switch_the_reflex_off(promtool: Path, tmp_path: Path, value: float) -> None:
    """One, two or five of them, before, at or after the turn to bad: the rollback comes, the unit is believed."""
    places = ([5], [19], [20], [24], [9, 30], [3, 9, 15, 22, 29])
    judge(
        promtool,
        tmp_path,
        [
            scenario
            for positions in places
            for scenario in (
                expect(f"errors {positions}", [ERRORS], pod(with_glitches(TURNED_BAD, positions, value))),
                expect(
                    f"successes {positions}", [SUCCESSES], pod([], with_glitches(TURNED_UNSUCCESSFUL, positions, value))
                ),
            )
        ],
        [RULES / "denis.rules.yaml"],
    )


def test_each_rate_is_judged_by_itself(promtool: Path, tmp_path: Path) -> None:
    """An error rate that cannot be believed leaves the success rate its say, and so does another pod's."""
    judge(
        promtool,
        tmp_path,
        [
            expect("errors are nonsense", [SUCCESSES, MISMATCH], pod([7.0] * 41, TURNED_UNSUCCESSFUL)),
            expect(
                "another pod", [SUCCESSES, MISMATCH], pod([], TURNED_UNSUCCESSFUL), pod([], [99.0] * 41, instance="b")
            ),
            expect("young pod", [ERRORS, SUCCESSES], pod([1.02] + [0.5] * 20, [1.02] + [0.5] * 20), until="5m"),
        ],
        [RULES / "denis.rules.yaml"],
    )


def test_rates_that_jitter_around_one_are_ratios(promtool: Path, tmp_path: Path) -> None:
    """Counters that are not read at one moment: at 100 % errors a rollback, at 100 % success health."""
    chance = random.Random(1)
    judge(
        promtool,
        tmp_path,
        [
            *(
                expect(f"all fail {number}", [ERRORS], pod([chance.uniform(0.98, 1.03) for _ in range(41)]))
                for number in range(3)
            ),
            expect("all succeed", [], pod([0.01] * 41, [chance.uniform(0.98, 1.03) for _ in range(41)])),
            expect("a few glitches of a healthy pod", [], pod(with_glitches([0.01] * 41, [3, 20, 35], 2.0))),
        ],
        [RULES / "denis.rules.yaml"],
    )


def test_percentages_under_rules_for_ratios(promtool: Path, tmp_path: Path) -> None:
    """A pod that exports percentages is named within minutes and takes nothing back, whatever its error rate does."""
    chance = random.Random(2)
    alone = {f"{rate}": [rate] * 81 for rate in (1.5, 3.0, 30.0)}
    alone |= {f"0, then {rate}": [0.0] * 40 + [rate] * 41 for rate in (1.5, 3.0, 30.0)}
    alone["wandering"] = [chance.uniform(0.5, 100) for _ in range(81)]
    alone["low"] = [chance.uniform(0.2, 4) for _ in range(81)]
    alone["0, then 0.9 or 3"] = [0.0] * 40 + [3.0, 0.9] * 20
    beside = {f"{rate}": [rate] * 81 for rate in (0.06, 0.3, 1.05, 3.0, 30.0, 99.0)}
    beside |= {f"0, then {rate}": [0.0] * 40 + [rate] * 41 for rate in (0.3, 3.0)}
    judge(
        promtool,
        tmp_path,
        [
            *(expect(f"errors alone: {name}", [MISMATCH], pod(rates), until="20m") for name, rates in alone.items()),
            *(
                expect(f"with successes: {name}", [MISMATCH], pod(rates, [100 - rate for rate in rates]), until="20m")
                for name, rates in beside.items()
            ),
        ],
        [RULES / "denis.rules.yaml"],
    )


def test_ratios_under_rules_for_percentages(promtool: Path, tmp_path: Path, percent: Path) -> None:
    """A healthy pod that exports ratios is named and takes nothing back, even if some readings are over 1."""
    chance = random.Random(3)
    judge(
        promtool,
        tmp_path,
        [
            expect("healthy", [MISMATCH], pod([0.01] * 41, [0.99] * 41)),
            expect("jitter", [MISMATCH], pod([0.01] * 41, [chance.uniform(0.98, 1.03) for _ in range(41)])),
            expect("glitches", [MISMATCH], pod([0.01] * 41, with_glitches([0.99] * 41, [0, 7, 20], 100.0))),
            expect("errors at 30 %", [MISMATCH], pod([0.3] * 41, [0.7] * 41)),
        ],
        [percent],
    )


def test_percentages_under_rules_for_percentages(promtool: Path, tmp_path: Path, percent: Path) -> None:
    """Bad ones are taken back: with wrong readings, with jitter over 100, and when hardly any succeeds."""
    chance = random.Random(4)
    turned_bad, turned_unsuccessful = [1.0] * 20 + [50.0] * 20, [99.0] * 20 + [50.0] * 20
    judge(
        promtool,
        tmp_path,
        [
            expect("glitch", [ERRORS, SUCCESSES], pod(with_glitches(turned_bad, [19, 22], 200.0), turned_unsuccessful)),
            expect("low glitch", [SUCCESSES], pod([], with_glitches(turned_unsuccessful, [5, 30], 0.5))),
            expect("all fail", [ERRORS], pod([chance.uniform(98, 103) for _ in range(41)])),
            expect("hardly any succeeds", [SUCCESSES], pod([1.0] * 41, [99.0] * 20 + [0.5] * 21)),
            expect("none succeeds", [SUCCESSES], pod([1.0] * 41, [0.0] * 41)),
            expect("healthy", [], pod([0.5] * 41, [99.5] * 41)),
        ],
        [percent],
    )

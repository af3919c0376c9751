"""Two releases in one Prometheus, production and staging: neither sees what the other records."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.alert_rules import RULES, Firing, Scenario, Scraped, judge, staging_rules
from tests.support.components import component

PRODUCTION, STAGING = "denis", "denis-staging"
TEN_MINUTES = 40
"""In scrapes."""


@pytest.fixture(params=["prometheus-oldest", "promtool-newest"])
def promtool(request: pytest.FixtureRequest) -> Path:
    """promtool, oldest and newest."""
    return component(request.param, "promtool", on_path=False)


@pytest.fixture(params=["production-first", "staging-first"])
def order(request: pytest.FixtureRequest) -> int:
    """Which file comes first."""
    return 1 if request.param == "production-first" else -1


def staging(folder: Path, *, unit: str) -> Path:
    """The rules of staging, as a file."""
    path = folder / f"staging-{unit}.rules.yaml"
    path.write_text(staging_rules(unit=unit))
    return path


def pod(namespace: str, errors: float, successes: float, *, scrapes: int = TEN_MINUTES) -> Iterator[Scraped]:
    """A pod of a release; the label `cluster` names its namespace, so that an alert can be told by it."""
    labels = {"job": "denis", "namespace": namespace, "instance": namespace, "cluster": namespace}
    values = {
        "error_rate": errors,
        "materializer_success_rate": successes,
        "materializer_latency_p99": 0.2,
        "async_queue_depth": 0.0,
    }
    for name, value in values.items():
        yield Scraped(name=name, labels=labels, readings=[value] * scrapes)


@pytest.mark.parametrize("unit", ["ratio", "percent"])
def test_each_release_is_judged_by_its_own_rules(promtool: Path, tmp_path: Path, order: int, unit: str) -> None:
    """Bad production is taken back whatever staging's unit is, and bad staging causes no alert about production."""
    hundred = 100.0 if unit == "percent" else 1.0
    rates = "DenisErrorRateHigh|DenisMaterializerSuccessRateLow|DenisSignalUnitMismatch"
    healthy_staging = (0.005 * hundred, 0.99 * hundred)
    bad_staging = (0.6 * hundred, 0.3 * hundred)
    both = ("DenisErrorRateHigh", "DenisMaterializerSuccessRateLow")
    cases = {
        "production": ((0.08, 0.85), healthy_staging, [(alert, PRODUCTION) for alert in both]),
        "staging": ((0.01, 0.99), bad_staging, [(alert, STAGING) for alert in both]),
        "neither": ((0.01, 0.99), healthy_staging, []),
    }
    judge(
        promtool,
        tmp_path,
        [
            Scenario(
                name=f"{name} is bad",
                series=[*pod(PRODUCTION, *ours), *pod(STAGING, *theirs)],
                expected=[Firing(until="9m", of=rates, alerts=alerts)],
            )
            for name, (ours, theirs, alerts) in cases.items()
        ],
        [RULES / "denis.rules.yaml", staging(tmp_path, unit=unit)][::order],
    )


def test_a_tuned_threshold_is_no_other_releases(promtool: Path, tmp_path: Path, order: int) -> None:
    """Staging that tolerates half of all errors is not reported by production's threshold, nor the other way about."""
    tolerant = staging(tmp_path, unit="ratio")
    tolerant.write_text(tolerant.read_text().replace("> 0.05\n", "> 0.5\n"))
    judge(
        promtool,
        tmp_path,
        [
            Scenario(
                name="both at 30 %",
                series=[*pod(PRODUCTION, 0.3, 0.99), *pod(STAGING, 0.3, 0.99)],
                expected=[Firing(until="9m", of="DenisErrorRateHigh", alerts=[("DenisErrorRateHigh", PRODUCTION)])],
            )
        ],
        [RULES / "denis.rules.yaml", tolerant][::order],
    )


def test_a_guard_sees_its_own_release_only(promtool: Path, tmp_path: Path, order: int) -> None:
    """Production that exports nothing is missed although staging exports all, and a lost unit is missed likewise."""
    length = 4 * 20
    missing = 'group by (canary) (last_over_time(ALERTS{alertname="DenisSignalMissing", alertstate="firing"}[1d]))'

    class Missing(Firing):
        """The canaries of which a signal is missing."""

        def as_check(self) -> dict[str, object]:
            canaries = [canary for _, canary in self.alerts]
            samples = [{"labels": f'{{canary="{canary}"}}', "value": 1} for canary in canaries]
            return {"expr": missing, "eval_time": self.until, "exp_samples": samples}

    expected = [Missing(until="19m", alerts=[("DenisSignalMissing", "denis/denis")])]
    files = [RULES / "denis.rules.yaml", staging(tmp_path, unit="ratio")]
    series = list(pod(STAGING, 0.01, 0.99, scrapes=length))
    judge(promtool, tmp_path, [Scenario(name="gone", series=series, expected=expected)], files[::order])
    lost = tmp_path / "lost.rules.yaml"
    unit = "  - record: denis:hundred_percent\n    expr: vector(1)\n    labels: {canary: denis/denis}\n"
    assert unit in files[0].read_text()
    lost.write_text(files[0].read_text().replace(unit, ""))
    series += pod(PRODUCTION, 0.01, 0.99, scrapes=length)
    judge(promtool, tmp_path, [Scenario(name="lost", series=series, expected=expected)], [lost, files[1]][::order])

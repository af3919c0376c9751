"""The back-test's parts: the comparison with what Prometheus recorded, and what is tested of a file of rules."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from remediator.canary.backtest.alert_history import load_history
from remediator.canary.backtest.recorded import Agreement, compare_recorded
from remediator.canary.backtest.setup import Setup, read_setup
from remediator.core.sampled_series import SampledSeries
from remediator.monitoring.archive import Archive
from remediator.monitoring.evidence import Unknown
from remediator.monitoring.prometheus import AlertRule
from remediator.monitoring.promql import Inlined
from tests.support.alert_rules import RULES
from tests.support.past import save_past, spike


def shipped() -> Setup:
    """The shipped files."""
    return read_setup(RULES / "remediations.yaml", [RULES / "denis.rules.yaml"], RULES / "alertmanager.yaml", None)


def loaded(setup: Setup, name: str = "DenisErrorRateHigh") -> AlertRule:
    """An alert's rule as Prometheus says that it has it: formatted in its own way."""
    alarm = next(alert.alarm for alert in setup.alerts if alert.name == name)
    query = " ".join(alarm.expression.split()).replace("0.05", "0.050")
    return AlertRule(
        name=name,
        query=query,
        labels=dict(alarm.labels),
        duration=alarm.duration.total_seconds(),
        health="ok",
        state="inactive",
    )


def agreement(past: Path, rule: AlertRule, *firing: tuple[int, int]) -> Agreement | Unknown:
    """The comparison where Prometheus recorded these firings, as the first evaluation and that after the last."""
    archive, setup = Archive.load(past), shipped()

    def recorded(expression: Inlined) -> list[SampledSeries]:
        assert 'alertname="DenisErrorRateHigh"' in expression.text
        series = SampledSeries.empty({}, archive.grid.count)
        for first, after in firing:
            for index in range(first, after):
                series.values[index], series.present[index] = 1.0, 1
        return [series] if firing else []

    histories = load_history(setup, archive, archive.grid, "")
    return compare_recorded(histories, [rule], recorded)


@pytest.fixture
def past(tmp_path: Path) -> Path:
    """Errors that fire from evaluation 48 to 121."""
    return save_past(tmp_path / "past.json.gz", error_rate=spike(0.01, 0.12, 40, 121))


@pytest.mark.parametrize(
    ("firing", "agreeing"),
    [((48, 121), 1), ((50, 119), 1), ((46, 123), 1), ((51, 121), 0), ((48, 124), 0), ((200, 210), 0)],
)
def test_a_recorded_firing_agrees_within_two_evaluations(past: Path, firing: tuple[int, int], agreeing: int) -> None:
    """Its evaluations lie between those of the back-test; further away is another firing."""
    assert agreement(past, loaded(shipped()), firing) == Agreement(firings=1, recorded=1, agreeing=agreeing)


def test_only_rules_with_the_same_text_are_compared(past: Path) -> None:
    """Another threshold, or another `for`, recorded other firings."""
    rule = loaded(shipped())
    for other in (
        replace(rule, query=rule.query.replace("0.050", "0.06")),
        replace(rule, duration=60.0),
        replace(rule, name="Other"),
        replace(rule, query="{{"),
    ):
        assert isinstance(agreement(past, other, (48, 121)), Unknown)
    assert isinstance(agreement(past, rule), Unknown)


def test_alerts_that_ask_for_no_act_are_not_tested() -> None:
    """The guards and the heartbeat have labels that no remediation matches."""
    signals = {alert.name: alert.signal for alert in shipped().alerts}
    assert signals["DenisErrorRateHigh"] == "error_rate"
    assert signals["DenisMaterializerSuccessRateLow"] == "materializer_success_rate"
    assert signals["DenisQueueDepthHigh"] == "async_queue_depth"
    assert not {"DenisSignalMissing", "RemediatorHeartbeat"} & {*signals}


def test_what_is_dear_is_left_out_of_every_alert_where_it_is_absent() -> None:
    """The guard against a wrong unit is three quarters of what Prometheus has to do, and mostly is not there."""
    dear = [one.inlined for one in shipped().alerts if "quantile_over_time" in one.inlined.text]
    assert len(dear) == 4
    assert not [one for one in dear if "quantile_over_time" in one.without(one.parts)]


def test_an_alert_with_a_condition_has_a_threshold_and_can_be_judged_without_it(tmp_path: Path) -> None:
    """What the condition filters away is no gap: samples are those of what is compared."""
    text = (RULES / "denis.rules.yaml").read_text()
    rules = tmp_path / "some.rules.yaml"
    rules.write_text(text.replace(") > 0.05\n", ") > 0.05 and on () count(up == 0) > 1\n"))
    setup = read_setup(RULES / "remediations.yaml", [rules], RULES / "alertmanager.yaml", None)
    (alert,) = setup.alerts_of("DenisErrorRateHigh")
    assert alert.threshold
    assert (alert.threshold.operator, alert.threshold.value) == (">", 0.05)
    assert "up == 0" in alert.inlined.text
    assert "up == 0" not in alert.presence.text
    assert alert.alarm.duration == timedelta(minutes=2)

"""What is read out of Prometheus's history: alerts, counters, gauges, heartbeats, and where it has nothing.

What a real Prometheus answers is in tests/acceptance/test_timeline.py.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from remediator.canary.timeline.findings import Findings
from remediator.canary.timeline.metrics import Recording
from remediator.core.sampled_series import Grid, SampledSeries
from remediator.core.timeline import Kind, Line, Window, arrange
from remediator.monitoring.http_json import NoAnswer
from remediator.monitoring.promql import Inlined
from tests.support.builders import NOW, policy

GRID = Grid(start=int(NOW.timestamp()), step=15, count=241)
"""An hour from NOW on."""

Value = Callable[[int], float | None]
"""A value by its number in the grid; None is no sample."""

Recorded = Mapping[str, Sequence[tuple[Mapping[str, str], Value]]]
"""Series by a part of the expression that asks for them."""

UP: Recorded = {"up|denis": [({}, lambda index: 1)], "(build_info|": [({"job": "r"}, lambda index: 1)]}

HIGH = {"alertname": "DenisErrorRateHigh", "namespace": "denis", "remediation": "rollback"}


def within(first: int, after: int, value: float = 1) -> Value:
    """A value from one moment to before another."""
    return lambda index: value if first <= index < after else None


def recorded(series: Recorded, cluster: str = "", grid: Grid = GRID) -> tuple[list[str], Findings]:
    """What is listed, with minutes since the beginning, and the findings."""

    def fetch(expression: Inlined) -> list[SampledSeries]:
        known = {**UP, **series}
        if "up|denis" in expression.text:
            return [_series(*one) for one in known["up|denis"]]
        return [
            _series(labels, value) for part, some in known.items() if part in expression.text for labels, value in some
        ]

    found = Findings()
    Recording(grid, fetch, policy(), cluster=cluster, scrape_interval=lambda job: timedelta(seconds=15)).add_to(found)
    lines = arrange(found.lines, Window(start=grid.moment(0), end=grid.moment(240)))
    return [_format(line) for line in lines], found


def _format(line: Line) -> str:
    minutes = (line.time - NOW).total_seconds() / 60
    return f"{minutes:g} {line.text}" + (f", {line.alerts}" if line.alerts else "")


def _series(labels: Mapping[str, str], value: Value) -> SampledSeries:
    series = SampledSeries.empty(labels, GRID.count)
    for index in range(GRID.count):
        number = value(index)
        if number is not None:
            series.values[index], series.present[index] = number, 1
    return series


def alerts(**states: tuple[int, int]) -> Recorded:
    """One alert, by its states."""
    return {"ALERTS": [({**HIGH, "alertstate": state}, within(*span)) for state, span in states.items()]}


def test_an_alert_is_pending_fires_and_is_resolved() -> None:
    """Each change is a line, with how long it fired."""
    assert recorded(alerts(pending=(40, 48), firing=(48, 80)))[0] == [
        "10 DenisErrorRateHigh is pending",
        "12 DenisErrorRateHigh fires",
        "20 DenisErrorRateHigh is resolved, after 8m",
    ]


def test_an_alert_that_never_fired_is_reported() -> None:
    """Pending alone leads to nothing, and says why nothing was done."""
    assert recorded(alerts(pending=(40, 44)))[0] == [
        "10 DenisErrorRateHigh is pending",
        "11 DenisErrorRateHigh ends without firing",
    ]


def test_what_lasts_over_the_ends_is_said() -> None:
    """What began before has no beginning here, and what goes on has no end."""
    assert recorded(alerts(firing=(0, 40)))[0] == [
        "0 DenisErrorRateHigh fires, since before this period",
        "10 DenisErrorRateHigh is resolved, which began before this period",
    ]
    assert recorded(alerts(firing=(40, 241)))[0] == ["10 DenisErrorRateHigh fires"]


def test_the_end_of_all_samples_resolves_nothing() -> None:
    """Prometheus died: whether the alert fired on is not known, and the gap is said on top."""
    series: Recorded = {**alerts(firing=(40, 60)), "up|denis": [({}, lambda index: None if 60 <= index < 100 else 1)]}
    lines, found = recorded(series)
    assert lines[1] == "15 DenisErrorRateHigh is no longer known: Prometheus has no samples from here on"
    assert found.notes == [
        "Prometheus has no sample of any target from 23 Nov 12:15:00 to 12:25:00 (10m): anything it would have shown "
        "is missing."
    ]


def test_series_of_a_rule_that_change_together_are_one_line() -> None:
    """Three pods are one alert to a reader, and the number is there."""
    some = [({**HIGH, "pod": pod, "alertstate": "firing"}, within(40, 241)) for pod in "abc"]
    assert recorded({"ALERTS": some})[0] == ["10 DenisErrorRateHigh fires (3 series)"]


def test_alerts_of_other_places_are_left_out() -> None:
    """Another cluster, and a namespace without a target."""
    elsewhere = [
        ({**HIGH, "cluster": "eu-2", "alertstate": "firing"}, within(40, 80)),
        ({"alertname": "DenisX", "namespace": "other", "alertstate": "firing"}, within(40, 80)),
    ]
    assert recorded({"ALERTS": elsewhere}, cluster="eu-1")[0] == []


def test_counters_show_decisions_that_no_log_has() -> None:
    """What replicas counted between two scrapes is one line with the number of alerts; a restart begins at 0."""
    labels = {"remediation": "rollback", "reason": "CoolingDown"}
    one: tuple[Mapping[str, str], Value] = ({**labels, "pod": "a"}, lambda index: 1 if index < 40 else 3)
    other: tuple[Mapping[str, str], Value] = (
        {**labels, "pod": "b"},
        lambda index: 7 if index < 40 else 8 if index < 80 else 2,
    )
    assert recorded({"outcomes_total": [one, other]})[0] == ["10 rollback: CoolingDown, 5"]
    _, found = recorded({"outcomes_total": [one, other]})
    assert [line.alerts for line in found.lines] == [3, 2]


def test_a_counter_that_appears_was_0_before() -> None:
    """All begin at 0, so the first sample of a new replica is what it counted; that of a new Prometheus is not."""
    appears: Sequence[tuple[Mapping[str, str], Value]] = [
        ({"remediation": "", "reason": "NoRemediation"}, within(40, 241, 4))
    ]
    assert recorded({"outcomes_total": appears})[0] == ["10 NoRemediation, 4"]
    nothing_else: Recorded = {"outcomes_total": appears, "up|denis": []}
    assert recorded(nothing_else)[0] == []
    new: Recorded = {"outcomes_total": appears, "up|denis": [({}, within(40, 241))]}
    assert recorded(new)[0] == []


def test_notifications_that_were_refused_are_reported() -> None:
    """By their answer, and what Alertmanager does then; what it cut off is lost."""
    series: Recorded = {
        "notifications_total": [({"code": "503"}, within(40, 241, 2)), ({"code": "401"}, within(41, 241, 1))],
        "truncated_alerts": [({}, within(50, 241, 9))],
    }
    assert recorded(series)[0] == [
        "10 2 notifications were answered with 503, so Alertmanager delivers again",
        "10.25 1 notification was answered with 401",
        "12.5 9 alerts were cut off by max_alerts, and never arrived",
    ]


def test_a_change_that_no_record_has_is_reported() -> None:
    """The percentage and the replicas, from any writer; a gap and a NaN between two equal values is no change."""

    def percentage(index: int) -> float | None:
        return float("nan") if index == 20 else None if 30 <= index < 50 else 10 if index < 80 else 50

    series: Recorded = {
        "canary_percentage": [({"target": "denis"}, percentage), ({"target": "other"}, within(3, 9))],
        "remediator_replicas": [({"target": "denis-workers"}, lambda index: 4 if index < 60 else 6)],
    }
    assert recorded(series)[0] == [
        "15 denis-workers: 4 -> 6 replicas; by whom is not recorded",
        "20 denis: 10 % -> 50 %; by whom is not recorded",
    ]


def test_an_act_whose_record_is_gone_is_reported() -> None:
    """The gauge has the ledger's time, and the counter's increase belongs to it."""
    act = NOW.timestamp() + 600.5
    series: Recorded = {
        "last_action": [({"target": "denis", "effect": "SetPercentage"}, lambda index: 0 if index < 41 else act)],
        "outcomes_total": [({"remediation": "rollback", "reason": "Applied"}, within(41, 241))],
    }
    lines, found = recorded(series)
    assert lines == ["10.0083 denis: a remediation acted (SetPercentage); its record is gone"]
    assert {line.kind for line in found.lines} == {Kind.ACT}


def test_times_without_heartbeats_are_reported() -> None:
    """From the last one, with how long it was quiet, and when they came again; the end counts too."""
    start = NOW.timestamp()

    def beat(index: int) -> float:
        last = index if index < 40 else 39 if index < 80 else min(index, 100)
        return start + last * 15

    assert recorded({"heartbeat_timestamp": [({}, beat)]})[0] == [
        "9.75 the last heartbeat for 10m15s: alerts may not have arrived",
        "20 a heartbeat arrives again, after 10m15s",
        "25 the last heartbeat; none since then, so alerts may not have arrived",
    ]


def test_no_samples_are_no_silence() -> None:
    """Where Prometheus has a gap, heartbeats may have come."""
    start = NOW.timestamp()
    series: Recorded = {"heartbeat_timestamp": [({}, lambda index: None if 40 <= index < 80 else start + index * 15)]}
    assert recorded(series)[0] == []


def test_no_heartbeat_at_all_is_said_on_top() -> None:
    """It may not be set up, and then it is not known whether alerts could arrive."""
    assert recorded({"heartbeat_timestamp": [({}, lambda index: 0)]})[1].notes == [
        "No heartbeat was ever received: whether alerts could arrive is not known."
    ]


def test_a_remediation_that_would_not_have_acted_is_reported() -> None:
    """With the reason, and when it would have again."""
    info = [
        ({"remediation": "rollback", "reason": "Paused"}, within(40, 80)),
        ({"remediation": "rollback", "reason": "Applied"}, lambda index: None if 40 <= index < 80 else 1),
    ]
    series: Recorded = {
        "armed_info": info,
        "(remediator_armed)": [({"remediation": "rollback"}, lambda index: 0 if 40 <= index < 80 else 1)],
    }
    assert recorded(series)[0] == [
        "10 rollback is not armed any more: Paused",
        "20 rollback is armed again: Applied",
    ]


def test_a_gap_over_midnight_ends_with_its_day() -> None:
    """The time alone would be on the day on which it began."""
    series: Recorded = {"up|denis": [({}, lambda index: None if 60 <= index < 100 else 1)]}
    (note, *_) = recorded(series, grid=replace(GRID, step=3600))[1].notes
    assert "from 26 Nov 00:00:00 to 27 Nov 16:00:00 (1d16h)" in note


@pytest.mark.parametrize(
    ("series", "note"),
    [
        ({"up|denis": []}, "Prometheus has no sample of any target in the whole period."),
        ({"(build_info|": []}, "Prometheus has no sample of Remediator in the whole period."),
        (
            {"(build_info|": [({"job": "r"}, lambda index: None if 40 <= index < 60 else 1)]},
            "Prometheus has no sample of Remediator from 23 Nov 12:10:00 to 12:15:00 (5m): anything it would have "
            "shown is missing.",
        ),
        (
            {"(build_info|": [({"job": "r", "namespace": ns}, lambda index: 1) for ns in ("a", "b")]},
            "Prometheus has several Remediators (a/r, b/r); the counts of all of them are shown.",
        ),
    ],
)
def test_what_prometheus_does_not_have_is_said(series: Recorded, note: str) -> None:
    """No samples are no quiet time."""
    assert recorded(series)[1].notes == [note]


def test_a_prometheus_that_dies_half_way_is_said() -> None:
    """What it had answered by then is there, and the rest is named as missing."""

    def fetch(expression: Inlined) -> list[SampledSeries]:
        if "outcomes_total" in expression.text:
            raise NoAnswer("Prometheus at http://p: the connection broke")
        known = {**UP, **alerts(firing=(40, 241))}
        return [
            _series(labels, value) for part, some in known.items() if part in expression.text for labels, value in some
        ]

    found = Findings()
    Recording(GRID, fetch, policy()).add_to(found)
    assert [line.text for line in found.lines] == ["DenisErrorRateHigh fires"]
    assert found.failed
    assert found.notes == [
        "Prometheus gave no full answer, so some of what it recorded is missing: Prometheus at http://p: the "
        "connection broke."
    ]

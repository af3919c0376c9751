"""DENIS's own metrics: what is read of them, and what can be believed."""

import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediator.monitoring.denis import GAUGES, NotMetrics, Scrape, Unit, check_gauges, read_scrape

HEALTHY = """\
# HELP materializer_success_rate Share of materializations that succeed.
# TYPE materializer_success_rate gauge
materializer_success_rate 0.994
error_rate 0.004
async_queue_depth 12
materializer_latency_p99 0.18
process_start_time_seconds 1.7e9
"""


def verdicts(text: str, unit: Unit = "ratio", percentage: int = 10) -> dict[str, tuple[bool | None, str]]:
    """What each check says of one DENIS."""
    checks = check_gauges([read_scrape("denis-a", text)], unit, percentage)
    return {check.name: (check.passed, check.found) for check in checks}


def with_value(name: str, value: str) -> str:
    """The healthy DENIS with another value of a gauge."""
    lines = [line for line in HEALTHY.splitlines() if not line.startswith(f"{name} ")]
    return "\n".join([*lines, f"{name} {value}", ""])


def test_all_gauges_are_read() -> None:
    """The four gauges pass with their values and units; other series are not looked at."""
    assert verdicts(HEALTHY) == {
        "materializer_success_rate": (True, "0.994"),
        "error_rate": (True, "0.004"),
        "async_queue_depth": (True, "12 jobs"),
        "materializer_latency_p99": (True, "0.18 s"),
    }


def test_percentages() -> None:
    """With the unit percent, rates up to 100 are sane."""
    text = HEALTHY.replace("0.994", "99.4").replace("error_rate 0.004", "error_rate 0.4")
    assert verdicts(text, "percent")["materializer_success_rate"] == (True, "99.4 %")
    assert verdicts(text, "percent")["error_rate"] == (True, "0.4 %")


def test_the_other_name_of_the_queue() -> None:
    """Some versions call the queue queue_depth."""
    assert verdicts(HEALTHY.replace("async_queue_depth", "queue_depth"))["async_queue_depth"] == (True, "12 jobs")


@pytest.mark.parametrize(
    ("name", "value", "unit", "problem"),
    [
        ("error_rate", "NaN", "ratio", "NaN, so no alert on it can fire"),
        ("materializer_success_rate", "NaN", "ratio", "NaN, so no alert on it can fire"),
        ("async_queue_depth", "NaN", "ratio", "NaN, so no alert on it can fire"),
        ("error_rate", "-0.1", "ratio", "-0.1 is negative"),
        ("async_queue_depth", "-1", "ratio", "-1 is negative"),
        ("error_rate", "+Inf", "ratio", "+inf is not a measurement"),
        ("async_queue_depth", "1e300", "ratio", "1e+300 jobs are more than there can be"),
        ("materializer_success_rate", "99.4", "ratio", "99.4 is over 100 % where 1 is a hundred percent"),
        ("error_rate", "4", "ratio", "4 is over 100 % where 1 is a hundred percent"),
        ("materializer_success_rate", "0.994", "percent", "0.994 looks like a ratio where 100 is a hundred percent"),
        ("error_rate", "400", "percent", "400 is over 100 % where 100 is a hundred percent"),
        ("materializer_latency_p99", "1800", "ratio", "1800 s is longer than 600 s; are these milliseconds?"),
    ],
)
def test_what_cannot_be_believed_is_named(name: str, value: str, unit: Unit, problem: str) -> None:
    """A value that its unit does not allow is a cross, with the value, the pod and what is wrong."""
    assert verdicts(with_value(name, value), unit)[name] == (False, f"denis-a: {problem}")


@pytest.mark.parametrize(("value", "passed"), [("1.01", True), ("1.011", False), ("0", True)])
def test_rounding_is_no_contradiction(value: str, passed: bool) -> None:
    """A percent above the whole is allowed, as in the rules; a rate of 0 that was measured is a rate."""
    assert verdicts(with_value("materializer_success_rate", value))["materializer_success_rate"][0] is passed


@pytest.mark.parametrize("rate", ["0", "NaN"])
@pytest.mark.parametrize("latency", ["0", "NaN"])
def test_a_gauge_that_was_never_set(rate: str, latency: str) -> None:
    """Before the first materialization a canary that is on cannot be judged, and one that is off is in order."""
    text = with_value("materializer_success_rate", rate).replace("p99 0.18", f"p99 {latency}")
    on, off = verdicts(text), verdicts(text, percentage=0)

    for name in ("materializer_success_rate", "materializer_latency_p99"):
        assert on[name] == (None, "nothing is measured yet on denis-a")
        assert off[name][0] is True


@pytest.mark.parametrize(
    "name", ["materializer_success_rate", "error_rate", "async_queue_depth", "materializer_latency_p99"]
)
def test_a_gauge_that_is_missing(name: str) -> None:
    """A gauge that one of the pods does not export is a cross with the pod's name."""
    whole, part = read_scrape("a", HEALTHY), read_scrape("b", HEALTHY.replace(f"\n{name} ", "\nother "))
    found = {check.name: check for check in check_gauges([whole, part], "ratio", 10)}[name]

    assert found.passed is False
    assert found.found.endswith("is not exported by b")


def test_all_pods_and_series_count() -> None:
    """One bad series of one pod is enough for a cross; good ones are told as their range."""
    other = HEALTHY.replace("async_queue_depth 12", 'async_queue_depth{q="x"} 7\nasync_queue_depth{q="y"} 9')
    good = check_gauges([read_scrape("a", HEALTHY), read_scrape("b", other)], "ratio", 10)
    bad = check_gauges([read_scrape("a", HEALTHY), read_scrape("b", other.replace("} 9", "} -9"))], "ratio", 10)

    assert (good[2].passed, good[2].found) == (True, "7 to 12 jobs")
    assert (bad[2].passed, bad[2].found) == (False, "b: -9 is negative")


def test_nobody_asked_is_no_success() -> None:
    """Without a scrape no gauge passes."""
    assert [check.passed for check in check_gauges([], "ratio", 10)] == [False] * 4


@pytest.mark.parametrize("text", ["<html></html>\n", "error_rate\n", '{"error_rate": 1}\n', "error_rate 1_0\n", "\x00"])
def test_what_is_no_exposition_is_refused(text: str) -> None:
    """An answer that Prometheus could not read either is named as such."""
    with pytest.raises(NotMetrics, match="not in Prometheus's format"):
        read_scrape("denis-a", text)


@given(st.text(st.sampled_from('errorate_ {}="1,.\n#TYPE NaN\\'), max_size=60) | st.text(max_size=30))
def test_no_text_breaks_the_reader(text: str) -> None:
    """Whatever is exported, it is read or refused."""
    with contextlib.suppress(NotMetrics):
        assert isinstance(read_scrape("x", text), Scrape)


@given(
    st.dictionaries(st.sampled_from(GAUGES), st.lists(st.floats(), max_size=2).map(tuple)),
    st.sampled_from(["ratio", "percent"]),
    st.sampled_from([0, 10]),
)
def test_what_passes_is_a_number_within_its_bounds(
    values: dict[str, tuple[float, ...]], unit: Unit, percentage: int
) -> None:
    """No NaN of a canary that is on, no infinity, nothing negative and no rate over 101 % is ever passed."""
    checks = check_gauges([Scrape(source="x", values=values)], unit, percentage)
    for check in checks:
        if check.passed:
            names = (check.name,) if check.name != "async_queue_depth" else ("async_queue_depth", "queue_depth")
            shown = next(values[name] for name in names if values.get(name))
            assert all(0 <= value < math.inf or (math.isnan(value) and percentage == 0) for value in shown)
            if check.name.endswith("_rate"):
                assert all(value <= 1.01 * (1 if unit == "ratio" else 100) for value in shown if value == value)

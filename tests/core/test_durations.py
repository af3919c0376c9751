"""Durations are read and written as Prometheus does."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediator.core.durations import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("0s", 0),
        ("1ms", 0.001),
        ("30s", 30),
        ("10m", 600),
        ("1h30m", 5400),
        ("90m", 5400),
        ("1d", 86_400),
        ("2w", 1_209_600),
        ("1y", 31_536_000),
        ("1y2w3d4h5m6s7ms", 31_536_000 + 1_209_600 + 3 * 86_400 + 4 * 3_600 + 5 * 60 + 6 + 0.007),
        ("007s", 7),
    ],
)
def test_a_duration_is_read_as_prometheus_reads_it(text: str, seconds: float) -> None:
    """Each unit of Prometheus is understood, alone and from the largest to the smallest."""
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "30",
        "1",
        "-5m",
        "+5m",
        "1.5h",
        "30 m",
        " 30m",
        "30m ",
        "30m\n",
        "30M",
        "5m1h",
        "1h1h",
        "m",
        "٣m",
        "P1D",
    ],
)
def test_what_prometheus_refuses_is_refused(text: str) -> None:
    """Anything else is refused, with examples of what is allowed."""
    with pytest.raises(ValueError, match="is not a duration; write it as in Prometheus: 30s, 10m, 1h30m, 2d"):
        parse_duration(text)


def test_a_duration_without_end_is_refused() -> None:
    """A duration that no clock can count is refused in words."""
    with pytest.raises(ValueError, match="'99999999999y' is longer than any duration can be"):
        parse_duration("99999999999y")


def test_a_number_without_end_is_refused_in_the_same_words() -> None:
    """A number too long for Python is refused as any duration that is too long."""
    with pytest.raises(ValueError, match="is longer than any duration can be"):
        parse_duration("9" * 5000 + "s")


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (timedelta(0), "0s"),
        (timedelta(microseconds=1), "1ms"),
        (timedelta(milliseconds=999), "999ms"),
        (timedelta(milliseconds=999, microseconds=1), "1s"),
        (timedelta(seconds=1), "1s"),
        (timedelta(seconds=59, milliseconds=1), "1m"),
        (timedelta(seconds=60), "1m"),
        (timedelta(minutes=29, seconds=57, milliseconds=1), "29m58s"),
        (timedelta(minutes=30), "30m"),
        (timedelta(hours=1, minutes=30, seconds=59), "1h30m"),
        (timedelta(days=1, hours=2, minutes=3), "1d2h"),
        (timedelta(days=1, minutes=3), "1d3m"),
        (timedelta(days=400), "400d"),
        (timedelta(seconds=-5), "0s"),
    ],
)
def test_a_duration_is_written_with_its_two_largest_units(duration: timedelta, text: str) -> None:
    """What is left is told in at most two units, and never as less than it is by a part of a second."""
    assert format_duration(duration) == text


@given(st.integers(min_value=0, max_value=100), st.integers(min_value=0, max_value=59))
def test_what_is_written_can_be_read(minutes: int, seconds: int) -> None:
    """A duration of two units comes back from its own text."""
    duration = timedelta(minutes=minutes % 60, seconds=seconds)

    assert parse_duration(format_duration(duration)) == duration

"""When an alert would have fired: `for`, keep_firing_for, and what an evaluation without a result does."""

from array import array
from datetime import timedelta

import pytest

from remediator.core.alert_states import Threshold, breaches, firings
from remediator.core.sampled_series import Grid, SampledSeries

NAN = float("nan")


def times(results: str, *, duration: int = 0, keep: int = 0, step: int = 15) -> list[tuple[int, int, int | None]]:
    """The times that an alert fires: `x` is an evaluation with a result, `.` one without."""
    flags = bytes(letter == "x" for letter in results)
    grid = Grid(start=0, step=step, count=len(flags))
    found = firings(flags, grid, timedelta(seconds=duration), timedelta(seconds=keep))
    return [(one.active, one.fired, one.resolved) for one in found]


@pytest.mark.parametrize(
    ("results", "duration", "expected"),
    [
        ("....", 0, []),
        (".xx.", 0, [(1, 1, 3)]),
        (".xx", 0, [(1, 1, None)]),
        ("xxxx.", 45, [(0, 3, 4)]),
        ("xxx..", 45, []),
        ("xxxx.", 40, [(0, 3, 4)]),  # not a multiple of the interval: at the next evaluation
        ("xx.xxx.", 30, [(3, 5, 6)]),  # one evaluation without a result begins `for` again
        ("xxx.xxx.", 30, [(0, 2, 3), (4, 6, 7)]),
    ],
)
def test_a_breach_fires_once_it_has_lasted(
    results: str, duration: int, expected: list[tuple[int, int, int | None]]
) -> None:
    """At the first evaluation that is `for` after the first, and until the first without a result."""
    assert times(results, duration=duration) == expected


@pytest.mark.parametrize(
    ("results", "keep", "expected"),
    [
        ("xx....", 30, [(0, 1, 4)]),
        ("xx.xx....", 30, [(0, 1, 7)]),  # it never stopped, so `for` does not begin again
        ("xx..x....", 30, [(0, 1, 7)]),  # back at the very evaluation that would have ended it
        ("xx...xx....", 30, [(0, 1, 4), (5, 6, 9)]),
        ("xx..", 3600, [(0, 1, None)]),
        ("x...", 30, []),  # what never fired is not kept
    ],
)
def test_keep_firing_for_holds_a_firing_alert(
    results: str, keep: int, expected: list[tuple[int, int, int | None]]
) -> None:
    """From the first evaluation without a result on; a result within that time goes on with the same firing."""
    assert times(results, duration=15, keep=keep) == expected


def test_a_border_between_pieces_of_history_is_no_border() -> None:
    """A breach that began 11,000 evaluations ago has lasted that long."""
    assert times("." + "x" * 11_010 + ".", duration=11_005 * 15) == [(1, 11_006, 11_011)]


@pytest.mark.parametrize("operator", ["<", "<=", ">", ">=", "==", "!="])
def test_no_sample_and_nan_are_no_breach(operator: str) -> None:
    """Whatever the comparison is; but NaN differs from every number, as in PromQL."""
    series = SampledSeries(labels={}, values=array("d", [NAN, NAN, 1.0, 2.0]), present=bytearray([0, 1, 1, 1]))
    assert (
        breaches(series, Threshold(operator=operator, value=1.0))
        == {
            "<": bytes([0, 0, 0, 0]),
            "<=": bytes([0, 0, 1, 0]),
            ">": bytes([0, 0, 0, 1]),
            ">=": bytes([0, 0, 1, 1]),
            "==": bytes([0, 0, 1, 0]),
            "!=": bytes([0, 1, 0, 1]),
        }[operator]
    )
    assert breaches(series, None) == bytes([0, 1, 1, 1])

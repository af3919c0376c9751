"""History of expressions: pieces, gaps, NaN, and answers that are none.

What a real Prometheus answers is in test_history_of_rules.py.
"""

import math
from datetime import UTC, datetime, timedelta

import pytest

from remediator.core.sampled_series import Grid, Span, spans
from remediator.monitoring.http_json import NoAnswer
from remediator.monitoring.prometheus import Prometheus
from remediator.monitoring.promql import Inlined, Part
from remediator.monitoring.ranges import MAX_POINTS, Ranges, most_questions
from tests.monitoring.wire import JSON, Wire, answer

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
START = int(NOON.timestamp())
MATRIX = '{"status":"success","data":{"resultType":"matrix","result":[%s]}%s}'


def grid(count: int, step: int = 15) -> Grid:
    """A grid that begins at noon."""
    return Grid(start=START, step=step, count=count)


def expression(text: str, *parts: str) -> Inlined:
    """An expression that reads nothing recorded."""
    return Inlined(text=text, parts=tuple(Part(text=part) for part in parts), lookback=300)


def series(*values: tuple[float, str], **labels: str) -> str:
    """A series as Prometheus sends it; times are seconds since noon."""
    metric = ",".join(f'"{name}":"{value}"' for name, value in labels.items())
    points = ",".join(f'[{START + seconds},"{value}"]' for seconds, value in values)
    return f'{{"metric":{{{metric}}},"values":[{points}]}}'


def refusal(body: bytes) -> str:
    """What is said of an answer."""
    with Wire(answer(body)) as wire, pytest.raises(NoAnswer) as caught:
        Ranges(Prometheus(wire.url), grid(3)).fetch(expression("x"))
    return str(caught.value)


def test_no_sample_and_no_number_are_told_apart() -> None:
    """A moment without a sample is absent, NaN is there and is no number, and infinity is no number either."""
    body = MATRIX % (series((0, "0.5"), (30, "NaN"), (45, "+Inf"), job="denis"), "")
    with Wire(answer(body.encode())) as wire:
        (found,) = Ranges(Prometheus(wire.url), grid(4)).fetch(expression("x"))
    assert found.labels == {"job": "denis"}
    assert bytes(found.present) == bytes([1, 0, 1, 1])
    assert [found.value(index) for index in range(-1, 5)] == [None, 0.5, None, None, None, None]
    assert math.isnan(found.values[2])


def test_a_long_history_is_asked_in_pieces_that_prometheus_answers() -> None:
    """No piece has more than 11,000 moments, no moment is asked twice, and none is left out."""
    with Wire(answer((MATRIX % ("", "")).encode())) as wire:
        assert Ranges(Prometheus(wire.url), grid(2 * MAX_POINTS + 5)).fetch(expression("x")) == ()
    asked = [
        [int(part.partition("=")[2]) for part in request.split("?")[1].split("&")[1:3]] for request in wire.requests
    ]
    pieces = [range(start, end + 1, 15) for start, end in asked]
    assert [len(piece) for piece in pieces] == [MAX_POINTS, MAX_POINTS, 5]
    assert [moment for piece in pieces for moment in piece] == [*range(START, START + 15 * (2 * MAX_POINTS + 5), 15)]


def test_parts_that_are_not_there_are_asked_for_once() -> None:
    """An absent part is looked for as far back as it can matter, and then left out of every expression that has it."""
    with Wire(answer((MATRIX % ("", "")).encode())) as wire:
        ranges = Ranges(Prometheus(wire.url), grid(10), lookback=300)
        ranges.fetch(expression("a unless dear", "dear"))
        ranges.fetch(expression("b unless dear", "dear"))
    first_lines = [request.splitlines()[0] for request in wire.requests]
    asked = [line for line in first_lines if "query=count%28dear%29&" in line]
    assert f"&start={START - 300}&" in asked[0]
    assert f"&end={START + 135}&" in asked[-1]
    assert len(first_lines) == len(asked) + 2
    assert all("unless+%28vector%280%29+%3E+1%29&" in line for line in first_lines if line not in asked)
    assert most_questions(grid(10), [expression("a", "dear"), expression("b", "dear")]) == 4


def test_incomplete_and_foreign_answers_are_none() -> None:
    """A warning, a moment that was not asked for, a histogram, a vector: nothing is made of any of them."""
    good = series((0, "1"))
    assert "may be incomplete: no StoreAPIs" in refusal((MATRIX % (good, ',"warnings":["no StoreAPIs"]')).encode())
    assert "may be incomplete: isPartial" in refusal((MATRIX % (good, ',"isPartial":true')).encode())
    for moment in (7, 45, -15, 0.5):
        assert "was not requested" in refusal((MATRIX % (series((moment, "1")), "")).encode())
    histogram = '{"metric":{},"histograms":[[1795435200,{"count":"1"}]]}'
    assert "the answer is not Prometheus's" in refusal((MATRIX % (histogram, "")).encode())
    assert "the answer is not Prometheus's" in refusal(MATRIX.replace("matrix", "vector").encode() % (b"", b""))
    assert "the answer is not Prometheus's" in refusal((MATRIX % (series((0, "ten")), "")).encode())


def test_one_piece_without_an_answer_is_no_history() -> None:
    """A Prometheus that dies half way costs the whole history, and is named."""
    with Wire((JSON + b"Content-Length: 100\r\n\r\n{", b"")) as wire, pytest.raises(NoAnswer, match="connection broke"):
        Ranges(Prometheus(wire.url), grid(3)).fetch(expression("x"))


def test_a_grid_lies_on_multiples_of_its_step() -> None:
    """It covers what is asked for and no moment more, so that its moments are those of PromQL's subqueries."""
    found = Grid.between(NOON + timedelta(seconds=1), NOON + timedelta(seconds=61), 15)
    assert (found.moment(0), found.count) == (NOON + timedelta(seconds=15), 4)
    assert found.index(NOON + timedelta(seconds=44)) == 1
    with pytest.raises(ValueError, match="fewer than two evaluations"):
        Grid.between(NOON, NOON + timedelta(seconds=14), 15)


def test_stretches_are_as_long_as_they_can_be() -> None:
    """Each stretch of a flag once, also at both ends; of no flags there is none."""
    flags = bytes([1, 1, 0, 1, 0, 0, 1])
    assert [*spans(flags)] == [Span(first=0, after=2), Span(first=3, after=4), Span(first=6, after=7)]
    assert [*spans(flags, 0)] == [Span(first=2, after=3), Span(first=4, after=6)]
    assert [*spans(b"")] == []

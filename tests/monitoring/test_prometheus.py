"""Questions to Prometheus and Alertmanager that get no usable answer: what is said of each, and that it ends in time.

What real ones answer is in test_signals.py.
"""

import time

import pytest

from remediator.monitoring.alertmanager import Alertmanager
from remediator.monitoring.http_json import MAX_BYTES, NoAnswer
from remediator.monitoring.prometheus import Prometheus, Sample
from tests.monitoring.wire import JSON, Wire, answer

VECTOR = b'{"status":"success","data":{"resultType":"vector","result":[%s]}}'
SERIES = b'{"metric":{"job":"denis"},"value":[1795482662.1,"%s"]}'


def head(status: str, *lines: str) -> bytes:
    """The head of an answer."""
    return "\r\n".join([f"HTTP/1.1 {status}", "Connection: close", *lines, ""]).encode()


def refusal(url: str, *, timeout: float = 5.0) -> str:
    """What is said where a question gets no answer."""
    with pytest.raises(NoAnswer) as caught:
        Prometheus(url, timeout=timeout).query("up == 1")
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"), [("0.97", 0.97), ("+Inf", float("inf")), ("-Inf", float("-inf")), ("1e-7", 1e-7)]
)
def test_values_are_numbers_as_prometheus_spells_them(text: str, value: float) -> None:
    """A sample's value is the number that Prometheus sends as a text."""
    with Wire(answer(VECTOR % (SERIES % text.encode()))) as wire:
        assert Prometheus(wire.url).query("x") == (Sample(labels={"job": "denis"}, value=value),)


def test_question_is_asked_below_a_path_prefix() -> None:
    """The URL's path is kept, with or without a slash at its end, and the expression is encoded."""
    with Wire(answer(VECTOR % b"")) as wire:
        for end in ("", "/"):
            assert Prometheus(f"{wire.url}/prom/eu{end}").query("a{b='+&'} > 1") == ()
    lines = {request.splitlines()[0] for request in wire.requests}
    expected = "GET /prom/eu/api/v1/query?query=a%7Bb%3D%27%2B%26%27%7D+%3E+1&timeout=5 HTTP/1.1"
    assert lines == {expected}


def test_credentials_in_the_url_are_used() -> None:
    """A user and a password of any letters are sent as Basic authentication, and not in the request's path."""
    with Wire(answer(VECTOR % b"")) as wire:
        Prometheus(f"http://ad%40a:p%C3%A4ss%2F@{wire.address}").query("x")
    # base64 of "ad@a:päss/" in UTF-8
    assert "Authorization: Basic YWRAYTpww6Rzcy8=" in wire.requests[0]
    assert f"Host: {wire.address}\r\n" in wire.requests[0]


SECRET = "Tr0ub4dor"
ANSWERS = {
    "prometheus's own error": (
        (b'{"status":"error","errorType":"execution","error":"found duplicate series"}', head("422 X")),
        "422: found duplicate series; ",
    ),
    "overload": ((b'{"error":"query timed out in expression evaluation"}', head("503 X")), "503: query timed out"),
    "a proxy's page": ((b"<html>", head("502 Bad Gateway", "Content-Type: text/html")), "502: Bad Gateway; "),
    "a status of its own": ((b"", head("599 What")), "599: no explanation; "),
    "credentials missing": ((b"Unauthorized", head("401 Unauthorized")), "give credentials in the URL"),
    "not there": ((b"404 page not found", head("404 Not Found")), "404: Not Found; "),
    "a redirect": (
        (b"", head("302 Found", f"Location: https://ada:{SECRET}@sso/login")),
        "302, a redirect to https://ada:***@sso/login, which is not followed; ",
    ),
    "a page": ((b"<html>hello", head("200 OK", "Content-Type: text/html")), "not JSON but text/html; "),
    "nothing": ((b"", head("204 No Content")), "204: No Content; "),
    "an empty answer": ((b"", head("200 OK")), "not JSON but of no type; "),
    "deep JSON": ((b"[" * 100_000, JSON), "not JSON"),
    "not text": ((b'{"status": "\xff"}', JSON), "not JSON"),
    "other JSON": ((b'{"status":"ok"}', JSON), "the answer is not Prometheus's: status: "),
    "a list": ((b"[]", JSON), "the answer is not Prometheus's: "),
    "a matrix": (
        (b'{"status":"success","data":{"resultType":"matrix","result":[]}}', JSON),
        "the answer is not Prometheus's: data: ",
    ),
    "histograms": (
        (VECTOR % b'{"metric":{},"histogram":[1,{"count":"1"}]}', JSON),
        "the answer is not Prometheus's: data.vector.result.0.value: ",
    ),
    "a value that is none": ((VECTOR % (SERIES % b"many"), JSON), "the answer is not Prometheus's: "),
    "warnings": (
        (b'{"status":"success","data":{"resultType":"vector","result":[]},"warnings":["store eu-2 is down"]}', JSON),
        "the answer may be incomplete: store eu-2 is down; ",
    ),
    "control characters and secrets": (
        (b'{"error":"\\u001b[2J you are ada:Tr0ub4dor"}', head("400 X")),
        "400: [2J you are ada:***; ",
    ),
}


@pytest.mark.parametrize(("given", "said"), ANSWERS.values(), ids=ANSWERS)
def test_answers_that_are_none(given: tuple[bytes, bytes], said: str) -> None:
    """Each says who was asked for what, what came back and what to do, and shows no password."""
    body, top = given
    with Wire(answer(body, head=top)) as wire:
        text = refusal(f"http://ada:{SECRET}@{wire.address}/prom")
    assert text.startswith(f"Prometheus at http://{wire.address}/prom, asked for up == 1: ")
    assert said in text
    assert text.rpartition("; ")[2]
    assert SECRET not in text
    assert len(wire.requests) == 1


def test_nobody_listens() -> None:
    """A refused connection is told as one, at once."""
    with Wire(()) as wire:
        pass
    assert f"at {wire.url}, asked for up == 1: no connection: Connection refused; " in refusal(wire.url)


def test_name_does_not_resolve() -> None:
    """A host that does not exist is told as one."""
    assert "the host name does not resolve; " in refusal("http://prometheus.invalid:9090")


def test_other_side_hangs_up() -> None:
    """A connection that ends without an answer is told as one."""
    with Wire(()) as wire:
        assert "the connection broke: " in refusal(wire.url)


def test_answer_ends_early() -> None:
    """An answer that is cut off is none."""
    with Wire((JSON + b"Content-Length: 1000\r\n\r\n{",)) as wire:
        assert "the connection broke: " in refusal(wire.url)


def test_no_tls() -> None:
    """A server that does not speak TLS is told as one."""
    with Wire(answer(b"{}")) as wire:
        assert "no TLS connection: " in refusal(f"https://{wire.address}")


@pytest.mark.parametrize(
    "parts",
    [(b"", b""), (JSON, b"Content-Length: 9\r\n"), (JSON + b"\r\n", *[b"x"] * 1000)],
    ids=["silent", "silent after its head", "a byte at a time"],
)
def test_slow_answer_ends_in_time(parts: tuple[bytes, ...]) -> None:
    """An answer that does not come, or not to an end, costs the timeout and little more."""
    began = time.monotonic()
    with Wire(parts, pause=60.0 if len(parts) < 1000 else 0.05) as wire:
        assert "no complete answer in 0.3 s; " in refusal(wire.url, timeout=0.3)
    assert time.monotonic() - began < 40


def test_endless_answer_is_not_read_to_its_end() -> None:
    """Nothing larger than the bound is kept."""
    with Wire([JSON + b"\r\n", *[b"x" * 1_000_000] * (2 * MAX_BYTES // 1_000_000)]) as wire:
        assert "the answer is larger than 16 MiB; " in refusal(wire.url)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("", ""),
        ("prometheus:9090", "prometheus:9090"),
        ("ftp://prometheus", "ftp://prometheus"),
        ("file:///etc/passwd", "file:///etc/passwd"),
        ("http://", "http://"),
        ("http://prometheus:port", "http://prometheus:port"),
        ("http://prometheus:99999", "http://prometheus:99999"),
        ("http://[::1", "http://[::1"),
        ("http://prometheus/ x", "http://prometheus/ x"),
        (f"http://ada:{SECRET}/x@prometheus:9090", "prometheus:9090"),
        (f"http://ada:{SECRET}@prometheus:9090?x=1", "prometheus:9090"),
        (f"http://prometheus:9090?token={SECRET}", "http://prometheus:9090"),
        (f"http://prometheus:9090#{SECRET}", "http://prometheus:9090"),
        (f"ada:{SECRET}@prometheus", "prometheus"),
    ],
)
@pytest.mark.parametrize("program", [Prometheus, Alertmanager])
def test_url_that_is_none(url: str, shown: str, program: type[Prometheus] | type[Alertmanager]) -> None:
    """What is not the URL of an HTTP server is refused before anything is asked, without its password."""
    with pytest.raises(ValueError, match="write http://host:port") as caught:
        program(url)
    text = str(caught.value)
    assert text.startswith(repr(shown))
    assert program.__name__ in text
    assert SECRET not in text


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"status":"success"}', "the answer is not Alertmanager's: answer: "),
        (b'{"alerts":[]}', "the answer is not Alertmanager's: answer: "),
    ],
    ids=["Prometheus", "a map"],
)
def test_answers_that_are_not_alertmanagers(body: bytes, said: str) -> None:
    """An answer of another form is none, even where a part of it could be read: an alert might be missing."""
    with Wire(answer(body)) as wire, pytest.raises(NoAnswer) as caught:
        Alertmanager(wire.url).firing_alerts()
    assert f"Alertmanager at {wire.url}, asked for firing alerts: {said}" in str(caught.value)


def test_alertmanagers_own_error() -> None:
    """Alertmanager answers errors as a bare JSON text, or with a code and a message."""
    for body in (b'"bad matcher"', b'{"code":400,"message":"bad matcher"}'):
        with Wire(answer(body, head=head("400 X"))) as wire, pytest.raises(NoAnswer, match="400: bad matcher; "):
            Alertmanager(wire.url).firing_alerts()

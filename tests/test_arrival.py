"""When a request is whole: as soon as nothing more has to come before it can be answered."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediator.arrival import MAX_HEAD_BYTES, Arrival

MAX_BODY = 1_000
HEAD = b"POST /webhook HTTP/1.1\r\nHost: x\r\n"


def arrived(*pieces: bytes) -> Arrival:
    """What these pieces come to."""
    arrival = Arrival(MAX_BODY)
    for piece in pieces:
        arrival.add(piece)
    return arrival


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(HEAD + b"Content-Length: 5\r\n\r\nalert", id="with-its-body"),
        pytest.param(HEAD + b"content-length:5 \r\nAccept: */*\r\n\r\nalert", id="length-in-other-spelling"),
        pytest.param(HEAD + b"Content-Length: 0000000000005\r\n\r\nalert", id="length-with-zeros"),
        pytest.param(HEAD + b"Content-Length: %b\r\n\r\n" % (b"9" * 5000), id="length-without-measure"),
        pytest.param(HEAD + b"Content-Length: 0\r\n\r\n", id="without-a-body"),
        pytest.param(HEAD + b"\r\n", id="without-a-length"),
        pytest.param(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", id="chunked"),
        pytest.param(HEAD + b"Content-Length: 1001\r\n\r\n", id="longer-than-allowed"),
        pytest.param(HEAD + b"Content-Length: five\r\n\r\n", id="length-is-no-number"),
        pytest.param(HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n", id="two-lengths"),
    ],
)
@given(data=st.data())
def test_a_request_is_whole_with_its_last_byte_however_it_is_cut(request_: bytes, data: st.DataObject) -> None:
    """Whole at the last byte that is waited for, and not before, in whatever pieces it comes; nothing is lost."""
    cuts = sorted(data.draw(st.lists(st.integers(1, len(request_) - 1), max_size=5)))
    bounds = [0, *cuts, len(request_)]
    pieces = [request_[begin:end] for begin, end in itertools.pairwise(bounds) if begin < end]

    arrival = Arrival(MAX_BODY)
    for piece in pieces:
        assert not arrival.is_whole
        arrival.add(piece)
    assert arrival.is_whole
    assert arrival.size == len(request_)
    assert b"".join(iter(lambda: arrival.take(7), b"")) == request_


def test_a_client_that_sends_no_more_is_not_waited_for() -> None:
    """The end of the stream makes whole what there is, so that it is refused and not waited for."""
    assert not arrived(HEAD).is_whole
    assert arrived(HEAD, b"").is_whole
    assert arrived(b"").size == 0


def test_a_head_without_an_end_is_not_waited_for() -> None:
    """Over 64 KiB of head is no request, unless its end has come with the rest."""
    head = HEAD + b"X: " + b"x" * MAX_HEAD_BYTES
    assert not arrived(head[:MAX_HEAD_BYTES]).has_endless_head
    assert arrived(head).has_endless_head
    assert not arrived(head + b"\r\n\r\n").has_endless_head


def test_what_comes_after_the_head_is_told_from_the_body() -> None:
    """A client that does not wait for its answer has sent more than its body."""
    assert arrived(HEAD + b"Content-Length: 5\r\n\r\nalert").body_size == 5
    assert arrived(HEAD + b"Content-Length: 5\r\n\r\nalert", b"POST").body_size == 9


def test_a_client_that_waits_to_be_asked_for_its_body_is_seen() -> None:
    """Expect: 100-continue counts while the body is not there, and for a body that is wanted."""
    expecting = HEAD + b"Expect: 100-continue\r\n"
    assert arrived(expecting + b"Content-Length: 5\r\n\r\n").expects_continue
    assert not arrived(expecting + b"Content-Length: 5\r\n\r\nalert").expects_continue
    assert not arrived(expecting.replace(b"1.1", b"1.0") + b"Content-Length: 5\r\n\r\n").expects_continue
    assert not arrived(expecting + b"Content-Length: 1001\r\n\r\n").expects_continue

"""Which connections end without an answer, and what an answered one is still read for."""

import socket
import threading

import pytest

from remediator.web.connections import LINGER_SECONDS, REQUEST_SECONDS, STALLED_SECONDS, Progress, cuts

BEGAN = 1_000.0
LATER = BEGAN + STALLED_SECONDS + 0.1


def reading(since: float = BEGAN) -> Progress:
    """A request of which a thread has read a part, and waits for the rest."""
    return in_state("wait", since)


def whole() -> Progress:
    """A request that is being answered."""
    return in_state("arrive", BEGAN)


def queued() -> Progress:
    """A request that waits for a thread."""
    return in_state("queue", BEGAN)


def in_state(state: str, since: float) -> Progress:
    """A request of that time."""
    progress = Progress()
    progress.queue()
    if state != "queue":
        progress.wait()
    if state == "arrive":
        progress.arrive()
    progress.since, progress.deadline = since, since + REQUEST_SECONDS
    return progress


@pytest.mark.parametrize(
    ("progress", "lost"),
    [(reading, "request incomplete after 10 s"), (whole, "no answer within 10 s"), (queued, "no answer within 10 s")],
)
def test_a_request_ends_at_its_deadline(progress, lost: str) -> None:  # type: ignore[no-untyped-def]
    """Within 10 s whatever it is waiting for, and it is said what that cost."""
    request = progress()
    assert cuts([request], [], BEGAN + REQUEST_SECONDS, threads=10, connections=20) == []
    assert cuts([request], [], BEGAN + 10, threads=10, connections=20) == [(request, "deadline", lost)]


def test_the_oldest_that_stall_make_room_where_threads_are_short() -> None:
    """As many as others wait for a thread; never one that is whole, waits itself, or has only just begun."""
    first, second, fresh = reading(), reading(), reading(LATER - 0.1)
    served = [whole(), first, second, fresh, queued()]
    assert cuts(served, [], LATER, threads=5, connections=20) == []
    room = "no room for an incomplete request"
    assert cuts(served, [], LATER, threads=4, connections=20) == [(first, "connections", room)]
    assert [cut[0] for cut in cuts(served, [], LATER, threads=1, connections=20)] == [first, second]


def test_an_idle_connection_makes_room_where_connections_are_short() -> None:
    """The one that has been idle for longest, or else one that stalls; never one that has just come."""
    stalls, idle, fresh = reading(), reading(), reading(LATER - 0.1)
    assert [cut[:2] for cut in cuts([stalls], [idle, fresh], LATER, threads=5, connections=3)] == [
        (idle, "connections")
    ]
    assert [cut[0] for cut in cuts([stalls, whole()], [fresh], LATER, threads=5, connections=3)] == [stalls]
    assert cuts([reading(LATER - 0.1), whole()], [fresh], LATER, threads=5, connections=3) == []
    assert [cut[0] for cut in cuts([whole(), whole()], [fresh], LATER + 1, threads=5, connections=3)] == [fresh]
    assert cuts([whole(), whole(), whole()], [], LATER, threads=5, connections=3) == []


def test_a_connection_is_cut_once() -> None:
    """Its end is counted once, and it takes nobody's room while its thread has not noticed."""
    request = reading()
    with socket.socket() as connection:
        request.cut(connection)
        assert cuts([request], [], LATER, threads=0, connections=1) == []
        assert [cut[1] for cut in cuts([request], [], BEGAN + 10, threads=0, connections=1)] == [""]
    with pytest.raises(ConnectionResetError):
        request.arrive()


def test_an_answered_client_is_read_until_it_hangs_up() -> None:
    """It reads that nothing follows, may send the rest, and costs no request when it is cut."""
    ours, theirs = socket.socketpair()
    request = reading()
    thread = threading.Thread(target=request.linger, args=[ours])
    with ours, theirs:
        thread.start()
        assert theirs.recv(1) == b""
        theirs.sendall(b" " * 1_000_000)
        assert thread.is_alive()
        ((_, kind, _),) = cuts([request], [], request.deadline + 0.1, threads=5, connections=5)
        assert kind == ""
        theirs.close()
        thread.join(LINGER_SECONDS)
    assert not thread.is_alive()

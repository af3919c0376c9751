"""Who is answered now, and who has to come again: the bounds around the webhook, without a server."""

import io
import json
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest

from demo.waiting import until
from remediator.core.alerts import MAX_BODY_BYTES
from remediator.web.admission import MAX_ANSWERED_BYTES, MAX_READ_BYTES, MAX_WAITING, SMALL_BYTES, TURNS, Admission

MIB = 1024 * 1024


class Webhook:
    """An application that answers when it is let, and a service around it that counts."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.answering: list[int] = []
        self.arrived = 0
        self.refused: list[tuple[int, object]] = []
        self.admission = Admission(
            self._answer, refused=lambda code, reason, client: self.refused.append((code, client))
        )
        self.admission.arrived = self._arrive

    def _arrive(self) -> None:
        self.arrived += 1

    def _answer(self, environ: Any, start_response: Callable[..., object]) -> Iterable[bytes]:
        body = environ["wsgi.input"].read()
        self.answering.append(len(body))
        assert self.go_on.wait(60)
        start_response("200 OK", [])
        return [str(len(body)).encode()]

    def post(self, size: int, *, sent: Any = None, **environ: str) -> tuple[str, bytes]:
        """Post a body of this size, or a stream; the status and the answer."""
        statuses: list[str] = []
        stream = io.BytesIO(b" " * size) if sent is None else sent
        request = {"REMOTE_ADDR": "10.0.3.4", "CONTENT_LENGTH": str(size), "wsgi.input": stream, **environ}
        answer = b"".join(self.admission(request, lambda status, headers: statuses.append(status)))  # type: ignore[arg-type]
        return statuses[0], answer


class Stalling(io.RawIOBase):
    """A client that sends so many bytes, and no more until it is let."""

    def __init__(self, sends: int = 0) -> None:
        self.go_on = threading.Event()
        self.left = sends

    def read(self, size: int = -1, /) -> bytes:
        """What it sends; then wait, and then nothing."""
        piece = b" " * min(size, self.left)
        self.left -= len(piece)
        assert piece or not size or self.go_on.wait(60)
        return piece


def test_a_request_is_answered_with_its_body() -> None:
    """What the client sent reaches the application, once it is whole."""
    webhook = Webhook()
    webhook.go_on.set()
    assert webhook.post(300) == ("200 OK", b"300")
    assert webhook.arrived == 1


@pytest.mark.parametrize(
    "environ",
    [{"CONTENT_LENGTH": str(MAX_BODY_BYTES + 1)}, {"HTTP_TRANSFER_ENCODING": "chunked"}, {"CONTENT_LENGTH": "many"}],
    ids=["too-large", "chunked", "no-number"],
)
def test_a_body_that_is_refused_anyway_is_not_read(environ: dict[str, str]) -> None:
    """The application refuses it by its head, and nobody waits for the rest."""
    webhook = Webhook()
    webhook.go_on.set()
    assert webhook.post(300, sent=Stalling(), **environ) == ("200 OK", b"0")


def test_clients_that_stall_take_no_turn() -> None:
    """While more clients than there are turns send nothing, others are answered."""
    webhook, stalling = Webhook(), Stalling()
    webhook.go_on.set()
    with ThreadPoolExecutor(2 * TURNS) as pool, ExitStack() as stack:
        stack.callback(stalling.go_on.set)
        for _ in range(2 * TURNS):
            pool.submit(webhook.post, 100, sent=stalling)
        assert webhook.post(100) == ("200 OK", b"100")


def test_those_for_whom_there_is_no_turn_are_refused_with_503() -> None:
    """Over the number that may wait at once, and the others after a second; all turns are given back."""
    webhook = Webhook()
    number = TURNS + MAX_WAITING + 10
    with ThreadPoolExecutor(number) as pool:
        answers = [pool.submit(webhook.post, 100) for _ in range(number)]
        until("ten are refused at once", lambda: len(webhook.refused) >= 10, 60)
        until("so are those that waited", lambda: len(webhook.refused) == MAX_WAITING + 10, 60)
        webhook.go_on.set()
        statuses = [answer.result() for answer in answers]
    assert [status for status, _ in statuses].count("200 OK") == TURNS
    refused = next(answer for status, answer in statuses if status == "503 Service Unavailable")
    assert "deliver again" in json.loads(refused)["error"]
    assert set(webhook.refused) == {(503, ("10.0.3.4",))}
    assert webhook.post(1)[0] == "200 OK"


def test_large_bodies_are_answered_one_after_the_other_and_small_ones_beside_them() -> None:
    """The second of two that are too large together waits, and is refused after a second; a small one is not."""
    webhook = Webhook()
    large = MAX_ANSWERED_BYTES // 2 + 1
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(webhook.post, large)
        until("it is being answered", lambda: webhook.answering == [large], 60)
        small = pool.submit(webhook.post, SMALL_BYTES)
        until("the small one is, too", lambda: len(webhook.answering) == 2, 60)
        assert pool.submit(webhook.post, large).result()[0] == "503 Service Unavailable"
        webhook.go_on.set()
        assert [first.result()[0], small.result()[0]] == ["200 OK", "200 OK"]
    assert webhook.post(large)[0] == "200 OK"


def test_large_bodies_for_which_there_is_no_memory_are_refused_unread() -> None:
    """While clients stall at the end of as many as there is room for, another gets 503, and a small one is answered."""
    webhook = Webhook()
    webhook.go_on.set()
    number = MAX_READ_BYTES // MAX_BODY_BYTES
    with ThreadPoolExecutor(number) as pool, ExitStack() as stack:
        stalling = [Stalling(MAX_BODY_BYTES - 1) for _ in range(number)]
        for one in stalling:
            stack.callback(one.go_on.set)
            pool.submit(webhook.post, MAX_BODY_BYTES, sent=one)
        until("all have sent what they send", lambda: not any(one.left for one in stalling), 60)
        assert webhook.post(MAX_BODY_BYTES)[0] == "503 Service Unavailable"
        assert webhook.post(SMALL_BYTES)[0] == "200 OK"
    assert webhook.post(MAX_BODY_BYTES)[0] == "200 OK"


@pytest.mark.parametrize("sent", [0, 1, SMALL_BYTES], ids=["nothing", "a byte", "64 KiB"])
def test_bodies_that_are_only_announced_hold_up_no_other(sent: int) -> None:
    """However many clients announce the largest body and stall, one of that size is answered."""
    webhook = Webhook()
    webhook.go_on.set()
    with ThreadPoolExecutor(20) as pool, ExitStack() as stack:
        stalling = [Stalling(sent) for _ in range(20)]
        for one in stalling:
            stack.callback(one.go_on.set)
            pool.submit(webhook.post, MAX_BODY_BYTES, sent=one)
        until("all have sent what they send", lambda: not any(one.left for one in stalling), 60)
        assert webhook.post(MAX_BODY_BYTES)[0] == "200 OK"


def test_what_a_request_took_is_given_back_when_it_breaks() -> None:
    """A client that is gone in mid-body, and an error of the application, cost nobody else anything."""

    class Gone(io.RawIOBase):
        def read(self, size: int = -1, /) -> bytes:
            raise ConnectionResetError

    webhook = Webhook()
    webhook.go_on.set()
    for _ in range(2 * TURNS):
        with pytest.raises(ConnectionResetError):
            webhook.post(MAX_BODY_BYTES, sent=Gone())

    def fail(environ: Any, start_response: object) -> Iterable[bytes]:
        raise ZeroDivisionError

    broken = Admission(fail, refused=lambda *what: None)
    for _ in range(TURNS + MAX_WAITING + 1):
        with pytest.raises(ZeroDivisionError):
            broken({"wsgi.input": io.BytesIO()}, lambda status, headers: None)  # type: ignore[arg-type]
    assert webhook.post(MAX_BODY_BYTES)[0] == "200 OK"

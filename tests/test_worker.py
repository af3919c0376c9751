"""Clients that stall, and more of them than there is room for: none takes a thread, time or memory of others."""

import http.client
import json
import socket
import ssl
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from threading import Event

import pytest

from demo.waiting import until
from remediator.alerts import MAX_BODY_BYTES
from remediator.arbiter import CONNECTIONS, THREADS
from remediator.worker import MAX_ARRIVING_BYTES, MAX_HANDLED_BYTES, MAX_WAITING
from tests.faults import FaultyApi, First
from tests.replica import Replica
from tests.service import SHIPPED, alert, body

HEAD = b"POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
RESOLVED = body(alert(status="resolved"))

REFUSED = 'remediator_notifications_total{code="503"}'

STALLS = {
    "silent": b"",
    "header": HEAD,
    "body": HEAD + b"Content-Length: 100\r\n\r\n{",
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
}


@contextmanager
def stalled(replica: Replica, number: int, sent: bytes) -> Iterator[list[socket.socket]]:
    """Connections on which this was sent, and nothing follows."""
    with ExitStack() as stack:
        connections = []
        for _ in range(number):
            connection = stack.enter_context(socket.create_connection(replica.address, timeout=30))
            connection.sendall(sent)
            connections.append(connection)
        yield connections


def cut(replica: Replica, reason: str) -> float:
    """How many connections were cut for this reason."""
    return replica.value(f'remediator_connections_cut_total{{reason="{reason}"}}')


def is_open(connection: socket.socket) -> bool:
    """Whether the other side has neither closed it nor said anything."""
    connection.setblocking(False)
    try:
        return connection.recv(1) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


@pytest.mark.parametrize("stall", STALLS)
def test_stalled_clients_take_no_thread(replica: Replica, stall: str) -> None:
    """While three times as many clients stall as there are threads, notifications are answered, and none is cut."""
    with stalled(replica, 3 * THREADS, STALLS[stall]) as connections:
        assert {replica.post(RESOLVED)[0] for _ in range(20)} == {200}
        assert all(map(is_open, connections))
        assert replica.get("/-/healthy")[0] == 200


def test_a_stalled_client_loses_its_connection_at_the_deadline(replica: Replica) -> None:
    """A request that does not become whole is cut after 10 s, without an answer, and that is counted."""
    with stalled(replica, 1, STALLS["body"]) as (connection,):
        assert connection.recv(1) == b""
    assert cut(replica, "deadline") == 1


def test_a_trickle_does_not_move_the_deadline(replica: Replica) -> None:
    """Who sends a byte now and then is cut as well."""
    with stalled(replica, 1, STALLS["header"]) as (connection,):
        until("cut", lambda: cut(replica, "deadline") or connection.send(b"X") == 0, 20)


@pytest.mark.parametrize("stall", ["silent", "header"])
def test_the_oldest_unfinished_connection_makes_room_for_a_new_one(replica: Replica, stall: str) -> None:
    """More connections than there may be: the first of those without a request are cut, and a new one is served."""
    with stalled(replica, CONNECTIONS + 10, STALLS[stall]) as connections:
        assert replica.post(RESOLVED)[0] == 200
        until("the oldest are cut", lambda: cut(replica, "connections") >= 10, 10)
        assert [is_open(connections[0]), is_open(connections[-1])] == [False, True]


def test_large_bodies_at_once_come_to_their_end_one_after_the_other(replica: Replica) -> None:
    """Of more than memory is set aside for, the youngest are refused with 503; small and older ones are served."""
    head = HEAD + b"Content-Length: %d\r\n\r\n" % MAX_BODY_BYTES
    part = head + b"[" * (MAX_BODY_BYTES - 10)
    number = MAX_ARRIVING_BYTES // len(part)
    with stalled(replica, 1, STALLS["body"]) as (small,), stalled(replica, number, part) as large:
        with stalled(replica, 1, head) as (youngest,):
            with suppress(OSError):
                youngest.sendall(part[len(head) :])
            until("the youngest is refused", lambda: replica.value(REFUSED) == 1, 10)
        assert replica.post(RESOLVED)[0] == 200
        assert all(map(is_open, [small, *large]))
        large[0].setblocking(True)
        large[0].sendall(b"[" * 10)
        assert large[0].recv(65_536).startswith(b"HTTP/1.1 400 ")


def test_more_than_can_be_answered_is_refused_at_once(replica: Replica, api: FaultyApi) -> None:
    """While the API server hangs, those for whom there is no thread get 503 at once; all get an answer."""
    replica.wait_until_ready()
    go_on = Event()
    api.always("GET", First(do=lambda: go_on.wait(30)))
    number = THREADS + MAX_WAITING + 50
    with ThreadPoolExecutor(number) as pool:
        answers = [pool.submit(replica.post, body(alert())) for _ in range(number)]
        until("the rest is refused", lambda: replica.value(REFUSED) >= number - THREADS, 20)
        assert sum(answer.done() for answer in answers) <= number - THREADS
        api.always("GET", None)
        go_on.set()
        codes = Counter(answer.result()[0] for answer in answers)
        assert "deliver again" in json.dumps([answer.result()[1] for answer in answers])
    assert set(codes) <= {200, 503}
    assert codes.total() == number
    assert replica.value(REFUSED) == codes[503]


def test_a_client_that_waits_to_be_asked_for_its_body_is_asked(replica: Replica) -> None:
    """Expect: 100-continue, as curl sends it for a large body, gets its 100 and then the answer."""
    head = HEAD + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(RESOLVED)
    with stalled(replica, 1, head) as (connection,):
        assert connection.recv(65_536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(RESOLVED)
        connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert b"HTTP/1.1 200 OK\r\n" in answer


def test_a_connection_is_kept_for_the_next_notification(replica: Replica) -> None:
    """Several notifications, in pieces and whole, over one connection."""
    host, port = replica.address
    connection = http.client.HTTPConnection(host, port, timeout=20)
    for _ in range(3):
        connection.putrequest("POST", "/webhook")
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", str(len(RESOLVED)))
        connection.endheaders()
        connection.send(RESOLVED[:10])
        connection.send(RESOLVED[10:])
        with connection.getresponse() as response:
            assert response.status == 200
            assert json.load(response)["outcomes"][0]["reason"] == "NotFiring"
    connection.close()


def test_an_idle_connection_is_closed_when_the_service_stops_and_not_before(replica: Replica) -> None:
    """A connection is kept for longer than any request may take, and does not hold up the end of the service."""
    with stalled(replica, 1, STALLS["body"]) as (slow,), stalled(replica, 1, b"") as (idle,):
        used = http.client.HTTPConnection(*replica.address, timeout=20)
        used.request("POST", "/webhook", RESOLVED, {"Content-Type": "application/json"})
        with used.getresponse() as response:
            response.read()
        assert slow.recv(1) == b""
        assert used.sock is not None
        assert [is_open(idle), is_open(used.sock)] == [True, True]
        # It would be killed after 10 s.
        assert replica.stop() == 0
        used.close()


def test_clients_that_stall_in_the_tls_handshake_take_no_thread(
    kubeconfig: Path, certificates: Path, tmp_path: Path
) -> None:
    """With TLS, too, nobody waits for those who say nothing, half a hello, or nothing after the handshake."""
    flags = [
        f"--web.tls-{name}-file={certificates / f'server.{end}'}" for name, end in (("cert", "crt"), ("key", "key"))
    ]
    flags += [f"--config.file={SHIPPED}", f"--kubeconfig={kubeconfig}", "--insecure-no-auth"]
    context = ssl.create_default_context(cafile=str(certificates / "ca.crt"))
    with Replica(tmp_path / "replica", *flags) as replica, ExitStack() as stack:
        for sent in (b"", STALLS["tls"]):
            stack.enter_context(stalled(replica, THREADS, sent))
        host, port = replica.address
        for _ in range(THREADS):
            plain = stack.enter_context(socket.create_connection(replica.address, timeout=30))
            stack.enter_context(context.wrap_socket(plain, server_hostname=host)).sendall(STALLS["body"])
        connection = http.client.HTTPSConnection(host, port, context=context, timeout=20)
        for size in (1, 20_000):
            padded = body(alert(status="resolved", padding="x" * size))
            connection.request("POST", "/webhook", padded, {"Content-Type": "application/json"})
            with connection.getresponse() as response:
                assert response.status == 200
                response.read()
        connection.close()
        assert cut(replica, "deadline") == 0


HANGING = {
    "chunked": HEAD + b"Transfer-Encoding: chunked\r\n\r\n",
    "over-the-limit": HEAD + b"Content-Length: 99999999\r\n\r\n",
    "of-another-path": b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n",
    "endless-head": HEAD + b"".join(b"X-%d: %s\r\n" % (number, b"x" * 7000) for number in range(12)),
}


@pytest.mark.parametrize("request_", HANGING)
def test_a_body_that_is_not_wanted_is_not_waited_for(replica: Replica, request_: str) -> None:
    """What is refused by its head ends with the answer, so that those who send no more than that take no thread."""
    with stalled(replica, 2 * THREADS, HANGING[request_]) as connections:
        assert {replica.post(RESOLVED)[0] for _ in range(5)} == {200}
        answers = [b"".join(iter(partial(one.recv, 65_536), b"")) for one in connections]
    assert {answer.partition(b"\r\n")[0][:10] for answer in answers} == {b"HTTP/1.1 4"}
    assert all(b"\r\nConnection: close\r\n" in answer for answer in answers)


def test_what_comes_with_a_request_is_not_taken_for_another(replica: Replica) -> None:
    """A client that does not wait for its answer gets that one, and the connection ends."""
    one = HEAD + b"Content-Length: %d\r\n\r\n%b" % (len(RESOLVED), RESOLVED)
    answer = replica.raw(one + one)
    assert answer.count(b"HTTP/1.1 200 OK") == 1
    assert b"\r\nConnection: close\r\n" in answer


def test_small_notifications_pass_a_large_one_that_waits(replica: Replica, api: FaultyApi) -> None:
    """While large bodies are answered one after the other, small ones beside them need not wait for that."""
    replica.wait_until_ready()
    go_on = Event()
    large = body(alert(padding="x" * (MAX_HANDLED_BYTES // 2 + 1)))
    api.always("GET", First(do=lambda: go_on.wait(30)))
    with ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(replica.post, large) for _ in range(2)]
        until("the second is refused", lambda: replica.value(REFUSED) == 1, 10)
        waiting = pool.submit(replica.post, large)
        assert {replica.post(RESOLVED)[0] for _ in range(5)} == {200}
        api.always("GET", None)
        go_on.set()
        codes = Counter(answer.result()[0] for answer in [*answers, waiting])
    assert codes[503] >= 1
    assert codes[200] >= 1


@pytest.mark.parametrize("round_", range(3))
def test_it_stops_in_order_while_clients_are_busy(replica: Replica, api: FaultyApi, round_: int) -> None:
    """SIGTERM while many kept connections speak and an act is under way: the act is answered, and nothing breaks."""
    replica.wait_until_ready()
    writing, go_on = Event(), Event()

    def hold() -> None:
        writing.set()
        go_on.wait(20)

    api.next("PATCH", First(do=hold))
    ended = Event()

    def talk() -> None:
        connection = http.client.HTTPConnection(*replica.address, timeout=20)
        with closing(connection), suppress(OSError, http.client.HTTPException):
            while not ended.is_set():
                connection.request("POST", "/webhook", RESOLVED, {"Content-Type": "application/json"})
                connection.getresponse().read()

    with ThreadPoolExecutor(33) as pool:
        for _ in range(32):
            pool.submit(talk)
        act = pool.submit(replica.post, body(alert()))
        assert writing.wait(20)
        replica.ask_to_stop()
        until("the listener is closed", lambda: _refuses(replica.address), 10)
        ended.set()
        go_on.set()
        code, answer = act.result()
    assert (code, answer["outcomes"][0]["reason"]) == (200, "Applied")
    assert replica.stop() == 0
    assert replica.reasons().count("Applied") == 1
    assert "Exception" not in replica.log.read_text()


def _refuses(address: tuple[str, int]) -> bool:
    try:
        socket.create_connection(address, timeout=1).close()
    except ConnectionRefusedError:
        return True
    return False


def test_who_is_kept_out_by_tls_is_told_of(kubeconfig: Path, certificates: Path, tmp_path: Path) -> None:
    """A failed handshake is in the log and in a metric; a certificate that is gone leaves the last one in use."""
    key = certificates / "server.key"
    tls = [f"--web.tls-cert-file={certificates / 'server.crt'}", f"--web.tls-key-file={key}"]
    flags = [f"--config.file={SHIPPED}", f"--kubeconfig={kubeconfig}", "--insecure-no-auth", *tls]
    context = ssl.create_default_context(cafile=str(certificates / "ca.crt"))
    with Replica(tmp_path / "replica", *flags) as replica:

        def post() -> int:
            with closing(http.client.HTTPSConnection(*replica.address, context=context, timeout=20)) as connection:
                connection.request("POST", "/webhook", RESOLVED, {"Content-Type": "application/json"})
                with connection.getresponse() as response:
                    return response.status

        with stalled(replica, 1, HEAD + b"\r\n"):
            until("counted", lambda: cut(replica, "handshake") == 1, 10)
        assert "TLS handshake failed" in replica.log.read_text()
        assert post() == 200
        key.unlink()
        assert post() == 200
        assert "certificate not read again, the last one stays in use" in replica.log.read_text()


def test_a_connection_that_waits_after_its_handshake_is_kept(
    kubeconfig: Path, certificates: Path, tmp_path: Path
) -> None:
    """With TLS, too, an idle connection is not a request that takes too long."""
    tls = [f"--web.tls-cert-file={certificates / 'server.crt'}", f"--web.tls-key-file={certificates / 'server.key'}"]
    flags = [f"--config.file={SHIPPED}", f"--kubeconfig={kubeconfig}", "--insecure-no-auth", *tls]
    context = ssl.create_default_context(cafile=str(certificates / "ca.crt"))
    with Replica(tmp_path / "replica", *flags) as replica:
        plain = socket.create_connection(replica.address, timeout=30)
        encrypted = context.wrap_socket(plain, server_hostname=replica.address[0])
        with stalled(replica, 1, STALLS["tls"]) as (slow,), encrypted as idle:
            assert slow.recv(1) == b""
            idle.sendall(HEAD + b"Content-Length: %d\r\n\r\n%b" % (len(RESOLVED), RESOLVED))
            assert idle.recv(65_536).startswith(b"HTTP/1.1 200 OK\r\n")

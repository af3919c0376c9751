"""Clients that stall, and more of them than there is room for: none takes a thread, time or memory of others."""

import ast
import http.client
import inspect
import json
import re
import socket
import ssl
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from threading import Event

import pytest
from gunicorn.workers.base import Worker
from gunicorn.workers.gthread import TConn, ThreadWorker

from demo.waiting import until
from remediator.core.alerts import MAX_BODY_BYTES
from remediator.web import gunicorn_worker
from remediator.web.admission import MAX_ANSWERED_BYTES, MAX_READ_BYTES, MAX_WAITING, TURNS
from remediator.web.connections import LINGER_SECONDS
from remediator.web.gunicorn_worker import DeadlineWorker
from remediator.web.listeners import WEBHOOK_CONNECTIONS
from tests.support.faults import FaultyApi, First
from tests.support.replica import Replica
from tests.support.service import SHIPPED, alert, body

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
            connection = stack.enter_context(socket.create_connection(replica.address, timeout=60))
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


def unread(connections: list[socket.socket]) -> int:
    """Bytes that have arrived on the other side of these connections, and that were not read there."""
    ports = {f":{connection.getsockname()[1]:04X}" for connection in connections}
    rows = map(str.split, Path("/proc/net/tcp").read_text().splitlines()[1:])
    return sum(int(row[4].partition(":")[2], 16) for row in rows if row[2][-5:] in ports)


@pytest.mark.parametrize("stall", STALLS)
def test_stalled_clients_take_no_thread(shared_replica: Replica, stall: str) -> None:
    """While three times as many clients stall as there are threads, notifications are answered, and none is cut."""
    with stalled(shared_replica, 3 * TURNS, STALLS[stall]) as connections:
        assert {shared_replica.post(RESOLVED)[0] for _ in range(20)} == {200}
        assert all(map(is_open, connections))
        assert shared_replica.get("/-/healthy")[0] == 200


def test_clients_that_stall_in_every_way_lose_no_notification(shared_replica: Replica) -> None:
    """More clients than there are threads stall at once, some half-closed or in a large body; a burst is answered."""
    large = HEAD + b"Content-Length: %d\r\n\r\n{" % MAX_BODY_BYTES
    with ExitStack() as stack:
        for sent in (*STALLS.values(), STALLS["header"], large):
            stack.enter_context(stalled(shared_replica, 60, sent))
        for half_closed in stack.enter_context(stalled(shared_replica, 30, STALLS["body"])):
            half_closed.shutdown(socket.SHUT_WR)
        with ThreadPoolExecutor(50) as pool:
            answers = [pool.submit(shared_replica.post, RESOLVED) for _ in range(100)]
            assert Counter(answer.result()[0] for answer in answers) == {200: 100}


def test_a_stalled_client_loses_its_connection_at_the_deadline(replica: Replica) -> None:
    """A request that does not become whole is cut after 10 s, without an answer, and that is counted."""
    with stalled(replica, 1, STALLS["body"]) as (connection,):
        assert connection.recv(1) == b""
    replica.says(r'reason="request incomplete after 10 s" client=127\.0\.0\.1 count=1')
    assert cut(replica, "deadline") == 1


def test_a_trickle_does_not_move_the_deadline(replica: Replica) -> None:
    """Who sends a byte now and then is cut as well."""
    with stalled(replica, 1, STALLS["header"]) as (connection,):
        until("cut", lambda: cut(replica, "deadline") or connection.send(b"X") == 0, 60)


@pytest.mark.parametrize("stall", ["silent", "header"])
def test_the_oldest_unfinished_connection_makes_room_for_a_new_one(replica: Replica, stall: str) -> None:
    """More connections than there may be: the first of those without a request are cut, and a new one is served."""
    with stalled(replica, WEBHOOK_CONNECTIONS + 10, STALLS[stall]) as connections:
        assert replica.post(RESOLVED)[0] == 200
        until("the oldest are cut", lambda: cut(replica, "connections") >= 10, 60)
        assert [is_open(connections[0]), is_open(connections[-1])] == [False, True]


def test_large_bodies_at_once_come_to_their_end_one_after_the_other(replica: Replica) -> None:
    """Of more than memory is set aside for, the last is refused with 503; the older ones and small ones are served."""
    head = HEAD + b"Content-Length: %d\r\n\r\n" % MAX_BODY_BYTES
    part = head + b"[" * (MAX_BODY_BYTES - 10)
    number = MAX_READ_BYTES // len(part)
    with stalled(replica, 1, STALLS["body"]) as (small,), stalled(replica, number, part) as large:
        until("the older ones are read", lambda: unread(large) == 0, 60)
        with stalled(replica, 1, head) as (youngest,):
            youngest.sendall(part[len(head) :])
            assert youngest.recv(65_536).startswith(b"HTTP/1.1 503 ")
            assert replica.value(REFUSED) == 1
        assert replica.post(RESOLVED)[0] == 200
        assert all(map(is_open, [small, *large]))
        large[0].setblocking(True)
        large[0].sendall(b"[" * 10)
        assert large[0].recv(65_536).startswith(b"HTTP/1.1 400 ")


def test_more_than_can_be_answered_is_refused_at_once(replica: Replica, api: FaultyApi) -> None:
    """While the API server hangs, those for whom there is no thread get 503 at once; all get an answer."""
    replica.wait_until_ready()
    go_on = Event()
    api.always("GET", First(do=lambda: go_on.wait(60)))
    number = TURNS + MAX_WAITING + 50
    with ThreadPoolExecutor(number) as pool:
        answers = [pool.submit(replica.post, body(alert("scale"))) for _ in range(number)]
        until("the rest is refused", lambda: replica.value(REFUSED) >= number - TURNS, 60)
        assert sum(answer.done() for answer in answers) <= number - TURNS
        api.always("GET", None)
        go_on.set()
        codes = Counter(answer.result()[0] for answer in answers)
        assert "deliver again" in json.dumps([answer.result()[1] for answer in answers])
    assert set(codes) <= {200, 503}
    assert codes.total() == number
    assert replica.value(REFUSED) == codes[503]


def test_a_client_that_waits_to_be_asked_for_its_body_is_asked(shared_replica: Replica) -> None:
    """Expect: 100-continue, as curl sends it for a large body, gets its 100 and then the answer."""
    head = HEAD + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(RESOLVED)
    with stalled(shared_replica, 1, head) as (connection,):
        assert connection.recv(65_536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(RESOLVED)
        connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert b"HTTP/1.1 200 OK\r\n" in answer


def test_a_connection_is_kept_for_the_next_notification(shared_replica: Replica) -> None:
    """Several notifications, in pieces and whole, over one connection."""
    host, port = shared_replica.address
    connection = http.client.HTTPConnection(host, port, timeout=60)
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
        used = http.client.HTTPConnection(*replica.address, timeout=60)
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
            stack.enter_context(stalled(replica, TURNS, sent))
        host, port = replica.address
        for _ in range(TURNS):
            plain = stack.enter_context(socket.create_connection(replica.address, timeout=60))
            stack.enter_context(context.wrap_socket(plain, server_hostname=host)).sendall(STALLS["body"])
        connection = http.client.HTTPSConnection(host, port, context=context, timeout=60)
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
    "endless-head": HEAD + b"".join(b"X-%d: %s\r\n" % (number, b"x" * 4000) for number in range(40)),
}


@pytest.mark.parametrize("request_", HANGING)
def test_a_body_that_is_not_wanted_is_not_waited_for(shared_replica: Replica, request_: str) -> None:
    """What is refused by its head ends with the answer, so that those who send no more than that take no thread."""
    with stalled(shared_replica, 2 * TURNS, HANGING[request_]) as connections:
        assert {shared_replica.post(RESOLVED)[0] for _ in range(5)} == {200}
        answers = [b"".join(iter(partial(one.recv, 65_536), b"")) for one in connections]
    assert {answer.partition(b"\r\n")[0][:10] for answer in answers} == {b"HTTP/1.1 4"}
    assert all(b"\r\nConnection: close\r\n" in answer for answer in answers)


@contextmanager
def service(kind: str, kubeconfig: Path, certificates: Path, directory: Path) -> Iterator[Replica]:
    """A service with TLS or without."""
    flags = [f"--config.file={SHIPPED}", f"--kubeconfig={kubeconfig}", "--insecure-no-auth"]
    if kind == "tls":
        files = {"cert": "server.crt", "key": "server.key"}
        flags += [f"--web.tls-{name}-file={certificates / file}" for name, file in files.items()]
    with Replica(directory, *flags) as replica:
        yield replica


@pytest.mark.parametrize("kind", ["plain", "tls"])
def test_who_is_still_sending_reads_the_answer(kubeconfig: Path, certificates: Path, tmp_path: Path, kind: str) -> None:
    """A client that sends all of a body which is refused by its head gets the answer, and no reset."""
    mebibyte = b" " * 1024 * 1024
    context = ssl.create_default_context(cafile=str(certificates / "ca.crt"))
    cases: list[tuple[str, dict[str, str], int, int]] = [
        ("/webhook", {"Content-Length": str(11 * len(mebibyte))}, 11, 413),
        ("/webhook", {"Content-Length": str(64 * len(mebibyte))}, 64, 413),
        ("/webhook", {"Transfer-Encoding": "chunked"}, 12, 411),
        ("/other", {"Content-Length": str(20 * len(mebibyte))}, 20, 404),
    ]
    with service(kind, kubeconfig, certificates, tmp_path / "replica") as replica:
        for path, headers, mebibytes, code in cases:
            connection = (
                http.client.HTTPSConnection(*replica.address, context=context, timeout=60)
                if kind == "tls"
                else http.client.HTTPConnection(*replica.address, timeout=60)
            )
            with closing(connection):
                connection.putrequest("POST", path)
                for name, value in {"Content-Type": "application/json", **headers}.items():
                    connection.putheader(name, value)
                connection.endheaders()
                for _ in range(mebibytes):
                    connection.send(mebibyte)
                with connection.getresponse() as response:
                    assert (response.status, "error" in json.load(response)) == (code, True)


def test_who_goes_on_sending_for_ever_is_cut_and_holds_up_nobody(replica: Replica) -> None:
    """An answered client has some seconds to come to its end; meanwhile others are served, and it can be stopped."""
    ended = Event()

    def send(connection: socket.socket) -> None:
        with suppress(OSError):
            while not ended.is_set():
                connection.sendall(b" ")
                ended.wait(0.05)

    with stalled(replica, 20, HANGING["over-the-limit"]) as connections, ThreadPoolExecutor(20) as pool:
        sending = [pool.submit(send, connection) for connection in connections]
        began = time.monotonic()
        assert {replica.post(RESOLVED)[0] for _ in range(20)} == {200}
        assert time.monotonic() - began < LINGER_SECONDS
        until("they are cut", lambda: all(one.done() for one in sending), LINGER_SECONDS + 60)
        ended.set()
    assert replica.stop() == 0


NOT_HTTP: dict[str, tuple[bytes, int, str]] = {
    "no-http": (b"hello s3cret\r\n\r\n", 400, "not an HTTP request"),
    "header-without-a-name": (HEAD + b": s3cret\r\n\r\n", 400, "not an HTTP request"),
    "space-before-the-colon": (HEAD + b"Authorization : Bearer s3cret\r\n\r\n", 400, "not an HTTP request"),
    "two-lengths": (HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400, "not an HTTP request"),
    "version": (b"POST /webhook HTTP/7.5\r\nAuthorization: s3cret\r\n\r\n", 400, "not an HTTP request"),
    "long-path": (b"POST /" + b"s3cret" * 1_000 + b" HTTP/1.1\r\n\r\n", 414, "request line over 4 KiB"),
    "many-fields": (HEAD + b"X: s3cret\r\n" * 60 + b"\r\n", 431, "head of the request over 128 KiB"),
    "long-field": (HEAD + b"X: " + b"s3cret" * 2_000 + b"\r\n\r\n", 431, "head of the request over 128 KiB"),
    "endless-head": (HEAD + b"X: " + b"s3cret" * 24_000, 431, "head of the request over 128 KiB"),
    "expectation": (HEAD + b"Expect: s3cret\r\nContent-Length: 2\r\n\r\n{}", 417, "expectation"),
    "tls": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"s3cret", 400, "TLS on a port without TLS"),
}


@pytest.mark.parametrize("kind", NOT_HTTP)
def test_what_no_view_sees_is_refused_in_the_open(replica: Replica, kind: str) -> None:
    """Refusals of gunicorn and of the worker are answered as JSON, counted, logged and shown, without what was sent."""
    sent, code, reason = NOT_HTTP[kind]
    with stalled(replica, 1, sent) as (connection,):
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    head, _, content = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % code)
    assert b"\r\nServer: gunicorn\r\n" in head
    assert reason in json.loads(content)["error"]
    assert replica.value(f'remediator_notifications_total{{code="{code}"}}') == 1
    (refusal,) = json.loads(replica.get("/api/v1/status")[1])["data"]["notifications"]["refused"]
    assert (refusal["code"], refusal["count"], refusal["clients"]) == (code, 1, ["127.0.0.1"])
    (line,) = [line for line in replica.log.read_text().splitlines() if "notification refused" in line]
    assert f"code={code} " in line
    assert "client=127.0.0.1 count=1" in line
    assert "s3cret" not in replica.log.read_text()


def test_requests_that_come_together_are_all_answered(shared_replica: Replica) -> None:
    """A client that does not wait for its answers gets them all, in order; the last one says that it is the last."""
    one = HEAD + b"Content-Length: %d\r\n\r\n%b" % (len(RESOLVED), RESOLVED)
    answer = shared_replica.raw(one + one + one.replace(b"POST", b"GET"))
    assert re.findall(rb"HTTP/1.1 (\d+)", answer) == [b"200", b"200", b"405"]


def test_small_notifications_pass_a_large_one_that_waits(replica: Replica, api: FaultyApi) -> None:
    """While large bodies are answered one after the other, small ones beside them need not wait for that."""
    replica.wait_until_ready()
    go_on = Event()
    large = body(alert("scale", padding="x" * (MAX_ANSWERED_BYTES // 2 + 1)))
    api.always("GET", First(do=lambda: go_on.wait(60)))
    with ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(replica.post, large) for _ in range(2)]
        until("the second is refused", lambda: replica.value(REFUSED) == 1, 60)
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
        go_on.wait(60)

    api.next("PATCH", First(do=hold))
    ended = Event()

    def talk() -> None:
        connection = http.client.HTTPConnection(*replica.address, timeout=60)
        with closing(connection), suppress(OSError, http.client.HTTPException):
            while not ended.is_set():
                connection.request("POST", "/webhook", RESOLVED, {"Content-Type": "application/json"})
                connection.getresponse().read()

    with ThreadPoolExecutor(33) as pool:
        for _ in range(32):
            pool.submit(talk)
        act = pool.submit(replica.post, body(alert()))
        assert writing.wait(60)
        replica.ask_to_stop()
        until("the listener is closed", lambda: _refuses(replica.address), 60)
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
            with closing(http.client.HTTPSConnection(*replica.address, context=context, timeout=60)) as connection:
                connection.request("POST", "/webhook", RESOLVED, {"Content-Type": "application/json"})
                with connection.getresponse() as response:
                    return response.status

        with stalled(replica, 1, HEAD + b"\r\n"):
            replica.says(r'reason="TLS handshake failed" client=127\.0\.0\.1 count=1 error=')
        assert cut(replica, "handshake") == 1
        refused = json.loads(replica.get("/api/v1/status")[1])["data"]["notifications"]["refused"]
        assert [(refusal["code"], refusal["reason"]) for refusal in refused] == [(None, "TLS handshake failed")]
        assert post() == 200
        key.unlink()
        assert post() == 200
        assert "failed to reload the certificate, keeping the previous one" in replica.log.read_text()


def test_a_connection_that_waits_after_its_handshake_is_kept(
    kubeconfig: Path, certificates: Path, tmp_path: Path
) -> None:
    """With TLS, too, an idle connection is not a request that takes too long."""
    tls = [f"--web.tls-cert-file={certificates / 'server.crt'}", f"--web.tls-key-file={certificates / 'server.key'}"]
    flags = [f"--config.file={SHIPPED}", f"--kubeconfig={kubeconfig}", "--insecure-no-auth", *tls]
    context = ssl.create_default_context(cafile=str(certificates / "ca.crt"))
    with Replica(tmp_path / "replica", *flags) as replica:
        plain = socket.create_connection(replica.address, timeout=60)
        encrypted = context.wrap_socket(plain, server_hostname=replica.address[0])
        with stalled(replica, 1, STALLS["tls"]) as (slow,), encrypted as idle:
            assert slow.recv(1) == b""
            idle.sendall(HEAD + b"Content-Length: %d\r\n\r\n%b" % (len(RESOLVED), RESOLVED))
            assert idle.recv(65_536).startswith(b"HTTP/1.1 200 OK\r\n")


OVERRIDDEN = {
    *("__init__", "accept", "enqueue_req", "finish_request", "handle", "handle_error", "handle_request"),
    *("load_wsgi", "murder_pending", "wait_for_and_dispatch_events"),
}
USED = {
    *("alive", "app", "cfg", "keepalived_conns", "method_queue", "nr_conns", "on_client_socket_readable", "poller"),
    *("set_accept_enabled", "sockets", "tpool", "worker_connections", "wsgi"),
    *("client", "close", "data_ready", "init", "initialized", "set_timeout", "sock"),
}


def test_gunicorns_private_names_are_these() -> None:
    """What the worker overrides and uses of gunicorn is listed here, and in the release that is installed."""
    ours = ast.parse(inspect.getsource(gunicorn_worker))
    theirs = "".join(map(inspect.getsource, (ThreadWorker, TConn, Worker)))
    used = {node.attr for node in ast.walk(ours) if isinstance(node, ast.Attribute)}
    known = {name for name in used if re.search(rf"\b(self|conn)\.{name}\b|def {name}\(", theirs)}
    overridden = {name for name in vars(DeadlineWorker) if name in dir(ThreadWorker)} - {"__module__", "__doc__"}
    assert overridden == OVERRIDDEN
    assert known - OVERRIDDEN == USED

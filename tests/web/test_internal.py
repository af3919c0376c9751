"""Clients of the internal port that stall, and more of them than there is room for: neither port loses by them."""

import os
import resource
import socket
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from statistics import median

import pytest

from demo.process import Ended
from demo.waiting import until
from remediator.web.listeners import INTERNAL_CONNECTIONS
from tests.support.replica import Replica
from tests.support.service import SHIPPED, alert, body

RESOLVED = body(alert(status="resolved"))
MANY = 1_100
PROBE_SECONDS = 3
"""As long as the kubelet waits, by the chart's values."""
PROBES = 3
"""How often in a row the kubelet has to wait in vain before it believes it, by the same values."""
SCRAPE_SECONDS = 10
"""As long as Prometheus waits, where nothing else is said."""

SLOW_HEAD = b"GET /metrics HTTP/1.1\r\nHost: x\r\n"


@pytest.fixture(autouse=True)
def enough_descriptors() -> Iterator[None]:
    """The clients of these tests need descriptors, too."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def confined(kubeconfig: Path, config: Path, tmp_path: Path) -> Iterator[Replica]:
    """A service that may have 1,024 open files and no more."""
    flags = (f"--config.file={config}", f"--kubeconfig={kubeconfig}", "--insecure-no-auth")
    within = ["sh", "-c", 'ulimit -n 1024; exec "$@"', "sh"]
    with Replica(tmp_path / "replica", *flags, within=within) as running:
        yield running


def internal(replica: Replica) -> tuple[str, int]:
    """The address of the internal port."""
    host, _, port = replica.internal.rpartition(":")
    return host, int(port)


@contextmanager
def dribbling(address: tuple[str, int], number: int, head: bytes) -> Iterator[list[socket.socket]]:
    """Clients that send the head of a request without end, a line every second, for as long as they are let."""
    ended = threading.Event()

    def dribble(connections: list[socket.socket]) -> None:
        while not ended.wait(1):
            for connection in connections:
                with suppress(OSError):
                    connection.send(b"X-Slow: 1\r\n")

    with ExitStack() as stack:
        connections = [stack.enter_context(socket.create_connection(address, timeout=60)) for _ in range(number)]
        for connection in connections:
            with suppress(OSError):
                connection.sendall(head)
        thread = threading.Thread(target=dribble, args=[connections])
        thread.start()
        try:
            yield connections
        finally:
            ended.set()
            thread.join()


def answer_of(connection: socket.socket) -> bytes:
    """All that comes until the other side closes the connection."""
    try:
        return b"".join(iter(lambda: connection.recv(65_536), b""))
    except ConnectionError:
        return b""


def seconds(replica: Replica, path: str) -> float:
    """How long a question to the internal port takes, with a connection of its own; it has to be answered with 200."""
    began = time.monotonic()
    assert replica.get(path)[0] == 200
    return time.monotonic() - began


def is_alive(replica: Replica) -> bool:
    """Whether the kubelet would leave it alone: one of some probes is answered in time."""
    return any(seconds(replica, "/-/healthy") < PROBE_SECONDS for _ in range(PROBES))


@pytest.mark.parametrize("port", ["internal", "webhook"])
def test_slow_clients_of_one_port_starve_neither(confined: Replica, port: str) -> None:
    """1,100 clients that dribble, and 1,024 open files: notifications, probes and scrapes are answered all the same."""
    confined.wait_until_ready()
    head = SLOW_HEAD if port == "internal" else b"POST /webhook HTTP/1.1\r\nHost: x\r\n"
    address = internal(confined) if port == "internal" else confined.address
    with dribbling(address, MANY, head):
        took, probed = [], []
        for _ in range(10):
            began = time.monotonic()
            assert confined.post(RESOLVED)[0] == 200
            took.append(time.monotonic() - began)
            probed.append(seconds(confined, "/-/healthy"))
            assert seconds(confined, "/metrics") < SCRAPE_SECONDS
        # The median: a busy machine may hold up one of them, and the kubelet asks three times.
        assert median(took) < PROBE_SECONDS, took
        assert median(probed) < PROBE_SECONDS, probed
        (worker,) = confined.workers()
        assert len(list(Path(f"/proc/{worker}/fd").iterdir())) < 1_024
    assert "connection not accepted" not in confined.log.read_text()


def test_slow_clients_are_gone_at_the_deadline(replica: Replica) -> None:
    """A line now and then does not move the deadline; 300 clients end without an answer, and no thread is left."""
    replica.wait_until_ready()
    (worker,) = replica.workers()

    def threads() -> int:
        return len(list(Path(f"/proc/{worker}/task").iterdir()))

    before = threads()
    with dribbling(internal(replica), 300, SLOW_HEAD) as connections:
        assert {answer_of(connection) for connection in connections} == {b""}
        until("no thread is left", lambda: threads() <= before + 1, 60)


@pytest.mark.parametrize(
    "sent",
    [b"", b"G", SLOW_HEAD, b"GET /metrics HTTP/1.1\r\n" + b"X: " + b"x" * 60_000, b"\x16\x03\x01\x02\x00\x01\x00\x01"],
    ids=["silent", "a-letter", "half-a-head", "long-line", "tls"],
)
def test_a_probe_gets_through_however_the_others_stall(shared_replica: Replica, sent: bytes) -> None:
    """With each place taken by a client that stalls, the one that has stalled for longest makes room."""
    with ExitStack() as stack:
        for _ in range(INTERNAL_CONNECTIONS + 20):
            connection = stack.enter_context(socket.create_connection(internal(shared_replica), timeout=60))
            with suppress(OSError):
                connection.sendall(sent)
        assert is_alive(shared_replica)


def test_clients_that_do_not_read_their_answer_make_room_too(replica: Replica) -> None:
    """Whole requests whose answer nobody takes are cut last, but they are."""
    replica.wait_until_ready()
    with ExitStack() as stack:
        for _ in range(INTERNAL_CONNECTIONS + 20):
            connection = stack.enter_context(socket.socket())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            connection.connect(internal(replica))
            connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        assert is_alive(replica)


def test_an_endless_head_is_not_kept(shared_replica: Replica) -> None:
    """Headers that come to megabytes are not read: memory is bounded on a port without a login."""
    line = b"X: " + b"x" * 60_000 + b"\r\n"
    with socket.create_connection(internal(shared_replica), timeout=60) as connection, suppress(ConnectionError):
        connection.sendall(SLOW_HEAD)
        for _ in range(90):
            connection.sendall(line)
        assert b"" in iter(lambda: connection.recv(65_536), None)
    assert shared_replica.get("/-/healthy")[0] == 200


def test_out_of_descriptors_it_waits_and_says_so_once_a_second(replica: Replica) -> None:
    """Without a descriptor left, neither port spins nor floods the log, both answer what they can, and both recover."""
    replica.wait_until_ready()
    (worker,) = replica.workers()
    taken = {int(entry.name) for entry in Path(f"/proc/{worker}/fd").iterdir()}
    _, hard = resource.prlimit(worker, resource.RLIMIT_NOFILE)
    free = next(number for number in range(10_000) if number not in taken)
    resource.prlimit(worker, resource.RLIMIT_NOFILE, (free, hard))
    limited = time.monotonic()
    with ExitStack() as stack:
        for address in [replica.address, internal(replica)] * 20:
            stack.enter_context(socket.create_connection(address, timeout=60)).sendall(b"GET / HTTP/1.0\r\n\r\n")
        used, began = processor_seconds(worker), time.monotonic()
        until("some time is over", lambda: time.monotonic() > began + 3, 60)
        assert processor_seconds(worker) - used < 1.5
        lines = [line for line in replica.log.read_text().splitlines() if "connection not accepted" in line]
        # Of both ports; it began when they were connected to.
        assert 1 <= len(lines) <= 2 * (time.monotonic() - limited + 2)
        assert "count=" in lines[0]
    resource.prlimit(worker, resource.RLIMIT_NOFILE, (hard, hard))
    until("it recovers", lambda: replica.get("/-/healthy")[0] == 200, 60)
    assert replica.post(RESOLVED)[0] == 200


def processor_seconds(process: int) -> float:
    """Processor time that a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_the_soft_limit_of_open_files_is_raised(kubeconfig: Path, tmp_path: Path) -> None:
    """What systemd and container runtimes set as the soft limit is not what the service has to live with."""
    flags = (f"--config.file={SHIPPED}", f"--kubeconfig={kubeconfig}", "--insecure-no-auth")
    within = ["sh", "-c", 'ulimit -Sn 512; ulimit -Hn 4096; exec "$@"', "sh"]
    with Replica(tmp_path / "replica", *flags, within=within) as replica:
        (worker,) = until("its worker is there", replica.workers, 60)
        assert resource.prlimit(worker, resource.RLIMIT_NOFILE) == (4096, 4096)


def test_too_few_open_files_are_an_error_at_the_start(kubeconfig: Path, tmp_path: Path) -> None:
    """A limit with which one port would take the other's is refused, with what to do."""
    flags = (f"--config.file={SHIPPED}", f"--kubeconfig={kubeconfig}", "--insecure-no-auth")
    within = ["sh", "-c", 'ulimit -n 200; exec "$@"', "sh"]
    with pytest.raises(Ended, match="ulimit -n 448"), Replica(tmp_path / "r", *flags, within=within):
        pass


@pytest.mark.parametrize(
    ("method", "path", "code", "says"),
    [
        ("GET", "/metric", 404, "/metrics"),
        ("POST", "/metrics", 405, "GET"),
        ("DELETE", "/-/healthy", 405, "GET"),
        ("GET", "/metrics", 200, "remediator_build_info"),
        ("GET", "/", 200, "Remediator"),
    ],
)
def test_every_answer_is_safe_to_show_and_tells_no_version(
    shared_replica: Replica, method: str, path: str, code: int, says: str
) -> None:
    """Each path answers in our own words, with nosniff, and without the versions of what serves it."""
    request = urllib.request.Request(f"http://{shared_replica.internal}{path}", method=method)
    try:
        answer = urllib.request.urlopen(request, timeout=60)
    except urllib.request.HTTPError as error:
        answer = error
    with answer:
        assert (answer.status, says in answer.read().decode()) == (code, True)
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Server"] == "remediator"
        assert ("GET" in answer.headers.get("Allow", "")) == (code == 405)


def test_what_is_no_request_gets_an_error_without_a_version(shared_replica: Replica) -> None:
    """The error of a request line that cannot be read comes from the server below, which has a name and no version."""
    with socket.create_connection(internal(shared_replica), timeout=60) as connection:
        connection.sendall(b"GET / HTTP/9 x\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert b"Python" not in answer
    assert b"400" in answer

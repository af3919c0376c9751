"""`remediator serve` as a process: gunicorn, both listeners, credentials, TLS, reload, stop."""

import json
import os
import signal
import socket
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from demo.process import Process
from demo.waiting import until
from remediator.embedded import EmbeddedCluster
from tests.faults import FaultyApi, First
from tests.replica import REMEDIATOR, Replica
from tests.service import SHIPPED, alert, body


def test_it_starts_acts_and_stops(replica: Replica) -> None:
    """Ready once the API server has answered, one act and one audit line, and SIGTERM ends it with exit code 0."""
    replica.wait_until_ready()
    status, answer = replica.post(body(alert()))

    assert (status, answer["outcomes"][0]["reason"]) == (200, "Applied")
    assert replica.get("/-/healthy")[0] == 200
    assert 'remediator_notifications_total{code="200"} 1.0' in replica.get("/metrics")[1]
    assert replica.stop() == 0
    assert replica.reasons() == ["Applied"]


def test_an_act_in_flight_is_finished_on_sigterm(replica: Replica, api: FaultyApi, embedded: EmbeddedCluster) -> None:
    """SIGTERM in the middle of an act: the write is done, the answer arrives, the exit code is 0."""
    writing, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        writing.set()
        go_on.wait(10)

    api.next("PATCH", First(do=hold))
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(replica.post, body(alert()))
        assert writing.wait(10)
        replica.ask_to_stop()
        until("the listener is closed", lambda: _refused(replica.address), 10)
        go_on.set()
        status, outcome = answer.result(15)

    assert (status, outcome["outcomes"][0]["reason"]) == (200, "Applied")
    assert replica.stop() == 0
    assert replica.reasons() == ["Applied"]


RELOADED = "remediator_config_last_reload_successful"
LAST_READ = "remediator_config_last_reload_success_timestamp_seconds"


def _refused(address: tuple[str, int]) -> bool:
    try:
        socket.create_connection(address, timeout=1).close()
    except ConnectionRefusedError:
        return True
    return False


def test_changes_of_the_configuration_are_taken_over(replica: Replica, config: Path) -> None:
    """A good file is in force without a restart; a bad one is refused by file, line and field, and changes nothing."""
    good = config.read_text()
    config.write_text(good.replace("cooldown: 30m", "cooldown: 30 minutes"))
    until("the metric tells", lambda: f"\n{RELOADED} 0.0" in replica.get("/metrics")[1], 10)
    line = good[: good.index("cooldown: 30m")].count("\n") + 1
    assert f"remediations.yaml:{line}: remediations[0].cooldown" in replica.log.read_text()
    assert replica.post(body(alert()))[1]["outcomes"][0]["reason"] == "Applied"

    config.write_text(good.replace("mode: act", "mode: observe"))
    until("the metric tells", lambda: f"\n{RELOADED} 1.0" in replica.get("/metrics")[1], 10)
    assert replica.post(body(alert("scale")))[1]["outcomes"][0]["reason"] == "Observing"


def test_a_worker_that_starts_on_a_bad_file_says_what_is_in_force(replica: Replica, config: Path) -> None:
    """A worker that replaces a killed one while the file is bad has the policy of the start, and shows its age."""
    replica.wait_until_ready()
    age, good = replica.value(LAST_READ), config.read_text()
    assert age > 0
    config.write_text(good.replace("mode: act", "mode: observe"))
    until("the change is in force", lambda: '"observe"' in replica.get("/api/v1/status")[1], 10)
    assert replica.value(LAST_READ) > age
    config.write_text("bad")
    until("the metric tells", lambda: f"\n{RELOADED} 0.0" in replica.get("/metrics")[1], 10)

    (worker,) = replica.workers()
    os.kill(worker, signal.SIGKILL)
    until("another worker is there", lambda: replica.workers() not in ([], [worker]), 10)
    replica.wait_until_ready()
    status = json.loads(replica.get("/api/v1/status")[1])["data"]["config"]
    assert {remediation["mode"] for remediation in status["remediations"]} == {"act"}
    assert not status["reloadSuccessful"]
    assert f"\n{RELOADED} 0.0" in replica.get("/metrics")[1]
    assert replica.value(LAST_READ) == age

    config.write_text(good.replace("mode: act", "mode: observe"))
    until("the change is in force again", lambda: '"observe"' in replica.get("/api/v1/status")[1], 10)


def test_tokens_rotate_without_a_restart(kubeconfig: Path, tmp_path: Path) -> None:
    """Old and new token are valid together, then the old one no more; an emptied file keeps what was valid."""
    tokens = tmp_path / "tokens"
    tokens.write_text("old\n")
    flags = (f"--config.file={SHIPPED}", f"--kubeconfig={kubeconfig}", f"--web.token-file={tokens}")
    with Replica(tmp_path / "replica", *flags) as replica:

        def status(token: str) -> int:
            return replica.post(body(alert(status="resolved")), Authorization=f"Bearer {token}")[0]

        assert (status("old"), status("new")) == (200, 401)
        tokens.write_text("old\nnew\n")
        until("the new token is valid", lambda: status("new") == 200, 10)
        assert status("old") == 200
        tokens.write_text("new\n")
        until("the old token is not", lambda: status("old") == 401, 10)
        tokens.write_text("")
        until("the metric tells", lambda: _emptied(replica, status), 10)
        assert (status("new"), status("")) == (200, 401)
        assert "new" not in replica.log.read_text().replace("newest", "")


def _emptied(replica: Replica, status: Any) -> bool:
    status("new")
    return "remediator_credentials_last_reload_successful 0.0" in replica.get("/metrics")[1]


def test_basic_users_may_post(kubeconfig: Path, tmp_path: Path) -> None:
    """A user and password from a file, with a colon and an at sign in the password, as Alertmanager sends them."""
    users = tmp_path / "users"
    users.write_text("alertmanager:p@ss:word\n")
    flags = (f"--config.file={SHIPPED}", f"--kubeconfig={kubeconfig}", f"--web.basic-auth-file={users}")
    with Replica(tmp_path / "replica", *flags) as replica:
        right = {"Authorization": "Basic YWxlcnRtYW5hZ2VyOnBAc3M6d29yZA=="}
        assert replica.post(body(alert(status="resolved")), **right)[0] == 200
        assert replica.post(body(alert(status="resolved")), Authorization="Basic YTpi")[0] == 401


HEAD = b"POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        pytest.param(HEAD + b"Content-Length: 100\r\n\r\n{}", b"400", id="shorter-than-its-length"),
        pytest.param(HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", b"411", id="chunked"),
        pytest.param(HEAD + b"Content-Length: 10485761\r\n\r\n", b"413", id="over-10-MiB"),
        pytest.param(HEAD + b"Content-Length: -5\r\n\r\n", b"400", id="negative-length"),
        pytest.param(HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", b"400", id="two-lengths"),
        pytest.param(b"GET /webhook HTTP/1.1\r\nHost: x\r\n\r\n", b"405", id="get"),
        pytest.param(
            b"POST /../../etc/passwd HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", b"404", id="traversal"
        ),
        pytest.param(b"POST /" + b"x" * 5000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", b"4", id="long-path"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"", id="tls-on-a-plain-port"),
        pytest.param(b"\r\n\r\n\r\n", b"", id="blank-lines"),
    ],
)
def test_bad_requests_are_refused_and_the_next_one_is_served(replica: Replica, sent: bytes, status: bytes) -> None:
    """Whatever a client sends, it gets a refusal at most, and the service goes on."""
    answer = replica.raw(sent)
    assert status in answer.partition(b"\r\n")[0]
    assert replica.post(body(alert(status="resolved")))[0] == 200
    assert "Traceback" not in replica.log.read_text()


def test_stalled_clients_lose_their_connection_and_nobody_elses_time(replica: Replica) -> None:
    """Twenty clients that stall in their header or body take every thread; probes answer, and then alerts do again."""
    stalled = []
    for number in range(20):
        connection = socket.create_connection(replica.address, timeout=30)
        half = HEAD if number % 2 else HEAD + b"Content-Length: 100\r\n\r\n{"
        connection.sendall(half)
        stalled.append(connection)
    try:
        assert replica.get("/-/healthy")[0] == 200
        assert replica.get("/metrics")[0] == 200
        began = time.monotonic()
        assert replica.post(body(alert(status="resolved")))[0] == 200
        assert time.monotonic() - began < 15
    finally:
        for connection in stalled:
            connection.close()


def test_tls_with_client_certificates(kubeconfig: Path, certificates: Path, tmp_path: Path) -> None:
    """With a client CA, who has a certificate of it may post, and who has none does not get as far as a request."""
    flags = [f"--web.tls-{name}-file={certificates / file}" for name, file in TLS_FILES.items()]
    with Replica(tmp_path / "replica", f"--config.file={SHIPPED}", f"--kubeconfig={kubeconfig}", *flags) as replica:
        context = ssl.create_default_context(cafile=str(certificates / "ca.crt"))
        host, port = replica.address
        request = urllib.request.Request(
            f"https://{host}:{port}/webhook", data=body(alert()), headers={"Content-Type": "application/json"}
        )
        with pytest.raises((urllib.error.URLError, OSError)):
            urllib.request.urlopen(request, context=context, timeout=10)
        context.load_cert_chain(certificates / "client.crt", certificates / "client.key")
        with urllib.request.urlopen(request, context=context, timeout=10) as response:
            assert json.load(response)["outcomes"][0]["reason"] == "Applied"


TLS_FILES = {"cert": "server.crt", "key": "server.key", "client-ca": "ca.crt"}


def _run(*flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([REMEDIATOR, "serve", *flags], capture_output=True, text=True, timeout=30)


def test_without_credentials_it_refuses_to_start() -> None:
    """Nobody said who may post: exit code 2, and the error names the flags."""
    ended = _run(f"--config.file={SHIPPED}")
    assert ended.returncode == 2
    assert "--web.token-file" in ended.stderr


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--config.file={bad}"], "targets: is required"),
        (["--config.file={missing}"], "cannot be read: No such file"),
        (["--kubeconfig={missing}"], "give --kubeconfig=F"),
        (["--web.token-file={empty}"], "is empty; write a token on a line of its own"),
        (["--web.token-file={missing}"], "cannot be read: No such file"),
        (["--web.basic-auth-file={token}"], "token:1: not of the form user:password"),
        (["--web.listen-address=127.0.0.1:{taken}"], "choose another address or port"),
        (["--web.listen-address=nonsense"], "write HOST:PORT or :PORT"),
        (["--web.tls-cert-file={token}"], "needs both"),
        (["--web.tls-cert-file={token}", "--web.tls-key-file={token}"], "cannot be used"),
        (["--embedded"], "name two clusters"),
        (["--embedded.kubeconfig={missing}"], "needs --embedded"),
        (["--log.format=xml"], "'json', 'logfmt'"),
    ],
    ids=lambda value: value[0].partition("=")[0] if isinstance(value, list) else "",
)
def test_a_bad_setting_refuses_to_start(kubeconfig: Path, tmp_path: Path, flags: list[str], says: str) -> None:
    """Each wrong setting is one line with the remedy and exit code 2, before anything listens."""
    files = {name: tmp_path / name for name in ("bad", "empty", "missing", "token")}
    files["bad"].write_text("remediations: []\n")
    files["empty"].touch()
    files["token"].write_text("s3cr3t\n")
    fine = [f"--config.file={SHIPPED}", f"--kubeconfig={kubeconfig}", "--insecure-no-auth"]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ended = _run(*fine, *(flag.format(**files, taken=taken.getsockname()[1]) for flag in flags))

    assert (ended.returncode, says in ended.stderr) == (2, True), ended.stderr
    assert "Traceback" not in ended.stderr
    assert "s3cr3t" not in ended.stderr


def test_logs_are_json_or_logfmt(kubeconfig: Path, tmp_path: Path) -> None:
    """--log.format=json makes every line on standard error a JSON object with time, level and msg."""
    flags = (f"--config.file={SHIPPED}", f"--kubeconfig={kubeconfig}", "--insecure-no-auth", "--log.format=json")
    listening = ["--web.listen-address=127.0.0.1:0", "--web.internal-listen-address=127.0.0.1:0"]
    with Process("remediator", [REMEDIATOR, "serve", *listening, *flags], tmp_path) as process:
        process.says('"msg": "starting"')
        process.stop()
    for line in process.log.read_text().splitlines():
        assert {"time", "level", "msg"} <= json.loads(line).keys()


def test_it_runs_on_the_embedded_cluster(tmp_path: Path) -> None:
    """--embedded brings a cluster and a kubeconfig for it along, and takes both away at the end."""
    kubeconfig = tmp_path / "embedded.kubeconfig"
    flags = (f"--config.file={SHIPPED}", "--embedded", f"--embedded.kubeconfig={kubeconfig}", "--insecure-no-auth")
    with Replica(tmp_path / "replica", *flags) as replica:
        replica.wait_until_ready()
        assert kubeconfig.exists()
        assert replica.post(body(alert()))[1]["outcomes"][0]["reason"] == "Applied"
        assert replica.stop() == 0
    assert not kubeconfig.exists()


def test_the_embedded_cluster_spares_other_kubeconfigs(tmp_path: Path) -> None:
    """A kubeconfig that is not of an embedded cluster is never overwritten."""
    kubeconfig = tmp_path / "config"
    kubeconfig.write_text("apiVersion: v1\nkind: Config\nclusters: []\n")
    ended = _run(f"--config.file={SHIPPED}", "--embedded", f"--embedded.kubeconfig={kubeconfig}", "--insecure-no-auth")
    assert (ended.returncode, "choose a new file" in ended.stderr) == (1, True)
    assert "clusters" in kubeconfig.read_text()

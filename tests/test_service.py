"""`remediator serve` as a process: gunicorn, both listeners, credentials, TLS, reload, stop."""

import html
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
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from demo.process import Process
from demo.waiting import until
from remediator.sandbox import EmbeddedCluster
from tests.support.certificates import make_certificate
from tests.support.components import component
from tests.support.faults import FaultyApi, First
from tests.support.replica import REMEDIATOR, Replica
from tests.support.service import SHIPPED, alert, body


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
        go_on.wait(60)

    api.next("PATCH", First(do=hold))
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(replica.post, body(alert()))
        assert writing.wait(60)
        replica.ask_to_stop()
        until("the listener is closed", lambda: _refused(replica.address), 60)
        go_on.set()
        status, outcome = answer.result(60)

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
    until("the metric tells", lambda: f"\n{RELOADED} 0.0" in replica.get("/metrics")[1], 60)
    line = good[: good.index("cooldown: 30m")].count("\n") + 1
    assert f"remediations.yaml:{line}: remediations[0].cooldown" in replica.log.read_text()
    assert replica.post(body(alert()))[1]["outcomes"][0]["reason"] == "Applied"

    config.write_text(good.replace("mode: act", "mode: observe"))
    until("the metric tells", lambda: f"\n{RELOADED} 1.0" in replica.get("/metrics")[1], 60)
    assert replica.post(body(alert("scale")))[1]["outcomes"][0]["reason"] == "Observing"


def test_a_worker_that_starts_on_a_bad_file_says_what_is_in_force(replica: Replica, config: Path) -> None:
    """A worker that replaces a killed one while the file is bad has the policy of the start, and shows its age."""
    replica.wait_until_ready()
    age, good = replica.value(LAST_READ), config.read_text()
    assert age > 0
    config.write_text(good.replace("mode: act", "mode: observe"))
    until("the change is in force", lambda: '"observe"' in replica.get("/api/v1/status")[1], 60)
    assert replica.value(LAST_READ) > age
    config.write_text("bad")
    until("the metric tells", lambda: f"\n{RELOADED} 0.0" in replica.get("/metrics")[1], 60)

    (worker,) = replica.workers()
    os.kill(worker, signal.SIGKILL)
    until("another worker is there", lambda: replica.workers() not in ([], [worker]), 60)
    replica.wait_until_ready()
    status = json.loads(replica.get("/api/v1/status")[1])["data"]["config"]
    assert {remediation["mode"] for remediation in status["remediations"]} == {"act"}
    assert not status["reloadSuccessful"]
    assert f"\n{RELOADED} 0.0" in replica.get("/metrics")[1]
    assert replica.value(LAST_READ) == age

    config.write_text(good.replace("mode: act", "mode: observe"))
    until("the change is in force again", lambda: '"observe"' in replica.get("/api/v1/status")[1], 60)


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
        until("the new token is valid", lambda: status("new") == 200, 60)
        assert status("old") == 200
        tokens.write_text("new\n")
        until("the old token is not", lambda: status("old") == 401, 60)
        tokens.write_text("")
        until("the metric tells", lambda: _emptied(replica, status), 60)
        assert (status("new"), status("")) == (200, 401)
        assert "new" not in replica.log.read_text().replace("newest", "")


def _emptied(replica: Replica, status: Any) -> bool:
    status("new")
    return "remediator_credentials_last_reload_successful 0.0" in replica.get("/metrics")[1]


def test_an_emptied_token_file_shows_on_the_page(kubeconfig: Path, tmp_path: Path) -> None:
    """Without a request that would notice it, the answer about the reflex is no longer green, and it turns back."""
    tokens = tmp_path / "tokens"
    tokens.write_text("token\n")
    flags = (f"--config.file={SHIPPED}", f"--kubeconfig={kubeconfig}", f"--web.token-file={tokens}")
    with Replica(tmp_path / "replica", *flags) as replica:

        def reflex() -> Any:
            answers = json.loads(replica.get("/api/v1/status")[1])["data"]["summary"]
            return next(answer for answer in answers if answer["about"] == "reflex")

        until("the reflex works", lambda: reflex()["standing"] == "good", 60)
        tokens.write_text("")
        until("the answer turns", lambda: reflex()["standing"] == "attention", 60)
        assert f"{tokens}: is empty" in reflex()["message"]
        page = html.unescape(replica.get("/")[1])
        assert f"the previous ones are in force: <bdi>{tokens}: is empty" in page
        assert replica.post(body(alert(status="resolved")), Authorization="Bearer token")[0] == 200
        tokens.write_text("another\n")
        until("the answer turns back", lambda: reflex()["standing"] == "good", 60)


def test_basic_users_may_post(kubeconfig: Path, tmp_path: Path) -> None:
    """A user and password from a file, with a colon and an at sign in the password, as Alertmanager sends them."""
    users = tmp_path / "users"
    users.write_text("alertmanager:p@ss:word\n")
    flags = (f"--config.file={SHIPPED}", f"--kubeconfig={kubeconfig}", f"--web.basic-auth-file={users}")
    with Replica(tmp_path / "replica", *flags) as replica:
        right = {"Authorization": "Basic YWxlcnRtYW5hZ2VyOnBAc3M6d29yZA=="}
        assert replica.post(body(alert(status="resolved")), **right)[0] == 200
        assert replica.post(body(alert(status="resolved")), Authorization="Basic YTpi")[0] == 401


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replica]:
    """A service that outlives the tests in which nothing is done."""
    place = tmp_path_factory.mktemp("lasting")
    with EmbeddedCluster() as cluster:
        flags = (f"--config.file={SHIPPED}", f"--kubeconfig={cluster.kubeconfig}", "--insecure-no-auth")
        with Replica(place, *flags) as running:
            yield running


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
def test_bad_requests_are_refused_and_the_next_one_is_served(lasting: Replica, sent: bytes, status: bytes) -> None:
    """Whatever a client sends, it gets a refusal at most, and the service goes on."""
    answer = lasting.raw(sent)
    assert status in answer.partition(b"\r\n")[0]
    assert lasting.post(body(alert(status="resolved")))[0] == 200
    assert "Traceback" not in lasting.log.read_text()


def test_stalled_clients_lose_their_connection_and_nobody_elses_time(replica: Replica) -> None:
    """Twenty clients that stall in their header or body take every thread; probes answer, and then alerts do again."""
    stalled = []
    for number in range(20):
        connection = socket.create_connection(replica.address, timeout=60)
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
            urllib.request.urlopen(request, context=context, timeout=60)
        context.load_cert_chain(certificates / "client.crt", certificates / "client.key")
        with urllib.request.urlopen(request, context=context, timeout=60) as response:
            assert json.load(response)["outcomes"][0]["reason"] == "Applied"


NOT_AFTER = "remediator_webhook_certificate_not_after_timestamp_seconds"


def test_a_certificate_that_is_renewed_while_it_runs(kubeconfig: Path, certificates: Path, tmp_path: Path) -> None:
    """Status and metric say when the one expires that clients are shown: a good new one, and never garbage."""
    flags = [f"--web.tls-{name}-file={certificates / file}" for name, file in TLS_FILES.items()]
    with Replica(tmp_path / "replica", f"--config.file={SHIPPED}", f"--kubeconfig={kubeconfig}", *flags) as replica:

        def reported() -> dict[str, Any]:
            tls: dict[str, Any] = json.loads(replica.get("/api/v1/status")[1])["data"]["tls"]
            for certificate, key in (("serving", "notAfter"), ("client_ca", "clientCaNotAfter")):
                in_metric = replica.value(f'{NOT_AFTER}{{certificate="{certificate}"}}')
                assert datetime.fromtimestamp(in_metric, UTC).isoformat() == tls[key]
            return tls

        first = reported()
        assert first["notAfter"] == _shown_not_after(replica.address, certificates)
        assert (first["reloadSuccessful"], first["problem"]) == (True, "")

        make_certificate(certificates, "server", 90)
        renewed = reported()
        assert renewed["notAfter"] == _shown_not_after(replica.address, certificates)
        assert datetime.fromisoformat(renewed["notAfter"]) > datetime.now(UTC) + timedelta(days=89)

        (certificates / "server.crt").write_text("garbage")
        kept = reported()
        assert kept["notAfter"] == renewed["notAfter"] == _shown_not_after(replica.address, certificates)
        assert kept["reloadSuccessful"] is False
        assert kept["problem"] in replica.log.read_text()


def _shown_not_after(address: tuple[str, int], certificates: Path) -> str:
    """When the certificate expires that a client is shown."""
    context = ssl.create_default_context(cafile=str(certificates / "ca.crt"))
    context.load_cert_chain(certificates / "client.crt", certificates / "client.key")
    with context.wrap_socket(socket.create_connection(address, timeout=10), server_hostname=address[0]) as connection:
        found = connection.getpeercert() or {}
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(found["notAfter"])), UTC).isoformat()


def test_without_tls_no_certificate_is_reported(replica: Replica) -> None:
    """The status says so, and there is no series that an alert could take for an end."""
    status = json.loads(replica.get("/api/v1/status")[1])["data"]
    assert (status["tls"], status["evidence"]) == (None, None)
    assert f"{NOT_AFTER}{{" not in replica.get("/metrics")[1]


def test_a_prometheus_that_confirms_nothing_is_reported(kubeconfig: Path, tmp_path: Path) -> None:
    """The status says whether the Prometheus answers that is asked before an act, and if not, why."""
    flags = (f"--config.file={SHIPPED}", f"--kubeconfig={kubeconfig}", "--insecure-no-auth")
    with Replica(tmp_path / "replica", *flags, "--prometheus.url=http://127.0.0.1:1") as replica:

        def evidence() -> dict[str, Any]:
            found: dict[str, Any] = json.loads(replica.get("/api/v1/status")[1])["data"]["evidence"]
            return found

        until("it was asked", lambda: evidence()["answered"] is not None, 60)
        assert evidence()["answered"] is False
        assert "no connection" in evidence()["problem"]


@pytest.mark.parametrize(
    ("key", "authentication"),
    [(["ec", "-pkeyopt", "ec_paramgen_curve:P-256"], "ECDSA"), (["rsa:2048"], "RSA")],
    ids=["ecdsa", "rsa"],
)
def test_tls_has_no_cbc_suite(kubeconfig: Path, tmp_path: Path, key: list[str], authentication: str) -> None:
    """Of all suites of TLS 1.2 for such a certificate, three with forward secrecy and AEAD come to a handshake."""
    command = [str(component("openssl", "openssl")), "req", "-x509", "-nodes", "-newkey", *key, "-subj", "/CN=denis"]
    subprocess.run([*command, "-keyout", "key", "-out", "crt"], cwd=tmp_path, check=True, capture_output=True)
    files = (f"--web.tls-cert-file={tmp_path / 'crt'}", f"--web.tls-key-file={tmp_path / 'key'}")
    flags = (f"--config.file={SHIPPED}", f"--kubeconfig={kubeconfig}", "--insecure-no-auth", *files)
    with Replica(tmp_path / "replica", *flags) as replica:
        all_suites = _client("ALL:!PSK:!SRP:!aNULL:!aDSS").get_ciphers()
        known = [suite for suite in all_suites if suite["protocol"] != "TLSv1.3"]
        accepted = {suite["name"] for suite in known if _shakes_hands(replica.address, suite["name"])}
    assert f"ECDHE-{authentication}-AES128-SHA256" in {suite["name"] for suite in known}
    ciphers = ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305")
    assert accepted == {f"ECDHE-{authentication}-{cipher}" for cipher in ciphers}


def _client(suites: str) -> ssl.SSLContext:
    """A client of TLS 1.2 that asks for these suites and trusts everybody."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(f"{suites}:@SECLEVEL=0")
    return context


def _shakes_hands(address: tuple[str, int], suite: str) -> bool:
    with socket.create_connection(address, timeout=60) as connection:
        try:
            with _client(suite).wrap_socket(connection):
                return True
        except (ssl.SSLError, ConnectionError):
            return False


TLS_FILES = {"cert": "server.crt", "key": "server.key", "client-ca": "ca.crt"}


def _run(*flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([REMEDIATOR, "serve", *flags], capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    ("flags", "webhook"),
    [
        ([], r"127\.0\.0\.1:\d+ internal=127\.0\.0\.1:"),
        (["--web.listen-address=:0"], r"\S*(::|0\.0\.0\.0)\S*:\d+ internal=127\.0\.0\.1:"),
        (["--web.token-file={token}"], r"\S*(::|0\.0\.0\.0)\S*:\d+ internal=\S*(::|0\.0\.0\.0)\S*:"),
    ],
    ids=["by-default", "with-an-address", "with-credentials"],
)
def test_who_lets_anybody_post_listens_on_loopback(
    kubeconfig: Path, tmp_path: Path, flags: list[str], webhook: str
) -> None:
    """Without credentials and without an address, other machines do not reach it; an address that is given counts."""
    token = tmp_path / "token"
    token.write_text("s3cret\n")
    # The default ports may be taken on this machine: a namespace of its own has them free, and loopback down.
    command: list[str | Path] = ["unshare", "--net", "--map-root-user"]
    command += [REMEDIATOR, "serve", f"--config.file={SHIPPED}", f"--kubeconfig={kubeconfig}"]
    command += ["--insecure-no-auth", *(flag.format(token=token) for flag in flags)]
    with Process("remediator", command, tmp_path / "process") as process:
        process.says(f"msg=starting .*webhook={webhook}")


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
        (["--web.listen-address=nonsense"], "write HOST:PORT, [IPv6]:PORT or :PORT"),
        (["--web.tls-cert-file={token}"], "needs both"),
        (["--web.tls-cert-file={token}", "--web.tls-key-file={token}"], "cannot be used"),
        (["--prometheus.url=prometheus:9090"], "write http://host:port"),
        (
            ["--prometheus.url=http://127.0.0.1:1", "--prometheus.http-config-file={missing}"],
            "cannot be read: No such file",
        ),
        (["--embedded"], "name two different clusters"),
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

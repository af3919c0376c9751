"""How the API server is reached: what goes over the wire, over which connections, and how an answer ends."""

import base64
import json
import ssl
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from urllib3.exceptions import InsecureRequestWarning

from demo.waiting import until
from remediator.core.workload import Workload
from remediator.kube.connection import Connection
from remediator.kube.errors import ClusterError, Unanswered, Unavailable
from remediator.kube.request import Request, Verb, path_of
from remediator.kube.targets import Cluster
from tests.monitoring.wire import JSON, Wire, answer
from tests.support.builders import DENIS
from tests.support.faults import FaultyApi
from tests.support.loopback import Handler, LoopbackServer
from tests.support.service import alert

ESTABLISHED, OVER, HUNG_UP = "01", "06", "08"
KEEPALIVE = "02"
KEPT_OPEN = JSON.replace(b"Connection: close\r\n", b"")


def sockets(address: str) -> list[tuple[str, str]]:
    """State and kind of timer of this machine's sockets that are connected to an address, as Linux shows them.

    Not those that both ends have closed: they may be of another server, which had the port before.
    """
    port = int(address.rpartition(":")[2])
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    found = [(line[3], line[5].partition(":")[0]) for line in lines if line[2].endswith(f":{port:04X}")]
    return [(state, timer) for state, timer in found if state != OVER]


def connect(path: Path, cluster: dict[str, Any], user: dict[str, Any] | None = None) -> Connection:
    """A connection by a kubeconfig with these settings."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": cluster}],
        "users": [{"name": "test", "user": user or {}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "current-context": "test",
    }
    path.write_text(json.dumps(config))
    return Connection(path)


def ask(verb: Verb = "get", *, seconds: float = 60.0) -> Request:
    """A request about DENIS."""
    body: dict[str, Any] | None = {"spec": {}} if verb == "patch" else None
    path = "/apis/apps/v1/namespaces/denis/deployments/denis"
    return Request(verb=verb, path=path, body=body, ends=time.monotonic() + seconds)


def test_an_act_is_sent_as_a_strict_strategic_merge_patch(tmp_path: Path) -> None:
    """What an act's request says beside its body: by whom, how the body is meant, and what is to be refused."""
    with Wire(answer(b"{}")) as wire:
        connection = connect(tmp_path / "kubeconfig", {"server": f"{wire.url}/behind/a/path/"}, {"token": "t0ken"})
        Cluster(connection).apply(DENIS, {"metadata": {"resourceVersion": "7"}}, dry_run=True)
    (sent,) = wire.requests
    line, _, rest = sent.partition("\r\n")
    path = "/behind/a/path/apis/apps/v1/namespaces/denis/deployments/denis"
    assert line == f"PATCH {path}?fieldManager=remediator&fieldValidation=Strict&dryRun=All HTTP/1.1"
    head = dict(field.lower().split(": ", 1) for field in rest.partition("\r\n\r\n")[0].split("\r\n"))
    assert head["content-type"] == "application/strategic-merge-patch+json"
    assert (head["accept"], head["authorization"]) == ("application/json", "bearer t0ken")
    assert head["user-agent"].startswith("remediator/")


def test_a_name_cannot_lead_elsewhere() -> None:
    """What stands for one name stays one segment of the path, whatever is in it."""
    path = path_of("apps/v1", namespace="a/../b", resource="deployments", name="c?d#e%2f", rest="scale")
    assert path == "/apis/apps/v1/namespaces/a%2F..%2Fb/deployments/c%3Fd%23e%252f/scale"


@pytest.mark.parametrize("verb", ["get", "patch"])
def test_a_redirect_is_no_success_and_not_followed(tmp_path: Path, verb: Verb) -> None:
    """Whoever answers for the API server leads nobody elsewhere with our credentials."""
    head = JSON.replace(b"200 OK", b"307 Temporary Redirect") + b"Location: /api/v1/secrets\r\n"
    with Wire(answer(b"{}", head=head)) as wire:
        connection = connect(tmp_path / "kubeconfig", {"server": wire.url})
        with pytest.raises(ClusterError, match="the API server answered 307: Temporary Redirect"):
            connection.request(ask(verb))
    assert len(wire.requests) == 1


@pytest.mark.parametrize(("verb", "error"), [("get", Unavailable), ("patch", Unanswered)])
def test_an_answer_that_never_ends(tmp_path: Path, verb: Verb, error: type[ClusterError]) -> None:
    """An answer that keeps coming is left when its time is over; whether a write was applied is not known then."""
    with Wire([JSON + b"\r\n", *[b" "] * 600], pause=0.1) as wire:
        connection = connect(tmp_path / "kubeconfig", {"server": wire.url})
        with pytest.raises(ClusterError, match="the API server gave no complete answer in time") as told:
            connection.request(ask(verb, seconds=0.5))
    assert type(told.value) is error


@pytest.mark.parametrize(("verb", "error"), [("get", Unavailable), ("patch", Unanswered)])
def test_an_answer_that_is_cut_off(tmp_path: Path, verb: Verb, error: type[ClusterError]) -> None:
    """Half an answer is none, even where it is JSON."""
    with Wire([JSON + b"Content-Length: 10\r\n\r\n{}"]) as wire:
        connection = connect(tmp_path / "kubeconfig", {"server": wire.url})
        with pytest.raises(ClusterError, match=rf"no answer from {wire.url} \(the answer was cut off\)") as told:
            connection.request(ask(verb))
    assert type(told.value) is error


def test_a_refusal_that_is_too_deep_to_read(tmp_path: Path) -> None:
    """An answer that says no is a reason, whatever its body is."""
    head = JSON.replace(b"200 OK", b"500 Internal Server Error")
    with Wire(answer(b"[" * 100_000, head=head)) as wire:
        connection = connect(tmp_path / "kubeconfig", {"server": wire.url})
        with pytest.raises(Unavailable, match="the API server answered 500: Internal Server Error"):
            connection.request(ask())


def test_a_peer_that_is_gone_without_a_word_is_noticed(api: FaultyApi, tmp_path: Path) -> None:
    """While a connection waits for its next request, the system asks whether the other end is still there."""
    cluster = Cluster(Connection(api.write_kubeconfig(tmp_path / "kubeconfig")))
    cluster.read(DENIS)
    assert sockets(api.address) == [(ESTABLISHED, KEEPALIVE)]


def test_a_connection_that_was_closed_while_idle_costs_no_request(tmp_path: Path) -> None:
    """An API server that restarts, or closes what is idle, is met with a new connection and not with an error."""
    with Wire(answer(b"{}", head=KEPT_OPEN)) as wire:
        connection = connect(tmp_path / "kubeconfig", {"server": wire.url})
        connection.request(ask())
        until("the server has hung up", lambda: [state for state, _ in sockets(wire.address)] == [HUNG_UP], 60)
        connection.request(ask("patch"))
    assert len(wire.requests) == 2


def test_an_act_takes_the_connection_that_the_last_look_left(api: FaultyApi, make_service: Callable[..., Any]) -> None:
    """Looking at the targets keeps a connection open, so that no act waits for another one."""
    service = make_service()
    service.observer.look()
    assert service.reasons(alert()) == ["Applied"]
    assert api.connections == 1


@pytest.fixture
def tls(certificates: Path) -> ssl.SSLContext:
    """What a server needs that wants a certificate of its clients."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(certificates / "ca.crt"))
    context.load_cert_chain(certificates / "server.crt", certificates / "server.key")
    context.verify_mode = ssl.CERT_REQUIRED
    return context


class Empty(Handler):
    """Answers an empty object."""

    def do_GET(self) -> None:
        """Any GET."""
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")


def test_the_tls_settings_of_a_kubeconfig(certificates: Path, tls: ssl.SSLContext, tmp_path: Path) -> None:
    """Client certificate, authority and another name to check are taken as kubectl takes them."""
    user = {"client-certificate": str(certificates / "client.crt"), "client-key": str(certificates / "client.key")}
    with LoopbackServer(Empty, tls=tls) as server:
        good = {"server": server.url, "certificate-authority": str(certificates / "ca.crt")}
        elsewhere = {**good, "server": server.url.replace("127.0.0.1", "localhost")}
        for settings in (good, {**elsewhere, "tls-server-name": "127.0.0.1"}):
            connection = connect(tmp_path / "kubeconfig", settings, user)
            assert connection.request(ask()) == {}
            assert connection.certificate_ends
            assert timedelta(hours=23) < connection.certificate_ends - datetime.now(UTC) <= timedelta(days=1)
        for settings, says in (
            ({**good, "tls-server-name": "api.example"}, "certificate is not trusted: .*'api.example'"),
            ({"server": server.url}, "certificate is not trusted: "),
        ):
            with pytest.raises(Unavailable, match=says):
                connect(tmp_path / "kubeconfig", settings, user).request(ask())
        with pytest.raises(
            Unavailable,
            match=rf"no answer from {server.url} \(TLS failed: .*(certificate required|closed the connection)",
        ):
            connect(tmp_path / "kubeconfig", good).request(ask())


def test_a_kubeconfig_that_wants_no_check(certificates: Path, tls: ssl.SSLContext, tmp_path: Path) -> None:
    """Whoever asks for it speaks with an API server that could be anybody, and is warned."""
    user = {"client-certificate": str(certificates / "client.crt"), "client-key": str(certificates / "client.key")}
    with LoopbackServer(Empty, tls=tls) as server:
        anybody = connect(tmp_path / "kubeconfig", {"server": server.url, "insecure-skip-tls-verify": True}, user)
        with pytest.warns(InsecureRequestWarning):
            assert anybody.request(ask()) == {}
        assert anybody.certificate_ends is None


def through(proxy: Wire) -> bool:
    """Whether a proxy was asked for what the API server has."""
    path = "/apis/apps/v1/namespaces/denis/deployments/denis"
    return proxy.requests[0].startswith(f"GET http://api.example{path} HTTP/1.1\r\n")


def test_the_proxy_of_a_kubeconfig(tmp_path: Path) -> None:
    """Where a kubeconfig names a proxy, it is the proxy that is asked."""
    with Wire(answer(b"{}")) as proxy:
        settings = {"server": "http://api.example", "proxy-url": proxy.url}
        connect(tmp_path / "kubeconfig", settings).request(ask())
    assert through(proxy)


def test_the_proxy_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the environment names a proxy, it is the proxy that is asked."""
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with Wire(answer(b"{}")) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        connect(tmp_path / "kubeconfig", {"server": "http://api.example"}).request(ask())
    assert through(proxy)


def test_a_token_that_comes_from_a_program_is_asked_for_again_when_it_ends(api: FaultyApi, tmp_path: Path) -> None:
    """An exec plugin of a kubeconfig is run once for a token that lasts, and again for one that has ended."""
    for ends, tokens in (("2099-01-01T00:00:00Z", ["1", "1"]), ("2001-01-01T00:00:00Z", ["1", "2"])):
        (state := tmp_path / ends[:4]).write_text("1")
        api.authorizations.clear()
        connection = connect(tmp_path / "kubeconfig", {"server": api.url}, {"exec": plugin(state, ends)})
        for _ in range(2):
            assert isinstance(Cluster(connection).read(DENIS), Workload)
        assert api.authorizations == [f"Bearer {token}" for token in tokens]


def plugin(state: Path, ends: str) -> dict[str, Any]:
    """An exec plugin whose tokens count how often it ran."""
    program = f"""
import json, pathlib
state = pathlib.Path({str(state)!r})
count = state.read_text()
state.write_text(str(int(count) + 1))
credential = {{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential"}}
print(json.dumps({{**credential, "status": {{"token": count, "expirationTimestamp": {ends!r}}}}}))
"""
    version = "client.authentication.k8s.io/v1"
    return {"apiVersion": version, "command": sys.executable, "args": ["-c", program], "interactiveMode": "Never"}


def test_a_certificate_that_comes_from_a_program_is_presented(
    certificates: Path, tls: ssl.SSLContext, tmp_path: Path
) -> None:
    """An exec plugin may give a client certificate instead of a token."""
    version = "client.authentication.k8s.io/v1"
    status = {
        "clientCertificateData": (certificates / "client.crt").read_text(),
        "clientKeyData": (certificates / "client.key").read_text(),
    }
    printed = json.dumps({"apiVersion": version, "kind": "ExecCredential", "status": status})
    program = {"apiVersion": version, "command": sys.executable, "args": ["-c", f"print({printed!r})"]}
    with LoopbackServer(Empty, tls=tls) as server:
        settings = {"server": server.url, "certificate-authority": str(certificates / "ca.crt")}
        user = {"exec": {**program, "interactiveMode": "Never"}}
        connection = connect(tmp_path / "kubeconfig", settings, user)
        assert connection.request(ask()) == {}
        assert connection.request(ask()) == {}
        assert server.connections == 1


def test_nothing_is_left_in_temporary_files(
    certificates: Path, tls: ssl.SSLContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever cleans temporary files takes nothing away that a later connection needs."""
    (temporary := tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))

    def data(name: str) -> str:
        return base64.b64encode((certificates / name).read_bytes()).decode()

    user = {"client-certificate-data": data("client.crt"), "client-key-data": data("client.key")}
    with LoopbackServer(Empty, tls=tls) as server:
        settings = {"server": server.url, "certificate-authority-data": data("ca.crt")}
        connection = connect(tmp_path / "kubeconfig", settings, user)
        assert list(temporary.iterdir()) == []
        temporary.rmdir()
        assert connection.request(ask()) == {}

"""Kubeconfigs that cannot be used, and API servers that do not answer: one line that says what is wrong and where."""

import json
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from remediator.kube.connection import Connection
from remediator.kube.errors import NotKubernetes, Unanswered, Unavailable
from remediator.kube.impersonation import Impersonation
from remediator.kube.kubeconfig import NoCluster, find_access, find_namespace
from remediator.kube.request import Request, Verb
from remediator.kube.whoami import operator_name
from tests.monitoring.wire import JSON, Wire, answer
from tests.support.commands import run
from tests.support.loopback import Handler, LoopbackServer

COMMANDS = [("canary", "status"), ("canary", "history"), ("kill-switch", "off")]


def write(path: Path, cluster: dict[str, Any], user: dict[str, Any] | None = None) -> Path:
    """A kubeconfig with these settings."""
    config = {
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": user or {}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    path.write_text(json.dumps(config))
    return path


def ask(verb: Verb = "get") -> Request:
    """A request about DENIS."""
    body: dict[str, Any] | None = {} if verb == "patch" else None
    path = "/apis/apps/v1/namespaces/denis/deployments/denis"
    return Request(verb=verb, path=path, body=body, ends=time.monotonic() + 60)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"hello world", "is not a kubeconfig: it must be a mapping"),
        (b"[1, 2]", "is not a kubeconfig: it must be a mapping"),
        (b"7", "is not a kubeconfig: it must be a mapping"),
        (b"\x00\xff\xfe", "is not a kubeconfig: it is not text in UTF-8"),
        (b"a: [", "is not a kubeconfig: "),
        (b"a: b\n---\nc: d", "is not a kubeconfig: "),
        (b"[" * 50_000, "is not a kubeconfig: "),
        (b"", "no current-context"),
        (b"clusters: 7\ncurrent-context: x\ncontexts: [{name: x, context: {cluster: c}}]", "clusters must be a list"),
        (b"current-context: x\ncontexts: [7]", "each of contexts must be a mapping with a name"),
        (b"current-context: x\ncontexts: [{name: x, context: 7}]", "context 'x' must be a mapping"),
        (b"current-context: x\ncontexts: [{name: x}, {name: x}]", "contexts has several named 'x'"),
        (b"current-context: [x]", "current-context must be a string"),
    ],
)
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_what_is_no_kubeconfig_is_one_line(tmp_path: Path, content: bytes, says: str, command: tuple[str, ...]) -> None:
    """Exit code 2, the file and what is wrong with it; no traceback."""
    (path := tmp_path / "kubeconfig").write_bytes(content)
    ended = run(*command, "--kubeconfig", path)
    assert (ended.exit_code, ended.output.count("\n")) == (2, 1)
    assert says in ended.output
    assert str(path) in ended.output


def test_a_folder_is_no_kubeconfig(tmp_path: Path) -> None:
    """Neither is what cannot be read."""
    ended = run("canary", "status", "--kubeconfig", tmp_path)
    assert (ended.exit_code, ended.output.count("\n")) == (2, 1)
    assert "Is a directory" in ended.output


@pytest.mark.parametrize(
    "flags",
    [
        ("--as-group=sre",),
        ("--as-uid=7",),
        ("--as-user-extra=k=v",),
        ("--as=",),
        ("--as=ada", "--as-user-extra=k"),
        ("--as=ada", "--as-user-extra==v"),
    ],
    ids=str,
)
def test_flags_that_name_nobody_are_refused(tmp_path: Path, flags: tuple[str, ...]) -> None:
    """A group without its user, an empty variable in the place of one, and no pair of key and value."""
    path = write(tmp_path / "kubeconfig", {"server": "http://127.0.0.1:1"})
    assert run("canary", "status", "--kubeconfig", path, *flags).exit_code == 2


class Reviewing(Handler):
    """Answers SelfSubjectReviews as an API server would, of an owner of the credentials called kubernetes-admin."""

    def do_POST(self) -> None:
        """Any review."""
        self.rfile.read(int(self.headers["Content-Length"]))
        user = self.headers.get("Impersonate-User", "kubernetes-admin")
        body = json.dumps({"status": {"userInfo": {"username": user}}}).encode()
        self.send_response(201)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def test_the_flags_name_all_of_a_user(tmp_path: Path) -> None:
    """Groups and extra fields, several values of one key too, go with each request."""
    seen: list[list[tuple[str, str]]] = []

    class Listening(Handler):
        def do_GET(self) -> None:
            seen.append([(name, value) for name, value in self.headers.items() if name.startswith("Impersonate")])
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()

    extra = [f"--as-user-extra={pair}" for pair in ("scopes=a=b,c", "scopes=d", "Team=")]
    with LoopbackServer(Listening) as server:
        path = write(tmp_path / "kubeconfig", {"server": server.url})
        run("canary", "status", "--kubeconfig", path, "--as=ada", "--as-group=sre", "--as-uid=7", *extra)
    assert seen[0] == [
        ("Impersonate-User", "ada"),
        ("Impersonate-Uid", "7"),
        ("Impersonate-Group", "sre"),
        ("Impersonate-Extra-scopes", "a=b,c"),
        ("Impersonate-Extra-scopes", "d"),
        ("Impersonate-Extra-Team", ""),
    ]


def test_whom_doctor_asks_as_has_no_groups_of_others() -> None:
    """What a kubeconfig adds to its own user would give rights to an account that has none."""
    configured = Impersonation(user="admin", uid="7", groups=("system:masters",), extra={"scopes": ("all",)})
    account = "system:serviceaccount:denis:remediator"
    found = configured.overridden_by(Impersonation(user=account, alone=True))
    assert list(found.headers()) == [("Impersonate-User", account)]


def test_the_record_names_who_asks_as_whom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both names, where there are two."""
    monkeypatch.setattr("getpass.getuser", lambda: "ada")
    with LoopbackServer(Reviewing) as server:
        path = write(tmp_path / "kubeconfig", {"server": server.url})
        assert operator_name(Connection(path)) == "ada (kubernetes-admin)"
        assert (
            operator_name(Connection(path, impersonation=Impersonation(user="sre"))) == "ada (kubernetes-admin as sre)"
        )
    assert operator_name(Connection(path, impersonation=Impersonation(user="sre"))) == "ada (as sre)"


@pytest.mark.parametrize(
    "body", [b"", b"404 page not found\n", b"<html>", b"[]", b'{"message": "no Route matched"}', b'"kind"']
)
def test_a_404_without_a_status_is_no_answer_of_kubernetes(tmp_path: Path, body: bytes) -> None:
    """Whether the Deployment is there is not known, so nothing says that it is not."""
    head = JSON.replace(b"200 OK", b"404 Not Found")
    with Wire(answer(body, head=head)) as wire:
        connection = Connection(write(tmp_path / "kubeconfig", {"server": wire.url}))
        with pytest.raises(NotKubernetes, match=f"{wire.url} is not a Kubernetes API server"):
            connection.request(ask())


def test_an_address_without_a_server_is_named(tmp_path: Path) -> None:
    """Address and cause are in the message, and no name of a class."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        connection = Connection(write(tmp_path / "kubeconfig", {"server": url}))
        with pytest.raises(Unavailable, match=rf"^no answer from {url} \(connection refused\)$"):
            connection.request(ask())


def test_a_name_that_nobody_knows_is_named(tmp_path: Path) -> None:
    """DNS is a cause of its own."""
    connection = Connection(write(tmp_path / "kubeconfig", {"server": "https://api.invalid"}))
    with pytest.raises(Unavailable, match=r"^no answer from https://api.invalid \(the host name cannot be resolved: "):
        connection.request(ask())


def test_plain_http_where_tls_was_wanted_is_named(tmp_path: Path) -> None:
    """What answers speaks another protocol."""
    with LoopbackServer(Reviewing) as server:
        url = server.url.replace("http", "https")
        connection = Connection(write(tmp_path / "kubeconfig", {"server": url}))
        with pytest.raises(Unavailable, match=r"\(the response is not TLS\)$"):
            connection.request(ask())


@pytest.mark.parametrize("scheme", ["http", "socks5"])
def test_a_proxy_that_is_away_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    """The message names the proxy, the variable and NO_PROXY, and not the proxy's password."""
    monkeypatch.setenv("HTTPS_PROXY", f"{scheme}://ada:s3cret@127.0.0.1:9")
    connection = Connection(write(tmp_path / "kubeconfig", {"server": "https://192.0.2.10:6443"}))
    with pytest.raises(Unavailable, match=r"through the proxy .*127.0.0.1:9 of HTTPS_PROXY.*NO_PROXY.*refused") as told:
        connection.request(ask())
    assert "s3cret" not in str(told.value)
    with pytest.raises(Unavailable) as told:
        connection.request(ask("patch"))
    assert not isinstance(told.value, Unanswered), "nothing was sent"


def test_credentials_are_not_sent_in_the_clear_to_another_machine(tmp_path: Path) -> None:
    """kubectl would be nobody there; we say so before anything is sent."""
    path = write(tmp_path / "kubeconfig", {"server": "http://10.0.0.1:8080"}, {"token": "t0ken"})
    ended = run("canary", "status", "--kubeconfig", path)
    assert ended.exit_code == 2
    assert "server is http://" in ended.output


def test_a_user_without_a_home_has_no_file_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Pod's user is in no list of users, and HOME may be missing: that is no kubeconfig, and no crash."""

    def nobody(uid: int) -> None:
        raise KeyError(uid)

    for name in ("HOME", "KUBECONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", nobody)

    with pytest.raises(NoCluster, match="no way to a Kubernetes API server"):
        find_access(None)
    assert find_namespace(None) == ""

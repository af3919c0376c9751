"""A list of kubeconfigs, each used by the real kubectl and by ours: the same user, or our refusal says why."""

import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from remediator.kube.connection import Connection
from remediator.kube.errors import ClusterError
from remediator.kube.impersonation import Impersonation
from remediator.kube.kubeconfig import NoCluster
from remediator.kube.request import Request, path_of
from tests.support.commands import run
from tests.support.components import component
from tests.support.control_plane.api_server import ApiServer
from tests.support.control_plane.relay import ConnectProxy, SocksProxy

GROUPS = ["sre", "system:authenticated"]
EXEC = "client.authentication.k8s.io/v1"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """A real API server, without controllers."""
    api = ApiServer(tmp_path_factory.mktemp("api-server"))
    try:
        api.start()
        yield api
    finally:
        api.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What differs from a plain kubeconfig with the administrator's token."""

    user: Mapping[str, Any] | None = None
    cluster: Mapping[str, Any] | None = None
    context: Mapping[str, Any] | None = None
    top: Mapping[str, Any] | None = None
    flags: Impersonation = Impersonation()  # noqa: RUF009 - a value
    environment: Mapping[str, str] | None = None
    refused: str = ""
    """What our refusal says; then it does not matter what kubectl makes of it."""
    fails: bool = False
    """Neither reaches anybody."""


def plugin(token: str, **settings: Any) -> dict[str, Any]:
    """An exec plugin that gives a token."""
    answer = {"apiVersion": EXEC, "kind": "ExecCredential", "status": {"token": token}}
    return {
        "apiVersion": EXEC,
        "command": sys.executable,
        "args": ["-c", f"print({json.dumps(answer)!r})"],
        "interactiveMode": "Never",
        **settings,
    }


TOKEN = "{TOKEN}"
"""Stands for the administrator's token."""

BETA = """
import json, os
told = json.loads(os.environ["KUBERNETES_EXEC_INFO"])
print(json.dumps({**told, "status": {"token": "{TOKEN}"}}))
"""

CASES = {
    "token": Case(),
    "token and null values": Case(user={"token": TOKEN, "as": None, "exec": None, "username": None}),
    "token file": Case(user={"tokenFile": "token"}),
    "token file before token": Case(user={"tokenFile": "token", "token": "old"}),
    "token file that is not there": Case(user={"tokenFile": "nowhere"}, refused="tokenFile: there is no such file"),
    "token file that is not there, and a token": Case(user={"tokenFile": "nowhere", "token": TOKEN}),
    "wrong token": Case(user={"token": "wrong"}, fails=True),
    "nobody": Case(user={}, fails=True),
    "basic": Case(user={"username": "admin", "password": "x"}, fails=True),
    "basic and token": Case(user={"username": "admin", "password": "x", "token": TOKEN}, refused="exclude each other"),
    "certificate without key": Case(user={"client-certificate-data": "e30="}, refused="client-certificate has no"),
    "rubbish in data": Case(user={"client-certificate-data": "?", "client-key-data": "?"}, refused="is not base64"),
    "no certificate in data": Case(
        user={"client-certificate-data": "e30=", "client-key-data": "e30="}, refused="certificates cannot be used"
    ),
    "as": Case(user={"token": TOKEN, "as": "ada"}),
    "as with all": Case(
        user={
            "token": TOKEN,
            "as": "ada",
            "as-uid": "7",
            "as-groups": ["sre", "on call"],
            "as-user-extra": {"acme.com/project name%": ["one", "two"], "UPPER/x": ["v"]},
        }
    ),
    "as beyond ascii": Case(user={"token": TOKEN, "as": "zoë", "as-groups": ["größe"]}),
    "groups without as": Case(user={"token": TOKEN, "as-groups": ["sre"]}, refused="as is missing"),
    "flags": Case(flags=Impersonation(user="bob", uid="9", groups=("sre", "b"))),
    "flags over the file": Case(
        user={"token": TOKEN, "as": "ada", "as-groups": ["sre"], "as-user-extra": {"k": ["v"]}},
        flags=Impersonation(user="bob"),
    ),
    "flag of a group over the file": Case(
        user={"token": TOKEN, "as": "ada", "as-groups": ["sre"]}, flags=Impersonation(groups=("b",))
    ),
    "flag of an extra over the file": Case(
        user={"token": TOKEN, "as": "ada", "as-user-extra": {"k": ["v"], "other": ["w"]}},
        flags=Impersonation(extra={"k": ("a,b", "c")}),
    ),
    "service account": Case(user={"token": TOKEN, "as": "system:serviceaccount:default:x"}),
    "exec": Case(user={"exec": plugin(TOKEN)}),
    "exec beta": Case(
        user={
            "exec": plugin(
                TOKEN,
                apiVersion=f"{EXEC}beta1",
                args=["-c", BETA],
            )
        }
    ),
    "exec beside a token": Case(user={"token": TOKEN, "exec": plugin("wrong")}),
    "exec with impersonation": Case(user={"exec": plugin(TOKEN), "as": "ada"}),
    "exec of an unknown version": Case(user={"exec": plugin(TOKEN, apiVersion=f"{EXEC}alpha1")}, refused="apiVersion"),
    "exec without a mode": Case(user={"exec": plugin(TOKEN, interactiveMode="")}, refused="interactiveMode"),
    "exec that is missing": Case(user={"exec": plugin(TOKEN, command="nowhere-to-be-found")}, refused="not installed"),
    "exec that fails": Case(user={"exec": plugin(TOKEN, args=["-c", "exit(7)"])}, fails=True),
    "exec in the folder": Case(user={"exec": plugin(TOKEN, command="./give", args=[])}),
    "auth provider": Case(user={"auth-provider": {"name": "gcp"}}, refused="'gcp' is not supported"),
    "unknown user key": Case(user={"token": TOKEN, "As": "ada"}, refused="user 'test': As is not supported"),
    "unknown cluster key": Case(cluster={"proxy_url": "x"}, refused="cluster 'test': proxy_url is not supported"),
    "unknown context key": Case(context={"usr": "x"}, refused="context 'test': usr is not supported"),
    "no certificate in the authority": Case(
        cluster={"certificate-authority-data": "e30="}, refused="there is no certificate of an authority"
    ),
    "token of another type": Case(user={"token": 7}, refused="token must be a string"),
    "skipping as text": Case(cluster={"insecure-skip-tls-verify": "false"}, refused="must be true or false"),
    "skipping beside an authority": Case(cluster={"insecure-skip-tls-verify": True}, refused="exclude each other"),
    "skipping": Case(cluster={"insecure-skip-tls-verify": True, "certificate-authority-data": None}),
    "no authority": Case(cluster={"certificate-authority-data": None}, fails=True),
    "authority in a file": Case(cluster={"certificate-authority-data": None, "certificate-authority": "ca.crt"}),
    "authority that is not there": Case(
        cluster={"certificate-authority-data": None, "certificate-authority": "nowhere"}, refused="no such file"
    ),
    "server name": Case(cluster={"tls-server-name": "kubernetes.default.svc"}),
    "wrong server name": Case(cluster={"tls-server-name": "api.example"}, fails=True),
    "server without scheme": Case(cluster={"server": "{ADDRESS}"}, refused="server is not the URL"),
    "server with a slash": Case(cluster={"server": "https://{ADDRESS}/"}),
    "no server": Case(cluster={"server": ""}, refused="server is missing"),
    "connect proxy": Case(cluster={"proxy-url": "{CONNECT}"}),
    "socks proxy": Case(cluster={"proxy-url": "{SOCKS}"}),
    "proxy that is away": Case(cluster={"proxy-url": "http://127.0.0.1:9"}, fails=True),
    "proxy of an unknown scheme": Case(cluster={"proxy-url": "ftp://proxy"}, refused="unknown scheme"),
    "proxy of the environment": Case(
        environment={"HTTPS_PROXY": "http://127.0.0.1:9", "https_proxy": "socks5://127.0.0.1:9"}
    ),
    "no compression": Case(cluster={"disable-compression": True}),
    "a namespace": Case(context={"namespace": "elsewhere"}),
    "a user that is not there": Case(context={"user": "nowhere"}, refused="user names 'nowhere', which is not there"),
    "a cluster that is not there": Case(context={"cluster": "nowhere"}, refused="cluster names 'nowhere'"),
    "no current context": Case(top={"current-context": ""}, refused="no current-context"),
    "a dangling context": Case(top={"current-context": "nowhere"}, refused="no context 'nowhere', but test"),
    "another kind": Case(top={"kind": "Pod"}, refused="its kind is 'Pod'"),
    "a mapping of users": Case(top={"users": {"test": {}}}, refused="users must be a list"),
}


@pytest.fixture(scope="module")
def proxies() -> Iterator[tuple[ConnectProxy, SocksProxy]]:
    """Two proxies that pass everything on."""
    with ConnectProxy() as connect, SocksProxy() as socks:
        yield connect, socks


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_it_is_the_same_user(
    server: ApiServer,
    proxies: tuple[ConnectProxy, SocksProxy],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    case: Case,
) -> None:
    """Whom the API server takes us for is whom it takes kubectl for; what we refuse is refused with a reason."""
    path = _write(server, proxies, tmp_path, case)
    for name, value in (case.environment or {}).items():
        monkeypatch.setenv(name, value)
    passed = [proxy.passed for proxy in proxies]
    if case.refused:
        with pytest.raises(NoCluster, match=case.refused) as told:
            _ours(path, case)
        assert "\n" not in str(told.value)
        assert str(path) in str(told.value)
        return
    theirs, ours = _kubectl(path, case), _ours(path, case)
    assert ours == theirs
    assert (ours is None) is case.fails
    through = str(case.cluster or {})
    assert [proxy.passed - before for proxy, before in zip(proxies, passed, strict=True)] == [
        2 if "{CONNECT}" in through else 0,
        2 if "{SOCKS}" in through else 0,
    ]


def test_files_are_merged_as_kubectl_merges_them(
    server: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first file to name a thing decides about it, missing files are passed over, an empty variable is none."""
    authority = base64.b64encode(server.certificate.read_bytes()).decode()
    cluster = {"server": server.url, "certificate-authority-data": authority}

    def write(name: str, user: str, current: str | None) -> Path:
        (path := tmp_path / name).write_text(
            json.dumps(
                {
                    "clusters": [{"name": "c", "cluster": cluster}],
                    "users": [{"name": "u", "user": {"token": server.admin_token, "as": user}}],
                    "contexts": [{"name": name, "context": {"cluster": "c", "user": "u"}}],
                    **({"current-context": current} if current is not None else {}),
                }
            )
        )
        return path

    first, second, third = write("a", "ada", None), write("b", "bob", "b"), write("c", "eve", "c")
    (empty := tmp_path / "empty").write_text("")
    for paths in ([first, second, third], [third, second], ["", tmp_path / "nowhere", empty, second], [second, second]):
        monkeypatch.setenv("KUBECONFIG", os.pathsep.join(map(str, paths)))
        theirs = _kubectl(None, Case())
        assert theirs
        assert _ours(None, Case()) == theirs
    (tmp_path / ".kube").mkdir()
    third.rename(tmp_path / ".kube" / "config")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KUBECONFIG", "")
    theirs = _kubectl(None, Case())
    assert theirs
    assert theirs["username"] == "eve"
    assert _ours(None, Case()) == theirs


def _write(server: ApiServer, proxies: tuple[ConnectProxy, SocksProxy], directory: Path, case: Case) -> Path:
    (directory / "token").write_text(f"{server.admin_token}\n")
    (directory / "ca.crt").write_bytes(server.certificate.read_bytes())
    give = directory / "give"
    answer = {"apiVersion": EXEC, "kind": "ExecCredential", "status": {"token": server.admin_token}}
    give.write_text(f"#!/bin/sh\necho '{json.dumps(answer)}'\n")
    give.chmod(0o755)
    authority = base64.b64encode(server.certificate.read_bytes()).decode()
    cluster = {"server": server.url, "certificate-authority-data": authority, **(case.cluster or {})}
    user = {"token": TOKEN} if case.user is None else case.user
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": cluster}],
        "users": [{"name": "test", "user": user}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test", **(case.context or {})}}],
        "current-context": "test",
        **(case.top or {}),
    }
    text = json.dumps(config, ensure_ascii=False)
    for name, value in (
        ("{TOKEN}", server.admin_token),
        ("{ADDRESS}", server.address),
        ("{CONNECT}", proxies[0].url),
        ("{SOCKS}", proxies[1].url),
    ):
        text = text.replace(name, value)
    (path := directory / "kubeconfig").write_text(text)
    return path


def _kubectl(path: Path | None, case: Case) -> Any:
    """Whom the API server takes kubectl for, or None where it does not get there."""
    flags: list[str | Path] = [f"--kubeconfig={path}"] if path else []
    flags += [f"--as={case.flags.user}"] if case.flags.user else []
    flags += [f"--as-uid={case.flags.uid}"] if case.flags.uid else []
    flags += [f"--as-group={group}" for group in case.flags.groups]
    flags += [f"--as-user-extra={key}={value}" for key, values in case.flags.extra.items() for value in values]
    command: list[str | Path] = [
        component("kubectl", "kubectl"),
        *flags,
        "auth",
        "whoami",
        "--output=json",
        "--request-timeout=60s",
    ]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    return json.loads(ended.stdout)["status"]["userInfo"] if ended.returncode == 0 else None


def _ours(path: Path | None, case: Case) -> Any:
    """Whom the API server takes us for, or None where we do not get there. Raises NoCluster."""
    connection = Connection(path, impersonation=case.flags)
    request = Request(
        verb="create",
        path=path_of("authentication.k8s.io/v1", resource="selfsubjectreviews"),
        body={"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"},
        ends=time.monotonic() + 60,
    )
    try:
        return connection.request(request)["status"]["userInfo"]
    except ClusterError:
        return None


@pytest.mark.parametrize("command", [("canary", "rollback"), ("kill-switch", "on"), ("canary", "status")], ids=" ".join)
def test_who_impersonates_has_the_rights_of_the_other(
    server: ApiServer, tmp_path: Path, command: tuple[str, ...]
) -> None:
    """An administrator who acts as somebody without rights is refused, by the kubeconfig and by the flag."""
    plain = server.write_kubeconfig(tmp_path / "plain", server.admin_token)
    config = json.loads(plain.read_text())
    config["users"][0]["user"]["as"] = "sre-readonly"
    (impersonating := tmp_path / "impersonating").write_text(json.dumps(config))
    for flags in (("--kubeconfig", plain, "--as=sre-readonly"), ("--kubeconfig", impersonating)):
        ended = run(*command, *flags)
        assert ended.exit_code == 1
        assert 'User "sre-readonly" cannot get resource "deployments"' in ended.output

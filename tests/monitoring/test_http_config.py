"""Prometheus and Alertmanager behind credentials, tenants, TLS and proxies: reached by promtool's own file."""

import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.stack import Prometheus as PrometheusProcess
from remediator.config.document import InvalidDocument
from remediator.monitoring.alertmanager import Alertmanager
from remediator.monitoring.http_config import HttpConfig
from remediator.monitoring.http_json import NoAnswer
from remediator.monitoring.prometheus import Prometheus
from remediator.sandbox import EmbeddedCluster
from tests.support.commands import run
from tests.support.components import component
from tests.support.documents import dump_yaml
from tests.support.loopback import Handler, LoopbackServer

SECRET = "s3cret-pw"
BCRYPT = "$2b$04$abcdefghijklmnopqrstuufbu7IbsAKnz0sK.RhkuQd5ApLvLcZVy"
"""Of the secret, as --web.config.file wants it; made once, for bcrypt is in no library here."""

VECTOR = b'{"status":"success","data":{"resultType":"vector","result":[]}}'


class Guarded(LoopbackServer):
    """A Prometheus that wants a header, and remembers what it was sent."""

    def __init__(self, wanted: tuple[str, str] | None = None, *, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[tuple[str, dict[str, list[str]]]] = []
        self.location = ""
        guarded = self

        class Answering(Handler):
            def do_GET(self) -> None:
                headers = {name: self.headers.get_all(name) or [] for name in self.headers}
                guarded.requests.append((self.path, headers))
                refused = wanted and self.headers.get(wanted[0]) != wanted[1]
                moved = guarded.location and not self.path.startswith("/new")
                body = b"" if refused or moved else VECTOR
                self.send_response(401 if refused else 302 if moved else 200)
                if moved:
                    self.send_header("Location", guarded.location)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        super().__init__(Answering, tls=tls)


@pytest.fixture
def configure(tmp_path: Path) -> Callable[..., HttpConfig]:
    """Makes the settings of a file with these keys."""

    def make(**keys: Any) -> HttpConfig:
        file = tmp_path / "http.yaml"
        file.write_text(dump_yaml(keys))
        return HttpConfig(file)

    return make


Configure = Callable[..., HttpConfig]


def ask(url: str, http: HttpConfig | None) -> str:
    """Ask for a series; empty, or why there was no answer."""
    try:
        Prometheus(url, http=http).query("up")
    except NoAnswer as error:
        said = str(error)
    else:
        said = ""
    assert SECRET not in said
    return said


BASIC = ("Authorization", "Basic YWRhOnMzY3JldC1wdw==")
BEARER = ("Authorization", f"Bearer {SECRET}")
TENANT = ("X-Scope-OrgID", "denis")
CREDENTIALS: dict[str, tuple[dict[str, Any], tuple[str, str]]] = {
    "basic": ({"basic_auth": {"username": "ada", "password": SECRET}}, BASIC),
    "basic of files": ({"basic_auth": {"username_file": "user", "password_file": "secret"}}, BASIC),
    "token": ({"authorization": {"credentials": SECRET}}, BEARER),
    "token of a file": ({"authorization": {"type": "Bearer", "credentials_file": "secret"}}, BEARER),
    "another type": ({"authorization": {"type": "Token", "credentials": SECRET}}, (BEARER[0], f"Token {SECRET}")),
    "old token": ({"bearer_token": SECRET}, BEARER),
    "old token of a file": ({"bearer_token_file": "secret"}, BEARER),
    "tenant": ({"http_headers": {"X-Scope-OrgID": {"values": ["denis"]}}}, TENANT),
    "secret header": ({"http_headers": {"X-Scope-OrgID": {"secrets": ["denis"]}}}, TENANT),
    "header of a file": ({"http_headers": {"X-Api-Key": {"files": ["secret"]}}}, ("X-Api-Key", SECRET)),
    "nulls": ({"basic_auth": None, "bearer_token": SECRET, "tls_config": None}, BEARER),
}


@pytest.mark.parametrize(("keys", "header"), CREDENTIALS.values(), ids=CREDENTIALS)
def test_credentials(configure: Configure, tmp_path: Path, keys: dict[str, Any], header: tuple[str, str]) -> None:
    """What the server wants is sent; without the file it is refused, and the remedy names the file's flag."""
    (tmp_path / "user").write_text("ada\n")
    (tmp_path / "secret").write_text(f"  {SECRET}\n")
    with Guarded(header) as server:
        assert ask(server.url, configure(**keys)) == ""
        without = ask(server.url, None)
        wrong = ask(server.url, configure(bearer_token="wrong"))

    assert "401: Unauthorized; give credentials in the URL" in without
    assert "or a token or a tenant's header in --prometheus.http-config-file" in without
    assert wrong.endswith(f"see the credentials, and the tenant's header, in {tmp_path / 'http.yaml'}")


def test_each_program_names_its_own_flag() -> None:
    """Alertmanager's remedy is Alertmanager's flag."""
    with Guarded(BEARER) as server, pytest.raises(NoAnswer, match=r"in --alertmanager\.http-config-file"):
        Alertmanager(server.url).firing_alerts()


def test_a_token_is_read_for_each_request(configure: Configure, tmp_path: Path) -> None:
    """A new token needs no restart; a file that is gone is named, and nothing is sent."""
    token = tmp_path / "token"
    with Guarded(BEARER) as server:
        token.write_text("old")
        prometheus = Prometheus(server.url, http=configure(authorization={"credentials_file": "token"}))
        with pytest.raises(NoAnswer, match="401"):
            prometheus.query("up")
        token.write_text(SECRET)
        assert prometheus.query("up") == ()
        token.unlink()
        with pytest.raises(NoAnswer, match=f"{token} cannot be read: No such file or directory; see "):
            prometheus.query("up")
        assert len(server.requests) == 2


def test_several_values_of_a_header(configure: Configure) -> None:
    """Each value is a header of its own, as Prometheus sends them."""
    with Guarded() as server:
        assert ask(server.url, configure(http_headers={"X-Roles": {"values": ["a", "b"], "secrets": ["c"]}})) == ""
        assert server.requests[0][1]["X-Roles"] == ["a", "b", "c"]


def test_credentials_twice(configure: Configure) -> None:
    """Credentials in the URL and in the file contradict each other; a tenant's header does not."""
    with pytest.raises(ValueError, match="credentials in the URL of Prometheus and in "):
        Prometheus(f"http://ada:{SECRET}@127.0.0.1", http=configure(bearer_token=SECRET))
    with Guarded(BASIC) as server:
        url = server.url.replace("//", f"//ada:{SECRET}@")
        assert ask(url, configure(http_headers={"X-Scope-OrgID": {"values": ["denis"]}})) == ""
        assert server.requests[0][1]["X-Scope-OrgID"] == ["denis"]


@pytest.fixture
def elsewhere() -> Iterator[Guarded]:
    """Another server."""
    with Guarded() as server:
        yield server


def test_redirects_never_carry_credentials_away(configure: Configure, elsewhere: Guarded) -> None:
    """A redirect is followed on the same server alone; to another host or port nothing is sent."""
    with Guarded(BEARER) as server:
        for location, asked in (("/new/api", 2), (f"{server.url}/new", 2), ("/loop", 6)):
            server.requests.clear()
            server.location = location
            said = ask(server.url, configure(bearer_token=SECRET))
            assert len(server.requests) == asked
            assert bool(said) is (location == "/loop")
        for location in (elsewhere.url, f"http://localhost{server.url[16:]}/new", f"//ada@{server.address}/new"):
            server.location = location
            assert "302, a redirect to" in ask(server.url, configure(bearer_token=SECRET))
        server.requests.clear()
        server.location = "/new"
        assert "302, a redirect to /new" in ask(server.url, configure(bearer_token=SECRET, follow_redirects=False))
    assert elsewhere.requests == []


@pytest.fixture
def tls(certificates: Path) -> ssl.SSLContext:
    """What a server needs that wants a certificate of its clients."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(certificates / "ca.crt"))
    context.load_cert_chain(certificates / "server.crt", certificates / "server.key")
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def test_tls(configure: Configure, tls: ssl.SSLContext, certificates: Path) -> None:
    """An own CA, a client's certificate, another name to check: from files, relative to the settings, or inside."""
    client = {"cert_file": "client.crt", "key_file": "client.key"}
    inside = {key.removesuffix("_file"): (certificates / name).read_text() for key, name in client.items()}
    ca = {"ca_file": "ca.crt"}
    with Guarded(BEARER, tls=tls) as server:
        name = server.url.replace("127.0.0.1", "localhost")
        good: list[tuple[str, dict[str, Any]]] = [
            (server.url, {**ca, **client}),
            (server.url, {"ca": (certificates / "ca.crt").read_text(), **inside}),
            (name, {**ca, **client, "server_name": "127.0.0.1"}),
            (name, {**client, "insecure_skip_verify": True}),
            (server.url, {**ca, **client, "min_version": "TLS13"}),
        ]
        for url, keys in good:
            assert ask(url, configure(bearer_token=SECRET, tls_config=keys)) == ""
        bad: list[tuple[str, dict[str, Any]]] = [(server.url, client), (server.url, ca), (name, {**ca, **client})]
        bad.append((server.url, {**ca, **client, "server_name": "x"}))
        for url, keys in bad:
            said = ask(url, configure(bearer_token=SECRET, tls_config=keys))
            assert "no TLS connection: " in said
            assert said.endswith(f"into tls_config of {certificates / 'http.yaml'}")
        assert ask(server.url, None).endswith("into tls_config of --prometheus.http-config-file")
        low = configure(
            bearer_token=SECRET, tls_config={**ca, **client, "max_version": "TLS12", "min_version": "TLS12"}
        )
        tls.minimum_version = ssl.TLSVersion.TLSv1_3
        assert "no TLS connection: " in ask(server.url, low)


PROBLEMS: dict[str, tuple[str, str]] = {
    "unknown": ("tls_config:\n  ca_files: x", ":2: tls_config.ca_files: is not a supported key of promtool's"),
    "of another program": ("sigv4: {}", ":1: sigv4: is not a supported key of promtool's"),
    "oauth2": ("follow_redirects: true\noauth2: {client_id: x}", ":2: oauth2: is not supported; give a token"),
    "number": ("basic_auth: {password: 0123}", ":1: basic_auth.password: must be text; put it in quotes"),
    "list": ("- basic_auth", ":1: must be a mapping"),
    "text": ("authorization: Bearer x", ":1: authorization: must be a mapping"),
    "version": ("tls_config: {min_version: SSL3}", ":1: tls_config.min_version: should be 'tls10', 'tls11'"),
    "two": ("bearer_token: x\nbasic_auth: {username: x}", ":1: bearer_token: cannot be combined with basic_auth"),
    "both": (
        "authorization:\n  credentials: x\n  credentials_file: y",
        ":3: authorization.credentials_file: cannot be",
    ),
    "basic": ("authorization: {type: basic, credentials: x}", ":1: authorization.type: cannot be Basic"),
    "nothing": ("authorization: {}", ":1: authorization: has neither credentials nor credentials_file"),
    "half": ("tls_config: {cert_file: x}", ":1: tls_config: a client certificate needs both"),
    "ca": ("tls_config: {ca: nonsense}", ":1: tls_config: ca has no certificates in PEM"),
    "no ca": ("tls_config: {ca_file: nowhere.crt}", "nowhere.crt: No such file or directory"),
    "header": ("http_headers: {authorization: {values: [x]}}", ":1: http_headers.authorization: cannot be set"),
    "header's name": ('http_headers: {"X Y": {values: [x]}}', ":1: http_headers.X Y: cannot be set"),
    "proxy": ("proxy_url: gopher://x", ":1: proxy_url: proxy_url names a proxy of the unknown scheme 'gopher'"),
    "no_proxy": ("no_proxy: x", ":1: no_proxy: needs proxy_url"),
    "two proxies": ("proxy_url: http://x\nproxy_from_environment: true", ":2: proxy_from_environment: cannot be"),
    "twice": ("bearer_token: a\nbearer_token: b", ":2: bearer_token: the key is duplicated"),
    "yaml": ("a: [", ": not YAML"),
}


@pytest.mark.parametrize(("text", "problem"), PROBLEMS.values(), ids=PROBLEMS)
def test_a_setting_that_is_not_understood(tmp_path: Path, text: str, problem: str) -> None:
    """It is refused with file, line and field before anything is sent."""
    file = tmp_path / "http.yaml"
    file.write_text(text)
    with pytest.raises(InvalidDocument) as caught:
        HttpConfig(file)
    assert f"{file}" in str(caught.value)
    assert problem in str(caught.value)


def test_proxies(configure: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy is used as promtool uses it: always, or unless no_proxy names the host, or as the environment says."""
    with Guarded() as proxy, Guarded() as server:
        host = "http://prometheus.invalid:9090"
        proxied = {"proxy_url": proxy.url}
        assert ask(host, configure(**proxied)) == ""
        assert proxy.requests[-1][0].startswith(f"{host}/api/v1/query?")
        assert ask(server.url, configure(**proxied)) == ""
        assert server.requests == []
        assert ask(server.url, configure(**proxied, no_proxy="example.com")) == ""
        assert len(server.requests) == 1
        assert "does not resolve" in ask(host, configure(**proxied, no_proxy=".invalid"))
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        asked = len(proxy.requests)
        assert ask(host, configure(proxy_from_environment=True)) == ""
        assert ask(server.url, configure(proxy_from_environment=True)) == ""
        assert "does not resolve" in ask(host, configure())
        assert (len(proxy.requests), len(server.requests)) == (asked + 1, 2)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
    found = ask(host, configure(proxy_url=address))
    assert "no connection through the proxy: Connection refused; see the proxy in " in found


@pytest.mark.parametrize("age", ["oldest", "newest"])
def test_a_real_prometheus(age: str, configure: Configure, certificates: Path) -> None:
    """Prometheus behind its own --web.config.file: with basic authentication, and a certificate of its clients."""
    program = component(f"prometheus-{age}", "prometheus")
    server = {"cert_file": "server.crt", "key_file": "server.key", "client_ca_file": "ca.crt"}
    web = {
        "basic_auth_users": {"ada": BCRYPT},
        "tls_server_config": {**server, "client_auth_type": "RequireAndVerifyClientCert"},
    }
    files = {"web.yaml": dump_yaml(web), "prometheus.json": "{}"}
    with PrometheusProcess(program, certificates, files, flags=["--web.config.file=web.yaml"]).ready() as running:
        url = f"https://{running.address}"
        tls = {"ca_file": "ca.crt", "cert_file": "client.crt", "key_file": "client.key"}
        basic = {"username": "ada", "password": SECRET}
        assert ask(url, configure(tls_config=tls, basic_auth=basic)) == ""
        assert Prometheus(url, http=configure(tls_config=tls, basic_auth=basic)).alert_rules() == ()
        assert "401: Unauthorized; see the credentials" in ask(url, configure(tls_config=tls))
        assert "no TLS connection: " in ask(url, configure(tls_config={"ca_file": "ca.crt"}, basic_auth=basic))
        assert "no TLS connection: " in ask(url, configure(tls_config={**tls, "ca_file": "client.crt"}))
        promtool = component("promtool-newest", "promtool")
        absolute = {key: str(certificates / name) for key, name in tls.items()}
        shared = configure(tls_config=absolute, basic_auth=basic)
        command = [str(promtool), "query", "instant", f"--http.config.file={shared.file}", url, "vector(1)"]
        said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert said.returncode == 0, said.stderr
        assert ask(url, shared) == ""


def test_the_commands_take_it(
    embedded: EmbeddedCluster, configure: Configure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each program by its own flag, both by promtool's and amtool's, or by variables; a wrong file ends with 2."""
    kubeconfig = tmp_path / "kubeconfig"
    embedded.write_kubeconfig(kubeconfig)
    file = configure(bearer_token=SECRET).file
    with Guarded(BEARER) as server:

        def status(*flags: str) -> str:
            urls = (f"--prometheus.url={server.url}", f"--alertmanager.url={server.url}")
            result = run("canary", "status", "--kubeconfig", kubeconfig, *urls, *flags)
            assert SECRET not in result.output
            return result.output

        def asked_with(token: bool, path: str) -> bool:
            asked = [headers for requested, headers in server.requests if requested.startswith(path)]
            server.requests.clear()
            return bool(asked) and all(("Authorization" in headers) is token for headers in asked)

        assert "401: Unauthorized" in status()
        server.requests.clear()
        status(f"--http.config.file={file}")
        assert asked_with(True, "/api")
        status(f"--prometheus.http-config-file={file}")
        assert asked_with(True, "/api/v1")
        status(f"--prometheus.http-config-file={file}")
        assert asked_with(False, "/api/v2")
        status(f"--alertmanager.http-config-file={file}")
        assert asked_with(True, "/api/v2")
        monkeypatch.setenv("REMEDIATOR_HTTP_CONFIG_FILE", str(file))
        status()
        assert asked_with(True, "/api")
        file.write_text("bearer: x")
        refused = run("canary", "status", "--kubeconfig", kubeconfig, f"--prometheus.url={server.url}")
        assert refused.exit_code == 2
        assert f"{file}:1: bearer: is not a supported key" in refused.output

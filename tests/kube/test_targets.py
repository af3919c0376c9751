"""The way to the API server: whose credentials, which reasons, and what is sent."""

import time
import traceback
from datetime import timedelta
from pathlib import Path

import pytest

from remediator.core.policy import Target
from remediator.core.workload import TargetMissing, Workload
from remediator.kube.connection import Connection
from remediator.kube.credential_plugin import UNATTENDED
from remediator.kube.errors import Forbidden
from remediator.kube.identity import ApiIdentity
from remediator.kube.kubeconfig import NoCluster, find_access
from remediator.kube.request import Request
from remediator.kube.targets import Cluster
from remediator.sandbox.kubeconfig import kubeconfig
from tests.monitoring.wire import JSON, Wire, answer
from tests.support.faults import Answer, FaultyApi
from tests.support.service import Service, alert

DENIS = Target(name="denis", namespace="denis", deployment="denis", container="denis")


def test_the_token_of_the_kubeconfig_is_sent(api: FaultyApi, tmp_path: Path) -> None:
    """Requests carry the credentials; a client library of 2025 forgot them without a word."""
    cluster = Cluster(Connection(api.write_kubeconfig(tmp_path / "kubeconfig", token="t0ken")))
    assert isinstance(cluster.read(DENIS), Workload)
    assert api.authorizations == ["Bearer t0ken"]


def test_a_rotated_token_file_is_read_again(api: FaultyApi, tmp_path: Path) -> None:
    """When the API server no longer takes a token, the kubeconfig and its token file are read anew, once."""
    token = tmp_path / "token"
    token.write_text("old")
    cluster = Cluster(Connection(api.write_kubeconfig(tmp_path / "kubeconfig", token_file=token)))
    cluster.read(DENIS)
    token.write_text("new")
    api.next("GET", Answer(status=401, message="token expired"))

    assert isinstance(cluster.read(DENIS), Workload)
    assert api.authorizations[-2:] == ["Bearer old", "Bearer new"]


def test_the_newline_of_a_token_file_is_not_sent(api: FaultyApi, tmp_path: Path) -> None:
    """A file ends with a newline, which no header can hold; the token is what stands before it."""
    token = tmp_path / "token"
    token.write_text("t0ken\n")
    cluster = Cluster(Connection(api.write_kubeconfig(tmp_path / "kubeconfig", token_file=token)))
    assert isinstance(cluster.read(DENIS), Workload)
    assert api.authorizations == ["Bearer t0ken"]


@pytest.mark.parametrize("broken", ["s3cr\net", "s3cr\u2603t"], ids=["line-break", "no-latin"])
def test_a_token_that_no_header_can_hold_is_said_without_it(api: FaultyApi, tmp_path: Path, broken: str) -> None:
    """The message has no part of the token, and the file is read again, so that a mended one is taken."""
    token = tmp_path / "token"
    token.write_text(broken)
    cluster = Cluster(Connection(api.write_kubeconfig(tmp_path / "kubeconfig", token_file=token)))
    with pytest.raises(
        Forbidden, match="contain a character that is invalid in a header, such as a line break"
    ) as told:
        cluster.read(DENIS)
    assert "s3cr" not in "".join(traceback.format_exception(told.value))
    token.write_text("mended")
    assert isinstance(cluster.read(DENIS), Workload)
    assert api.authorizations == ["Bearer mended"]


def test_a_broken_token_is_a_problem_of_the_target(api: FaultyApi, tmp_path: Path) -> None:
    """The service goes on looking, and says at every target why it sees nothing."""
    service = Service(api.write_kubeconfig(tmp_path / "kubeconfig", token="s3cr\net"))
    service.observer.look()
    problems = [look.problem for look in service.observer.observations.values()]
    assert len(problems) == 2
    assert all("the credentials contain a character" in problem for problem in problems)
    assert service.reasons(alert()) == ["Forbidden"]


def read_denis() -> Request:
    """What asks the API server about DENIS."""
    return Request(verb="get", path="/apis/apps/v1/namespaces/denis/deployments/denis", ends=time.monotonic() + 60)


@pytest.mark.parametrize("date", [b"garbage", b"Thu, 32 Foo 99999 99:99:99 GMT"])
def test_an_answer_that_tells_no_time(tmp_path: Path, date: bytes) -> None:
    """A Date that is none is no news of the API server's clock, and no reason to lose the answer."""
    with Wire(answer(b"{}", head=JSON + b"Date: " + date + b"\r\n")) as wire:
        (path := tmp_path / "kubeconfig").write_text(kubeconfig(wire.url))
        connection = Connection(path)
        assert connection.request(read_denis()) == {}
    assert connection.skew == timedelta(0)


def test_an_empty_token_file_asks_nothing_as_nobody(api: FaultyApi, tmp_path: Path) -> None:
    """Without a token nothing is sent, and the error names the file; once it has one, that is taken."""
    token = tmp_path / "token"
    token.write_text("")
    cluster = Cluster(Connection(api.write_kubeconfig(tmp_path / "kubeconfig", token_file=token)))
    with pytest.raises(Forbidden, match=f"the token file {token} is empty"):
        cluster.read(DENIS)
    assert api.authorizations == []
    token.write_text("t0ken")
    assert isinstance(cluster.read(DENIS), Workload)
    assert api.authorizations == ["Bearer t0ken"]


def test_a_request_that_was_made_as_nobody_is_made_again(api: FaultyApi, tmp_path: Path) -> None:
    """A proxy that takes the credentials away is met with 403 for nobody: a reason to read them again, once."""
    cluster = Cluster(Connection(api.write_kubeconfig(tmp_path / "kubeconfig", token="t0ken")))
    nobody = 'deployments.apps "denis" is forbidden: User "system:anonymous" cannot get resource "deployments"'
    api.next("GET", Answer(status=403, message=nobody))
    assert isinstance(cluster.read(DENIS), Workload)
    assert len(api.authorizations) == 2


def test_a_missing_right_is_no_reason_to_ask_again(api: FaultyApi, tmp_path: Path) -> None:
    """A 403 for somebody whom the API server knows is the answer."""
    cluster = Cluster(Connection(api.write_kubeconfig(tmp_path / "kubeconfig")))
    api.always("GET", Answer(status=403, message='User "system:serviceaccount:denis:remediator" cannot get'))
    with pytest.raises(Forbidden):
        cluster.read(DENIS)
    assert len(api.authorizations) == 1


@pytest.fixture
def mounted(certificates: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The token file of a Pod, elsewhere."""
    token = tmp_path / "token"
    token.write_text("first\n")
    monkeypatch.setattr("remediator.kube.kubeconfig.SERVICE_ACCOUNT", certificates)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    return token


def test_a_pods_token_is_read_again_and_kept_while_it_cannot_be(
    mounted: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The next token is taken over; while the file has none the last one is sent on, and the log says so once."""
    monkeypatch.setattr("remediator.kube.identity.TOKEN_SECONDS", 0.0)
    identity = ApiIdentity(find_access(None), UNATTENDED)

    def sent() -> str:
        return dict(identity.credentials().headers)["Authorization"]

    assert sent() == "Bearer first"
    mounted.write_text("second\n")
    assert sent() == "Bearer second"
    mounted.write_text("")
    assert [sent(), sent()] == ["Bearer second", "Bearer second"]
    mounted.unlink()
    assert sent() == "Bearer second"
    mounted.write_text("third")
    assert sent() == "Bearer third"
    assert [record.message for record in caplog.records] == ["failed to reload the token, keeping the previous one"]


@pytest.mark.parametrize(
    ("host", "server"), [("10.0.0.1", "https://10.0.0.1:443"), ("fd00::1", "https://[fd00::1]:443")]
)
def test_a_pod_finds_its_api_server(mounted: Path, monkeypatch: pytest.MonkeyPatch, host: str, server: str) -> None:
    """The address is what the kubelet puts into the environment, of either family."""
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    assert find_access(None).server == server


def test_an_unusable_pod_is_said_at_once(mounted: Path) -> None:
    """The error names the folder, not a kubeconfig that nobody gave."""
    mounted.write_text("")
    with pytest.raises(NoCluster, match=f"empty.*looked at {mounted.parent}.*mount the service account's token"):
        Cluster(Connection(None))


def test_a_kubeconfig_of_the_environment_goes_before_the_pods_account(
    mounted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with kubectl, $KUBECONFIG is somebody's choice; where its files are not there, the Pod's account is taken."""
    (path := tmp_path / "kubeconfig").write_text(kubeconfig("http://127.0.0.1:1"))
    monkeypatch.setenv("KUBECONFIG", str(path))
    assert find_access(None).server == "http://127.0.0.1:1"
    path.unlink()
    assert find_access(None).server == "https://10.0.0.1:443"


def test_a_token_that_stays_wrong_is_forbidden(api: FaultyApi, tmp_path: Path) -> None:
    """Two refusals in a row are the answer, in the API server's words."""
    cluster = Cluster(Connection(api.write_kubeconfig(tmp_path / "kubeconfig")))
    api.always("GET", Answer(status=401, message="token expired"))
    with pytest.raises(Forbidden, match="token expired"):
        cluster.read(DENIS)
    assert len(api.authorizations) == 2


def test_credentials_that_vanish_are_forbidden(api: FaultyApi, tmp_path: Path) -> None:
    """A kubeconfig that is unreadable in the moment of a 401 is one more reason, and no crash."""
    kubeconfig = api.write_kubeconfig(tmp_path / "kubeconfig")
    cluster = Cluster(Connection(kubeconfig))
    kubeconfig.write_text("")
    api.next("GET", Answer(status=401, message="token expired"))
    with pytest.raises(Forbidden, match="reloading the credentials failed"):
        cluster.read(DENIS)


def test_an_unknown_deployment_is_a_value(api: FaultyApi, tmp_path: Path) -> None:
    """404 is no error of the request: the Deployment is not there."""
    cluster = Cluster(Connection(api.write_kubeconfig(tmp_path / "kubeconfig")))
    elsewhere = Target(name="x", namespace="elsewhere", deployment="denis")
    assert cluster.read(elsewhere) == TargetMissing()


@pytest.mark.parametrize(
    "text",
    [None, "", "hello", "apiVersion: v1\nkind: Config\n", "a: ["],
    ids=["missing", "empty", "text", "no-context", "yaml"],
)
def test_an_unusable_kubeconfig_is_said_at_once(tmp_path: Path, text: str | None) -> None:
    """The error names the file and what to give instead."""
    path = tmp_path / "kubeconfig"
    if text is not None:
        path.write_text(text)
    with pytest.raises(NoCluster, match=r"kubeconfig.*give --kubeconfig=F"):
        Cluster(Connection(path))


def test_a_kubeconfig_that_is_not_there_is_said_to_be_so(tmp_path: Path) -> None:
    """Whoever mistyped a path reads that there is no such file, and which."""
    path = tmp_path / "nope"
    with pytest.raises(NoCluster) as caught:
        Cluster(Connection(path))
    assert f"there is no such file (looked at {path})" in str(caught.value)

"""Which API server, and as whom: bad and changing credentials, in a Pod and from a kubeconfig."""

import base64
import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from demo.waiting import until
from tests.acceptance.incidents import Incident, grant
from tests.acceptance.pod import Pod, in_pod
from tests.support.control_plane import ControlPlane
from tests.support.control_plane.service_account import MountedAccount, new_authority, new_key, sign_token
from tests.support.replica import REMEDIATOR
from tests.support.service import SHIPPED, Service, alert, body, notification

HOUR = 3600.0
REVOKED_SECONDS = 30.0
"""The API server believes a token for ten seconds after it was revoked."""


@pytest.fixture
def token(control_plane: ControlPlane, namespace: str) -> str:
    """A good token of the service's account, which has its rights."""
    return grant(control_plane, namespace)


@pytest.fixture
def authority(control_plane: ControlPlane) -> bytes:
    """The certificate that the API server's can be checked with."""
    return control_plane.server.certificate.read_bytes()


@pytest.fixture
def account(tmp_path: Path) -> MountedAccount:
    """The folder that is mounted into the Pod."""
    return MountedAccount(tmp_path / "serviceaccount")


@pytest.fixture
def config(namespace: str, tmp_path: Path) -> Path:
    """The shipped remediations.yaml, for the test's namespace."""
    path = tmp_path / "remediations.yaml"
    path.write_text(SHIPPED.read_text().replace("namespace: denis", f"namespace: {namespace}"))
    return path


@pytest.fixture
def start_pod(
    control_plane: ControlPlane, account: MountedAccount, config: Path, tmp_path: Path
) -> Iterator[Callable[[], Pod]]:
    """Starts the Pod; it is stopped after the test."""
    with ExitStack() as running:
        yield lambda: running.enter_context(Pod(tmp_path / "pod", account, control_plane.server.address, config))


def assert_no_act(denis: Incident) -> None:
    """Nothing was changed."""
    assert (denis.generation(), denis.acts()) == (1, [])


@pytest.mark.parametrize("end", ["", " \r\n"], ids=["bare", "blanks"])
def test_a_pod_sends_its_token_from_the_first_request_on(
    start_pod: Callable[[], Pod],
    account: MountedAccount,
    token: str,
    authority: bytes,
    denis: Incident,
    end: str,
) -> None:
    """Every request of a Pod carries its token, without what ends the file: the API server refuses none of them."""
    account.project(token=token + end, authority=authority)
    pod = start_pod()
    pod.wait_until_ready()
    assert pod.post(body(alert()))[0] == 200
    denis.assert_one_act()
    until("the Event is written", lambda: ("create", "201") in pod.requests(), 60)
    assert pod.requests() == {("get", "200"), ("patch", "200"), ("create", "201")}


def test_an_authority_that_does_not_fit_is_said_and_read_again(
    start_pod: Callable[[], Pod],
    account: MountedAccount,
    token: str,
    authority: bytes,
    denis: Incident,
    tmp_path: Path,
) -> None:
    """With the wrong ca.crt nothing is sent, and probe and answer say why; with the right one the next alert acts."""
    account.project(token=token, authority=new_authority(tmp_path))
    pod = start_pod()
    status, answer = pod.post(body(alert()))
    (outcome,) = answer["outcomes"]
    assert (status, outcome["reason"]) == (503, "Unavailable")
    assert outcome["message"].startswith("the API server's certificate is not trusted: ")
    until("the probe says why", lambda: "certificate is not trusted" in pod.get("/-/ready")[1], 60)
    assert pod.get("/-/ready")[0] == 503
    assert pod.requests() == {("get", "error")}
    assert_no_act(denis)

    account.project(token=token, authority=authority)
    assert pod.post(body(alert()))[0] == 200
    denis.assert_one_act()


def test_a_token_is_rotated_while_the_pod_runs(
    start_pod: Callable[[], Pod],
    account: MountedAccount,
    token: str,
    authority: bytes,
    denis: Incident,
    control_plane: ControlPlane,
) -> None:
    """A token that is revoked costs nothing once the next one is mounted; without a next one the answer says so."""
    bound = control_plane.bound_token(denis.namespace, "remediator")
    account.project(token=bound.text, authority=authority)
    pod = start_pod()
    pod.wait_until_ready()
    bound.revoke()
    client = replace(control_plane.api, token=bound.text)
    until("the token is refused", lambda: client.get(denis.path).code == 401, REVOKED_SECONDS)

    account.project(token="", authority=authority)
    status, answer = pod.post(body(alert()))
    (outcome,) = answer["outcomes"]
    assert (status, outcome["reason"]) == (503, "Forbidden")
    # A regular look may have found it before the notification does.
    assert "reloading the credentials failed" in outcome["message"]
    assert "/token is empty" in outcome["message"]
    assert_no_act(denis)

    account.project(token=token, authority=authority)
    assert pod.post(body(alert()))[0] == 200
    denis.assert_one_act()
    assert pod.get("/-/healthy")[0] == 200


def test_an_empty_token_file_is_refused_at_the_start(
    account: MountedAccount, authority: bytes, config: Path, control_plane: ControlPlane
) -> None:
    """A Pod without a token does not start, and says where it looked and what to do."""
    account.project(token="", authority=authority)
    command = [*in_pod(account, control_plane.server.address), REMEDIATOR, "serve", f"--config.file={config}"]
    ended = subprocess.run([*command, "--insecure-no-auth"], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 2
    assert "/token is empty" in ended.stderr
    assert "looked at /var/run/secrets/kubernetes.io/serviceaccount" in ended.stderr
    assert "mount the service account's token" in ended.stderr


Make = Callable[[ControlPlane, str, Path], str]


def garbage(plane: ControlPlane, namespace: str, directory: Path) -> str:
    """Not a token."""
    return "garbage"


def for_others(plane: ControlPlane, namespace: str, directory: Path) -> str:
    """The right account's token, for another audience."""
    return plane.token(namespace, "remediator", audiences=["https://vault.example"])


def crafted(plane: ControlPlane, namespace: str, key: Path, *, lifetime: float) -> str:
    """A token that was not asked for at the API server."""
    return sign_token(key, plane.get("serviceaccount", "remediator", namespace), lifetime=lifetime)


def of_another_cluster(plane: ControlPlane, namespace: str, directory: Path) -> str:
    """A token like the right one, signed with another cluster's key."""
    return crafted(plane, namespace, new_key(directory / "foreign.key"), lifetime=HOUR)


def expired(plane: ControlPlane, namespace: str, directory: Path) -> str:
    """A token that was good until two minutes ago."""
    return crafted(plane, namespace, plane.server.service_account_key, lifetime=-120)


def still_good(plane: ControlPlane, namespace: str, directory: Path) -> str:
    """The same token, an hour before its end."""
    return crafted(plane, namespace, plane.server.service_account_key, lifetime=HOUR)


@pytest.fixture
def act_with(
    make_service: Callable[..., Service], control_plane: ControlPlane, denis: Incident, tmp_path: Path
) -> Callable[[Make], tuple[Service, Any]]:
    """Lets a service with a kubeconfig for a token handle an alert; the service, and the alert's outcome."""

    def act(make: Make) -> tuple[Service, Any]:
        text = make(control_plane, denis.namespace, tmp_path)
        service = make_service(kubeconfig=control_plane.server.write_kubeconfig(tmp_path / "direct", text))
        (outcome,) = service.handle(notification(alert()))
        return service, outcome

    return act


@pytest.mark.parametrize("make", [garbage, for_others, of_another_cluster, expired])
def test_a_token_that_is_not_good_is_said(act_with: Callable[[Make], Any], denis: Incident, make: Make) -> None:
    """Whatever is wrong with a token, the answer is the API server's 401, the alert comes again, nothing is changed."""
    service, outcome = act_with(make)
    assert (outcome.reason, outcome.reason.failed, outcome.message) == (
        "Forbidden",
        True,
        "the API server answered 401: Unauthorized",
    )
    # Once more with what the file says by now.
    assert service.value("remediator_kubernetes_requests_total", verb="get", code="401") == 2
    assert_no_act(denis)


def test_a_crafted_token_is_good_until_it_ends(act_with: Callable[[Make], Any], denis: Incident) -> None:
    """What the tests above sign differs from a good token in nothing but what they are about."""
    assert act_with(still_good)[1].reason == "Applied"
    denis.assert_one_act()


def test_an_authority_of_a_kubeconfig_that_does_not_fit_is_said(
    make_service: Callable[..., Service], control_plane: ControlPlane, token: str, denis: Incident, tmp_path: Path
) -> None:
    """With the wrong certificate-authority nothing is sent; when the kubeconfig is put right the next alert acts."""
    path = control_plane.server.write_kubeconfig(tmp_path / "direct", token)
    right = path.read_text()
    wrong = json.loads(right)
    wrong["clusters"][0]["cluster"]["certificate-authority-data"] = base64.b64encode(new_authority(tmp_path)).decode()
    path.write_text(json.dumps(wrong))
    service = make_service(kubeconfig=path)
    (outcome,) = service.handle(notification(alert()))
    assert (outcome.reason, outcome.reason.failed) == ("Unavailable", True)
    assert outcome.message.startswith("the API server's certificate is not trusted: ")
    assert service.value("remediator_kubernetes_requests_total", verb="get", code="error") == 2
    assert_no_act(denis)

    path.write_text(right)
    assert service.reasons(alert()) == ["Applied"]


def test_a_token_file_that_was_empty_is_read_again(
    make_service: Callable[..., Service], control_plane: ControlPlane, token: str, denis: Incident, tmp_path: Path
) -> None:
    """Without a token the API server knows nobody and says so; once the file has one, with a newline, it is used."""
    path, file = control_plane.server.write_kubeconfig(tmp_path / "direct", token), tmp_path / "token"
    config = json.loads(path.read_text())
    config["users"][0]["user"] = {"tokenFile": str(file)}
    path.write_text(json.dumps(config))
    file.write_text("")
    service = make_service(kubeconfig=path)
    (outcome,) = service.handle(notification(alert()))
    assert outcome.reason == "Forbidden"
    assert f"the token file {file} is empty" in outcome.message
    assert_no_act(denis)

    file.write_text(f"{token}\n")
    assert service.reasons(alert()) == ["Applied"]

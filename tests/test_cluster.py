"""The way to the API server: whose credentials, which reasons, and what is sent."""

from pathlib import Path

import pytest

from remediator.api_errors import Forbidden
from remediator.cluster import Cluster
from remediator.connection import Connection
from remediator.kubeconfig import NoCluster
from remediator.policy import Target
from remediator.workload import TargetMissing, Workload
from tests.faults import Answer, FaultyApi

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
    with pytest.raises(Forbidden, match="the credentials cannot be read again"):
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

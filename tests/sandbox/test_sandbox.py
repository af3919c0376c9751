"""The embedded cluster as a newcomer meets it: a process, a kubeconfig, the real kubectl."""

import http.client
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from remediator.sandbox import EmbeddedCluster
from tests.support.components import component
from tests.support.documents import load_yaml

Kubectl = Callable[..., str]
DENIS = "/apis/apps/v1/namespaces/denis/deployments/denis"
FLAG = "DENIS_MATERIALIZERS_PCT"
SECONDS = 60


@pytest.fixture
def cluster() -> Iterator[EmbeddedCluster]:
    """A fresh embedded cluster."""
    with EmbeddedCluster() as cluster:
        yield cluster


def kubectl_for(kubeconfig: Path, home: Path) -> Kubectl:
    program = component("kubectl", "kubectl")
    environment = {"KUBECONFIG": str(kubeconfig), "HOME": str(home), "PATH": os.environ["PATH"]}

    def run(*arguments: str, code: int = 0) -> str:
        done = subprocess.run(
            [program, *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout if code == 0 else done.stderr

    return run


@pytest.fixture
def kubectl(cluster: EmbeddedCluster, tmp_path: Path) -> Kubectl:
    """The real kubectl, on the cluster; returns what it prints (its errors, where one is expected)."""
    return kubectl_for(cluster.kubeconfig, tmp_path)


def read(cluster: EmbeddedCluster, path: str = DENIS, **headers: str) -> Any:
    with urllib.request.urlopen(urllib.request.Request(cluster.url + path, headers=headers)) as response:
        return json.load(response)


def env_of(deployment: Any) -> dict[str, str]:
    containers = deployment["spec"]["template"]["spec"]["containers"]
    return {entry["name"]: entry.get("value", "") for entry in containers[0]["env"]}


def test_a_fresh_cluster_holds_denis(cluster: EmbeddedCluster) -> None:
    """The canary is at 10 %, four workers run, everything is rolled out, and nothing was asked yet."""
    assert cluster.requests == []
    denis, workers = cluster.deployment(), cluster.deployment("denis-workers")
    assert env_of(denis) == {
        "DENIS_MATERIALIZERS_ENABLED": "true",
        "DENIS_MATERIALIZERS_PCT": "10",
        "ASYNC_ENABLED": "true",
        "RUNS_ENABLED": "false",
        "DENIS_SECONDARY_ENGINES": "true",
        "LOG_LEVEL": "info",
    }
    assert workers["spec"]["replicas"] == workers["status"]["availableReplicas"] == 4
    cluster.await_settled(0)


def test_two_clusters_share_nothing() -> None:
    """Each has a port and a state of its own."""
    with EmbeddedCluster() as one, EmbeddedCluster() as other:
        assert one.url != other.url
        one.add({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "mine"}})
        path = "/api/v1/namespaces/denis/configmaps"
        assert len(read(one, path)["items"]) == 1
        assert read(other, path)["items"] == []


def test_extra_objects_are_there_from_the_start() -> None:
    """A test brings what it needs: here an autoscaler."""
    autoscaler = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "denis-workers"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "denis-workers"},
            "maxReplicas": 5,
        },
    }
    with EmbeddedCluster(autoscaler) as cluster:
        path = "/apis/autoscaling/v2/namespaces/denis/horizontalpodautoscalers"
        assert [item["spec"]["maxReplicas"] for item in read(cluster, path)["items"]] == [5]


def test_requests_are_recorded(cluster: EmbeddedCluster) -> None:
    """Verb, path and code of each, so that reads and writes can be counted."""
    read(cluster, f"{DENIS}?timeout=3s")
    read(cluster, DENIS.rpartition("/")[0])
    with pytest.raises(urllib.error.HTTPError) as missing:
        read(cluster, DENIS + "-x")
    missing.value.close()
    assert cluster.requests == [
        ("get", DENIS, 200),
        ("list", DENIS.rpartition("/")[0], 200),
        ("get", DENIS + "-x", 404),
    ]


def test_it_starts_and_stops_fast() -> None:
    """A test can afford one each."""
    began = time.process_time()
    with EmbeddedCluster() as cluster:
        read(cluster)
    assert time.process_time() - began < 0.5


def test_it_can_be_gone_for_a_while(cluster: EmbeddedCluster) -> None:
    """Stopped, nobody answers; started again it is the same cluster at the same address."""
    before, url = read(cluster), cluster.url
    cluster.stop()
    with pytest.raises(urllib.error.URLError):
        read(cluster)
    cluster.start()
    assert cluster.url == url
    assert read(cluster) == before


def test_connections_are_kept_alive_and_ended_by_stop(cluster: EmbeddedCluster) -> None:
    """Two requests on one connection; then the server hangs up."""
    with socket.create_connection(("127.0.0.1", int(cluster.url.rpartition(":")[2])), timeout=60) as client:
        answers = client.makefile("rb")
        for _ in range(2):
            client.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert answers.readline() == b"HTTP/1.1 200 OK\r\n"
            while answers.readline() != b"\r\n":
                pass
            assert answers.read(2) == b"ok"
        cluster.stop()
        assert answers.read() == b""
        answers.close()


def test_it_needs_nothing_but_python() -> None:
    """Neither the Kubernetes client nor any other package is loaded by it."""
    foreign = "kubernetes, flask, pydantic, yaml, click, prometheus_client, urllib3"
    code = f"import remediator.sandbox, sys; print(set({foreign.split(', ')!r}) & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


FIELDS = st.sampled_from(
    [
        "metadata",
        "spec",
        "status",
        "template",
        "selector",
        "matchLabels",
        "containers",
        "env",
        "name",
        "value",
        "valueFrom",
        "image",
        "replicas",
        "strategy",
        "rollingUpdate",
        "annotations",
        "labels",
        "resourceVersion",
        "uid",
        "paused",
        "ports",
        "resources",
        "$patch",
        "x",
    ]
)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9)
JSON = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner, max_size=4))


@given(
    body=st.one_of(st.dictionaries(FIELDS, JSON), JSON),
    kind=st.sampled_from(["strategic-merge-patch", "merge-patch"]),
    path=st.sampled_from([DENIS, DENIS + "/scale", DENIS + "/status"]),
)
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_whatever_is_patched_is_answered(cluster: EmbeddedCluster, body: Any, kind: str, path: str) -> None:
    """Every JSON document gets an answer of the API, on a connection that stays open, and denis survives."""
    client = http.client.HTTPConnection(cluster.url.removeprefix("http://"), timeout=SECONDS)
    with closing(client):
        client.request("PATCH", path, json.dumps(body), {"Content-Type": f"application/{kind}+json"})
        with client.getresponse() as response:
            answer = json.load(response)
        assert answer["kind"] in ("Deployment", "Scale", "Status")
        assert response.status in (200, 400, 422, 409) or "merge key" in answer["message"]
        client.request("GET", DENIS)
        with client.getresponse() as response:
            assert response.status == 200


@pytest.mark.parametrize("raw", [b"[" * 100_000, b"\xff\xfe", b'{"a": ', b"null", b'"text"', b'{"a": "\\ud800"}'])
def test_a_hostile_body_is_answered(cluster: EmbeddedCluster, raw: bytes) -> None:
    """Neither depth nor foreign bytes end the connection."""
    client = http.client.HTTPConnection(cluster.url.removeprefix("http://"), timeout=SECONDS)
    with closing(client):
        for kind in ("strategic-merge-patch", "merge-patch"):
            client.request("PATCH", DENIS, raw, {"Content-Type": f"application/{kind}+json"})
            with client.getresponse() as response:
                assert json.load(response)["kind"] in ("Deployment", "Status")


def test_the_kubeconfig_is_private(cluster: EmbeddedCluster, tmp_path: Path) -> None:
    """Readable by its owner only, context `embedded`, namespace `denis`; an old file is replaced as a whole."""
    path = tmp_path / "kubeconfig"
    path.write_text("something else")
    cluster.write_kubeconfig(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]
    config = load_yaml(path.read_text())
    assert config["current-context"] == "embedded"
    assert config["contexts"][0]["context"]["namespace"] == "denis"
    assert config["clusters"][0]["cluster"]["server"] == cluster.url


def test_kubectl_get(kubectl: Kubectl) -> None:
    """Names and ages, JSON, YAML, a path, and what is selected by labels."""
    names = kubectl("get", "deploy,rs,pods,events,ns")
    assert "deployment.apps/denis-workers" in names
    assert names.count("pod/denis-") == 7
    assert json.loads(kubectl("get", "deploy", "denis", "-o", "json"))["spec"]["replicas"] == 3
    assert load_yaml(kubectl("get", "rs", "-o", "yaml"))["kind"] == "List"
    assert kubectl("get", "deploy/denis-workers", "-o", "jsonpath={.spec.replicas}") == "4"
    assert kubectl("get", "pods", "-l", "app.kubernetes.io/name=denis", "-o", "name").count("pod/denis-") == 3
    assert "No resources found" not in kubectl("get", "all")
    assert kubectl("get", "hpa") == ""
    assert "NotFound" in kubectl("get", "deploy", "nobody", code=1)


def test_kubectl_describe_shows_the_events(kubectl: Kubectl) -> None:
    """Environment, conditions, ReplicaSets and what happened."""
    shown = kubectl("describe", "deploy", "denis")
    assert "DENIS_MATERIALIZERS_PCT:      10" in shown
    assert "NewReplicaSetAvailable" in shown
    assert "3 desired | 3 updated | 3 total | 3 available | 0 unavailable" in shown
    assert "deployment-controller  Scaled up replica set denis-" in shown
    assert "Running" in kubectl("describe", "pods", "-l", "app.kubernetes.io/name=denis")


def test_kubectl_set_env_rolls_out(kubectl: Kubectl, cluster: EmbeddedCluster) -> None:
    """One flag changes, the rollout converges, and the manager is named."""
    assert "env updated" in kubectl("set", "env", "deploy/denis", f"{FLAG}=0")
    status = kubectl("rollout", "status", "deploy/denis", "--timeout=60s")
    assert 'deployment "denis" successfully rolled out' in status
    denis = cluster.deployment()
    assert env_of(denis)[FLAG] == "0"
    assert env_of(denis)["LOG_LEVEL"] == "info"
    assert "kubectl-set" in [entry["manager"] for entry in denis["metadata"]["managedFields"]]


def test_kubectl_scale(kubectl: Kubectl, cluster: EmbeddedCluster) -> None:
    """Through the scale subresource, up, down and to zero."""
    for replicas in (6, 2, 0):
        kubectl("scale", "deploy/denis-workers", f"--replicas={replicas}")
        kubectl("rollout", "status", "deploy/denis-workers", "--timeout=60s")
        cluster.await_settled()
        assert cluster.deployment("denis-workers")["status"].get("availableReplicas", 0) == replicas
    assert "error" in kubectl("scale", "deploy/denis", "--current-replicas=9", "--replicas=1", code=1)


def test_kubectl_patch(kubectl: Kubectl, cluster: EmbeddedCluster) -> None:
    """Strategic and merge patches; a dry run changes nothing."""
    kubectl("patch", "deploy", "denis-workers", "-p", '{"spec":{"replicas":5}}', "--dry-run=server")
    assert cluster.deployment("denis-workers")["spec"]["replicas"] == 4
    kubectl("patch", "deploy", "denis-workers", "-p", '{"spec":{"replicas":5}}')
    assert cluster.deployment("denis-workers")["spec"]["replicas"] == 5
    kubectl("patch", "deploy", "denis-workers", "--type=merge", "-p", '{"spec":{"replicas":6}}')
    assert cluster.deployment("denis-workers")["spec"]["replicas"] == 6
    refused = kubectl("patch", "deploy", "denis-workers", "-p", '{"spec":{"replicas":-1}}', code=1)
    assert "must be greater than or equal to 0" in refused


def test_kubectl_annotate_and_label(kubectl: Kubectl, cluster: EmbeddedCluster) -> None:
    """Set, refuse to overwrite, remove."""
    kubectl("annotate", "deploy", "denis", "team=canary")
    kubectl("label", "deploy", "denis", "tier=front")
    assert "already has a value" in kubectl("annotate", "deploy", "denis", "team=other", code=1)
    metadata = cluster.deployment()["metadata"]
    assert (metadata["annotations"]["team"], metadata["labels"]["tier"]) == ("canary", "front")
    kubectl("annotate", "deploy", "denis", "team-")
    assert "team" not in cluster.deployment()["metadata"]["annotations"]


def test_kubectl_rollout_history(kubectl: Kubectl, cluster: EmbeddedCluster) -> None:
    """Each template is a revision, and its flags can be shown; undo needs a JSON patch and says what is served."""
    kubectl("set", "env", "deploy/denis", f"{FLAG}=0")
    cluster.await_settled()
    assert kubectl("rollout", "history", "deploy/denis").split()[-4:] == ["1", "<none>", "2", "<none>"]
    assert f"{FLAG}:\t0" in kubectl("rollout", "history", "deploy/denis", "--revision=2")
    assert "only application/strategic-merge-patch+json" in kubectl("rollout", "undo", "deploy/denis", code=1)


def test_kubectl_rollout_restart_pause_resume(kubectl: Kubectl, cluster: EmbeddedCluster) -> None:
    """A restart makes new pods; a paused Deployment waits until it is resumed."""
    before = set(kubectl("get", "pods", "-o", "name").split())
    kubectl("rollout", "restart", "deploy/denis")
    kubectl("rollout", "status", "deploy/denis", "--timeout=60s")
    after = set(kubectl("get", "pods", "-o", "name").split())
    assert len([name for name in after - before if name.startswith("pod/denis-")]) == 3
    kubectl("rollout", "pause", "deploy/denis")
    kubectl("set", "env", "deploy/denis", f"{FLAG}=50")
    cluster.await_settled()
    assert cluster.deployment()["status"].get("updatedReplicas", 0) == 0
    kubectl("rollout", "resume", "deploy/denis")
    kubectl("rollout", "status", "deploy/denis", "--timeout=60s")
    cluster.await_settled()
    assert cluster.deployment()["status"]["updatedReplicas"] == 3


def test_kubectl_delete_pod(kubectl: Kubectl, cluster: EmbeddedCluster) -> None:
    """kubectl waits until the pod is gone, and the ReplicaSet makes another."""
    names = kubectl("get", "pods", "-l", "app.kubernetes.io/name=denis", "-o", "name").split()
    assert "deleted" in kubectl("delete", names[0])
    cluster.await_settled()
    after = kubectl("get", "pods", "-l", "app.kubernetes.io/name=denis", "-o", "name").split()
    assert len(after) == 3
    assert names[0] not in after


def test_an_image_that_cannot_be_pulled_hangs_the_rollout(kubectl: Kubectl, cluster: EmbeddedCluster) -> None:
    """A registry below .invalid does not exist: old pods stay, and the deadline passes."""
    kubectl("patch", "deploy", "denis", "-p", '{"spec":{"progressDeadlineSeconds":1}}')
    kubectl("set", "image", "deploy/denis", "denis=registry.invalid/denis:3")
    failed = kubectl("rollout", "status", "deploy/denis", "--timeout=60s", code=1)
    assert "exceeded its progress deadline" in failed
    assert "ImagePullBackOff" in kubectl("get", "pods", "-o", "json")
    assert cluster.deployment()["status"]["availableReplicas"] == 3


def test_kubectl_get_watch_follows(cluster: EmbeddedCluster, tmp_path: Path) -> None:
    """`get -w` shows every change."""
    program = component("kubectl", "kubectl")
    environment = {"KUBECONFIG": str(cluster.kubeconfig), "HOME": str(tmp_path)}
    shown = "jsonpath={.status.availableReplicas} "
    command = [str(program), "get", "deploy", "denis-workers", "-w", "-o", shown]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        assert watching.stdout.read(2) == "4 "
        kubectl_for(cluster.kubeconfig, tmp_path)("scale", "deploy/denis-workers", "--replicas=5")
        while watching.stdout.read(2) != "5 ":
            assert watching.poll() is None
        watching.terminate()


@contextmanager
def running(kubeconfig: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The embedded cluster as a process, once it has said where it is; it has to end by itself."""
    with subprocess.Popen(
        [sys.executable, "-m", "remediator.sandbox", f"--kubeconfig={kubeconfig}", *arguments],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stderr is not None
            said = process.stderr.readline()
            assert f"kubeconfig {kubeconfig}" in said
            assert "a sandbox for trials" in said
            yield process
            assert process.wait(SECONDS) == 0
            assert process.stderr.read() == ""
        finally:
            process.kill()


def url_of(kubeconfig: Path) -> str:
    url: str = load_yaml(kubeconfig.read_text())["clusters"][0]["cluster"]["server"]
    return url


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_process_ends_when_it_is_told_to(tmp_path: Path, number: signal.Signals) -> None:
    """It writes a kubeconfig that works, and exits 0 without a word."""
    kubeconfig = tmp_path / "kubeconfig"
    with running(kubeconfig) as process:
        assert "denis" in kubectl_for(kubeconfig, tmp_path)("get", "deploy", "-o", "name")
        process.send_signal(number)


def test_the_process_ends_with_its_parent(tmp_path: Path) -> None:
    """With --until-stdin-closes the end of standard input is the end."""
    with running(tmp_path / "kubeconfig", "--until-stdin-closes") as process:
        assert process.stdin is not None
        process.stdin.close()


def test_the_process_ends_although_a_watch_is_open(tmp_path: Path) -> None:
    """A client that watches does not hold it up."""
    kubeconfig = tmp_path / "kubeconfig"
    path = "/api/v1/namespaces/denis/pods?watch=1"
    with (
        running(kubeconfig) as process,
        urllib.request.urlopen(url_of(kubeconfig) + path, timeout=SECONDS) as response,
    ):
        assert json.loads(response.readline())["type"] == "ADDED"
        process.terminate()
        assert len(list(response)) == 6


def test_a_process_that_cannot_listen_says_so(cluster: EmbeddedCluster, tmp_path: Path) -> None:
    """A port that is taken is exit code 1 and one line."""
    port = cluster.url.rpartition(":")[2]
    command = [sys.executable, "-m", "remediator.sandbox", f"--port={port}"]
    kubeconfig = tmp_path / "kubeconfig"
    done = subprocess.run(
        [*command, f"--kubeconfig={kubeconfig}"], capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("embedded cluster: ")
    assert not kubeconfig.exists()

"""`remediator canary verify`: the running canary against what it should be."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import repeat
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from demo.denis import Denis
from demo.waiting import until
from remediator.canary.pods import MAX_METRICS_BYTES, Pods
from remediator.core.policy import Target
from remediator.kube.connection import Connection
from remediator.kube.errors import ClusterError, NotFound, Unavailable
from remediator.sandbox import EmbeddedCluster
from remediator.sandbox.kubeconfig import kubeconfig
from tests.acceptance.incidents import canary
from tests.monitoring.wire import JSON, Wire, answer
from tests.support.builders import DENIS
from tests.support.commands import run
from tests.support.control_plane import ControlPlane
from tests.support.faults import Answer, FaultyApi, HangUp
from tests.support.kubectl import patch_deployment
from tests.support.loopback import Handler
from tests.support.service import SHIPPED
from tests.support.stand_in import StandIn

HEALTHY = "materializer_success_rate 0.99\nerror_rate 0.01\nasync_queue_depth 3\nmaterializer_latency_p99 0.2\n"
ALL = ["flags", "rollout", "template", "pods", "metrics"]
GAUGES = ["materializer_success_rate", "error_rate", "async_queue_depth", "materializer_latency_p99"]

Verify = Callable[..., tuple[int, dict[str, Any]]]


class ProxyingApi(FaultyApi):
    """The API server's pod proxy, which the embedded cluster does not have: what a pod exports is in `exports`."""

    def __init__(self, upstream: str) -> None:
        super().__init__(upstream)
        self.exports: Callable[[str], tuple[int, bytes]] = lambda pod: (200, HEALTHY.encode())
        self.proxied: list[str] = []

    def answer(self, request: Handler) -> None:
        """Answer for the pod, or pass the request on."""
        path, proxied, rest = unquote(request.path).partition("/proxy/")
        if not proxied:
            super().answer(request)
            return
        self.proxied.append(f"{path.rpartition('/')[2]}/{rest}")
        self._reply(request, *self.exports(path.rpartition("/")[2]))


@pytest.fixture
def api(embedded: EmbeddedCluster) -> Iterator[ProxyingApi]:
    """The embedded cluster with a pod proxy."""
    with ProxyingApi(embedded.url) as proxy:
        yield proxy


@pytest.fixture
def denis() -> Iterator[StandIn]:
    """A DENIS that exports what it is told to."""
    with StandIn({"/metrics": HEALTHY}) as stand_in:
        yield stand_in


@pytest.fixture
def verify(api: ProxyingApi, denis: StandIn, tmp_path: Path) -> Verify:
    """Runs the command; its exit code, and its checks by name."""
    kubeconfig = api.write_kubeconfig(tmp_path / "kubeconfig", token="s3cret-t0ken")

    def call(*arguments: str) -> tuple[int, dict[str, Any]]:
        where = ("--kubeconfig", kubeconfig, "-o", "json")
        result = run("canary", "verify", "--denis.url", denis.url, *where, *arguments)
        assert "s3cret" not in result.output
        if not result.stdout:
            return result.exit_code, {"output": result.output}
        answer = json.loads(result.stdout)
        assert answer["passed"] is (result.exit_code == 0)
        return result.exit_code, {check["name"]: check for check in answer["checks"]}

    return call


def test_a_canary_as_it_should_be(embedded: EmbeddedCluster, tmp_path: Path) -> None:
    """Every check is a tick, against the percentage that the flags say, with the demo's DENIS."""
    kubeconfig = tmp_path / "kubeconfig"
    embedded.write_kubeconfig(kubeconfig)
    with Denis(embedded.url) as exporter:
        result = run("canary", "verify", "--kubeconfig", kubeconfig, "--denis.url", f"http://{exporter.address}")

    assert result.exit_code == 0
    *lines, empty, last = result.output.splitlines()
    assert (empty, last) == ("", f"{len(lines)} passed")
    assert [line.split()[:2] for line in lines] == [["✓", name] for name in [*ALL, *GAUGES]]
    assert "✓ flags                      the Deployment has all 4 flags of 10 %" in lines
    assert "✓ pods                       every pod carries the flags of 10 % (3)" in lines
    assert "✓ materializer_success_rate  0.994" in lines


def test_another_percentage_is_3(verify: Verify) -> None:
    """Against 50 % the flags and the pods are crosses that say what is wrong, and what to do."""
    code, checks = verify("50")

    assert code == 3
    assert [name for name, check in checks.items() if not check["passed"]] == ["flags", "pods"]
    assert checks["flags"]["found"].startswith("DENIS_MATERIALIZERS_PCT is 10, wanted is 50; RUNS_ENABLED is false")
    assert "written by helm at" in checks["flags"]["found"]
    assert checks["flags"]["remedy"] == "remediator canary set 50"


def set_flag(embedded: EmbeddedCluster, name: str, value: str, **spec: Any) -> None:
    """`kubectl set env` of a flag."""
    env = [{"name": name, "value": value}]
    template = {"spec": {"containers": [{"name": "denis", "env": env}]}}
    patch_deployment(embedded, {"spec": {"template": template, **spec}})


def test_pods_that_do_not_follow(embedded: EmbeddedCluster, verify: Verify) -> None:
    """In a paused Deployment the flags are there and no pod has them; the rollout and the pods say so."""
    set_flag(embedded, "DENIS_MATERIALIZERS_PCT", "1", paused=True)
    code, checks = verify("1")

    assert code == 3
    assert checks["flags"]["passed"]
    assert "the Deployment is paused" in checks["rollout"]["found"]
    assert checks["template"]["found"] == "there is no ReplicaSet of the Deployment's template yet"
    assert "DENIS_MATERIALIZERS_PCT is 10, wanted is 1" in checks["pods"]["found"]


@pytest.mark.parametrize(("name", "value"), [("DENIS_MATERIALIZERS_PCT", "7"), ("DENIS_MATERIALIZERS_PCT", "many")])
def test_flags_that_are_no_step(embedded: EmbeddedCluster, verify: Verify, name: str, value: str) -> None:
    """Flags that say no percentage of the file cannot be verified without one."""
    set_flag(embedded, name, value)
    code, checks = verify()

    assert code == 3
    assert not checks["flags"]["passed"]
    assert checks["flags"]["remedy"] == "give the PERCENTAGE"


@pytest.mark.parametrize(
    ("exported", "bad"),
    [
        (HEALTHY.replace("0.99", "99"), {"materializer_success_rate"}),
        (HEALTHY.replace("0.99", "0").replace("0.2", "0"), {"materializer_success_rate", "materializer_latency_p99"}),
        ("", set(GAUGES)),
    ],
    ids=["percent", "unmeasured", "empty"],
)
def test_gauges_that_cannot_be_believed(verify: Verify, denis: StandIn, exported: str, bad: set[str]) -> None:
    """A gauge of a wrong unit, without measurements or without a series is not verified, and the others are."""
    denis.answers["/metrics"] = exported
    code, checks = verify()

    assert code == 3
    assert {name for name, check in checks.items() if not check["passed"]} == bad


def test_the_unit_of_denis(verify: Verify, denis: StandIn) -> None:
    """With --denis.unit=percent rates up to 100 are as they should be."""
    denis.answers["/metrics"] = HEALTHY.replace("0.99", "99").replace("0.01", "1")

    assert verify("--denis.unit", "percent")[0] == 0


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ((404, b"no"), "404: Not Found"),
        ("<html>login</html>\n", "what DENIS exports is not in Prometheus's format"),
        (b"#" * (17 * 1024 * 1024), "the answer is larger than 16 MiB"),
    ],
    ids=["404", "html", "large"],
)
def test_a_denis_that_answers_something_else(verify: Verify, denis: StandIn, answer: Any, problem: str) -> None:
    """What is no exposition is one cross that says why; the checks of the cluster stand."""
    denis.answers["/metrics"] = answer
    code, checks = verify()

    assert code == 3
    assert list(checks) == ALL
    assert [check["passed"] for check in checks.values()] == [True, True, True, True, False]
    assert problem in checks["metrics"]["found"]


def test_a_denis_that_never_ends(verify: Verify) -> None:
    """An answer that keeps coming costs five seconds, and no more."""
    with Wire([JSON + b"\r\n", *repeat(b"#\n", 1000)], pause=0.1) as wire:
        code, checks = verify("--denis.url", wire.url)

    assert code == 3
    assert "no complete answer in 5 s" in checks["metrics"]["found"]


def test_through_the_pod_proxy(verify: Verify, api: ProxyingApi, denis: StandIn) -> None:
    """Every ready pod is asked once, on its port and path, and the values of all are held to the unit."""
    assert verify("--denis.via-pods", "--denis.port", "9100")[0] == 0
    assert len(api.proxied) == 3
    assert all(asked.endswith(":9100/metrics") for asked in api.proxied)
    assert denis.paths == []


def test_one_pod_of_many_is_bad(verify: Verify, api: ProxyingApi) -> None:
    """A pod with a bad value, and one that does not answer, are named; the rest is still judged."""
    bad, mute = [], []

    def exports(pod: str) -> tuple[int, bytes]:
        if len(api.proxied) == 1:
            bad.append(pod.removesuffix(":8084"))
            return 200, HEALTHY.replace("0.01", "-1").encode()
        if len(api.proxied) == 2:
            mute.append(pod.removesuffix(":8084"))
            return 503, b'{"kind": "Status", "message": "error trying to reach service"}'
        return 200, HEALTHY.encode()

    api.exports = exports
    code, checks = verify("--denis.via-pods")

    assert code == 3
    assert checks["metrics"]["found"] == f"{mute[0]}: the pod answered 503: error trying to reach service"
    assert checks["error_rate"]["found"] == f"{bad[0]}: -1 is negative"
    assert checks["async_queue_depth"]["passed"]


def test_a_pod_that_exports_without_end(verify: Verify, api: ProxyingApi) -> None:
    """No more is read of a pod than any DENIS could export."""
    api.exports = lambda pod: (200, b"#" * (MAX_METRICS_BYTES + 1))
    code, checks = verify("--denis.via-pods")

    assert code == 3
    assert "the pod's answer is over 4 MiB" in checks["metrics"]["found"]


@pytest.mark.parametrize("status", [b"200 OK", b"404 Not Found", b"500 Internal Server Error", b"302 Found"])
def test_a_pod_that_never_ends(tmp_path: Path, status: bytes) -> None:
    """A pod whose answer keeps coming is left when its time is over, whatever the answer says."""
    path, began = tmp_path / "kubeconfig", time.monotonic()
    with Wire([JSON.replace(b"200 OK", status) + b"\r\n", *repeat(b"#\n", 600)], pause=0.1) as wire:
        path.write_text(kubeconfig(wire.url))
        with pytest.raises(Unavailable, match="the pod gave no complete answer in time"):
            Pods(Connection(path)).metrics(DENIS, "denis-1", 8084, timeout=0.5)
    assert time.monotonic() - began < 40


def test_a_pod_that_fails_at_length(verify: Verify, api: ProxyingApi) -> None:
    """No more is read of an error than of metrics."""
    api.exports = lambda pod: (500, b"#" * (MAX_METRICS_BYTES + 1))
    assert "the pod's answer is over 4 MiB" in verify("--denis.via-pods")[1]["metrics"]["found"]


def test_a_pod_that_leads_elsewhere(tmp_path: Path) -> None:
    """A redirect by a pod is not followed, for it could lead anywhere with our credentials."""
    path = tmp_path / "kubeconfig"
    head = JSON.replace(b"200 OK", b"302 Found") + b"Location: /api/v1/secrets\r\n"
    with Wire(answer(b"", head=head)) as wire:
        path.write_text(kubeconfig(wire.url))
        with pytest.raises(ClusterError, match="answered 302: Found"):
            Pods(Connection(path)).metrics(DENIS, "denis-1", 8084)
    assert len(wire.requests) == 1


def test_the_clock_of_a_pod_is_not_the_api_servers(tmp_path: Path) -> None:
    """What time a pod says it is, or whether it says a time at all, changes nothing of what is recorded."""
    path = tmp_path / "kubeconfig"
    for date in (b"garbage", b"Sat, 01 Jan 2000 00:00:00 GMT"):
        with Wire(answer(HEALTHY.encode(), head=JSON + b"Date: " + date + b"\r\n")) as wire:
            path.write_text(kubeconfig(wire.url))
            connection = Connection(path)
            assert Pods(connection).metrics(DENIS, "denis-1", 8084) == HEALTHY
        assert connection.skew == timedelta(0)


def test_without_a_ready_pod(embedded: EmbeddedCluster, verify: Verify) -> None:
    """A canary at 0 replicas has nobody to ask."""
    patch_deployment(embedded, {"spec": {"replicas": 0}})
    code, checks = verify("--denis.via-pods")

    assert code == 3
    assert checks["metrics"]["found"] == "no pod is ready"
    assert checks["rollout"]["found"] == "0 replicas are wanted, so nothing runs"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("7",), "'7' is no step of the canary; write 0, 1, 10, 50 or 100"),
        (("--denis.url", "ftp://denis"), "'ftp://denis' is not the URL of DENIS"),
        (("--denis.unit", "permille"), "is not one of 'ratio', 'percent'"),
        (("--denis.port", "70000"), "70000 is not in the range"),
        (("--target", "nobody"), "'nobody' is no canary of the file; it has: denis"),
        (("--context", "staging"), "staging"),
    ],
)
def test_wrong_usage_is_2(verify: Verify, arguments: tuple[str, ...], problem: str) -> None:
    """What is wrong is said before anything is looked at."""
    code, found = verify(*arguments)

    assert code == 2
    assert problem in found["output"]


@pytest.mark.parametrize(
    ("fault", "problem"),
    [(Answer(status=403, message="no"), "answered 403: no"), (HangUp(), "no answer from ")],
    ids=["forbidden", "gone"],
)
def test_without_the_deployment_nothing_is_verified(verify: Verify, api: ProxyingApi, fault: Any, problem: str) -> None:
    """An API server that does not tell is a failure of the command, and not of the canary."""
    api.always("GET", fault)
    code, found = verify()

    assert code == 1
    assert problem in found["output"]


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        ("{namespace: denis, deployment: none, container: denis}", "Deployment none in namespace denis is not there"),
        ("{namespace: denis, deployment: denis, container: other}", "it has no containers named other"),
    ],
    ids=["no-deployment", "no-container"],
)
def test_a_target_that_cannot_be_used(embedded: EmbeddedCluster, tmp_path: Path, target: str, problem: str) -> None:
    """A Deployment that is not there or has no such container ends the command with 1."""
    config, kubeconfig = tmp_path / "remediations.yaml", tmp_path / "kubeconfig"
    config.write_text(SHIPPED.read_text().replace("{namespace: denis, deployment: denis, container: denis}", target))
    embedded.write_kubeconfig(kubeconfig)
    result = run("canary", "verify", "--kubeconfig", kubeconfig, config=config)

    assert result.exit_code == 1
    assert problem in result.output


VIEWER = """
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: viewer}
rules:
- {apiGroups: [apps], resources: [deployments, replicasets], verbs: [get, list]}
- {apiGroups: [""], resources: [pods], verbs: [list]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: viewer}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: viewer}
subjects: [{kind: ServiceAccount, name: default}]
"""


@pytest.fixture
def namespace(control_plane: ControlPlane) -> Iterator[str]:
    """A namespace of the real control plane with a canary whose pods run, as far as kwok plays it."""
    name = control_plane.namespace("verify")
    assert control_plane.api.post(f"/apis/apps/v1/namespaces/{name}/deployments", canary("denis")).code == 201
    control_plane.await_rollout("denis", name)
    yield name
    control_plane.leave_namespace(name)


def test_on_a_real_control_plane(control_plane: ControlPlane, namespace: str, denis: StandIn, tmp_path: Path) -> None:
    """With rights to look and no others it verifies a real rollout, before and after the flags change."""
    config = tmp_path / "remediations.yaml"
    config.write_text(SHIPPED.read_text().replace("namespace: denis", f"namespace: {namespace}"))
    control_plane.apply(VIEWER, namespace)
    kubeconfig = control_plane.service_account_kubeconfig(namespace, "default")

    def verify(*arguments: str) -> Any:
        where = ("--kubeconfig", kubeconfig, "--denis.url", denis.url, "-o", "json")
        return run("canary", "verify", *where, *arguments, config=config)

    until("the account has its rights", lambda: verify().exit_code != 1, 60)
    assert verify().exit_code == 0, verify().output
    control_plane.kubectl("set", "env", "deployment/denis", "-n", namespace, "DENIS_MATERIALIZERS_PCT=1")
    control_plane.await_rollout("denis", namespace)
    assert verify("10").exit_code == 3
    # The last pods of the old template may still be on their way out; they are none of the canary's.
    assert verify("1").exit_code == 0, verify("1").output

    # The proxy is refused before anything is sent to a pod: kwok's pods have addresses of nobody.
    refused = json.loads(verify("--denis.via-pods").output)["checks"][-1]
    assert refused["name"] == "metrics"
    assert 'cannot get resource "pods/proxy"' in refused["found"]


def test_without_rights_on_pods(control_plane: ControlPlane, namespace: str, denis: StandIn, tmp_path: Path) -> None:
    """Who may not list ReplicaSets is told so in a check; the Deployment is verified all the same."""
    config = tmp_path / "remediations.yaml"
    config.write_text(SHIPPED.read_text().replace("namespace: denis", f"namespace: {namespace}"))
    control_plane.apply(VIEWER.replace(", replicasets", "").replace("[list]", "[watch]"), namespace)
    kubeconfig = control_plane.service_account_kubeconfig(namespace, "default")
    where = ("--kubeconfig", kubeconfig, "--denis.url", denis.url)
    until(
        "the account has its rights",
        lambda: run("canary", "verify", *where, config=config).exit_code != 1,
        60,
    )
    result = run("canary", "verify", *where, config=config)

    assert result.exit_code == 3
    assert "✓ flags" in result.output
    assert "✗ pods " in result.output
    assert 'cannot list resource "replicasets" in API group "apps"' in result.output


def test_a_pod_that_is_not_there(control_plane: ControlPlane, namespace: str) -> None:
    """The real pod proxy says of a pod that has gone that it is not there."""
    gone = Target(name="denis", namespace=namespace, deployment="denis", container="denis")
    with pytest.raises(NotFound, match=r'pods "denis-gone" not found'):
        Pods(Connection(control_plane.kubeconfig)).metrics(gone, "denis-gone", 8084)


def test_a_cluster_without_a_way_to_its_pods_is_named(embedded: EmbeddedCluster) -> None:
    """The embedded cluster has no pods/proxy: that is said, and what was just tried is not advised again."""
    found = run("canary", "verify", "10", "--denis.via-pods", "-o", "json", f"--kubeconfig={embedded.kubeconfig}")
    (metrics,) = [check for check in json.loads(found.output)["checks"] if check["name"] == "metrics"]
    assert "no pods/proxy, like that of `remediator serve --embedded`" in metrics["found"]
    assert "--denis.via-pods" not in metrics["remedy"]
    assert "kubectl -n denis port-forward deployment/denis 8084" in metrics["remedy"]

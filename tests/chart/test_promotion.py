"""The CronJob's command as its Pod runs it: with the promoter's token, and a real Prometheus with the chart's rules.

Only the phases are shorter, and DENIS is a healthy stand-in.
"""

import base64
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from demo import shipped
from demo.denis import Denis
from demo.stack import Prometheus
from demo.waiting import until
from remediator.core.ledger import LEDGER, PAUSE, Pause, encode_pause
from tests.acceptance.crossing import Crossing
from tests.acceptance.stack import PACE
from tests.chart.cases import case
from tests.chart.deployments import denis
from tests.chart.helm import Helm, Helm3, Object, only
from tests.chart.installation import PROMOTER, RELEASE, SECONDS, Installation, values_for
from tests.chart.test_install import of_cluster
from tests.contract.workload import is_settled
from tests.monitoring.test_http_config import BCRYPT, SECRET
from tests.support.builders import PROFILES
from tests.support.components import component
from tests.support.control_plane import ControlPlane
from tests.support.documents import dump_yaml

MOUNT = "/etc/remediator/config"
HTTP_MOUNT = "/etc/remediator/http"
ACCESS = "monitoring-access"
"""The Secret with the way to Prometheus, and its token."""
PHASES = [{"percentage": 10, "hold": "4s", "min_success_rate": 0.9, "max_error_rate": 0.05}]
NOWHERE = "http://127.0.0.1:9"


class Recording(Crossing):
    """A way to the API server that remembers what went over it."""

    def __init__(self, plane: ControlPlane) -> None:
        super().__init__(plane.server.address, plane.server.trust())
        self.requests: set[tuple[str, str]] = set()

    def pass_on(self, request: Any) -> None:
        """Remember a request, and pass it on."""
        self.requests.add((request.command, request.path.partition("?")[0]))
        super().pass_on(request)


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """A release whose CronJob is run by hand."""

    promoter: Installation
    crossing: Recording
    directory: Path

    def run(self) -> subprocess.CompletedProcess[str]:
        """Start what the CronJob's Pod would start."""
        plane, namespace = self.promoter.plane, self.promoter.namespace
        (container,) = pod(plane.get("cronjob", PROMOTER.name, namespace))["containers"]
        files = plane.get("configmap", RELEASE, namespace)["data"]
        (self.directory / "remediations.yaml").write_text(files["remediations.yaml"])
        # What kubelet does with the Secret that the Pod mounts.
        (volume,) = (one for one in pod(plane.get("cronjob", PROMOTER.name, namespace))["volumes"] if "secret" in one)
        for key, value in plane.get("secret", volume["secret"]["secretName"], namespace)["data"].items():
            (self.directory / "http").mkdir(exist_ok=True)
            (self.directory / "http" / key).write_bytes(base64.b64decode(value))
        places = {MOUNT: str(self.directory), HTTP_MOUNT: str(self.directory / "http")}
        arguments = container["args"]
        for mount, place in places.items():
            arguments = [argument.replace(mount, place) for argument in arguments]
        environment = {variable["name"]: variable["value"] for variable in container.get("env", [])}
        return subprocess.run(
            [Path(sys.executable).with_name("remediator"), *arguments, f"--kubeconfig={self.promoter.kubeconfig}"],
            env={"PATH": os.environ["PATH"], **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def pause(self, until: datetime) -> str:
        """Write a pause on the canary by hand; its text."""
        pause = encode_pause(Pause(reason="load test", author="ada", until=until))
        self.promoter.plane.kubectl(
            "annotate",
            "deployment",
            "denis",
            f"{PAUSE}={pause}",
            "--overwrite",
            f"--namespace={self.promoter.namespace}",
        )
        return pause


def pod(cron_job: Object) -> Object:
    """The specification of a CronJob's Pods."""
    found: Object = cron_job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    return found


@pytest.fixture
def promotion(
    control_plane: ControlPlane, helm3_on_cluster: Helm3, make_namespace: Callable[[], str], tmp_path: Path
) -> Iterator[Promotion]:
    """DENIS at 10 %, watched by a Prometheus that wants a password, and the chart with a promoter beside it."""
    namespace = make_namespace()
    values = values_for(namespace, phases=PHASES, rules={"interval": PACE.interval})
    with ExitStack() as running:
        watched = running.enter_context(Denis(NOWHERE))
        files = shipped.watch(PACE, scrape={"denis": watched.address}, alertmanagers=[])
        files["prometheus.json"] = files["prometheus.json"].replace('"denis"}', f'"{namespace}"}}')
        files["denis.rules.yaml"] = only(helm3_on_cluster.render(values), "ConfigMap")["data"]["denis.rules.yaml"]
        program = component("prometheus-newest", "prometheus")
        files["web.yaml"] = dump_yaml({"basic_auth_users": {"ada": BCRYPT}})
        flags = ["--web.config.file=web.yaml"]
        prometheus = running.enter_context(Prometheus(program, tmp_path, files, flags=flags)).ready()
        values["promotion"] |= {
            "prometheusUrl": f"http://{prometheus.address}",
            "httpConfig": {"existingSecret": ACCESS, "key": "http.yaml"},
        }
        access = {"basic_auth": {"username": "ada", "password_file": "password"}}
        data = {"http.yaml": dump_yaml(access), "password": SECRET}
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": ACCESS}, "stringData": data}
        assert control_plane.api.post(f"/api/v1/namespaces/{namespace}/secrets", secret).code == 201
        helm3_on_cluster.install(RELEASE, namespace, values, wait=False)
        promoter = Installation.seen_by(PROMOTER, control_plane, namespace)
        for name in ("denis", "denis-workers"):
            promoter.reset(name, denis(PROFILES[10], name))
        for name in ("denis", "denis-workers"):
            control_plane.api.await_object(promoter.site(name).path, is_settled)
        promoter.await_policy()
        crossing = running.enter_context(Recording(control_plane))
        token = control_plane.token(namespace, PROMOTER.name)
        kubeconfig = control_plane.server.write_kubeconfig(tmp_path / "kubeconfig", token, url=crossing.url)
        yield Promotion(promoter=replace(promoter, kubeconfig=kubeconfig), crossing=crossing, directory=tmp_path)
        helm3_on_cluster.uninstall(RELEASE, namespace)


def test_the_cron_job_holds_and_promotes(promotion: Promotion) -> None:
    """While people hold the canary it ends well and writes nothing; then it takes one step, with its Role's rights."""
    api, path = promotion.promoter.plane.api, promotion.promoter.site("denis").path
    now = datetime.now(UTC)
    promotion.pause(now + timedelta(hours=1))
    until("all is known", lambda: promotion.run().returncode == 0, SECONDS)
    before = api.get(path).body["metadata"]["resourceVersion"]
    held = promotion.run()
    assert held.returncode == 0, held.stderr
    assert "not promoted; the canary stays at 10 %, the verdict is hold" in held.stdout
    assert "load test" in held.stdout
    assert api.get(path).body["metadata"]["resourceVersion"] == before
    assert not any(method == "PATCH" for method, _ in promotion.crossing.requests)

    ended_pause = promotion.pause(now - timedelta(days=1))
    done = until("it steps", lambda: ended if ", written" in (ended := promotion.run()).stdout else None, SECONDS)

    assert (done.returncode, done.stdout.partition(",")[0]) == (0, "denis: 10 % -> 50 %")
    after, workload = api.get(path).body, promotion.promoter.site("denis").read()
    assert workload.percentage() == 50
    assert after["metadata"]["annotations"][PAUSE] == ended_pause
    act = workload.ledger.entries[-1]
    account = f"system:serviceaccount:{promotion.promoter.namespace}:{PROMOTER.name}"
    assert (account in act.operator, act.reason) == (True, "promoted by itself after 10 %")
    assert {entry["manager"] for entry in after["metadata"]["managedFields"] if LEDGER in str(entry)} == {
        PROMOTER.manager
    }
    assert promotion.crossing.requests == {
        ("GET", path),
        ("GET", promotion.promoter.site("denis-workers").path),
        ("PATCH", path),
        # Every authenticated user may ask who they are.
        ("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews"),
    }


def test_the_promoter_comes_and_goes_with_its_value(
    cluster_helm: Helm, control_plane: ControlPlane, make_namespace: Callable[[], str]
) -> None:
    """A Job of it is admitted as "restricted" and ends; an upgrade takes it away, and a rollback brings it back."""
    namespace = make_namespace()

    def promoters() -> int:
        kinds = "cronjobs,roles,rolebindings,serviceaccounts,networkpolicies"
        names = [one["metadata"]["name"] for one in control_plane.objects(kinds, namespace)]
        return sum(name.endswith("-promoter") for name in (*names, *of_cluster(control_plane, namespace)))

    cluster_helm.install(RELEASE, namespace, values_for(namespace, **case("promotion-values")), wait=False)
    assert promoters() == 7
    control_plane.kubectl("create", "job", "now", f"--from=cronjob/{PROMOTER.name}", f"--namespace={namespace}")
    control_plane.kubectl("wait", "job/now", "--for=condition=complete", "--timeout=60s", f"--namespace={namespace}")
    cluster_helm.upgrade(RELEASE, namespace, values_for(namespace, promotion={"enabled": False}))
    assert promoters() == 0
    cluster_helm.rollback(RELEASE, namespace)
    assert promoters() == 7
    cluster_helm.uninstall(RELEASE, namespace)
    assert promoters() == 0
    assert of_cluster(control_plane, namespace) == set()

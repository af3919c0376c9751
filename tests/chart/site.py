"""A whole site on the real control plane: DENIS, the chart, and the real Prometheus and Alertmanager by its objects.

The Pods of the release are processes on a node of their own; those of DENIS are kwok's, and a stand-in exports what
DENIS would.
"""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from typing import Any

from demo.denis import Denis
from demo.process import Process
from demo.stack import Alertmanager, Deployments, Prometheus, metric
from demo.waiting import until
from tests.acceptance.stack import free_address
from tests.chart import monitoring
from tests.chart.deployments import denis
from tests.chart.helm import Helm, changed
from tests.contract.client import STRATEGIC, Client
from tests.support.builders import PROFILES
from tests.support.components import component
from tests.support.control_plane import ControlPlane
from tests.support.control_plane.container import Container
from tests.support.control_plane.node import Node
from tests.support.control_plane.service import Service

RELEASE = "remediator"
CLUSTER = "eu-1"
INTERVAL = "500ms"
SECONDS = 60.0
"""Far more than anything takes; a busy machine may need some of it."""
SOME = 3
"""Answers that are enough to see what all are like."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Everything from a gauge of DENIS to its Pods."""

    plane: ControlPlane
    helm: Helm
    namespace: str
    values: Mapping[str, Any]
    node: Node
    webhook: Service
    denis: Denis
    deployments: Deployments
    prometheus: Prometheus
    alertmanager: Alertmanager

    def upgrade(self, **values: Any) -> None:
        """`helm upgrade --wait` with some other values."""
        self.helm.upgrade(RELEASE, self.namespace, changed(self.values, **values))

    def rollback(self) -> None:
        """`helm rollback --wait` to the revision before."""
        self.helm.rollback(RELEASE, self.namespace)

    def account(self, container: Container) -> Client:
        """The API server as the service in a container sees it: with the token that it was given."""
        token = Path(f"/proc/{container.pid}/root/var/run/secrets/kubernetes.io/serviceaccount/token").read_text()
        return replace(self.plane.api, token=token)

    def counted(self, name: str, **labels: str) -> list[float]:
        """A metric of each running process."""
        return [metric(one.endpoint("internal"), name, **labels) for one in self.node.running()]

    def outcomes(self) -> list[dict[str, Any]]:
        """What the webhook has answered about each alert so far. Fails where an answer was not 200."""
        answers = self.webhook.answers()
        assert {answer.code for answer in answers} <= {HTTPStatus.OK}, answers
        return [outcome for answer in answers for outcome in answer.body["outcomes"]]

    def await_outcomes(self, reason: str, text: str = "") -> None:
        """Wait until some more alerts were answered so."""
        so_far = len(self.outcomes())

        def are_there() -> bool:
            new = self.outcomes()[so_far:]
            return len([one for one in new if one["reason"] == reason and text in one["message"]]) >= SOME

        until(f"more alerts are {reason}: {text}", are_there, SECONDS)

    def assert_one_act(self, target: str, before: int, after: int) -> None:
        """One act, by the ledger, the Deployment, the audit lines of all processes, and the answers to Alertmanager."""
        acts = self.deployments.acts(target)
        assert [(act["from"], act["to"]) for act in acts] == [(before, after)]
        assert self.deployments.generation(target) == 2
        lines = [line for container in self.node.containers.values() for line in container.audit()]
        applied = [line for line in lines if line.get("reason") == "Applied" and line["target"] == target]
        assert [line["actionId"] for line in applied] == [act["id"] for act in acts]
        answered = (one for one in self.outcomes() if (one["reason"], one["target"]) == ("Applied", target))
        told = {one["message"] for one in answered}
        assert len(told) == 1

    def assert_nothing_lost(self) -> None:
        """Alertmanager has given up on no notification, and each that it sent was answered with 200 and a reason."""
        sent = "alertmanager_notifications_total"
        of_webhook = {"integration": "webhook"}

        def agree() -> bool:
            return self.alertmanager.metric(sent, **of_webhook) == len(self.webhook.answers()) > 0

        until("every notification is answered", agree, SECONDS)
        assert self.alertmanager.metric("alertmanager_notifications_failed_total", **of_webhook) == 0
        reasons = {outcome["reason"] for outcome in self.outcomes()}
        assert reasons <= {"Applied", "CoolingDown", "NotFiring", "Heartbeat"}

    def last_words(self) -> str:
        """The ends of all logs, for whoever has to find out why a test failed."""
        processes: list[Process] = [self.prometheus, self.alertmanager, *self.node.containers.values()]
        return "\n".join(f"--- {process.name}\n{process.last_words()}" for process in processes)

    def events(self, reason: str) -> list[str]:
        """The targets of the Events with this reason."""
        listed = self.plane.api.get(f"/apis/events.k8s.io/v1/namespaces/{self.namespace}/events").body["items"]
        ours = (event for event in listed if event.get("reportingController", "").startswith("remediator"))
        return sorted(event["regarding"]["name"] for event in ours if event["reason"] == reason)


def values_for(namespace: str, node: Node) -> dict[str, Any]:
    """Values that a site of today would have, at the pace of a test."""
    place = {"namespace": namespace}
    alerts = ("DenisMaterializerSuccessRateLow", "DenisErrorRateHigh", "DenisQueueDepthHigh")
    return {
        **node.scheduling,
        "cluster": {"name": CLUSTER, "required": True},
        "targets": {"denis": place, "denis-workers": place},
        "rules": {"interval": INTERVAL, "alerts": {name: {"for": "1s"} for name in alerts}},
        "serviceMonitor": {"enabled": True, "interval": "1s", "scrapeTimeout": "1s"},
        "prometheusRule": {"enabled": True},
        # Alertmanager repeats an alert at every groupInterval, because repeatInterval is shorter.
        "alertmanagerConfig": {
            "enabled": True,
            "groupWait": "300ms",
            "groupInterval": "500ms",
            "repeatInterval": "100ms",
        },
        "preStopSleepSeconds": 1,
    }


@contextmanager
def site(plane: ControlPlane, helm: Helm, make_namespace: Callable[[], str], directory: Path) -> Iterator[Site]:
    """Install everything and wait until it is connected: one release with two Pods."""
    monitoring.define_kinds(plane)
    namespace = make_namespace()
    with ExitStack() as stack:
        node = stack.enter_context(Node(plane, directory / "pods"))
        for name in ("denis", "denis-workers"):
            made = plane.api.post(f"/apis/apps/v1/namespaces/{namespace}/deployments", denis(PROFILES[10], name))
            assert made.code == HTTPStatus.CREATED, made
        values = values_for(namespace, node)
        helm.install(RELEASE, namespace, values)
        stack.callback(helm.uninstall, RELEASE, namespace)
        webhook = stack.enter_context(Service(plane.api, namespace, RELEASE, "webhook"))
        api_url = _proxied(stack, plane, directory)
        stand_in = stack.enter_context(Denis(api_url, namespace=namespace))
        config = monitoring.route(
            plane, namespace, RELEASE, service=f"{RELEASE}.{namespace}.svc:8080", address=webhook.address
        )
        program = component("alertmanager-newest", "prometheus-alertmanager")
        alertmanager = stack.enter_context(Alertmanager(program, directory, config=config)).ready()
        files = _watch(plane, namespace, directory, denis=stand_in.address, alertmanager=alertmanager.address)
        program = component("prometheus-newest", "prometheus")
        made_site = Site(
            plane=plane,
            helm=helm,
            namespace=namespace,
            values=values,
            node=node,
            webhook=webhook,
            denis=stand_in,
            deployments=Deployments(api_url, namespace=namespace),
            prometheus=stack.enter_context(Prometheus(program, directory, files)).ready(),
            alertmanager=alertmanager,
        )
        _await_connected(made_site)
        stack.callback(lambda: sys.stdout.write(made_site.last_words()))
        yield made_site


def _proxied(stack: ExitStack, plane: ControlPlane, directory: Path) -> str:
    """The API as DENIS and an administrator see it: plain, and without a token."""
    address = free_address()
    port = address.rpartition(":")[2]
    kubectl = component("kubectl", "kubectl")
    command: list[str | Path] = [kubectl, "proxy", f"--kubeconfig={plane.kubeconfig}", f"--port={port}"]
    stack.enter_context(Process("kubectl-proxy", command, directory))
    return f"http://{address}"


def _watch(plane: ControlPlane, namespace: str, directory: Path, *, denis: str, alertmanager: str) -> dict[str, str]:
    token_file = directory / "prometheus-token"
    token_file.write_text(plane.server.admin_token)
    own = {"job_name": "denis", "static_configs": [{"targets": [denis], "labels": {"namespace": namespace}}]}
    configuration = {
        "global": {"scrape_interval": INTERVAL, "scrape_timeout": INTERVAL, "external_labels": {"cluster": CLUSTER}},
        "rule_files": ["rules.yaml"],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]},
        "scrape_configs": [own, monitoring.scrape_job(plane, namespace, RELEASE, token_file)],
    }
    rules = monitoring.rule_file(plane, namespace, RELEASE)
    return {"rules.yaml": rules, "prometheus.json": json.dumps(configuration)}


def _await_connected(made: Site) -> None:
    """Wait until Prometheus sees both Pods, and the admission policy is in force."""
    until("Prometheus scrapes both", lambda: len(made.prometheus.query('up{job="remediator"} == 1')) == 2, SECONDS)
    account = made.account(made.node.running()[0])
    path = f"/apis/apps/v1/namespaces/{made.namespace}/deployments/denis"
    tried = {"metadata": {"labels": {"tried": "yes"}}}

    def is_in_force() -> bool:
        return account.patch(path, tried, STRATEGIC, dryRun="All").code == HTTPStatus.FORBIDDEN

    until("the policy is in force", is_in_force, SECONDS)

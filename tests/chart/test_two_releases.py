"""Production and staging in one cluster: two releases, one real Prometheus, Alertmanager and API server.

Whatever is wrong in one namespace is done about in that namespace, and neither release keeps the other from seeing or
acting: in both orders of installation, in one unit and in two, with the operator's objects and with plain files. Each
is here once, and test_rules_releases.py crosses orders with units. The services are processes with the configuration
and the identity that the chart gives them.
"""

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from demo.stack import Alertmanager, Prometheus, Remediator
from demo.waiting import until
from tests.chart import monitoring
from tests.chart.deployments import Site, denis
from tests.chart.helm import Helm3
from tests.chart.installation import RELEASE, SERVICE, Installation
from tests.support.builders import PROFILES
from tests.support.components import component
from tests.support.control_plane import ControlPlane
from tests.support.documents import load_yaml
from tests.support.stand_in import StandIn

CLUSTER = "eu-1"
INTERVAL = "500ms"
SECONDS = 60.0
RULE_FILES = ("denis.rules.yaml", "remediator.rules.yaml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """What DENIS exports at 100 %."""

    name: str
    hundred: float


RATIO, PERCENT = Unit(name="ratio", hundred=1), Unit(name="percent", hundred=100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One release, its service, and what its DENIS exports."""

    installation: Installation
    unit: Unit
    denis: StandIn
    remediator: Remediator

    @property
    def site(self) -> Site:
        """The canary, as the administrator sees it."""
        return self.installation.site("denis", self.installation.plane.api)

    def export(self, *, errors: float, queue: int = 0) -> None:
        """Let DENIS export an error rate, a ratio here, in its own unit."""
        scale = self.unit.hundred
        gauges = {
            "error_rate": errors * scale,
            "materializer_success_rate": (1 - errors) * scale,
            "materializer_latency_p99": 0.2,
            "async_queue_depth": queue,
        }
        self.denis.answers["/metrics"] = "".join(
            f"# TYPE {name} gauge\n{name} {value}\n" for name, value in gauges.items()
        )

    def acts(self) -> list[tuple[int | None, int | None]]:
        """From where to where each act led, by the ledger on the canary."""
        return [(entry.before, entry.after) for entry in self.site.read().ledger.entries]

    def reasons(self) -> set[str]:
        """How the service has answered alerts so far."""
        return {line["reason"] for line in self.remediator.decisions()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Both:
    """The two releases, and what watches them."""

    production: Release
    staging: Release
    prometheus: Prometheus
    alertmanager: Alertmanager

    def firing(self) -> set[tuple[str, str]]:
        """Name and namespace of each alert about DENIS that fires."""
        alerts = (alert for alert in self.prometheus.alerts() if alert["state"] == "firing")
        found = {(one["labels"]["alertname"], one["labels"].get("namespace", "")) for one in alerts}
        return {(name, namespace) for name, namespace in found if name.startswith("Denis")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How the two come into the cluster."""

    production_first: bool
    staging_unit: Unit
    operator: bool

    def __str__(self) -> str:
        order = "production first" if self.production_first else "staging first"
        return f"{order}, {self.staging_unit.name}, {'operator' if self.operator else 'plain files'}"


PLANS = [
    Plan(production_first=True, staging_unit=RATIO, operator=False),
    Plan(production_first=False, staging_unit=PERCENT, operator=True),
]


def values_for(namespace: str, unit: Unit) -> dict[str, Any]:
    """Values of one release at the pace of a test."""
    place = {"namespace": namespace}
    alerts = ("DenisMaterializerSuccessRateLow", "DenisErrorRateHigh", "DenisQueueDepthHigh")
    return {
        "cluster": {"name": CLUSTER},
        "targets": {"denis": place, "denis-workers": place},
        "rules": {"unit": unit.name, "interval": INTERVAL, "alerts": {name: {"for": "1s"} for name in alerts}},
        "prometheusRule": {"enabled": True},
        "alertmanagerConfig": {
            "enabled": True,
            "groupWait": "300ms",
            "groupInterval": "500ms",
            "repeatInterval": "100ms",
        },
    }


@pytest.fixture(params=PLANS, ids=str)
def both(
    control_plane: ControlPlane, make_namespace: Callable[[], str], tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Both]:
    """Both releases as a plan wants them, healthy and watched."""
    plan: Plan = request.param
    monitoring.define_kinds(control_plane)
    namespaces = {"production": make_namespace(), "staging": make_namespace()}
    units = {"production": RATIO, "staging": plan.staging_unit}
    order = ["production", "staging"] if plan.production_first else ["staging", "production"]
    helm = Helm3(tmp_path, control_plane.kubeconfig)
    with ExitStack() as stack:
        for name in order:
            helm.install(RELEASE, namespaces[name], values_for(namespaces[name], units[name]), wait=False)
            stack.callback(helm.uninstall, RELEASE, namespaces[name])
        releases = {name: start(stack, control_plane, namespaces[name], units[name], tmp_path / name) for name in order}
        for release in releases.values():
            release.export(errors=0.005)
        config = route(control_plane, [releases[name] for name in order], tmp_path, operator=plan.operator)
        program = component("alertmanager-newest", "prometheus-alertmanager")
        alertmanager = stack.enter_context(Alertmanager(program, tmp_path, config=config)).ready()
        files = watch(control_plane, releases, order, alertmanager.address, operator=plan.operator)
        program = component("prometheus-newest", "prometheus")
        prometheus = stack.enter_context(Prometheus(program, tmp_path, files)).ready()
        until("both are scraped", lambda: len(prometheus.query('up{job="denis"} == 1')) == 2, SECONDS)
        yield Both(**releases, prometheus=prometheus, alertmanager=alertmanager)


def start(stack: ExitStack, plane: ControlPlane, namespace: str, unit: Unit, directory: Path) -> Release:
    """The service of a release, with the token, the rights and the file that the chart gave it."""
    directory.mkdir()
    made = Installation.seen_by(SERVICE, plane, namespace)
    for name in ("denis", "denis-workers"):
        made.reset(name, denis(PROFILES[10], name))
    made.await_policy()
    config, token = directory / "remediations.yaml", directory / "token"
    config.write_text(plane.get("configmap", RELEASE, namespace)["data"]["remediations.yaml"])
    token.write_bytes(base64.b64decode(plane.get("secret", RELEASE, namespace)["data"]["token"]))
    given = [f"--kubeconfig={made.kubeconfig}", f"--cluster={CLUSTER}"]
    remediator = Remediator(directory, token_files=[token], cluster=given, config=config)
    stack.enter_context(remediator)
    exporter = stack.enter_context(StandIn())
    return Release(installation=made, unit=unit, denis=exporter, remediator=remediator.ready())


def route(plane: ControlPlane, releases: list[Release], directory: Path, *, operator: bool) -> str:
    """Alertmanager's configuration with the routes of both, by the operator or out of the ConfigMaps."""
    routes, receivers = [], []
    for release in releases:
        namespace = release.installation.namespace
        if operator:
            config = json.loads(
                monitoring.route(
                    plane,
                    namespace,
                    RELEASE,
                    service=f"{RELEASE}.{namespace}.svc:8080",
                    address=release.remediator.address,
                    # The harder way: the operator restricts no route to its namespace, so that the chart has to.
                    restricted=False,
                )
            )
            (receiver,) = (one for one in config["receivers"] if one["name"] != "people")
            receiver["name"] = f"{namespace}/{receiver['name']}"
            (acts,) = config["route"]["routes"]
            for one in (acts, *acts["routes"]):
                one["receiver"] = receiver["name"]
        else:
            config = load_yaml(plane.get("configmap", RELEASE, namespace)["data"]["alertmanager.yaml"])
            (receiver,) = (one for one in config["receivers"] if one["name"] != "on-call")
            (webhook,) = receiver["webhook_configs"]
            assert webhook["url"] == f"http://{RELEASE}.{namespace}.svc:8080/webhook"
            webhook["url"] = f"http://{release.remediator.address}/webhook"
            token = release.remediator.output.parent / "token"
            webhook["http_config"]["authorization"]["credentials_file"] = str(token)
        routes += [one for one in config["route"]["routes"] if one["receiver"] == receiver["name"]]
        receivers.append(receiver)
    top = {"receiver": "people", "routes": routes}
    return json.dumps({"route": top, "receivers": [{"name": "people"}, *receivers]})


def watch(
    plane: ControlPlane, releases: dict[str, Release], order: list[str], alertmanager: str, *, operator: bool
) -> dict[str, str]:
    """Prometheus's files: the rules of both releases, and one job for DENIS in both namespaces."""
    files: dict[str, str] = {}
    targets = []
    for name in order:
        namespace = releases[name].installation.namespace
        if operator:
            files[f"{name}.yaml"] = monitoring.rule_file(plane, namespace, RELEASE)
        else:
            data = plane.get("configmap", RELEASE, namespace)["data"]
            files |= {f"{name}.{file}": data[file] for file in RULE_FILES}
        address = releases[name].denis.url.removeprefix("http://")
        targets.append({"targets": [address], "labels": {"namespace": namespace}})
    configuration = {
        "global": {"scrape_interval": INTERVAL, "scrape_timeout": INTERVAL, "external_labels": {"cluster": CLUSTER}},
        "rule_files": list(files),
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]},
        "scrape_configs": [{"job_name": "denis", "static_configs": targets}],
    }
    return {**files, "prometheus.json": json.dumps(configuration)}


def test_each_release_acts_on_its_own(both: Both) -> None:
    """Each incident is dealt with in its own namespace, and the unit of one is no contradiction to the other."""
    production, staging = both.production, both.staging
    names = {release: release.installation.namespace for release in (production, staging)}

    staging.export(errors=0.6)
    until("staging is taken back", lambda: staging.acts() == [(10, 0)], SECONDS)
    until("staging's alert is sent again", lambda: "CoolingDown" in staging.reasons(), SECONDS)
    assert (production.acts(), production.site.read().percentage()) == ([], 10)
    assert production.reasons() == set()

    production.export(errors=0.08)
    until("production is taken back", lambda: production.acts() == [(10, 0)], SECONDS)
    until("production's alert is sent again", lambda: "CoolingDown" in production.reasons(), SECONDS)
    assert staging.acts() == [(10, 0)]
    assert staging.reasons() | production.reasons() <= {"Applied", "CoolingDown", "NotFiring"}

    rollbacks = ("DenisErrorRateHigh", "DenisMaterializerSuccessRateLow")
    assert both.firing() <= {(alert, namespace) for alert in rollbacks for namespace in names.values()}
    assert ("DenisErrorRateHigh", names[production]) in both.firing()

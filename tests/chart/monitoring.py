"""What the Prometheus Operator makes of the chart's objects: rules, a scrape job and a route, for the real programs.

The objects come from the API server, where the chart put them. Two things differ from what the operator writes: an
address of loopback stands for the Service, and one for each Pod.
"""

import base64
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from demo.waiting import until
from tests.contract.client import Client
from tests.support.control_plane import ControlPlane
from tests.support.control_plane.container import local_port
from tests.support.documents import dump_yaml

GROUP = "monitoring.coreos.com"
KINDS = {"ServiceMonitor": "v1", "PrometheusRule": "v1", "AlertmanagerConfig": "v1alpha1"}
INTERNAL_PORT = 9090
SECONDS = 60.0
Object = dict[str, Any]


def define_kinds(plane: ControlPlane) -> None:
    """Let the API server know the kinds, with any content: test_operator_objects.py judges that."""
    for kind, version in KINDS.items():
        plural = f"{kind.lower()}s"
        anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        served = {"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": anything}}
        names = {"kind": kind, "plural": plural, "singular": kind.lower()}
        plane.apply(
            {
                "apiVersion": "apiextensions.k8s.io/v1",
                "kind": "CustomResourceDefinition",
                "metadata": {"name": f"{plural}.{GROUP}"},
                "spec": {"group": GROUP, "scope": "Namespaced", "names": names, "versions": [served]},
            }
        )
        path = f"/apis/{GROUP}/{version}/{plural}"
        until(f"{kind} is served", lambda path=path: plane.api.get(path).code == 200, SECONDS)  # type: ignore[misc]


def rule_file(plane: ControlPlane, namespace: str, name: str) -> str:
    """The PrometheusRule as a file of rules."""
    return dump_yaml({"groups": _spec(plane, "PrometheusRule", namespace, name)["groups"]})


def scrape_job(plane: ControlPlane, namespace: str, name: str, token_file: Path) -> Object:
    """The ServiceMonitor as a job that discovers the Pods on the API server."""
    spec = _spec(plane, "ServiceMonitor", namespace, name)
    (endpoint,) = spec["endpoints"]
    service, local = "__meta_kubernetes_service", {"target_label": "__address__", "source_labels": ["__address__"]}
    keep = {f"{service}_label_{_label(key)}": value for key, value in spec["selector"]["matchLabels"].items()}
    keep["__meta_kubernetes_endpointslice_port_name"] = endpoint["port"]
    taken = {"namespace": "__meta_kubernetes_namespace", "pod": "__meta_kubernetes_pod_name", "job": f"{service}_name"}
    return {
        "job_name": f"serviceMonitor/{namespace}/{name}/0",
        "scrape_interval": endpoint["interval"],
        "scrape_timeout": endpoint["scrapeTimeout"],
        "metrics_path": endpoint["path"],
        "kubernetes_sd_configs": [
            {
                "role": "endpointslice",
                "namespaces": {"names": spec["namespaceSelector"]["matchNames"]},
                "api_server": plane.url,
                "authorization": {"credentials_file": str(token_file)},
                "tls_config": {"ca_file": str(plane.server.certificate)},
            }
        ],
        "relabel_configs": [
            *({"action": "keep", "source_labels": [label], "regex": value} for label, value in keep.items()),
            *({"target_label": label, "source_labels": [source]} for label, source in taken.items()),
            {**local, "regex": f"10(.+):{INTERNAL_PORT}", "replacement": f"127$1:{local_port(INTERNAL_PORT)}"},
        ],
    }


def route(
    plane: ControlPlane, namespace: str, name: str, *, service: str, address: str, restricted: bool = True
) -> str:
    """The AlertmanagerConfig in Alertmanager's configuration; people get nothing.

    Restricted to its own namespace, as the operator does by default, or not, as its matcher strategy `None` does. Fails
    where its webhook is not this Service; with it, the address takes the Service's place.
    """
    spec = _spec(plane, "AlertmanagerConfig", namespace, name)
    (receiver,) = spec["receivers"]
    (webhook,) = receiver["webhookConfigs"]
    assert webhook["url"] == f"http://{service}/webhook"
    secret = webhook["httpConfig"]["authorization"]["credentials"]
    data = plane.get("secret", secret["name"], namespace)["data"]
    webhook["httpConfig"]["authorization"]["credentials"] = base64.b64decode(data[secret["key"]]).decode()
    webhook["url"] = f"http://{address}/webhook"
    child = _route(spec["route"])
    child["matchers"] = [f'namespace="{namespace}"', *child["matchers"]] if restricted else child["matchers"]
    configuration = {
        "route": {"receiver": "people", "routes": [child]},
        "receivers": [{"name": "people"}, _snake(receiver)],
    }
    return json.dumps(configuration)


def _route(route: Object) -> Object:
    """A route as Alertmanager's own file has it; the operator's has each matcher in three parts."""
    matchers = [f'{one["name"]}{one["matchType"]}"{one["value"]}"' for one in route.pop("matchers")]
    return {**_snake(route), "matchers": matchers, "routes": [_route(child) for child in route.pop("routes", [])]}


def _spec(plane: ControlPlane, kind: str, namespace: str, name: str) -> Object:
    api: Client = plane.api
    answer = api.get(f"/apis/{GROUP}/{KINDS[kind]}/namespaces/{namespace}/{kind.lower()}s/{name}")
    assert answer.code == 200, answer
    spec: Object = answer.body["spec"]
    return spec


def _label(key: str) -> str:
    return re.sub(r"[^a-zA-Z0-9_]", "_", key)


def _snake(value: Any) -> Any:
    """Keys as Alertmanager's own file spells them."""
    if isinstance(value, Mapping):
        return {
            re.sub(r"([A-Z])", lambda found: f"_{found[1].lower()}", key): _snake(one) for key, one in value.items()
        }
    return [_snake(one) for one in value] if isinstance(value, list) else value

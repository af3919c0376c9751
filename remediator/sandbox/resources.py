"""The served resources, and what is specific to each: defaults, validation, conversions.

One rule: every difference between kinds is a field of `Resource`, so no other code checks the kind.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from remediator.sandbox import events, fields, validation
from remediator.sandbox.failure import Cause, Object, Subject
from remediator.sandbox.schema import Struct


def _nothing(*_: Object) -> Iterator[Cause]:
    yield from ()


def _as_it_is(item: Object) -> Object:
    return item


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """A resource at one version of one group.

    `default` fills in missing fields of a new object; `read` and `write` convert from and to the stored form.
    """

    group: str = ""
    version: str = "v1"
    plural: str
    kind: str
    shape: Struct
    short_name: str
    categories: tuple[str, ...] = ()
    namespaced: bool = True
    subresources: tuple[str, ...] = ()
    annotations_count: bool = False
    default: Callable[[Object], None] = lambda item: None
    check: Callable[[Object], Iterator[Cause]] = _nothing
    check_change: Callable[[Object, Object], Iterator[Cause]] = _nothing
    read: Callable[[Object], Object] = _as_it_is
    write: Callable[[Object], Object] = _as_it_is

    @property
    def api_version(self) -> str:
        """`apps/v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def stored_as(self) -> str:
        """The name under which objects are stored; both event APIs share one."""
        return "events" if self.plural == "events" else self.subject().qualified

    def subject(self, name: str = "") -> Subject:
        """The subject of an error."""
        return Subject(group=self.group, resource=self.plural, kind=self.kind, name=name)


def _default_deployment(item: Object) -> None:
    spec = item.setdefault("spec", {})
    _default_workload(spec)
    strategy = spec.setdefault("strategy", {})
    strategy.setdefault("type", "RollingUpdate")
    rolling = strategy.setdefault("rollingUpdate", {})
    rolling.setdefault("maxUnavailable", "25%")
    rolling.setdefault("maxSurge", "25%")
    spec.setdefault("revisionHistoryLimit", 10)
    spec.setdefault("progressDeadlineSeconds", 600)
    item.setdefault("status", {})


def _default_replica_set(item: Object) -> None:
    _default_workload(item.setdefault("spec", {}))
    item.setdefault("status", {}).setdefault("replicas", 0)


def _default_workload(spec: Object) -> None:
    spec.setdefault("replicas", 1)
    template = spec.setdefault("template", {})
    template.setdefault("metadata", {})
    _default_pod_spec(template.setdefault("spec", {}))


def _default_pod(item: Object) -> None:
    _default_pod_spec(item.setdefault("spec", {}))
    item.setdefault("status", {}).setdefault("phase", "Pending")


def _default_pod_spec(spec: Object) -> None:
    for container in spec.get("containers", []):
        tag = container.get("image", "").rpartition("/")[2].partition(":")[2]
        container.setdefault("resources", {})
        container.setdefault("terminationMessagePath", "/dev/termination-log")
        container.setdefault("terminationMessagePolicy", "File")
        container.setdefault("imagePullPolicy", "Always" if tag in ("", "latest") else "IfNotPresent")
        for port in container.get("ports", []):
            port.setdefault("protocol", "TCP")
        for entry in container.get("env", []):
            if (source := entry.get("valueFrom", {}).get("fieldRef")) is not None:
                source.setdefault("apiVersion", "v1")
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("securityContext", {})
    spec.setdefault("schedulerName", "default-scheduler")


def _default_namespace(item: Object) -> None:
    item.setdefault("status", {}).setdefault("phase", "Active")


def _default_autoscaler(item: Object) -> None:
    item.setdefault("spec", {}).setdefault("minReplicas", 1)
    item.setdefault("status", {"currentMetrics": None, "desiredReplicas": 0})


NAMESPACES = Resource(
    plural="namespaces",
    kind="Namespace",
    shape=fields.NAMESPACE,
    short_name="ns",
    namespaced=False,
    default=_default_namespace,
)
DEPLOYMENTS = Resource(
    group="apps",
    plural="deployments",
    kind="Deployment",
    shape=fields.DEPLOYMENT,
    short_name="deploy",
    categories=("all",),
    subresources=("scale", "status"),
    annotations_count=True,
    default=_default_deployment,
    check=validation.check_workload,
    check_change=validation.check_same_selector,
)
REPLICA_SETS = Resource(
    group="apps",
    plural="replicasets",
    kind="ReplicaSet",
    shape=fields.REPLICA_SET,
    short_name="rs",
    categories=("all",),
    subresources=("status",),
    default=_default_replica_set,
    check=validation.check_workload,
    check_change=validation.check_same_selector,
)
PODS = Resource(
    plural="pods",
    kind="Pod",
    shape=fields.POD,
    short_name="po",
    categories=("all",),
    subresources=("status",),
    default=_default_pod,
)
CONFIG_MAPS = Resource(plural="configmaps", kind="ConfigMap", shape=fields.CONFIG_MAP, short_name="cm")
CORE_EVENTS = Resource(
    plural="events",
    kind="Event",
    shape=fields.CORE_EVENT,
    short_name="ev",
    default=events.default_event,
    check=validation.check_core_event,
)
EVENTS = Resource(
    group="events.k8s.io",
    plural="events",
    kind="Event",
    shape=fields.EVENT,
    short_name="ev",
    check=validation.check_event,
    read=events.from_core,
    write=events.to_core,
)
AUTOSCALERS = Resource(
    group="autoscaling",
    version="v2",
    plural="horizontalpodautoscalers",
    kind="HorizontalPodAutoscaler",
    shape=fields.AUTOSCALER,
    short_name="hpa",
    categories=("all",),
    default=_default_autoscaler,
)
RESOURCES = (NAMESPACES, PODS, CONFIG_MAPS, CORE_EVENTS, DEPLOYMENTS, REPLICA_SETS, EVENTS, AUTOSCALERS)

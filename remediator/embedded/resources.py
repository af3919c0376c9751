"""The resources that are served, and what is special about each.

One rule: whatever differs between two kinds is a field of `Resource`, so that no other code asks for a kind.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from remediator.embedded import events, fields, validation
from remediator.embedded.defaults import default_deployment, default_pod, default_replica_set
from remediator.embedded.failure import Cause, Object, Subject, invalid_value
from remediator.embedded.names import check_metadata, quoted
from remediator.embedded.schema import Struct

Check = Callable[[Object], Iterator[Cause]]


def _nothing(*_: Object) -> Iterator[Cause]:
    yield from ()


def _as_it_is(item: Object) -> Object:
    return item


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """A resource at one version of one group.

    `stored_as` names the objects in the store; `read` and `write` convert from and to their stored form.
    """

    group: str = ""
    version: str = "v1"
    plural: str
    kind: str
    shape: Struct
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    namespaced: bool = True
    subresources: tuple[str, ...] = ()
    counts_generation: bool = False
    annotations_count: bool = False
    graceful: bool = False
    default: Callable[[Object], object] = _as_it_is
    check: Check = _nothing
    check_name: Check = lambda item: check_metadata(item["metadata"])
    check_change: Callable[[Object, Object], Iterator[Cause]] = _nothing
    warn: Callable[[Object], Iterator[str]] = lambda item: iter(())
    read: Callable[[Object], Object] = _as_it_is
    write: Callable[[Object], Object] = _as_it_is
    verbs: tuple[str, ...] = field(default=("create", "delete", "get", "list", "patch", "update", "watch"))

    @property
    def api_version(self) -> str:
        """`apps/v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def singular(self) -> str:
        """`deployment`."""
        return self.kind.lower()

    @property
    def stored_as(self) -> str:
        """The name of the stored objects; both kinds of events are the same ones."""
        return "events" if self.plural == "events" else self.subject().qualified

    def subject(self, name: str = "") -> Subject:
        """What failures are about."""
        return Subject(group=self.group, resource=self.plural, kind=self.kind, name=name)


def _check_namespace_name(item: Object) -> Iterator[Cause]:
    return check_metadata(item["metadata"], label_name=True)


def _default_namespace(item: Object) -> None:
    item.setdefault("spec", {}).setdefault("finalizers", ["kubernetes"])
    item.setdefault("status", {}).setdefault("phase", "Active")
    item["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = item["metadata"].get("name", "")


def _check_pod(item: Object) -> Iterator[Cause]:
    return validation.check_pod_spec(item.get("spec", {}), "spec")


def _without_images(item: Object) -> Object:
    containers = [{**c, "image": ""} for c in item.get("spec", {}).get("containers", [])]
    return {**item.get("spec", {}), "containers": containers}


def _check_pod_change(new: Object, old: Object) -> Iterator[Cause]:
    if _without_images(new) != _without_images(old):
        message = "Forbidden: pod updates may not change fields other than `spec.containers[*].image`"
        yield Cause(reason="FieldValueForbidden", message=message, field="spec")


def _check_autoscaler(item: Object) -> Iterator[Cause]:
    spec = item.get("spec", {})
    if spec.get("maxReplicas", 0) < spec.get("minReplicas", 1):
        message = "must be greater than or equal to `minReplicas`"
        yield invalid_value("spec.maxReplicas", quoted(spec.get("maxReplicas", 0)), message)


def _default_autoscaler(item: Object) -> None:
    item.setdefault("spec", {}).setdefault("minReplicas", 1)
    item.setdefault("status", {"currentMetrics": None, "desiredReplicas": 0})


NAMESPACES = Resource(
    plural="namespaces",
    kind="Namespace",
    shape=fields.NAMESPACE,
    short_names=("ns",),
    namespaced=False,
    subresources=("status",),
    default=_default_namespace,
    check_name=_check_namespace_name,
)
DEPLOYMENTS = Resource(
    group="apps",
    plural="deployments",
    kind="Deployment",
    shape=fields.DEPLOYMENT,
    short_names=("deploy",),
    categories=("all",),
    subresources=("scale", "status"),
    counts_generation=True,
    annotations_count=True,
    default=default_deployment,
    check=validation.check_workload,
    check_change=validation.check_same_selector,
    warn=validation.hidden_env,
)
REPLICA_SETS = Resource(
    group="apps",
    plural="replicasets",
    kind="ReplicaSet",
    shape=fields.REPLICA_SET,
    short_names=("rs",),
    categories=("all",),
    subresources=("scale", "status"),
    counts_generation=True,
    default=default_replica_set,
    check=validation.check_workload,
    check_change=validation.check_same_selector,
    warn=validation.hidden_env,
)
PODS = Resource(
    plural="pods",
    kind="Pod",
    shape=fields.POD,
    short_names=("po",),
    categories=("all",),
    subresources=("status",),
    counts_generation=True,
    graceful=True,
    default=default_pod,
    check=_check_pod,
    check_change=_check_pod_change,
)
CONFIG_MAPS = Resource(plural="configmaps", kind="ConfigMap", shape=fields.CONFIG_MAP, short_names=("cm",))
CORE_EVENTS = Resource(
    plural="events",
    kind="Event",
    shape=fields.CORE_EVENT,
    short_names=("ev",),
    default=events.default_event,
    check=events.check_core_event,
    check_name=_nothing,
)
EVENTS = Resource(
    group="events.k8s.io",
    plural="events",
    kind="Event",
    shape=fields.EVENT,
    short_names=("ev",),
    check=events.check_event,
    read=events.from_core,
    write=events.to_core,
)
AUTOSCALERS = Resource(
    group="autoscaling",
    version="v2",
    plural="horizontalpodautoscalers",
    kind="HorizontalPodAutoscaler",
    shape=fields.AUTOSCALER,
    short_names=("hpa",),
    categories=("all",),
    default=_default_autoscaler,
    check=_check_autoscaler,
)
RESOURCES = (
    NAMESPACES,
    PODS,
    CONFIG_MAPS,
    CORE_EVENTS,
    DEPLOYMENTS,
    REPLICA_SETS,
    EVENTS,
    AUTOSCALERS,
)

"""Events: one stored object, served as core/v1 and as events.k8s.io/v1.

One rule: what is stored is the core form.
"""

from collections.abc import Iterator

from remediator.embedded.failure import Cause, Object, invalid_value, required
from remediator.embedded.names import NOT_A_SUBDOMAIN, check_qualified, quoted

RENAMED = {
    "involvedObject": "regarding",
    "message": "note",
    "reportingComponent": "reportingController",
    "source": "deprecatedSource",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount",
}
BACK = {new: old for old, new in RENAMED.items()}
# Events about what belongs to no namespace live here.
CLUSTER_SCOPED_HOMES = ("default", "kube-system")
MESSAGE_LIMIT = 1024
NAME_LIMIT = 128


def from_core(item: Object) -> Object:
    """The events.k8s.io/v1 form of a stored event."""
    renamed = {RENAMED.get(key, key): value for key, value in item.items()}
    return {**renamed, "apiVersion": "events.k8s.io/v1"}


def to_core(item: Object) -> Object:
    """The stored form of an events.k8s.io/v1 event."""
    return default_event({**{BACK.get(key, key): value for key, value in item.items()}, "apiVersion": "v1"})


def default_event(item: Object) -> Object:
    """Fill in what every event shows, even if it is empty."""
    item.setdefault("involvedObject", {})
    item.setdefault("source", {})
    for name in ("firstTimestamp", "lastTimestamp", "eventTime"):
        item.setdefault(name, None)
    item.setdefault("reportingComponent", "")
    item.setdefault("reportingInstance", "")
    return item


def check_core_event(item: Object) -> Iterator[Cause]:
    """What is wrong with a core/v1 event: the old form is lenient, `eventTime` makes it a new one."""
    about = item["involvedObject"].get("namespace", "")
    home = item["metadata"].get("namespace", "")
    if item.get("eventTime"):
        if not about and home not in CLUSTER_SCOPED_HOMES:
            yield _elsewhere(about)
        yield from _check_new_form(item, "reportingComponent")
    elif about != home and (about or home != "default"):
        yield _elsewhere(about)


def check_event(item: Object) -> Iterator[Cause]:
    """What is wrong with an events.k8s.io/v1 event, given in its stored form."""
    about = item["involvedObject"].get("namespace", "")
    home = item["metadata"].get("namespace", "")
    if about != home and (about or home not in CLUSTER_SCOPED_HOMES):
        yield _elsewhere(about)
    if not item.get("eventTime"):
        yield required("eventTime")
    yield from _check_new_form(item, "reportingController")
    if (kind := item.get("type", "")) not in ("Normal", "Warning"):
        yield invalid_value("type", '""', f"has invalid value: {kind}")
    for name in ("count", "firstTimestamp", "lastTimestamp"):
        if item.get(name):
            yield invalid_value(name, '""', "needs to be unset")
    if (prefix := item["metadata"].get("generateName", "")).endswith("."):
        yield invalid_value("metadata.generateName", quoted(prefix), NOT_A_SUBDOMAIN)


def _elsewhere(about: str) -> Cause:
    return invalid_value("involvedObject.namespace", quoted(about), "does not match event.namespace")


def _check_new_form(item: Object, controller: str) -> Iterator[Cause]:
    reporter = item.get("reportingComponent", "")
    if not reporter:
        yield required(controller)
    yield from check_qualified(controller, reporter)
    for name in ("reportingInstance", "action", "reason"):
        if not item.get(name):
            yield required(name)
        elif len(item[name]) > NAME_LIMIT:
            yield invalid_value(name, '""', f"can have at most {NAME_LIMIT} characters")
    if len(item.get("message", "")) > MESSAGE_LIMIT:
        yield invalid_value("message", '""', f"can have at most {MESSAGE_LIMIT} characters")

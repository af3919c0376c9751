"""Events: one stored object, served as core/v1 and as events.k8s.io/v1.

One rule: what is stored is the core form.
"""

from remediator.sandbox.failure import Object

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


def from_core(item: Object) -> Object:
    """The events.k8s.io/v1 form of a stored event."""
    return {RENAMED.get(key, key): value for key, value in item.items()} | {"apiVersion": "events.k8s.io/v1"}


def to_core(item: Object) -> Object:
    """The stored form of an events.k8s.io/v1 event."""
    renamed = {BACK.get(key, key): value for key, value in item.items()} | {"apiVersion": "v1"}
    default_event(renamed)
    return renamed


def default_event(item: Object) -> None:
    """Fill in what every event shows, even if it is empty."""
    empty: Object = {"involvedObject": {}, "source": {}, "reportingComponent": "", "reportingInstance": ""}
    for name, value in {**empty, **dict.fromkeys(("firstTimestamp", "lastTimestamp", "eventTime"))}.items():
        item.setdefault(name, value)

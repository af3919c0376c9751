"""Watches: what changed since a version, as a stream of events.

One rule: an object that starts or stops to match the selectors is told as ADDED or DELETED.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from remediator.embedded.failure import ApiFailure, Object, internal
from remediator.embedded.resources import Resource
from remediator.embedded.selectors import Predicate
from remediator.embedded.store import Change, Store

DEFAULT_SECONDS = 1800.0
INITIAL_EVENTS_END = "k8s.io/initial-events-end"


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What is watched, from which version, and how long. `show` turns an object into what is sent."""

    resource: Resource
    namespace: str
    matches: Predicate
    show: Callable[[Object], Object]
    version: str
    initial: bool
    seconds: float = DEFAULT_SECONDS


def follow(store: Store, watch: Watch) -> Iterator[Object]:
    """The events of a watch; ends when its time is over or the store is closed."""
    if watch.version and not watch.version.isdecimal():
        raise internal(f'resourceVersion: Invalid value: "{watch.version}": invalid syntax')
    after = int(watch.version or 0)
    return _events(store, watch, after)


def _events(store: Store, watch: Watch, after: int) -> Iterator[Object]:
    with store.lock:
        present = store.all(watch.resource.stored_as, watch.namespace)
        now, oldest = store.version, store.oldest()
    if after == 0 or watch.initial:
        after = now
        for item in filter(watch.matches, present):
            yield {"type": "ADDED", "object": watch.show(item)}
        if watch.initial:
            yield _bookmark(watch.resource, now)
    elif after < oldest:
        message = f"too old resource version: {after} ({oldest})"
        yield {"type": "ERROR", "object": ApiFailure(410, "Expired", message).status}
        return
    for batch in store.changes(after, watch.resource.stored_as, watch.seconds):
        for change in batch:
            if watch.namespace in ("", change.key.namespace) and (kind := _kind(change, watch.matches)):
                yield {"type": kind, "object": watch.show(change.after)}


def _kind(change: Change, matches: Predicate) -> str:
    before = change.before is not None and matches(change.before)
    after = not change.gone and matches(change.after)
    if before and after:
        return "MODIFIED"
    if after:
        return "ADDED"
    return "DELETED" if before else ""


def _bookmark(resource: Resource, version: int) -> Object:
    metadata = {"resourceVersion": str(version), "annotations": {INITIAL_EVENTS_END: "true"}}
    item = {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": metadata}
    return {"type": "BOOKMARK", "object": item}

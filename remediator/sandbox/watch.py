"""Watches: the changes since a version, as a stream of events.

One rule: an object that starts or stops to match the selectors is reported as ADDED or DELETED.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from remediator.sandbox.failure import ApiFailure, Object
from remediator.sandbox.resources import Resource
from remediator.sandbox.selectors import Predicate
from remediator.sandbox.store import Change, Store

DEFAULT_SECONDS = 1800.0
INITIAL_EVENTS_END = "k8s.io/initial-events-end"


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """A watch's resource, start version and duration; with `initial`, current objects come first, then a bookmark."""

    resource: Resource
    namespace: str
    matches: Predicate
    after: int
    initial: bool
    seconds: float = DEFAULT_SECONDS


def follow(store: Store, watch: Watch) -> Iterator[Object]:
    """The events of a watch; ends when its time is over or the store is closed."""
    with store.lock:
        present = store.all(watch.resource.stored_as, watch.namespace)
        after, oldest = store.version, store.oldest()
    if watch.after == 0 or watch.initial:
        for item in filter(watch.matches, present):
            yield {"type": "ADDED", "object": watch.resource.read(item)}
        if watch.initial:
            metadata = {"resourceVersion": str(after), "annotations": {INITIAL_EVENTS_END: "true"}}
            item = {"kind": watch.resource.kind, "apiVersion": watch.resource.api_version, "metadata": metadata}
            yield {"type": "BOOKMARK", "object": item}
    elif watch.after < oldest:
        message = f"too old resource version: {watch.after} ({oldest})"
        yield {"type": "ERROR", "object": ApiFailure(410, "Expired", message).status}
        return
    else:
        after = watch.after
    for batch in store.changes(after, watch.resource.stored_as, watch.seconds):
        for change in batch:
            if watch.namespace in ("", change.key.namespace) and (kind := _kind(change, watch.matches)):
                yield {"type": kind, "object": watch.resource.read(change.after)}


def _kind(change: Change, matches: Predicate) -> str:
    before = change.before is not None and matches(change.before)
    after = not change.gone and matches(change.after)
    if before and after:
        return "MODIFIED"
    if after:
        return "ADDED"
    return "DELETED" if before else ""

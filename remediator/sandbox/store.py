"""The store: objects, their resource versions, and the history for watches.

One rule: a stored object is never modified, only replaced, so readers need no copies.
"""

import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from remediator.sandbox.failure import Object

HISTORY = 5000


def timestamp() -> str:
    """The current time in the format of object metadata."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """Where an object is stored: `resource` as in `deployments.apps`."""

    resource: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One write: the object before (None: created) and after it; a removed one is `gone` as it was."""

    version: int
    key: Key
    before: Object | None
    after: Object
    gone: bool = False


class Store:
    """Objects by key. Hold `lock` for atomic steps; every write gets the next resource version."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._changed = threading.Condition(self.lock)
        self._objects: dict[Key, Object] = {}
        self._history: deque[Change] = deque(maxlen=HISTORY)
        self.version = 1000
        self.closed = False

    def get(self, key: Key) -> Object | None:
        """The current object."""
        return self._objects.get(key)

    def all(self, resource: str, namespace: str = "") -> list[Object]:
        """The objects of a resource in one or all namespaces, sorted by name."""
        with self.lock:
            found = [
                (key.namespace, key.name, value)
                for key, value in self._objects.items()
                if key.resource == resource and namespace in ("", key.namespace)
            ]
        return [value for _, _, value in sorted(found, key=lambda item: item[:2])]

    def put(self, key: Key, value: Object) -> Object:
        """Store `value` under the next resource version, and return it with that."""
        with self.lock:
            self.version += 1
            stored = {**value, "metadata": {**value["metadata"], "resourceVersion": str(self.version)}}
            self._record(Change(version=self.version, key=key, before=self._objects.get(key), after=stored))
            self._objects[key] = stored
            return stored

    def remove(self, key: Key) -> Object | None:
        """Remove the object and return it as it was."""
        with self.lock:
            if (value := self._objects.pop(key, None)) is None:
                return None
            self.version += 1
            last = {**value, "metadata": {**value["metadata"], "resourceVersion": str(self.version)}}
            self._record(Change(version=self.version, key=key, before=value, after=last, gone=True))
            return last

    def close(self) -> None:
        """End every watch."""
        with self.lock:
            self.closed = True
            self._changed.notify_all()

    def reopen(self) -> None:
        """Allow watches again after `close`."""
        self.closed = False

    def oldest(self) -> int:
        """The version after which the history is complete."""
        return self._history[0].version - 1 if self._history else self.version

    def changes(self, after: int, resource: str, seconds: float) -> Iterator[list[Change]]:
        """Changes of a resource after a version, as they happen, in batches; ends after `seconds`."""
        deadline = time.monotonic() + seconds
        while True:
            with self.lock:
                while not (self.closed or self.version > after):
                    if not self._changed.wait(deadline - time.monotonic()):
                        return
                if self.closed or time.monotonic() > deadline:
                    return
                batch = [change for change in self._history if change.version > after]
                after = self.version
            yield [change for change in batch if change.key.resource == resource]

    def wait(self, after: int, seconds: float) -> None:
        """Wait until something is written after a version."""
        with self.lock:
            self._changed.wait_for(lambda: self.closed or self.version > after, seconds)

    def _record(self, change: Change) -> None:
        self._history.append(change)
        self._changed.notify_all()

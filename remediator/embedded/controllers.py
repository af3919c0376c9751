"""The controllers: rounds over all objects until nothing is left to do.

One rule: every round starts from what is stored; nothing is remembered between rounds. So an object that goes
or changes in mid-round (an ApiFailure) is no error: the next round sees it as it is.
"""

import threading
from contextlib import suppress

from remediator.embedded.failure import ApiFailure, Object
from remediator.embedded.pods import Pods, owner_uid
from remediator.embedded.registry import Preconditions, Registry
from remediator.embedded.resources import (
    DEPLOYMENTS,
    NAMESPACES,
    PODS,
    REPLICA_SETS,
    RESOURCES,
    Resource,
)
from remediator.embedded.rollout import Rollout
from remediator.embedded.store import Key

IDLE_SECONDS = 1.0
ROUNDS_TO_SETTLE = 100


class Controllers:
    """Runs the controllers in a thread, one round every `step` seconds while something changes."""

    def __init__(self, registry: Registry, step: float) -> None:
        self._registry = registry
        self._step = step
        self._pods = Pods(registry)
        self._rollout = Rollout(registry)
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Run until `stop`."""
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name="embedded-controllers", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Finish the round and stop."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def settle(self) -> None:
        """Run rounds, at once, until nothing changes any more."""
        for _ in range(ROUNDS_TO_SETTLE):
            before = self._registry.store.version
            self.round()
            if self._registry.store.version == before:
                return

    def _run(self) -> None:
        store = self._registry.store
        while not (self._stopping.is_set() or store.closed):
            before = store.version
            self.round()
            if store.version == before:
                store.wait(before, IDLE_SECONDS)
            else:
                self._stopping.wait(self._step)

    def round(self) -> None:
        """One move for every object."""
        store = self._registry.store
        for pod in self._all(PODS):
            with suppress(ApiFailure):
                self._pods.run(pod)
        pods = _by_owner(self._all(PODS))
        deployments = self._all(DEPLOYMENTS)
        living = {item["metadata"]["uid"] for item in deployments}
        for replica_set in self._all(REPLICA_SETS):
            owner = owner_uid(replica_set)
            if owner and owner not in living:
                self._delete(REPLICA_SETS, replica_set)
                continue
            living.add(replica_set["metadata"]["uid"])
            with suppress(ApiFailure):
                self._pods.sync(replica_set, pods.get(replica_set["metadata"]["uid"], []))
        for owner, orphans in pods.items():
            if owner and owner not in living:
                for pod in orphans:
                    self._delete(PODS, pod)
        replica_sets = _by_owner(self._all(REPLICA_SETS))
        for deployment in deployments:
            with suppress(ApiFailure):
                self._rollout.sync(deployment, replica_sets.get(deployment["metadata"]["uid"], []))
        for namespace in store.all(NAMESPACES.stored_as):
            if namespace["metadata"].get("deletionTimestamp"):
                self._empty(namespace["metadata"]["name"])

    def _all(self, resource: Resource) -> list[Object]:
        return self._registry.store.all(resource.stored_as)

    def _delete(self, resource: Resource, item: Object) -> None:
        metadata = item["metadata"]
        if not metadata.get("deletionTimestamp"):
            with suppress(ApiFailure):
                self._registry.delete(resource, metadata["namespace"], metadata["name"], Preconditions())

    def _empty(self, namespace: str) -> None:
        store = self._registry.store
        for resource in RESOURCES:
            if resource.namespaced:
                for item in store.all(resource.stored_as, namespace):
                    store.remove(Key(resource=resource.stored_as, namespace=namespace, name=item["metadata"]["name"]))
        store.remove(Key(resource=NAMESPACES.stored_as, namespace="", name=namespace))


def _by_owner(items: list[Object]) -> dict[str, list[Object]]:
    found: dict[str, list[Object]] = {}
    for item in items:
        found.setdefault(owner_uid(item), []).append(item)
    return found

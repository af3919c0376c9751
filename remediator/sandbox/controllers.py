"""The controllers: rounds over all objects until nothing is left to do.

One rule: every round starts from the stored objects; nothing is remembered between rounds. So an object that is deleted
or changed during a round (an ApiFailure) is no error: the next round sees it.
"""

import threading
from contextlib import suppress

from remediator.sandbox.failure import ApiFailure, Object
from remediator.sandbox.pods import Pods, owner_uid
from remediator.sandbox.registry import Registry
from remediator.sandbox.resources import DEPLOYMENTS, PODS, REPLICA_SETS, Resource
from remediator.sandbox.rollout import Rollout

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
        """Finish the current round and stop."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def settle(self) -> None:
        """Run rounds without a pause until nothing changes any more."""
        for _ in range(ROUNDS_TO_SETTLE):
            before = self._registry.store.version
            self._round()
            if self._registry.store.version == before:
                return

    def _run(self) -> None:
        store = self._registry.store
        while not (self._stopping.is_set() or store.closed):
            before = store.version
            self._round()
            if store.version == before:
                store.wait(before, IDLE_SECONDS)
            else:
                self._stopping.wait(self._step)

    def _round(self) -> None:
        """Make one move for every object."""
        for pod in self._all(PODS):
            with suppress(ApiFailure):
                self._pods.run(pod)
        deployments = self._all(DEPLOYMENTS)
        self._owned(REPLICA_SETS, deployments)
        pods = self._owned(PODS, self._all(REPLICA_SETS))
        for replica_set in self._all(REPLICA_SETS):
            with suppress(ApiFailure):
                self._pods.sync(replica_set, pods.get(replica_set["metadata"]["uid"], []))
        replica_sets = self._owned(REPLICA_SETS, deployments)
        for deployment in deployments:
            with suppress(ApiFailure):
                self._rollout.sync(deployment, replica_sets.get(deployment["metadata"]["uid"], []))

    def _all(self, resource: Resource) -> list[Object]:
        return self._registry.store.all(resource.stored_as)

    def _owned(self, resource: Resource, owners: list[Object]) -> dict[str, list[Object]]:
        """The objects of a resource by their owner's uid; orphaned ones are deleted."""
        living = {item["metadata"]["uid"] for item in owners}
        found: dict[str, list[Object]] = {}
        for item in self._all(resource):
            uid, metadata = owner_uid(item), item["metadata"]
            if uid and uid not in living:
                with suppress(ApiFailure):
                    self._registry.delete(resource, metadata["namespace"], metadata["name"])
            else:
                found.setdefault(uid, []).append(item)
        return found

"""Reading and writing objects as the API server does: versions, generation, ownership of fields, dry run.

One rule: a write is decided and stored under the store's lock, so two writes with one version cannot both win.
"""

import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from remediator.embedded.failure import (
    ApiFailure,
    Cause,
    Object,
    already_exists,
    bad_request,
    conflict,
    internal,
    invalid,
    invalid_value,
    not_found,
    unmet,
)
from remediator.embedded.managed_fields import Writer, claim
from remediator.embedded.names import quoted
from remediator.embedded.replacement import SERVER_SIDE, check_address, check_version, is_same, prepared
from remediator.embedded.resources import NAMESPACES, Resource
from remediator.embedded.store import Key, Store, timestamp

SUFFIX = "bcdfghjklmnpqrstvwxz2456789"


@dataclass(frozen=True, slots=True, kw_only=True)
class Preconditions:
    """What has to hold for an object to be deleted."""

    uid: str = ""
    version: str = ""


def random_suffix() -> str:
    """Five characters that make a generated name unique."""
    return "".join(secrets.choice(SUFFIX) for _ in range(5))


class Registry:
    """The objects of a store under the rules of their resources; raises ApiFailure where one is broken."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def get(self, resource: Resource, namespace: str, name: str) -> Object:
        """The object in its stored form."""
        found = self.store.get(self._key(resource, namespace, name))
        if found is None:
            raise not_found(resource.subject(name))
        return found

    def create(
        self, resource: Resource, namespace: str, item: Object, writer: Writer, *, dry_run: bool = False
    ) -> Object:
        """Store a new object."""
        metadata = dict(item.get("metadata", {}))
        if metadata.get("resourceVersion", "") not in ("", "0"):
            raise internal("resourceVersion should not be set on objects to be created")
        metadata.pop("resourceVersion", None)
        for name in SERVER_SIDE:
            metadata.pop(name, None)
        if not metadata.get("name") and metadata.get("generateName"):
            metadata["name"] = metadata["generateName"] + random_suffix()
        if resource.namespaced:
            if metadata.setdefault("namespace", namespace) != namespace:
                message = "the namespace of the provided object does not match the namespace sent on the request"
                raise bad_request(message)
            self._check_namespace(resource, namespace, metadata.get("name", ""))
        metadata |= {"uid": str(uuid.uuid4()), "creationTimestamp": timestamp()}
        if resource.counts_generation:
            metadata["generation"] = 1
        new = {**item, "metadata": metadata}
        if "status" in resource.subresources and resource is not NAMESPACES:
            new.pop("status", None)
        new = resource.write(new)
        resource.default(new)
        self._check(resource, new, [*resource.check_name(new), *resource.check(new)])
        key = self._key(resource, namespace, new["metadata"]["name"])
        with self.store.lock:
            if self.store.get(key) is not None:
                raise already_exists(resource.subject(key.name))
            metadata["managedFields"] = claim(
                resource.shape, None, resource.read(new), writer, resource.api_version, timestamp()
            )
            return new if dry_run else self.store.put(key, new)

    def update(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        change: Callable[[Object], Object],
        writer: Writer,
        *,
        uid: str = "",
        dry_run: bool = False,
    ) -> Object:
        """Replace an object by what `change` makes of it, if the version that this carries is still true."""
        with self.store.lock:
            old = self.get(resource, namespace, name)
            subject = resource.subject(name)
            if uid and uid != old["metadata"]["uid"]:
                met = f"UID in precondition: {uid}, UID in object meta: {old['metadata']['uid']}"
                raise conflict(subject, f"StorageError: invalid object, Precondition failed: {met}")
            new = change(old)
            metadata = new["metadata"] = dict(new.get("metadata", {}))
            check_address(metadata, namespace, name)
            check_version(metadata.get("resourceVersion", ""), old, conflict(subject))
            wrong: list[Cause] = []
            if (claimed := metadata.get("uid", "")) not in ("", old["metadata"]["uid"]):
                wrong = [invalid_value("metadata.uid", quoted(claimed), "field is immutable")] * 2
            new = prepared(resource, old, new, writer.subresource)
            if writer.subresource != "status":
                wrong += [*resource.check_name(new), *resource.check(new)]
            self._check(resource, new, [*wrong, *resource.check_change(new, old)])
            if is_same(new, old):
                return old
            metadata = new["metadata"]
            metadata["managedFields"] = claim(
                resource.shape,
                resource.read(old),
                resource.read(new),
                writer,
                resource.api_version,
                timestamp(),
            )
            if dry_run:
                return new
            key = self._key(resource, namespace, name)
            if metadata.get("deletionTimestamp") and not (metadata.get("finalizers") or resource.graceful):
                return self.store.remove(key) or new
            return self.store.put(key, new)

    def delete(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        preconditions: Preconditions,
        *,
        grace_seconds: int | None = None,
        dry_run: bool = False,
    ) -> tuple[Object, bool]:
        """Delete an object; returns it, and whether it is gone already."""
        with self.store.lock:
            old = self.get(resource, namespace, name)
            metadata = old["metadata"]
            if preconditions.uid not in ("", metadata["uid"]):
                why = (
                    f"the UID in the precondition ({preconditions.uid}) does not match the UID in record "
                    f"({metadata['uid']}). The object might have been deleted and then recreated"
                )
                raise unmet(resource.subject(name), why)
            if preconditions.version not in ("", metadata["resourceVersion"]):
                why = (
                    f"the ResourceVersion in the precondition ({preconditions.version}) does not match the "
                    f"ResourceVersion in record ({metadata['resourceVersion']}). The object might have been "
                    "modified"
                )
                raise unmet(resource.subject(name), why)
            lingers = resource is NAMESPACES or (resource.graceful and grace_seconds != 0)
            if not lingers and not metadata.get("finalizers"):
                return (old if dry_run else self.store.remove(self._key(resource, namespace, name)) or old), True
            if metadata.get("deletionTimestamp"):
                return old, False
            grace = old.get("spec", {}).get("terminationGracePeriodSeconds", 0)
            ending = {
                "deletionTimestamp": timestamp(),
                "deletionGracePeriodSeconds": grace if grace_seconds is None else grace_seconds,
            }
            new = {**old, "metadata": {**metadata, **ending}}
            if resource is NAMESPACES:
                new["status"] = {"phase": "Terminating"}
            if dry_run:
                return new, False
            return self.store.put(self._key(resource, namespace, name), new), False

    def _key(self, resource: Resource, namespace: str, name: str) -> Key:
        return Key(resource=resource.stored_as, namespace=namespace if resource.namespaced else "", name=name)

    def _check_namespace(self, resource: Resource, namespace: str, name: str) -> None:
        found = self.get(NAMESPACES, "", namespace)
        if found["metadata"].get("deletionTimestamp"):
            subject = resource.subject(name)
            why = f"unable to create new content in namespace {namespace} because it is being terminated"
            message = f'{subject.qualified} "{name}" is forbidden: {why}'
            raise ApiFailure(403, "Forbidden", message, subject.details(subject.resource))

    def _check(self, resource: Resource, item: Object, causes: list[Cause]) -> None:
        if causes:
            raise invalid(resource.subject(item["metadata"].get("name", "")), causes)

"""Reads and writes objects as the API server does: resourceVersion, generation, managed fields, dry run.

One rule: a write is checked and stored under the store's lock, so two writes with one version cannot both succeed.
"""

import secrets
import uuid
from collections.abc import Callable, Mapping

from remediator.sandbox.failure import (
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
)
from remediator.sandbox.managed_fields import Writer, claim
from remediator.sandbox.resources import NAMESPACES, RESOURCES, Resource
from remediator.sandbox.store import Key, Store, timestamp
from remediator.sandbox.validation import check_metadata

SUFFIX = "bcdfghjklmnpqrstvwxz2456789"
# Metadata that clients cannot change: replaced by the stored values.
SERVER_SIDE = ("uid", "creationTimestamp", "generation", "managedFields")


def random_suffix() -> str:
    """Five characters that make a generated name unique."""
    return "".join(secrets.choice(SUFFIX) for _ in range(5))


class Registry:
    """The objects of a store, with the rules of their resources; raises ApiFailure if one is broken."""

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
        for name in ("resourceVersion", *SERVER_SIDE):
            metadata.pop(name, None)
        if not metadata.get("name") and metadata.get("generateName"):
            metadata["name"] = metadata["generateName"] + random_suffix()
        if resource.namespaced:
            _check_namespace(metadata.setdefault("namespace", namespace), namespace)
            self.get(NAMESPACES, "", namespace)
        metadata |= {"uid": str(uuid.uuid4()), "creationTimestamp": timestamp()}
        new = {**item, "metadata": metadata}
        if "status" in resource.subresources:
            metadata["generation"] = 1
            new.pop("status", None)
        new = resource.write(new)
        resource.default(new)
        _check(resource, new, [*check_metadata(metadata), *resource.check(new)])
        key = self._key(resource, namespace, metadata["name"])
        with self.store.lock:
            if self.store.get(key) is not None:
                raise already_exists(resource.subject(key.name))
            shown = resource.read(new)
            metadata["managedFields"] = claim(resource.shape, None, shown, writer, resource.api_version, timestamp())
            return new if dry_run else self.store.put(key, new)

    def update(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        change: Callable[[Object], Object],
        writer: Writer,
        *,
        dry_run: bool = False,
    ) -> Object:
        """Replace an object by the result of `change`, if the resourceVersion in it is current."""
        with self.store.lock:
            old = self.get(resource, namespace, name)
            new = change(old)
            metadata = new.get("metadata", {})
            if (found := metadata.get("name", name)) != name:
                raise bad_request(f"the name of the object ({found}) does not match the name on the URL ({name})")
            _check_namespace(metadata.get("namespace", namespace), namespace)
            _check_version(metadata.get("resourceVersion", ""), old, conflict(resource.subject(name)))
            wrong: list[Cause] = []
            if (claimed := metadata.get("uid", "")) not in ("", old["metadata"]["uid"]):
                wrong.append(invalid_value("metadata.uid", claimed, "field is immutable"))
            new = _prepared(resource, old, new, writer.subresource)
            if writer.subresource != "status":
                wrong += [*check_metadata(new["metadata"]), *resource.check(new), *resource.check_change(new, old)]
            _check(resource, new, wrong)
            if new == old:
                return old
            before, after = resource.read(old), resource.read(new)
            owners = claim(resource.shape, before, after, writer, resource.api_version, timestamp())
            new["metadata"]["managedFields"] = owners
            return new if dry_run else self.store.put(self._key(resource, namespace, name), new)

    def delete(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        *,
        preconditions: Mapping[str, str] | None = None,
        dry_run: bool = False,
    ) -> Object:
        """Delete an object (a namespace with everything in it), if uid and resourceVersion match the preconditions."""
        with self.store.lock:
            old = self.get(resource, namespace, name)
            if any(old["metadata"].get(key) != value for key, value in (preconditions or {}).items()):
                raise conflict(resource.subject(name))
            if dry_run:
                return old
            if resource is NAMESPACES:
                for inner in filter(lambda item: item.namespaced, RESOURCES):
                    for item in self.store.all(inner.stored_as, name):
                        self.store.remove(self._key(inner, name, item["metadata"]["name"]))
            self.store.remove(self._key(resource, namespace, name))
            return old

    def _key(self, resource: Resource, namespace: str, name: str) -> Key:
        return Key(resource=resource.stored_as, namespace=namespace if resource.namespaced else "", name=name)


def _check(resource: Resource, item: Object, causes: list[Cause]) -> None:
    if causes:
        raise invalid(resource.subject(item["metadata"].get("name", "")), causes)


def _check_namespace(found: str, wanted: str) -> None:
    if found != wanted:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")


def _check_version(version: str, old: Object, conflict: ApiFailure) -> None:
    """Check that the client's resourceVersion, if given, is the current one."""
    if version in ("", "0"):
        return
    if not version.isdecimal():
        raise internal(f'strconv.ParseUint: parsing "{version}": invalid syntax')
    if version != old["metadata"]["resourceVersion"]:
        raise conflict


def _prepared(resource: Resource, old: Object, new: Object, subresource: str) -> Object:
    """`new`, with everything that this kind of write cannot change taken from `old`."""
    metadata = {**new.get("metadata", {})}
    for name in ("name", "namespace", "resourceVersion", *SERVER_SIDE):
        metadata.pop(name, None)
        if name in old["metadata"]:
            metadata[name] = old["metadata"][name]
    if subresource == "status":
        new = {**old, "status": new.get("status", {})}
    elif "status" in resource.subresources:
        new = {**new, "status": old.get("status", {})}
    new = {**resource.write(new), "metadata": {key: value for key, value in metadata.items() if value != {}}}
    resource.default(new)
    if "generation" in metadata and subresource != "status":
        changed = new.get("spec") != old.get("spec")
        if resource.annotations_count:
            changed |= metadata.get("annotations", {}) != old["metadata"].get("annotations", {})
        new["metadata"]["generation"] = metadata["generation"] + changed
    return new

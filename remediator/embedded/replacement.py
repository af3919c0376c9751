"""What a stored object becomes when a client replaces it: what is checked first, what stays, what counts.

One rule: pure functions of the old and the new object; nothing is stored here.
"""

from remediator.embedded.failure import ApiFailure, Object, bad_request, internal
from remediator.embedded.names import quoted
from remediator.embedded.resources import Resource

# What a client sends of these is replaced by what is stored.
SERVER_SIDE = (
    "uid",
    "creationTimestamp",
    "generation",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "managedFields",
)


def check_address(metadata: Object, namespace: str, name: str) -> None:
    """An object keeps its name and its namespace."""
    if (found := metadata.get("name", name)) != name:
        raise bad_request(f"the name of the object ({found}) does not match the name on the URL ({name})")
    if metadata.get("namespace", namespace) != namespace:
        message = "the namespace of the provided object does not match the namespace sent on the request"
        raise bad_request(message)


def check_version(version: str, old: Object, conflict: ApiFailure) -> None:
    """The version that the client has seen, if it says one, has to be the present one."""
    if version in ("", "0"):
        return
    if not version.isdecimal():
        raise internal(f"strconv.ParseUint: parsing {quoted(version)}: invalid syntax")
    if version != old["metadata"]["resourceVersion"]:
        raise conflict


def prepared(resource: Resource, old: Object, new: Object, subresource: str) -> Object:
    """`new` with everything that this way of writing cannot change taken from `old`."""
    metadata = {**new["metadata"], "resourceVersion": old["metadata"]["resourceVersion"]}
    for name in ("name", "namespace", *SERVER_SIDE):
        metadata.pop(name, None)
        if name in old["metadata"]:
            metadata[name] = old["metadata"][name]
    if subresource == "status":
        kept = {key: value for key, value in old.items() if key != "status"}
        metadata["labels"] = old["metadata"].get("labels", {})
        new = {**new, **kept}
    elif "status" in resource.subresources:
        new = {**{key: value for key, value in new.items() if key != "status"}, "status": old.get("status", {})}
    new = {**resource.write(new), "metadata": {key: value for key, value in metadata.items() if value != {}}}
    resource.default(new)
    if resource.counts_generation and subresource != "status":
        changed = new.get("spec") != old.get("spec")
        if resource.annotations_count:
            changed |= metadata.get("annotations", {}) != old["metadata"].get("annotations", {})
        new["metadata"]["generation"] = old["metadata"].get("generation", 0) + changed
    return new


def is_same(new: Object, old: Object) -> bool:
    """Whether nothing would change, so that nothing is written."""
    return {**new, "metadata": {**new["metadata"], "managedFields": None}} == {
        **old,
        "metadata": {**old["metadata"], "managedFields": None},
    }

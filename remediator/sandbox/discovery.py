"""API discovery: the versions, groups and resources that are served.

One rule: everything here is derived from `RESOURCES`.
"""

from remediator.sandbox.failure import Object
from remediator.sandbox.resources import RESOURCES, Resource

VERSION: Object = {"major": "1", "minor": "36", "gitVersion": "v1.36.0-embedded"}
GROUPS = {item.group: item.version for item in RESOURCES if item.group}
VERBS = ["create", "delete", "get", "list", "patch", "update", "watch"]


def discovery(path: str) -> Object | None:
    """The discovery document at a path, if there is one."""
    match path.strip("/").split("/"):
        case ["api"]:
            return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
        case ["apis"]:
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(name) for name in GROUPS]}
        case ["api", "v1"]:
            return _resources("", "v1")
        case ["apis", group, version] if GROUPS.get(group) == version:
            return _resources(group, version)
        case ["version"]:
            return VERSION
        case _:
            return None


def is_served(path: str) -> bool:
    """Whether a path belongs to an API group, where a 404 means a missing resource."""
    match path.strip("/").split("/"):
        case ["api", _, *_]:
            return True
        case ["apis", group, _, *_]:
            return group in GROUPS
        case _:
            return False


def _group(name: str) -> Object:
    version = {"groupVersion": f"{name}/{GROUPS[name]}", "version": GROUPS[name]}
    return {"name": name, "versions": [version], "preferredVersion": version}


def _resources(group: str, version: str) -> Object:
    served = [item for item in RESOURCES if (item.group, item.version) == (group, version)]
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": f"{group}/{version}" if group else version,
        "resources": [entry for resource in served for entry in _entries(resource)],
    }


def _entries(resource: Resource) -> list[Object]:
    same: Object = {"name": resource.plural, "namespaced": resource.namespaced, "kind": resource.kind}
    names: Object = {"singularName": resource.kind.lower(), "shortNames": [resource.short_name]}
    entries = [{**same, **names, "verbs": VERBS, "categories": list(resource.categories)}]
    for name in resource.subresources:
        below = {**same, "name": f"{resource.plural}/{name}", "singularName": "", "verbs": ["get", "patch", "update"]}
        scale: Object = {"group": "autoscaling", "version": "v1", "kind": "Scale"} if name == "scale" else {}
        entries.append(below | scale)
    return entries

"""What clients ask before anything else: the versions, groups and resources that are served.

One rule: everything here is derived from `RESOURCES`.
"""

from remediator.embedded.failure import Object
from remediator.embedded.resources import DEPLOYMENTS, REPLICA_SETS, RESOURCES, Resource

VERSION: Object = {
    "major": "1",
    "minor": "36",
    "gitVersion": "v1.36.0-embedded",
    "gitCommit": "",
    "gitTreeState": "",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "none",
    "compiler": "none",
    "platform": "none",
}
SCALABLE = (DEPLOYMENTS, REPLICA_SETS)


def discovery(path: str) -> Object | None:
    """The discovery document at a path, if there is one."""
    match path.strip("/").split("/"):
        case ["api"]:
            return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
        case ["apis"]:
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(name) for name in _groups()]}
        case ["apis", group] if group in _groups():
            return {"kind": "APIGroup", "apiVersion": "v1", **_group(group)}
        case ["api", "v1"]:
            return _resources("", "v1")
        case ["apis", group, version] if version in _groups().get(group, []):
            return _resources(group, version)
        case ["version"]:
            return VERSION
        case _:
            return None


def is_served(path: str) -> bool:
    """Whether a path belongs to a group of resources, so that what is not found there is no resource."""
    match path.strip("/").split("/"):
        case ["api", _, *_]:
            return True
        case ["apis", group, _, *_]:
            return group in _groups()
        case _:
            return False


def _groups() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for resource in RESOURCES:
        if resource.group and resource.version not in found.setdefault(resource.group, []):
            found[resource.group].append(resource.version)
    return found


def _group(name: str) -> Object:
    versions = [{"groupVersion": f"{name}/{version}", "version": version} for version in _groups()[name]]
    return {"name": name, "versions": versions, "preferredVersion": versions[0]}


def _resources(group: str, version: str) -> Object:
    served = [item for item in RESOURCES if (item.group, item.version) == (group, version)]
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": f"{group}/{version}" if group else version,
        "resources": [entry for resource in served for entry in _entries(resource)],
    }


def _entries(resource: Resource) -> list[Object]:
    entry: Object = {
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(resource.verbs),
        "shortNames": list(resource.short_names),
    }
    if resource.categories:
        entry["categories"] = list(resource.categories)
    entries = [entry]
    for name in resource.subresources:
        below: Object = {
            "name": f"{resource.plural}/{name}",
            "singularName": "",
            "namespaced": resource.namespaced,
            "kind": resource.kind,
            "verbs": ["get", "patch", "update"],
        }
        if name == "scale":
            below |= {"group": "autoscaling", "version": "v1", "kind": "Scale"}
        entries.append(below)
    return entries

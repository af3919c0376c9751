"""The OpenAPI v3 documents: what kubectl reads before it validates, applies or explains.

One rule: everything here is derived from `RESOURCES` and the shapes of their objects.
"""

from typing import Any

from remediator.embedded.failure import Object
from remediator.embedded.resources import RESOURCES, Resource
from remediator.embedded.schema import List, Map, Scalar, Struct, Type

FORMATS: dict[str, Object] = {
    "integer": {"type": "integer", "format": "int64"},
    "boolean": {"type": "boolean"},
    "time": {"type": "string", "format": "date-time"},
    "int-or-string": {"type": "string", "format": "int-or-string"},
}


def document(path: str) -> Object | None:
    """The document at a path, if there is one."""
    if path.rstrip("/") == "/openapi/v3":
        return {
            "paths": {
                place: {"serverRelativeURL": f"/openapi/v3/{place}"} for place in dict.fromkeys(map(_place, RESOURCES))
            }
        }
    served = [item for item in RESOURCES if path == f"/openapi/v3/{_place(item)}"]
    if not served:
        return None
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "embedded"},
        "paths": {place: item for resource in served for place, item in _paths(resource).items()},
        "components": {"schemas": {_name(resource): _schema(resource) for resource in served}},
    }


def _place(resource: Resource) -> str:
    return f"apis/{resource.api_version}" if resource.group else f"api/{resource.version}"


def _name(resource: Resource) -> str:
    return f"io.k8s.api.{resource.group.partition('.')[0] or 'core'}.{resource.version}.{resource.kind}"


def _kind(resource: Resource) -> Object:
    return {"group": resource.group, "kind": resource.kind, "version": resource.version}


def _schema(resource: Resource) -> Object:
    return {**_of(resource.shape), "x-kubernetes-group-version-kind": [_kind(resource)]}


def _paths(resource: Resource) -> Object:
    plural = f"/{_place(resource)}/" + ("namespaces/{namespace}/" if resource.namespaced else "")
    plural += resource.plural
    body = {"schema": {"$ref": f"#/components/schemas/{_name(resource)}"}}

    def operation(action: str, *, writes: bool) -> Object:
        names = ("dryRun", "fieldManager", "fieldValidation") if writes else ("resourceVersion",)
        found: Object = {
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": _kind(resource),
            "parameters": [{"name": name, "in": "query", "schema": {"type": "string"}} for name in names],
            "responses": {"200": {"description": "OK", "content": {"application/json": body}}},
        }
        if writes:
            found["requestBody"] = {"content": {"application/json": body}}
        return found

    return {
        plural: {
            "get": operation("list", writes=False),
            "post": operation("post", writes=True),
        },
        plural + "/{name}": {
            "get": operation("get", writes=False),
            "put": operation("put", writes=True),
            "patch": operation("patch", writes=True),
            "delete": operation("delete", writes=False),
        },
    }


def _of(shape: Type) -> Object:
    match shape:
        case Scalar():
            return dict(FORMATS.get(shape.name, {"type": "string"}))
        case Struct():
            fields: dict[str, Any] = {name: _of(inner) for name, inner in shape.fields.items()}
            return {"type": "object", "properties": fields}
        case Map():
            return {"type": "object", "additionalProperties": _of(shape.values)}
        case List():
            found: Object = {"type": "array", "items": _of(shape.items)}
            if shape.key:
                found |= {"x-kubernetes-patch-strategy": "merge", "x-kubernetes-patch-merge-key": shape.key}
            elif shape.as_set:
                found["x-kubernetes-patch-strategy"] = "merge"
            return found
        case _:
            return {"type": "object", "x-kubernetes-preserve-unknown-fields": True}

"""Parses a request: the resource in its path, its verb and its options.

One rule: everything that a client can get wrong in a URL or a header is refused here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote, urlsplit

from remediator.sandbox.failure import (
    Cause,
    Subject,
    invalid,
    method_not_allowed,
    no_such_resource,
    too_long,
    unsupported,
)
from remediator.sandbox.resources import RESOURCES, Resource

MANAGER_LIMIT = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """An HTTP request; header names are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def path(self) -> str:
        """The path without the query."""
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, list[str]]:
        """The parameters of the query."""
        return parse_qs(urlsplit(self.target).query, keep_blank_values=True)

    def parameter(self, name: str) -> str:
        """The first value of a parameter, or an empty string."""
        return self.query.get(name, [""])[0]

    @property
    def content_type(self) -> str:
        """The media type of the body, without its parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """The resource, and the object if the path names one."""

    resource: Resource
    namespace: str = ""
    name: str = ""
    subresource: str = ""


def address(path: str) -> Address:
    """Parse a path such as `/apis/apps/v1/namespaces/denis/deployments/denis/scale`."""
    match [unquote(part) for part in path.strip("/").split("/")]:
        case ["api", version, *rest]:
            group = ""
        case ["apis", group, version, *rest]:
            pass
        case _:
            raise no_such_resource()
    namespace = ""
    if len(rest) >= 3 and rest[0] == "namespaces":
        namespace, rest = rest[1], rest[2:]
    if not rest or len(rest) > 3 or not all(rest):
        raise no_such_resource()
    plural, name, subresource = (*rest, "", "")[:3]
    for resource in RESOURCES:
        if (resource.group, resource.version, resource.plural) == (group, version, plural):
            break
    else:
        raise no_such_resource()
    if subresource not in ("", *resource.subresources) or (namespace and not resource.namespaced):
        raise no_such_resource()
    return Address(resource=resource, namespace=namespace, name=name, subresource=subresource)


def verb(request: Request, where: Address) -> str:
    """The verb as RBAC knows it: get, list, watch, create, update, patch, delete."""
    single = bool(where.name)
    match request.method:
        case "GET" if single:
            return "get"
        case "GET":
            return "watch" if request.parameter("watch") in ("1", "true") else "list"
        case "POST" if not single and (where.namespace or not where.resource.namespaced):
            return "create"
        case "PUT" if single:
            return "update"
        case "PATCH" if single:
            return "patch"
        case "DELETE" if single and not where.subresource:
            return "delete"
        case _:
            raise method_not_allowed()


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Write options: dry run, field manager, and field validation."""

    dry_run: bool
    field_manager: str
    field_validation: str


def options(request: Request, kind: str) -> Options:
    """Parse `PatchOptions` and the like from the query."""
    dry_run = request.query.get("dryRun", [])
    manager = request.parameter("fieldManager")
    strictness = request.parameter("fieldValidation")
    causes: list[Cause] = []
    if any(value != "All" for value in dry_run):
        causes.append(unsupported("dryRun", dry_run, "All"))
    if len(manager.encode()) > MANAGER_LIMIT:
        causes.append(too_long("fieldManager", MANAGER_LIMIT))
    if strictness not in ("", "Ignore", "Strict", "Warn"):
        causes.append(unsupported("fieldValidation", strictness, "", "Ignore", "Strict", "Warn"))
    if causes:
        raise invalid(Subject(group="meta.k8s.io", resource="", kind=kind), causes)
    agent = request.headers.get("user-agent", "unknown").partition("/")[0]
    return Options(
        dry_run=bool(dry_run),
        field_manager=manager or agent[:MANAGER_LIMIT],
        field_validation=strictness or "Warn",
    )

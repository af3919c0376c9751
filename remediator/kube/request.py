"""A request to an API server as a value: a verb, a path, and a deadline."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import quote, urlencode

Verb = Literal["get", "list", "create", "patch"]
"""The verb as in RBAC and metrics."""

_METHODS: Mapping[Verb, str] = {"get": "GET", "list": "GET", "create": "POST", "patch": "PATCH"}
_CONTENT_TYPES: Mapping[Verb, str] = {
    "create": "application/json",
    # The only patch type that merges a container's env by name.
    "patch": "application/strategic-merge-patch+json",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stranger:
    """A program that answers through the API server's proxy: not trusted, and limited in size."""

    name: str
    most_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request. The content type follows from the verb; `patch` is a strategic-merge patch."""

    verb: Verb
    path: str
    """The path from `/api` or `/apis` on, built by `path_of`."""
    ends: float
    """The deadline, a time of time.monotonic()."""
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    stranger: Stranger | None = None
    """The program that answers, if not the API server."""
    impersonate: bool = True
    """Whether the connection's impersonation, if any, applies."""

    @property
    def method(self) -> str:
        """The HTTP method of the verb."""
        return _METHODS[self.verb]

    @property
    def request_target(self) -> str:
        """Path and query of the request line."""
        return f"{self.path}?{urlencode(self.query)}" if self.query else self.path

    @property
    def content(self) -> bytes | None:
        """The body as JSON bytes."""
        return None if self.body is None else json.dumps(self.body).encode()

    @property
    def content_type(self) -> str:
        """The Content-Type of the body, or empty without a body."""
        return "" if self.body is None else _CONTENT_TYPES[self.verb]

    def limits(self) -> tuple[float, float]:
        """Timeouts in seconds to connect and to read, within the remaining time."""
        left = max(self.ends - time.monotonic(), 0.05)
        return left / 3, left * 2 / 3


def path_of(group_version: str, *, namespace: str = "", resource: str, name: str = "", rest: str = "") -> str:
    """The path of a collection or an object. Names are quoted; `.` and `..` are not valid Kubernetes names.

    `group_version` is `v1`, `apps/v1` and so on; `rest` follows the name, for example `proxy/metrics`.
    """
    root = f"/apis/{group_version}" if "/" in group_version else f"/api/{group_version}"
    within = f"/namespaces/{quote(namespace, safe='')}" if namespace else ""
    one = f"/{quote(name, safe='')}" if name else ""
    return f"{root}{within}/{resource}{one}" + (f"/{rest}" if rest else "")

"""What is asked of an API server, as a value: a verb, a path, and by when the answer has to be there."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import quote, urlencode

Verb = Literal["get", "list", "create", "patch"]
"""As rights and metrics name it."""

_METHODS: Mapping[Verb, str] = {"get": "GET", "list": "GET", "create": "POST", "patch": "PATCH"}
_CONTENT_TYPES: Mapping[Verb, str] = {
    "create": "application/json",
    # The one kind of patch that merges a container's env by name.
    "patch": "application/strategic-merge-patch+json",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stranger:
    """Someone who answers in the API server's place, through its proxy: not trusted, and bounded in size."""

    name: str
    most_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request. The content type is that of the verb; a `patch` is a strategic-merge patch."""

    verb: Verb
    path: str
    """From `/api` or `/apis` on, as `path_of` makes it."""
    ends: float
    """When to give up, a time of time.monotonic()."""
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    stranger: Stranger | None = None
    """Who answers, if not the API server."""
    impersonate: bool = True
    """Whether it is made in the name of whom the connection impersonates, if anybody."""

    @property
    def method(self) -> str:
        """HTTP's word for the verb."""
        return _METHODS[self.verb]

    @property
    def request_target(self) -> str:
        """Path and query, as they stand in the request line."""
        return f"{self.path}?{urlencode(self.query)}" if self.query else self.path

    @property
    def content(self) -> bytes | None:
        """The body's JSON."""
        return None if self.body is None else json.dumps(self.body).encode()

    @property
    def content_type(self) -> str:
        """What the body's JSON means, or empty for a request without one."""
        return "" if self.body is None else _CONTENT_TYPES[self.verb]

    def limits(self) -> tuple[float, float]:
        """Seconds to connect and seconds to wait, together what is left of its time."""
        left = max(self.ends - time.monotonic(), 0.05)
        return left / 3, left * 2 / 3


def path_of(group_version: str, *, namespace: str = "", resource: str, name: str = "", rest: str = "") -> str:
    """The path of objects or of one: names are quoted, and no name of Kubernetes's is `.` or `..`.

    `group_version` is `v1` or as `apps/v1`; `rest` is what follows the name, as `proxy/metrics`.
    """
    root = f"/apis/{group_version}" if "/" in group_version else f"/api/{group_version}"
    within = f"/namespaces/{quote(namespace, safe='')}" if namespace else ""
    one = f"/{quote(name, safe='')}" if name else ""
    return f"{root}{within}/{resource}{one}" + (f"/{rest}" if rest else "")

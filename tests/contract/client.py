"""A plain HTTP/JSON client of a Kubernetes API: what the contract is written against.

It is no Kubernetes client on purpose: a test sees exactly the bytes, the codes and the headers.
"""

import atexit
import base64
import http.client
import json
import select
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

from tests.support.documents import load_yaml

Object = dict[str, Any]

STRATEGIC = "application/strategic-merge-patch+json"
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
APPLY = "application/apply-patch+yaml"
SECONDS = 60


_kept: dict[tuple[str, ssl.SSLContext | None], http.client.HTTPConnection] = {}
"""The main thread's connections that wait for the next request."""


@atexit.register
def _close_kept() -> None:
    for connection in _kept.values():
        connection.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the server said."""

    code: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def version(self) -> str:
        """The resource version of the object."""
        return str(self.body["metadata"]["resourceVersion"])

    @property
    def generation(self) -> int:
        """The generation of the object."""
        return int(self.body["metadata"]["generation"])

    @property
    def reason(self) -> str:
        """The reason of a failure."""
        return str(self.body.get("reason", ""))

    @property
    def message(self) -> str:
        """The message of a failure."""
        return str(self.body["message"])

    @property
    def causes(self) -> list[tuple[str, str]]:
        """The fields that are wrong, and the kind of wrong."""
        causes = self.body.get("details", {}).get("causes", [])
        return [(cause.get("field", ""), cause["reason"]) for cause in causes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Requests to one API server as one user."""

    url: str
    token: str = ""
    context: ssl.SSLContext | None = None
    agent: str = "contract/1.0"

    @classmethod
    def from_kubeconfig(cls, path: Path) -> Self:
        """A client for the current context of a kubeconfig."""
        config = load_yaml(path.read_text(encoding="utf-8"))
        context = _named(config["contexts"], config["current-context"])["context"]
        cluster = _named(config["clusters"], context["cluster"])["cluster"]
        user = _named(config["users"], context["user"])["user"]
        if not cluster["server"].startswith("https:"):
            return cls(url=cluster["server"], token=user.get("token", ""))
        trust = ssl.create_default_context(
            cafile=cluster.get("certificate-authority"),
            cadata=base64.b64decode(cluster.get("certificate-authority-data", "")).decode() or None,
        )
        if "client-certificate" in user:
            trust.load_cert_chain(user["client-certificate"], user["client-key"])
        return cls(url=cluster["server"], token=user.get("token", ""), context=trust)

    def get(self, path: str, *, accept: str = "application/json", **query: str) -> Answer:
        """GET an object or a list."""
        return self.request("GET", path, query=query, headers={"Accept": accept})

    def post(self, path: str, body: Object, **query: str) -> Answer:
        """POST an object."""
        return self.request("POST", path, body, query=query)

    def put(self, path: str, body: Object, **query: str) -> Answer:
        """PUT an object."""
        return self.request("PUT", path, body, query=query)

    def patch(self, path: str, body: Any, kind: str = STRATEGIC, **query: str) -> Answer:
        """PATCH an object."""
        return self.request("PATCH", path, body, query=query, headers={"Content-Type": kind})

    def delete(self, path: str, body: Object | None = None, **query: str) -> Answer:
        """DELETE an object."""
        return self.request("DELETE", path, body, query=query)

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        raw: bytes | None = None,
    ) -> Answer:
        """Send anything, malformed bodies included."""
        content = raw if raw is not None else None if body is None else json.dumps(body).encode()
        with self._connection() as connection:
            connection.request(method, self._target(path, query), content, self._headers(headers or {}))
            response = connection.getresponse()
            text = response.read()
        is_json = response.headers.get_content_type() == "application/json"
        return Answer(
            code=response.status,
            body=json.loads(text) if is_json else text.decode(),
            headers=dict(response.headers),
            warnings=tuple(response.headers.get_all("Warning") or ()),
        )

    def watch(self, path: str, **query: str) -> Iterator[Object]:
        """The events of a watch."""
        connection = self._connect()
        try:
            asked = {"watch": "true", "timeoutSeconds": str(SECONDS), **query}
            connection.request("GET", self._target(path, asked), headers=self._headers({}))
            for line in connection.getresponse():
                yield json.loads(line)
        finally:
            connection.close()

    def await_object(self, path: str, condition: Callable[[Object], bool]) -> Answer:
        """Watch the object at a path until it is as wanted; fails after some seconds."""
        collection, _, name = path.rpartition("/")
        selector = {"fieldSelector": f"metadata.name={name}"}
        listed = self.get(collection, **selector)
        for item in listed.body["items"]:
            if condition(item):
                return self.get(path)
        for event in self.watch(collection, resourceVersion=listed.version, **selector):
            if event["type"] in ("ADDED", "MODIFIED") and condition(event["object"]):
                return Answer(code=200, body=event["object"])
        raise TimeoutError(f"{path} did not become what the test waits for")

    @contextmanager
    def _connection(self) -> Iterator[http.client.HTTPConnection]:
        """A connection for one request. Of a server with TLS the last one is kept: a handshake costs 30 ms."""
        mine = threading.current_thread() is threading.main_thread() and self.url.startswith("https:")
        kept = _kept.pop((self.url, self.context), None) if mine else None
        if kept and (kept.sock is None or select.select([kept.sock], [], [], 0)[0]):
            kept.close()  # The server has hung up; nothing was asked that it could say something to.
            kept = None
        connection = kept or self._connect()
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        if mine:
            _kept[self.url, self.context] = connection
        else:
            connection.close()

    def _connect(self) -> http.client.HTTPConnection:
        parts = urlsplit(self.url)
        host, port = parts.hostname or "", parts.port
        if parts.scheme == "https":
            return http.client.HTTPSConnection(host, port, timeout=SECONDS + 5, context=self.context)
        return http.client.HTTPConnection(host, port, timeout=SECONDS + 5)

    def _target(self, path: str, query: Mapping[str, str] | None) -> str:
        return f"{path}?{urlencode(query)}" if query else path

    def _headers(self, more: Mapping[str, str]) -> dict[str, str]:
        headers = {"User-Agent": self.agent, "Content-Type": "application/json", **more}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        return headers


def _named(items: list[Object], name: str) -> Object:
    return next(item for item in items if item["name"] == name)

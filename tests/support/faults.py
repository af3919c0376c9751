"""A proxy in front of an API server that fails on demand: the real client meets real sockets that misbehave.

Each fault is used up by one request of its method; without one, requests pass. The faults are what an API server, its
load balancer and the network do at night.
"""

import http.client
import json
import threading
import time
import urllib.parse
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from tests.support.loopback import Handler, LoopbackServer


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Answer with this status instead of asking the API server."""

    status: int
    message: str = "made up"
    body: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse:
    """Answer requests whose body is so with 403, as admission does, and pass on the others."""

    when: Callable[[bytes], bool]
    message: str


@dataclass(frozen=True, slots=True)
class BlackHole:
    """Take the request and never answer."""


@dataclass(frozen=True, slots=True)
class LoseAnswer:
    """Pass the request on, and hang up instead of handing back the answer."""


@dataclass(frozen=True, slots=True)
class HangUp:
    """Hang up without passing the request on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class First:
    """Run something, then pass the request on: for what happens between a read and a write."""

    do: Callable[[], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Then:
    """Pass the request on, and run something before the answer is handed back: for what happens after a write."""

    do: Callable[[], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Garble:
    """Pass the request on, and hand back this body with 200 in place of the answer's."""

    body: bytes


Fault = Answer | Refuse | BlackHole | LoseAnswer | HangUp | First | Then | Garble


class FaultyApi(LoopbackServer):
    """The proxy; `url` and `write_kubeconfig` are what a client needs of it."""

    def __init__(self, upstream: str) -> None:
        self._upstream = urllib.parse.urlsplit(upstream).netloc
        self._faults: dict[str, deque[Fault]] = defaultdict(deque)
        self._always: dict[str, Fault] = {}
        self._closing = threading.Event()
        self.authorizations: list[str | None] = []
        self.clock_ahead = 0.0
        """Seconds that its clock, as its answers tell it, is ahead of this machine's."""
        proxy = self

        class Answering(Handler):
            def answer(self) -> None:
                proxy.answer(self)

            do_GET = do_POST = do_PATCH = answer

            def date_time_string(self, timestamp: float | None = None) -> str:
                return super().date_time_string((timestamp or time.time()) + proxy.clock_ahead)

        super().__init__(Answering)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        super().__exit__(kind, error, trace)

    def next(self, method: str, *faults: Fault) -> None:
        """Let the next requests of this method meet these faults, one each."""
        self._faults[method].extend(faults)

    def always(self, method: str, fault: Fault | None) -> None:
        """Let every request of this method meet this fault, or none any more."""
        self._always.pop(method, None)
        if fault is not None:
            self._always[method] = fault

    def waiting(self, method: str) -> int:
        """How many faults no request has met yet."""
        return len(self._faults[method])

    def write_kubeconfig(self, path: Path, *, token: str = "", token_file: Path | None = None) -> Path:
        """A kubeconfig for the proxy."""
        user = {"token": token} if token else {"tokenFile": str(token_file)} if token_file else {}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "faulty", "cluster": {"server": self.url}}],
            "users": [{"name": "faulty", "user": user}],
            "contexts": [{"name": "faulty", "context": {"cluster": "faulty", "user": "faulty"}}],
            "current-context": "faulty",
        }
        path.write_text(json.dumps(config))
        path.chmod(0o600)
        return path

    def answer(self, request: Handler) -> None:
        """Answer one request as its fault says; called on a thread of the server."""
        self.authorizations.append(request.headers.get("Authorization"))
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        waiting = self._faults[request.command]
        fault = waiting.popleft() if waiting else self._always.get(request.command)
        if isinstance(fault, Refuse):
            fault = Answer(status=403, message=fault.message) if fault.when(body) else None
        match fault:
            case Answer(status=status, message=message, body=given):
                status_object = {"kind": "Status", "apiVersion": "v1", "code": status, "message": message}
                self._reply(request, status, json.dumps(status_object).encode() if given is None else given)
            case BlackHole():
                self._closing.wait()
                request.close_connection = True
            case HangUp():
                request.close_connection = True
            case LoseAnswer():
                self._pass_on(request, body)
                request.close_connection = True
            case First(do=do):
                do()
                self._reply(request, *self._pass_on(request, body))
            case Then(do=do):
                answer = self._pass_on(request, body)
                do()
                self._reply(request, *answer)
            case Garble(body=given):
                self._pass_on(request, body)
                self._reply(request, 200, given)
            case None:
                self._reply(request, *self._pass_on(request, body))

    def _pass_on(self, request: Handler, body: bytes) -> tuple[int, bytes]:
        upstream = http.client.HTTPConnection(self._upstream, timeout=60)
        try:
            kept = {
                key: value for key, value in request.headers.items() if key.lower() not in ("host", "authorization")
            }
            upstream.request(request.command, request.path, body or None, kept)
            response = upstream.getresponse()
            return response.status, response.read()
        finally:
            upstream.close()

    @staticmethod
    def _reply(request: Handler, status: int, body: bytes) -> None:
        request.send_response(status)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

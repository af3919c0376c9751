"""Pods of DENIS that fail scrapes in a pattern, in each way that a scrape can fail, on one port of loopback."""

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto

from tests.support.loopback import Handler, LoopbackServer


class Failure(Enum):
    """How a scrape fails."""

    REFUSED = auto()
    """503."""
    CLOSED = auto()
    """The connection is closed without an answer."""
    CUT = auto()
    """The connection is closed in the middle of the answer."""
    HANGING = auto()
    """No answer before Prometheus gives up."""
    GARBAGE = auto()
    """200, and no metrics."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """A pod whose gauges never change."""

    gauges: Mapping[str, float]
    succeed: int = 1
    """So many scrapes succeed, then so many fail, and so on."""
    fail: int = 0
    failure: Failure = Failure.REFUSED


class Pods(LoopbackServer):
    """Each pod answers at its path."""

    def __init__(self, pods: Mapping[str, Pod]) -> None:
        scrapes: Counter[str] = Counter()
        lock = threading.Lock()

        class Exporter(Handler):
            def do_GET(self) -> None:
                pod = pods[self.path]
                with lock:
                    position = scrapes[self.path] % (pod.succeed + pod.fail)
                    scrapes[self.path] += 1
                # A connection for each scrape: Go asks again, unseen, where one that it used before is closed.
                self.close_connection = True
                text = "".join(f"{name} {value}\n" for name, value in pod.gauges.items()).encode()
                if position < pod.succeed:
                    self._answer(200, text)
                else:
                    self._fail(pod.failure, text)

            def _fail(self, failure: Failure, text: bytes) -> None:
                match failure:
                    case Failure.REFUSED:
                        self._answer(503, b"overloaded\n")
                    case Failure.CLOSED:
                        pass
                    case Failure.CUT:
                        self._answer(200, text, length=2 * len(text))
                    case Failure.HANGING:
                        # Until the other side closes.
                        self.connection.recv(1)
                    case Failure.GARBAGE:
                        self._answer(200, b"<html>overloaded</html>\n")

            def _answer(self, status: int, body: bytes, *, length: int = 0) -> None:
                self.send_response(status)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Connection", "close")
                self.send_header("Content-Length", str(length or len(body)))
                self.end_headers()
                self.wfile.write(body)

        super().__init__(Exporter)

"""Clients of the webhook of every kind, good, wrong and rude, each kind at its own pace, all entered in a book."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Literal

from benchmarks.clients.wire import Address, Answer, Connection, Pool, request
from benchmarks.soak.beside import beside
from benchmarks.soak.book import Book
from tests.service import alert, body

Manner = Literal[
    "whole", "slowly", "alone", "then leaves", "leaves in mid-answer", "half of it", "half of it, then waits"
]

SLOWLY_SECONDS = 2.0
FRESH = 100

MANY = 2000
"""Alerts in a large notification, whose answer has half a megabyte: more than is read at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """Requests of a kind: how many a second, what they are, and which codes may answer them."""

    name: str
    a_second: float
    make: Callable[[int], bytes]
    """The request, from its number."""
    codes: frozenset[int] = frozenset({200, 503})
    manner: Manner = "whole"
    alerts: int = 1
    """How many a client that leaves has sent; each is for the remediation `gone`."""


class Crowd:
    """Sends requests of all kinds, from one thread, while `running` lasts. `token` is the bearer's, and may change."""

    def __init__(self, address: Address, book: Book, token: str, canaries: Sequence[str]) -> None:
        self._address = address
        self._book = book
        self._kinds = self._all_kinds(canaries)
        self.token = token

    @contextmanager
    def running(self) -> Iterator[None]:
        """Send from the start of a `with` to its end, and wait for the answers then."""
        with beside("crowd", lambda stop: asyncio.run(self._run(stop))):
            yield

    async def _run(self, stop: threading.Event) -> None:
        pool = Pool(self._address, fresh=FRESH)
        async with asyncio.TaskGroup() as group:
            for kind in self._kinds:
                group.create_task(self._pace(kind, pool, stop, group))
        pool.close()

    async def _pace(self, kind: Kind, pool: Pool, stop: threading.Event, group: asyncio.TaskGroup) -> None:
        """An open loop: the next one is due at its time, whatever became of those before."""
        due = asyncio.get_running_loop().time()
        for number in count():
            due += 1 / kind.a_second
            while (left := due - asyncio.get_running_loop().time()) > 0 and not stop.is_set():
                await asyncio.sleep(min(left, 0.2))
            if stop.is_set():
                return
            group.create_task(self._send(kind, number, pool))

    async def _send(self, kind: Kind, number: int, pool: Pool) -> None:
        loop, book = asyncio.get_running_loop(), self._book
        content, began = kind.make(number), loop.time()
        book.sent[kind.name] += 1
        try:
            answer = await self._exchange(kind, content, pool)
        except OSError as error:
            book.unanswered[f"{kind.name}: {error}"] += 1
            return
        if answer:
            book.enter(kind.name, kind.codes, answer, loop.time() - began)

    async def _exchange(self, kind: Kind, content: bytes, pool: Pool) -> Answer | None:
        """The answer, or None where the client wants none. Raises OSError where none came."""
        if kind.manner == "whole":
            return await pool.exchange(content)
        connection, half = await Connection.to(self._address), len(content) // 2
        try:
            match kind.manner:
                case "slowly":
                    connection.send(content[:half])
                    await asyncio.sleep(SLOWLY_SECONDS)
                    return await connection.exchange(content[half:])
                case "alone":
                    return await connection.exchange(content)
                case "then leaves" | "leaves in mid-answer":
                    self._book.leave(kind.alerts)
                    connection.send(content)
                    if kind.manner == "leaves in mid-answer":
                        await connection.told.wait()
                case "half of it":
                    connection.send(content[:half])
                    self._book.cut += 1
                case "half of it, then waits":
                    connection.send(content[:half])
                    self._book.cut += 1
                    await connection.lost.wait()
        finally:
            connection.close()
        return None

    def _all_kinds(self, canaries: Sequence[str]) -> Sequence[Kind]:
        refused, firing = frozenset({400, 503}), self._firing
        return (
            Kind(name="suppressed", a_second=20, make=lambda n: firing(f"steady-{n % 3}")),
            Kind(name="acting", a_second=4, make=lambda n: firing(canaries[n % len(canaries)])),
            Kind(name="scaling", a_second=1, make=lambda n: firing("scaling")),
            Kind(name="several", a_second=2, make=lambda n: firing("steady-0", "steady-1", "nobody", *canaries)),
            Kind(name="large", a_second=1, make=lambda n: firing(*["steady-2"] * MANY)),
            Kind(name="resolved", a_second=5, make=lambda n: self._signed(_resolved())),
            Kind(name="unmatched", a_second=5, make=lambda n: firing("nobody")),
            Kind(name="one malformed", a_second=1, make=lambda n: self._signed(_one_malformed())),
            Kind(name="malformed", a_second=2, make=lambda n: self._signed(_MALFORMED[n % 3]), codes=refused),
            Kind(name="unauthorized", a_second=2, make=_unauthorized, codes=frozenset({401, 503})),
            Kind(name="oversized", a_second=0.5, make=self._oversized, codes=frozenset({413, 503}), manner="alone"),
            Kind(name="slow", a_second=1, make=lambda n: firing("steady-1"), manner="slowly"),
            Kind(name="gone", a_second=2, make=lambda n: firing("gone"), manner="then leaves"),
            Kind(
                name="gone in mid-answer",
                a_second=0.2,
                make=lambda n: firing(*["gone"] * MANY),
                manner="leaves in mid-answer",
                alerts=MANY,
            ),
            Kind(name="cut", a_second=1, make=lambda n: _cut(firing("steady-0"), n), manner="half of it"),
            Kind(
                name="stalled",
                a_second=0.5,
                make=lambda n: _cut(firing("steady-0"), n),
                manner="half of it, then waits",
            ),
        )

    def _firing(self, *remediations: str) -> bytes:
        return self._signed(body(*(alert(name, instance=str(place)) for place, name in enumerate(remediations))))

    def _signed(self, content: bytes) -> bytes:
        return request(content, f"Authorization: Bearer {self.token}")

    def _oversized(self, number: int) -> bytes:
        """Only what a client has sent before it could see the refusal."""
        return self._signed(b"").replace(b"Content-Length: 0", b"Content-Length: 11000000") + b" " * 4096


def _resolved() -> bytes:
    return body(alert("steady-0", status="resolved"), alert("scaling", status="resolved"), status="resolved")


def _one_malformed() -> bytes:
    return json.dumps({**json.loads(body(alert("steady-0"))), "alerts": [alert("steady-0"), {"labels": 7}]}).encode()


_MALFORMED = (b'{"version": "4", "alerts": [', b"[]", body(alert("steady-0"), version="3"))


def _unauthorized(number: int) -> bytes:
    content = body(alert("steady-0"))
    return request(content, f"Authorization: Bearer wrong-{number}") if number % 2 else request(content)


def _cut(whole: bytes, number: int) -> bytes:
    """So that the half of it ends in mid-header, in mid-body, or at nothing."""
    header = whole.index(b"\r\n\r\n") + 4
    return (whole[:header], whole[: 2 * header + 20], b"")[number % 3]

"""Notifications of every kind, good, malformed and aborted, each kind at its own rate."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Literal

from benchmarks.clients.connection import Address, Connection, Pool, request
from benchmarks.soak.accounts import Tally
from benchmarks.soak.background import background
from benchmarks.soak.targets import ACTING, SCALING
from tests.support.service import alert, body

SLOWLY_SECONDS = 2.0
FRESH = 100
"""A connection is replaced after so many requests."""

MANY = 2000
"""Alerts in a large notification, whose answer does not fit into the buffers of a socket."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """Requests of one kind."""

    name: str
    rate: float
    """Per second."""
    make: Callable[[int], bytes]
    """The request, from its number."""
    codes: frozenset[int] = frozenset({200, 503})
    """Codes that may answer it."""
    manner: Literal["whole", "slowly", "leaves", "half", "half, then waits"] = "whole"


@contextmanager
def traffic(address: Address, tally: Tally) -> Iterator[None]:
    """Send requests of all kinds during a `with`, and wait for the answers at its end."""
    with background(lambda stop: asyncio.run(_send_all(address, tally, stop))):
        yield


async def _send_all(address: Address, tally: Tally, stop: threading.Event) -> None:
    pool = Pool(address, fresh=FRESH)
    async with asyncio.TaskGroup() as group:
        for kind in _kinds():
            group.create_task(_send_kind(kind, address, pool, tally, stop, group))
    pool.close()


async def _send_kind(
    kind: Kind, address: Address, pool: Pool, tally: Tally, stop: threading.Event, group: asyncio.TaskGroup
) -> None:
    """An open loop: each request is sent when it is due, whatever happened to those before."""
    loop = asyncio.get_running_loop()
    due = loop.time()
    for number in count():
        due += 1 / kind.rate
        while (left := due - loop.time()) > 0 and not stop.is_set():
            await asyncio.sleep(min(left, 0.2))
        if stop.is_set():
            return
        group.create_task(_send(kind, kind.make(number), address, pool, tally))


async def _send(kind: Kind, content: bytes, address: Address, pool: Pool, tally: Tally) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    tally.sent[kind.name] += 1
    try:
        code = await _exchange(kind, content, address, pool)
    except OSError as error:
        tally.faults[f"{kind.name}: no answer, {error}"] += 1
        return
    if code:
        tally.enter(kind.name, kind.codes, code, loop.time() - began)


async def _exchange(kind: Kind, content: bytes, address: Address, pool: Pool) -> int | None:
    """The answer's code, or None where the client wants none. Raises OSError where none came."""
    if kind.manner == "whole":
        return (await pool.exchange(content)).code
    connection, half = await Connection.to(address), len(content) // 2
    try:
        match kind.manner:
            case "slowly":
                connection.send(content[:half])
                await asyncio.sleep(SLOWLY_SECONDS)
                return (await connection.exchange(content[half:])).code
            case "leaves":
                connection.send(content)
            case "half":
                connection.send(content[:half])
            case "half, then waits":
                connection.send(content[:half])
                await connection.closed()
    finally:
        connection.close()
    return None


def _kinds() -> Sequence[Kind]:
    resolved = request(body(alert("steady-0", status="resolved"), alert(SCALING, status="resolved"), status="resolved"))
    one_bad = json.dumps({**json.loads(body(alert("steady-0"))), "alerts": [alert("steady-0"), {"labels": 7}]})
    malformed = (b'{"version": "4", "alerts": [', b"[]", body(alert("steady-0"), version="3"))
    # Only what a client sends before it can see the refusal.
    oversized = request(b"").replace(b"Content-Length: 0", b"Content-Length: 11000000") + b" " * 4096
    refused = frozenset({400, 503})
    return (
        Kind(name="suppressed", rate=20, make=lambda n: _firing(f"steady-{n % 2}")),
        Kind(name="acting", rate=4, make=lambda n: _firing(ACTING[n % 2])),
        Kind(name="scaling", rate=1, make=lambda n: _firing(SCALING)),
        Kind(name="several", rate=2, make=lambda n: _firing("steady-0", "steady-1", "unmatched", *ACTING)),
        Kind(name="large", rate=1, make=lambda n: _firing(*["steady-1"] * MANY)),
        Kind(name="resolved", rate=5, make=lambda n: resolved),
        Kind(name="unmatched", rate=5, make=lambda n: _firing("unmatched")),
        Kind(name="one malformed", rate=1, make=lambda n: request(one_bad.encode())),
        Kind(name="malformed", rate=2, make=lambda n: request(malformed[n % 3]), codes=refused),
        Kind(name="oversized", rate=0.5, make=lambda n: oversized, codes=frozenset({413, 503})),
        Kind(name="slow", rate=1, make=lambda n: _firing("steady-1"), manner="slowly"),
        Kind(name="gone", rate=2, make=lambda n: _firing("gone"), manner="leaves"),
        Kind(name="cut", rate=1, make=lambda n: _firing("steady-0")[: 120 + 600 * (n % 2)], manner="half"),
        Kind(name="stalled", rate=0.5, make=lambda n: _firing("steady-0"), manner="half, then waits"),
    )


def _firing(*remediations: str) -> bytes:
    return request(body(*(alert(name, instance=str(place)) for place, name in enumerate(remediations))))

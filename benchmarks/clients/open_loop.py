"""Notifications at their scheduled times, whatever the service does: an open loop.

A client that waits for an answer before it sends the next notification would slow down with the service, and hide what
the notifications it never sent would have waited. Here each has a time at which it is due, and waits from then on,
also for a free connection.
"""

import asyncio
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from benchmarks.clients.wire import Address, Pool

PATIENCE_SECONDS = 10.0
"""Alertmanager gives up after its group_interval, 10 s at the least; an answer after that reaches nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Which requests go where, and when."""

    address: Address
    requests: Sequence[bytes]
    """Sent in turn."""
    number: int
    seconds: float
    """Over which they are spread evenly; with 0 all are due at once."""
    connections: int = 12
    """At the most at the same time, kept open."""
    fresh: int = 50
    """After how many requests a connection is given up for a new one."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What became of one request."""

    due: float
    """Seconds after the start."""
    seconds: float
    """From then to the answer; to the end of patience where there was none."""
    code: int
    """Of the answer; 0 for a connection that was cut, -1 for no answer within PATIENCE_SECONDS."""


def run(load: Load) -> list[Sample]:
    """Send all of it from a process of its own, so that nothing else of the benchmark delays it."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        return process.submit(_drive, load).result()


def _drive(load: Load) -> list[Sample]:
    return asyncio.run(_Clients(load).drive())


class _Clients:
    def __init__(self, load: Load) -> None:
        self._load = load
        self._free = asyncio.Semaphore(load.connections)
        self._pool = Pool(load.address, fresh=load.fresh)

    async def drive(self) -> list[Sample]:
        load, loop = self._load, asyncio.get_running_loop()
        began = loop.time() + 0.2
        sent = list[asyncio.Task[Sample]]()
        for number in range(load.number):
            due = load.seconds * number / load.number
            if (wait := began + due - loop.time()) > 0:
                await asyncio.sleep(wait)
            sent.append(asyncio.create_task(self._send(load.requests[number % len(load.requests)], began, due)))
        samples = await asyncio.gather(*sent)
        self._pool.close()
        return samples

    async def _send(self, request: bytes, began: float, due: float) -> Sample:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout_at(began + due + PATIENCE_SECONDS), self._free:
                code = (await self._pool.exchange(request)).code
        except TimeoutError:
            return Sample(due, PATIENCE_SECONDS, -1)
        except OSError:
            return Sample(due, PATIENCE_SECONDS, 0)
        return Sample(due, loop.time() - began - due, code)

"""Notifications on schedule, whether the service keeps up or not: an open loop.

A client that waits for an answer before it sends the next notification slows down with the service, and hides how long
the notifications that it never sent would have waited. Here each latency counts from the time the notification is due.
"""

import asyncio
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from benchmarks.clients.connection import Address, Pool

PATIENCE_SECONDS = 10.0
"""Alertmanager gives up after its group_interval, which is rarely shorter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Which requests are sent where, and when."""

    address: Address
    requests: Sequence[bytes]
    """Sent in turn."""
    number: int
    seconds: float
    """Over which they are spread evenly; with 0 all are due at once."""
    connections: int = 12
    fresh: int = 50
    """A connection is replaced after so many requests."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The outcome of one request."""

    seconds: float
    """From when it was due to the answer; PATIENCE_SECONDS without one."""
    code: int
    """Of the answer; 0 for a closed connection, -1 for no answer in time."""


def run(schedule: Schedule) -> list[Sample]:
    """Send everything from a separate process, so that the rest of the benchmark does not delay it."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        return process.submit(_drive, schedule).result()


def _drive(schedule: Schedule) -> list[Sample]:
    return asyncio.run(_send_all(schedule))


async def _send_all(schedule: Schedule) -> list[Sample]:
    loop, free = asyncio.get_running_loop(), asyncio.Semaphore(schedule.connections)
    pool = Pool(schedule.address, fresh=schedule.fresh)

    async def send(request: bytes, due: float) -> Sample:
        try:
            async with asyncio.timeout_at(due + PATIENCE_SECONDS), free:
                code = (await pool.exchange(request)).code
        except TimeoutError:
            return Sample(PATIENCE_SECONDS, -1)
        except OSError:
            return Sample(PATIENCE_SECONDS, 0)
        return Sample(loop.time() - due, code)

    began, sent = loop.time() + 0.2, list[asyncio.Task[Sample]]()
    for number in range(schedule.number):
        due = began + schedule.seconds * number / schedule.number
        if (wait := due - loop.time()) > 0:
            await asyncio.sleep(wait)
        sent.append(asyncio.create_task(send(schedule.requests[number % len(schedule.requests)], due)))
    samples = await asyncio.gather(*sent)
    pool.close()
    return samples

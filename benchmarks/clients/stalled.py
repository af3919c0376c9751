"""Clients of the webhook that stall, in a separate process: they crash, hang behind a network, or mean harm.

One that is closed connects again, so that their number stays. What each does once a second is spread over the second.
"""

import asyncio
import contextlib
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle, islice
from multiprocessing.synchronize import Event
from typing import Literal

from benchmarks.clients.connection import Address, Connection, request

Stall = Literal["body", "header", "half-closed", "silent"]

STALLS: tuple[Stall, ...] = (*(("body", "header", "half-closed") * 3), "silent")
"""In turn: three in ten each in mid-body, in mid-header and half-closed, and one that sends nothing."""

SECOND = 1.0
START_SECONDS = 20.0

_WHOLE = request(b"[" * 2000)
_BODY, _HEADER = _WHOLE[:1200], _WHOLE[:60]


@contextmanager
def stalled(address: Address, number: int) -> Iterator[None]:
    """So many clients stall during a `with`."""
    spawn = multiprocessing.get_context("spawn")
    started = spawn.Event()
    process = spawn.Process(target=_main, args=(address, number, started), daemon=True)
    process.start()
    try:
        if not started.wait(START_SECONDS):
            raise TimeoutError(f"{number} stalled clients could not connect")
        yield
    finally:
        process.terminate()
        process.join()


def _main(address: Address, number: int, started: Event) -> None:
    asyncio.run(_stall(address, number, started))


async def _stall(address: Address, number: int, started: Event) -> None:
    connected = asyncio.Semaphore(0)
    async with asyncio.TaskGroup() as clients:
        for place, stall in enumerate(islice(cycle(STALLS), number)):
            clients.create_task(_client(address, stall, place % 2 == 1, connected, SECOND * place / number))
        for _ in range(number):
            await connected.acquire()
        started.set()


async def _client(address: Address, stall: Stall, trickles: bool, connected: asyncio.Semaphore, after: float) -> None:
    await asyncio.sleep(after)
    while True:
        try:
            connection = await Connection.to(address)
        except OSError:
            await asyncio.sleep(0.05)  # Reconnecting without a pause would be another attack.
            continue
        connected.release()
        try:
            await _hold(connection, stall, trickles)
        finally:
            connection.close()


async def _hold(connection: Connection, stall: Stall, trickles: bool) -> None:
    """Stall until the service closes the connection. Every other client in mid-request sends a byte a second."""
    match stall:
        case "body":
            connection.send(_BODY)
        case "header":
            connection.send(_HEADER)
        case "half-closed":
            # The service answers this one, which leaves the answer unread for a second.
            connection.send(_BODY if trickles else _HEADER, last=True)
            await asyncio.sleep(SECOND)
            return
        case "silent":
            await connection.closed()
            return
    while connection.open:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(connection.closed(), SECOND if trickles else None)
        connection.send(b"x" if stall == "header" else b"[")

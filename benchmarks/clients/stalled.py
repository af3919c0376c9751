"""Clients of the webhook that stall, in a process of their own: those that crash, hang behind a network, or mean harm.

Whoever is cut comes again at once, so that their number stays. One that has closed its side cannot stall by itself, for
the service answers it; it leaves its connection open and unread for a second, which makes a server wait that lingers.
They know nothing of each other: what each does once a second is spread over the second.
"""

import asyncio
import contextlib
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle, islice
from multiprocessing.connection import Connection as Pipe
from typing import Literal

from benchmarks.clients.wire import Address, Connection, request

Stall = Literal["body", "header", "half-closed", "silent"]

STALLS: tuple[Stall, ...] = (
    *("body", "header", "half-closed", "body", "header", "half-closed", "body", "header", "half-closed", "silent"),
)
"""By turns: three in ten in mid-body, in mid-header and half-closed each, and one that connects and sends nothing."""

HELD_SECONDS = 1.0
TRICKLE_SECONDS = 1.0
START_SECONDS = 20.0

_WHOLE = request(b"[" * 2000)
_BODY, _HEADER = _WHOLE[:1200], _WHOLE[:60]


@contextmanager
def stalled(address: Address, number: int) -> Iterator[None]:
    """So many clients stall from the start of a `with` to its end."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=_main, args=(address, number, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        if not ours.poll(START_SECONDS):
            raise TimeoutError(f"{number} stalled clients did not find a connection each")
        ours.recv()
        yield
    finally:
        ours.close()
        process.join()


def _main(address: Address, number: int, parent: Pipe) -> None:
    with contextlib.suppress(asyncio.CancelledError):
        asyncio.run(_stall(address, number, parent))


async def _stall(address: Address, number: int, parent: Pipe) -> None:
    """Until the parent closes its end, or is gone."""
    started = asyncio.Semaphore(0)
    tasks = [
        asyncio.create_task(_client(address, stall, place % 2 == 1, started, HELD_SECONDS * place / number))
        for place, stall in enumerate(islice(cycle(STALLS), number))
    ]
    for _ in tasks:
        await started.acquire()
    parent.send(number)
    gone = asyncio.Event()
    asyncio.get_running_loop().add_reader(parent.fileno(), gone.set)
    await gone.wait()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _client(
    address: Address, stall: Stall, trickles: bool, started: asyncio.Semaphore, after_seconds: float
) -> None:
    """Of those in mid-body and mid-header, every other one sends a byte now and then and never comes to an end."""
    await asyncio.sleep(after_seconds)
    is_first = True
    while True:
        try:
            connection = await Connection.to(address)
        except OSError:
            # A service that does not let it in is not to be asked without a pause: that would be another attack.
            await asyncio.sleep(0.05)
            continue
        if is_first:
            started.release()
            is_first = False
        try:
            await _hold(connection, stall, trickles)
        finally:
            connection.close()


async def _hold(connection: Connection, stall: Stall, trickles: bool) -> None:
    match stall:
        case "body":
            connection.send(_BODY)
        case "header":
            connection.send(_HEADER)
        case "half-closed":
            connection.send(_BODY if trickles else _HEADER, last=True)
            await asyncio.sleep(HELD_SECONDS)
            return
        case "silent":
            await connection.lost.wait()
            return
    while connection.open:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(connection.lost.wait(), TRICKLE_SECONDS if trickles else None)
        connection.send(b"x" if stall == "header" else b"[")

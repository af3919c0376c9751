"""A number of notifications, as fast as they are answered: `load` goes on for a time instead."""

from concurrent.futures import ThreadPoolExecutor

from benchmarks.clients.sender import Sender
from benchmarks.clients.wire import Address


def flood(address: Address, body: bytes, count: int, connections: int) -> None:
    """Post a body so many times, each connection with one request at a time; every answer has to be a success.

    Raises OSError where a connection ends or nothing comes.
    """
    shares = [count // connections + (number < count % connections) for number in range(connections)]
    with ThreadPoolExecutor(connections) as pool:
        for posted in [pool.submit(_post, address, body, share) for share in shares]:
            posted.result()


def _post(address: Address, body: bytes, count: int) -> None:
    with Sender(address) as sender:
        for _ in range(count):
            _, code, answer = sender.post(body)
            assert code < 300, (code, answer[:200])

"""A number of notifications, as fast as they are answered."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from benchmarks.clients.connection import Address
from benchmarks.clients.sender import Sender


def flood(address: Address, body: bytes, count: int, connections: int) -> None:
    """Post a body until it was accepted `count` times, over so many connections; a 503 is sent again.

    Raises OSError where a connection ends or no answer comes.
    """
    shares = [count // connections + (number < count % connections) for number in range(connections)]
    with ThreadPoolExecutor(connections) as pool:
        list(pool.map(lambda share: _post(address, body, share), shares))


def _post(address: Address, body: bytes, count: int) -> None:
    while count:
        # A refusal ends the connection, which is all that a client may see of it while it sends.
        with Sender(address) as sender, suppress(ConnectionError):
            while count:
                _, code, answer = sender.post(body)
                if code == 503:
                    break
                assert code < 300, (code, answer[:200])
                count -= 1

"""A number of notifications, as fast as they are answered: `load` goes on for a time instead."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http import HTTPStatus

from benchmarks.clients.sender import Sender
from benchmarks.clients.wire import Address


def flood(address: Address, body: bytes, count: int, connections: int) -> None:
    """Post a body until it has so many answers of success, each connection with one request at a time; who is told to
    deliver again, as Alertmanager is, does so.

    Raises OSError where a connection ends or nothing comes.
    """
    shares = [count // connections + (number < count % connections) for number in range(connections)]
    with ThreadPoolExecutor(connections) as pool:
        for posted in [pool.submit(_post, address, body, share) for share in shares]:
            posted.result()


def _post(address: Address, body: bytes, count: int) -> None:
    while count:
        # A refusal ends the connection; who still sends may see no more of it than that.
        with Sender(address) as sender, suppress(ConnectionError):
            while count:
                _, code, answer = sender.post(body)
                if code == HTTPStatus.SERVICE_UNAVAILABLE:
                    break
                assert code < 300, (code, answer[:200])
                count -= 1

"""Work on a thread while a `with` lasts."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager


@contextmanager
def background(work: Callable[[threading.Event], None]) -> Iterator[None]:
    """Run `work` until the event is set, at the end of the `with`, where its exception is raised as well."""
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(work, stop)
        try:
            yield
        finally:
            stop.set()
    running.result()

"""A bare service: bare_flask.py, or another module, under gunicorn as it is, with our settings."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from types import MappingProxyType

from benchmarks.clients.sender import Sender
from benchmarks.clients.wire import Address
from demo.waiting import until
from remediator.arbiter import THREADS
from tests.acceptance.stack import free_address
from tests.control_plane.daemon import Daemon


@contextmanager
def bare(
    directory: Path, module: str = "benchmarks.floors.bare_flask", environment: Mapping[str, str] = MappingProxyType({})
) -> Iterator[tuple[Daemon, Address]]:
    """The process of gunicorn's master, and its address, once it answers."""
    host, _, port = free_address().partition(":")
    settings = ["--workers=1", f"--threads={THREADS}", "--worker-class=gthread", "--keep-alive=5"]
    quiet = ["--no-control-socket", "--log-level=warning", "--worker-tmp-dir=/dev/shm"]
    where = [f"--chdir={Path(__file__).parent.parent.parent}", f"--bind={host}:{port}"]
    where += [f"--env={name}={value}" for name, value in environment.items()]
    gunicorn = Path(sys.executable).with_name("gunicorn")
    with Daemon("bare", [gunicorn, *settings, *quiet, *where, f"{module}:app"], directory) as daemon:
        address = (host, int(port))
        with until("the bare service listens", lambda: Sender(address), 20) as sender:
            # The master listens before there is a worker, which then takes this.
            assert sender.post(b"")[1] == HTTPStatus.NO_CONTENT
        yield daemon, address

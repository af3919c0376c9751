"""`remediator serve` as a process, on free ports of loopback."""

import json
import re
import socket
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from demo.process import Process
from demo.waiting import until

REMEDIATOR = Path(sys.executable).with_name("remediator")


class Replica(Process):
    """A running service; `within` is a command that starts another one in surroundings of its own."""

    def __init__(
        self, directory: Path, *flags: str, within: Sequence[str | Path] = (), program: Path = REMEDIATOR
    ) -> None:
        listening = ["--web.listen-address=127.0.0.1:0", "--web.internal-listen-address=127.0.0.1:0"]
        super().__init__("remediator", [*within, program, "serve", *listening, *flags], directory)
        started = self.says(r"msg=starting .*webhook=(\S+):(\d+) internal=(\S+)")
        self.address = (started[1], int(started[2]))
        self.internal = started[3]

    def post(self, data: bytes, **headers: str) -> tuple[int, Any]:
        """Post to the webhook; the status and the answer."""
        host, port = self.address
        request = urllib.request.Request(f"http://{host}:{port}/webhook", data=data, method="POST")
        for key, value in {"Content-Type": "application/json", **headers}.items():
            request.add_header(key, value)
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def raw(self, *pieces: bytes) -> bytes:
        """Send bytes and say that no more come; whatever comes back."""
        with socket.create_connection(self.address, timeout=60) as connection:
            for piece in pieces:
                connection.sendall(piece)
            connection.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: connection.recv(65536), b""))

    def get(self, path: str) -> tuple[int, str]:
        """Ask the internal listener."""
        try:
            with urllib.request.urlopen(f"http://{self.internal}{path}", timeout=30) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def value(self, series: str) -> float:
        """A sample of the metrics, 0 where there is none."""
        found = re.search(rf"^{re.escape(series)} (\S+)$", self.get("/metrics")[1], re.MULTILINE)
        return float(found[1]) if found else 0

    def workers(self) -> list[int]:
        """The process ids of gunicorn's workers."""
        master = self._child.pid
        return [int(worker) for worker in Path(f"/proc/{master}/task/{master}/children").read_text().split()]

    def wait_until_ready(self) -> None:
        """Wait for the readiness probe."""
        until("ready", lambda: self.get("/-/ready")[0] == 200, 60)

    def reasons(self) -> list[str]:
        """The reasons of the audit lines so far."""
        return [json.loads(line)["reason"] for line in self.output.read_text().splitlines()]

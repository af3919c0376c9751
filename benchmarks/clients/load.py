"""Load by `wrk`: the same POST again and again, over connections that are kept."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from benchmarks.clients.wire import Address
from tests.components import component

CONNECTIONS = 16

# `done` gets what wrk has counted; what it prints for people is not made to be read by programs.
SCRIPT = """
wrk.method, wrk.path = "POST", "/webhook"
wrk.headers["Content-Type"] = "application/json"
local file = io.open("body.json", "rb")
wrk.body = file:read("*a")
function done(summary, latency)
  local errors = summary.errors
  io.stderr:write(string.format(
    '{"answers": %d, "refused": %d, "lost": %d, "seconds": %f, "p50": %f, "p99": %f}', summary.requests, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout, summary.duration / 1e6,
    latency:percentile(50) / 1e6, latency:percentile(99) / 1e6))
end
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What came of a load; times in seconds."""

    answers: int
    refused: int
    """Answers of 400 and more."""
    lost: int
    """Without an answer."""
    seconds: float
    p50: float
    p99: float

    @property
    def rate(self) -> float:
        """Answers per second."""
        return self.answers / self.seconds


def load(address: Address, body: bytes, seconds: int, directory: Path) -> Load:
    """Post a body as fast as the answers come. Raises pytest's Skipped where there is no wrk."""
    wrk = component("wrk", "wrk")
    directory.mkdir(exist_ok=True)
    (directory / "post.lua").write_text(SCRIPT)
    (directory / "body.json").write_bytes(body)
    url = f"http://{address[0]}:{address[1]}"
    command = [
        str(wrk),
        "--threads=1",
        f"--connections={CONNECTIONS}",
        f"--duration={seconds}s",
        "--script=post.lua",
        url,
    ]
    done = subprocess.run(command, cwd=directory, check=True, capture_output=True, text=True, timeout=seconds + 60)
    return Load(**json.loads(done.stderr))

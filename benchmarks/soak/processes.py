"""What a running service holds, according to the kernel: threads, file descriptors by kind, and memory."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.footprint import family, proportional
from tests.acceptance.fleet import Member

_LISTENING = "0A"


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Of gunicorn's master and worker together."""

    worker: int
    """The worker's process id, which changes when it is replaced."""
    threads: int
    descriptors: Mapping[str, int]
    """By kind: `listener`, `webhook`, `internal` and `api` for TCP, `socket` for other sockets, `pipe`, `file`, ..."""
    mebibytes: Mapping[str, float]
    """PSS of the `master` and the `worker`."""

    def __str__(self) -> str:
        kinds = ", ".join(f"{number} {kind}" for kind, number in sorted(self.descriptors.items()))
        memory = " + ".join(f"{size:.1f}" for size in self.mebibytes.values())
        return f"{self.threads} threads; {kinds}; PSS {memory} MiB"


def state_of(service: Member) -> State:
    """What a service holds now. Raises FileNotFoundError or ValueError where one of its processes is gone."""
    master, worker = pids = family(service.pid)
    ports = {service.address[1]: "webhook", int(service.internal.rpartition(":")[2]): "internal"}
    return State(
        worker=worker,
        threads=sum(len(list(Path(f"/proc/{pid}/task").iterdir())) for pid in pids),
        descriptors=sum((_descriptors(pid, ports) for pid in pids), Counter[str]()),
        mebibytes={"master": proportional([master]), "worker": proportional([worker])},
    )


def _descriptors(pid: int, ports: Mapping[int, str]) -> Counter[str]:
    sockets, kinds = _sockets(pid, ports), Counter[str]()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            kind, colon, rest = str(descriptor.readlink()).partition(":")
        except FileNotFoundError:
            continue  # Closed in the meantime.
        name = rest.strip("[]")
        kinds["file" if not colon else sockets.get(name, kind) if kind in ("socket", "pipe") else name] += 1
    return kinds


def _sockets(pid: int, ports: Mapping[int, str]) -> dict[str, str]:
    """The kind of each TCP socket, by inode: what is on neither of the service's ports leads to the API server."""
    found = dict[str, str]()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *rest = line.split()
            kind = ports.get(int(local.rpartition(":")[2], 16), "api")
            found[rest[5]] = "listener" if state == _LISTENING else kind
    return found

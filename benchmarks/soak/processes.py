"""What a running service holds, as the kernel tells it: threads, file descriptors by kind, memory, time on the CPU."""

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.acceptance.fleet import Member

_LISTENING = "0A"


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Of gunicorn's master and worker at a moment; numbers are of both together unless they say otherwise."""

    worker: int
    """The worker's process id: another one later means that it was replaced."""
    threads: int
    descriptors: Mapping[str, int]
    """By kind: `listener`, `webhook`, `internal` and `api` for TCP, `socket` for others; `pipe`, `file` and so on."""
    master_bytes: int
    """Proportional set size: shared pages are divided among those who share them."""
    worker_bytes: int
    cpu_seconds: float

    @property
    def total(self) -> int:
        """All file descriptors."""
        return sum(self.descriptors.values())

    def __str__(self) -> str:
        kinds = " ".join(f"{kind}={number}" for kind, number in sorted(self.descriptors.items()))
        memory = f"PSS {self.master_bytes / 2**20:.1f} + {self.worker_bytes / 2**20:.1f} MiB"
        return f"threads {self.threads}, descriptors {self.total} ({kinds}), {memory}, CPU {self.cpu_seconds:.1f} s"


def state_of(service: Member) -> State:
    """What a service holds now. Raises FileNotFoundError or ValueError where one of its processes is gone."""
    (worker,) = service.workers()
    master = int(_stat(worker)[1])
    internal = int(service.internal.rpartition(":")[2])
    names = {service.address[1]: "webhook", internal: "internal"}
    pids = (master, worker)
    return State(
        worker=worker,
        threads=sum(len(list(Path(f"/proc/{pid}/task").iterdir())) for pid in pids),
        descriptors=sum((_descriptors(pid, names) for pid in pids), Counter[str]()),
        master_bytes=proportional_set_size(master),
        worker_bytes=proportional_set_size(worker),
        cpu_seconds=sum(map(_cpu_seconds, pids)),
    )


def proportional_set_size(pid: int) -> int:
    """Bytes of memory of a process, with shared pages divided among those who share them."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.findall(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)[0]) * 1024


def _descriptors(pid: int, names: Mapping[int, str]) -> Counter[str]:
    sockets = _sockets(pid, names)
    return Counter(_kind(link, sockets) for link in _links(pid))


def _links(pid: int) -> Iterable[str]:
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            yield str(descriptor.readlink())
        except FileNotFoundError:
            continue  # Closed in this moment.


def _kind(link: str, sockets: Mapping[str, str]) -> str:
    kind, colon, rest = link.partition(":")
    if not colon:
        return "file"
    return sockets.get(rest.strip("[]"), "socket") if kind == "socket" else kind if kind == "pipe" else rest.strip("[]")


def _sockets(pid: int, names: Mapping[int, str]) -> dict[str, str]:
    """The kind of each TCP socket there is, by inode: what is neither of our ports is a way to the API server."""
    found = dict[str, str]()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *rest = line.split()
            kind = names.get(int(local.rpartition(":")[2], 16), "api")
            found[rest[5]] = "listener" if state == _LISTENING else kind
    return found


def _cpu_seconds(pid: int) -> float:
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _stat(pid: int) -> list[str]:
    """The fields of proc_pid_stat(5) from the third one, the state, on: a program's name may hold blanks."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()

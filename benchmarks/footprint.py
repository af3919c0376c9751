"""The memory that processes hold, as the kernel accounts for it."""

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

MIB = 2**20


def family(master: int) -> list[int]:
    """A process and its children."""
    return [master, *map(int, Path(f"/proc/{master}/task/{master}/children").read_text().split())]


def proportional(processes: Sequence[int]) -> float:
    """MiB that these processes hold together: a page that n processes share counts for 1/n in each."""
    rollups = (Path(f"/proc/{process}/smaps_rollup").read_text() for process in processes)
    return sum(_bytes("Pss", rollup) for rollup in rollups) / MIB


def alone(processes: Sequence[int]) -> float:
    """MiB that they would hold if no other process shared their files.

    Each part of a file counts once, for the process that has most of it in memory.
    """
    files: dict[str, int] = defaultdict(int)
    memory = 0
    for process in processes:
        memory += _bytes("Pss_Anon", Path(f"/proc/{process}/smaps_rollup").read_text())
        for part in re.split(r"^(?=[0-9a-f]+-[0-9a-f]+ )", Path(f"/proc/{process}/smaps").read_text(), flags=re.M)[1:]:
            _, _, offset, _, inode, *name = part.partition("\n")[0].split(maxsplit=5)
            if inode != "0":
                key = f"{name} {offset}"
                files[key] = max(files[key], _bytes("Rss", part) - _bytes("Anonymous", part))
    return (memory + sum(files.values())) / MIB


def _bytes(name: str, text: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB$", text, re.MULTILINE)
    return 1024 * int(found[1]) if found else 0

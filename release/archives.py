"""Tar archives that are the same whenever and wherever they are made.

The rule of this file: what goes in is names and contents. Order, owner, modes and times are no input.
"""

import gzip
import io
import stat
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

TREE = Path(__file__).parents[1]


def tar(files: Mapping[str, bytes], time: int) -> bytes:
    """A tar archive of these files, by name, each changed at this time."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name in sorted(files):
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(files[name]), time
            member.mode = 0o644
            archive.addfile(member, io.BytesIO(files[name]))
    return packed.getvalue()


def zipped(packed: bytes) -> bytes:
    """The same, as gzip writes it, without name and time."""
    return gzip.compress(packed, mtime=0)


def untar(path: Path) -> dict[str, bytes]:
    """The files of a tar archive, zipped or not."""
    with tarfile.open(path) as archive:
        return {member.name: _content(archive, member) for member in archive if member.isfile()}


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    content = archive.extractfile(member)
    return content.read() if content else b""


def krew_archive(tree: Path = TREE) -> bytes:
    """What krew installs, as krew/remediator.yaml describes it.

    It is the same for every version, and not compressed, so that no library decides about its hash.
    """
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for path, mode in ((tree / "krew" / "kubectl-remediator", 0o755), (tree / "LICENSE", 0o644)):
            member = zipfile.ZipInfo(path.name)
            member.create_system, member.external_attr = 3, (stat.S_IFREG | mode) << 16
            archive.writestr(member, path.read_bytes())
    return packed.getvalue()

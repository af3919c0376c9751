"""What has to be installed, and what the image weighs: reported, with what dominates it."""

import re
from collections.abc import Iterator, Mapping
from importlib.metadata import Distribution, distributions
from pathlib import Path

from benchmarks.figure import Effort, Figure, spell
from tests.image import TREE, built_image

VENV = "opt/remediator"
MB = 1e6
LARGEST = 6
BASELINE = ("flask", "pydantic", "prometheus-client", "urllib3", "gunicorn", "click", "pyyaml")
"""What nobody could do without, and what that needs in turn."""


def measure(effort: Effort, directory: Path) -> Iterator[Figure]:
    """The distributions of this environment that are locked for the service; and, not when hurried, the image."""
    here = {_name(found): found for found in distributions()}
    locked = set(re.findall(r"^([a-z0-9-]+)==", (TREE / "requirements.txt").read_text(), re.MULTILINE))
    sizes = {name: _size(here[name]) for name in locked & here.keys()}
    least = sum(sizes[name] for name in _closure(BASELINE, here))
    yield Figure(
        name="installed, without bytecode",
        ours=f"{spell(sum(sizes.values()) / MB)} MB in {len(sizes)} distributions",
        baseline=f"{', '.join(BASELINE)} and what they need: {spell(least / MB)} MB",
        notes=[f"the largest are {_largest(sizes)}"],
    )
    if not effort.quick:
        yield _image(directory)


def _image(directory: Path) -> Figure:
    """The Dockerfile's image, on a stand-in for its base."""
    with built_image(directory) as image:
        places = [path for path in image.root.iterdir() if path.is_dir() and not path.is_symlink()]
        whole, ours = sum(map(_weight, places)), _weight(image.root / VENV)
        packages = next(image.root.glob(f"{VENV}/lib/python3*/site-packages"))
        sizes = {path.name: _weight(path) for path in packages.iterdir() if path.is_dir()}
    return Figure(
        name="image",
        ours=f"{spell(whole / MB)} MB",
        baseline=f"its base: {spell((whole - ours) / MB)} MB",
        notes=[
            f"uncompressed; {spell(ours / MB)} MB are ours, with bytecode: {_largest(sizes)}",
            "the base is a stand-in that is built on this machine: Debian's Python 3.13 and nothing else",
        ],
    )


def _closure(names: tuple[str, ...], here: Mapping[str, Distribution]) -> set[str]:
    """These distributions and all that they require in this environment; extras aside."""
    found, waiting = set[str](), list(names)
    while waiting:
        name = waiting.pop()
        if name in here and name not in found:
            found.add(name)
            required = (text for text in here[name].requires or () if "extra ==" not in text)
            waiting += [re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", text)[0]).lower() for text in required]
    return found


def _size(distribution: Distribution) -> int:
    """Bytes of its files, but not of the bytecode that Python makes of them."""
    files = (Path(str(distribution.locate_file(file))) for file in distribution.files or ())
    return sum(file.lstat().st_size for file in files if file.suffix != ".pyc" and file.is_file())


def _weight(place: Path) -> int:
    return sum(path.lstat().st_size for path in place.rglob("*") if path.is_symlink() or path.is_file())


def _name(distribution: Distribution) -> str:
    return re.sub(r"[-_.]+", "-", distribution.metadata["Name"]).lower()


def _largest(sizes: Mapping[str, int]) -> str:
    ranked = sorted(sizes.items(), key=lambda item: -item[1])[:LARGEST]
    return ", ".join(f"{name} {spell(size / MB)} MB" for name, size in ranked)

"""`make release`: what is published for a version, made twice from the last commit, and the same both times."""

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from release.archives import TREE, krew_archive, tar, untar
from release.bill import bill_of_materials, image_bill
from release.chart import chart_layout, package_chart
from release.image import read_image
from remediator import __version__

SUMS = "SHA256SUMS"


def make(tree: Path, directory: Path, time: int) -> None:
    """Make everything but the image from a tree; `time` is that of the commit, in seconds since 1970."""
    build = [sys.executable, "-m", "hatchling", "build", f"--directory={directory}"]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(time)}
    subprocess.run(build, cwd=tree, env=environment, check=True, stderr=subprocess.DEVNULL)
    name, package = package_chart(tree, time)
    made = {
        name: package,
        f"remediator-chart-{__version__}.oci.tar": chart_layout(name, package, time),
        f"remediator-{__version__}.cdx.json": bill_of_materials(tree, __version__, time),
        "kubectl-remediator.zip": krew_archive(tree),
        "remediator.yaml": (tree / "krew" / "remediator.yaml").read_bytes(),
    }
    for file, content in made.items():
        (directory / file).write_bytes(content)


def make_image(tree: Path, directory: Path, time: int, flags: Sequence[str]) -> None:
    """Make the image's archive by buildah, and its bill; `flags` are those of `buildah build`."""
    build = ["buildah", "build", f"--timestamp={time}", f"--build-arg=VERSION={__version__}", "--no-cache", "--quiet"]
    built = subprocess.run([*build, *flags, "."], cwd=tree, check=True, stdout=subprocess.PIPE, text=True)
    image = built.stdout.split()[-1]
    with tempfile.TemporaryDirectory() as place:
        archive = Path(place) / "image.tar"
        name = f"ghcr.io/denis-run/remediator:{__version__}"
        subprocess.run(["buildah", "push", "--quiet", image, f"oci-archive:{archive}:{name}"], check=True)
        made = directory / f"remediator-image-{__version__}.oci.tar"
        made.write_bytes(tar(untar(archive), time))
        bill = image_bill(read_image(made), tree, __version__, time)
        (directory / f"remediator-image-{__version__}.cdx.json").write_bytes(bill)


def sums(directory: Path) -> dict[str, str]:
    """The SHA-256 of each file, by its name."""
    files = sorted(path for path in directory.iterdir() if path.name != SUMS)
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _git(*arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=TREE, check=True, stdout=subprocess.PIPE).stdout


def _export(directory: str) -> Path:
    """The last commit's files, without what else lies in the working tree."""
    tree = Path(directory) / "tree"
    tree.mkdir()
    subprocess.run(["tar", "--extract", f"--directory={tree}"], input=_git("archive", "HEAD"), check=True)
    return tree


def main() -> None:
    """Make the release in a directory. Raises SystemExit where it cannot be, or is not reproducible."""
    parser = argparse.ArgumentParser(prog="release", description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--without-image", action="store_true")
    options, flags = parser.parse_known_args()
    if _git("status", "--porcelain"):
        raise SystemExit("a release is made of a commit: commit what is changed, or take it away")
    time, found = int(_git("log", "-1", "--format=%ct")), []
    options.directory.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as again:
        for directory in (options.directory.resolve(), Path(again)):
            with tempfile.TemporaryDirectory() as exported:
                tree = _export(exported)
                try:
                    make(tree, directory, time)
                    if not options.without_image:
                        make_image(tree, directory, time, flags)
                except (subprocess.CalledProcessError, FileNotFoundError) as error:
                    raise SystemExit(f"the release is not complete: {error}") from error
            found.append(sums(directory))
    first, second = found
    if different := sorted(name for name in first if first[name] != second.get(name)):
        raise SystemExit(f"made twice, and not the same: {', '.join(different)}")
    lines = [f"{digest}  {name}" for name, digest in first.items()]
    (options.directory / SUMS).write_text("\n".join([*lines, ""]))
    print("\n".join(["made twice, the same both times:", *lines]))


if __name__ == "__main__":
    main()

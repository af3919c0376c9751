"""What an image in an OCI archive consists of, as its layers and its configuration say."""

import io
import json
import re
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from release.archives import untar

STATUS, RELEASE = "var/lib/dpkg/status", "usr/lib/os-release"


@dataclass(frozen=True, slots=True, kw_only=True)
class DebianPackage:
    """An installed package."""

    name: str
    version: str
    architecture: str
    source: str
    """The source package that it was built from, as NAME or NAME@VERSION; empty where both are its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image, and what is installed in it."""

    digest: str
    system: str
    """The distribution, as `debian`."""
    system_version: str
    packages: tuple[DebianPackage, ...]
    """By name."""
    python: str
    """The version of an interpreter that is no package, or empty."""


def read_image(archive: Path) -> Image:
    """The only image of an OCI archive. Raises ValueError where it does not say what is installed."""
    files = untar(archive)
    (described,) = json.loads(files["index.json"])["manifests"]
    manifest = _blob(files, described)
    found: dict[str, str] = {}
    for layer in manifest["layers"]:
        found |= _read_layer(files[_path(layer)])
    if missing := {STATUS, RELEASE} - found.keys():
        raise ValueError(f"the image has no /{sorted(missing)[0]}: what is installed in it is not known")
    release = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', found[RELEASE], re.MULTILINE))
    environment = dict(one.split("=", 1) for one in _blob(files, manifest["config"])["config"].get("Env", []))
    packages = sorted(_installed(found[STATUS]), key=lambda one: (one.name, one.architecture))
    return Image(
        digest=described["digest"],
        system=release["ID"],
        # Debian's unstable has no number.
        system_version=release.get("VERSION_ID") or release["VERSION_CODENAME"],
        packages=tuple(packages),
        python=environment.get("PYTHON_VERSION", ""),
    )


def _path(described: Mapping[str, Any]) -> str:
    return f"blobs/{described['digest'].replace(':', '/')}"


def _blob(files: Mapping[str, bytes], described: Mapping[str, Any]) -> Any:
    return json.loads(files[_path(described)])


def _read_layer(layer: bytes) -> dict[str, str]:
    """Those of the two files that are in a layer, which replace those of the layers below."""
    with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
        names = {member.name.removeprefix("./"): member for member in archive if member.isfile()}
        contents = {name: archive.extractfile(names[name]) for name in (STATUS, RELEASE) if name in names}
        return {name: content.read().decode() for name, content in contents.items() if content}


def _installed(status: str) -> Iterator[DebianPackage]:
    for paragraph in status.split("\n\n"):
        fields = dict(re.findall(r"^(\S+): (.*)$", paragraph, re.MULTILINE))
        if fields.get("Status", "").endswith(" installed"):
            # `Source: name (version)`, both only where they differ from the package's.
            source = re.sub(r" \((.*)\)$", r"@\1", fields.get("Source", ""))
            yield DebianPackage(
                name=fields["Package"],
                version=fields["Version"],
                architecture=fields["Architecture"],
                source=source,
            )

"""The software bills of materials, as CycloneDX: of the program with its locked dependencies, and of the image.

The rule of this file: versions and hashes are those of requirements.txt; licenses and who needs whom are what the
installed packages say of themselves. What else the image has is what its layers and its configuration say.
"""

import re
import uuid
import warnings
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import License
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from release.image import DebianPackage, Image

_LOCKED = re.compile(r"^([a-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)(.*?)(?=^\S|\Z)", re.MULTILINE | re.DOTALL)
_NAME = re.compile(r"[A-Za-z0-9._-]+")


def bill_of_materials(tree: Path, version: str, time: int) -> bytes:
    """The bill of this tree's program, as JSON."""
    bom = Bom()
    bom.metadata.component = _add_program(bom, tree, version)
    return _json(bom, _url("remediator", version), time)


def image_bill(image: Image, tree: Path, version: str, time: int) -> bytes:
    """The bill of an image: this tree's program, the Debian packages, and the interpreter, as JSON."""
    repository = "ghcr.io/denis-run/remediator"
    where = {"repository_url": repository, "tag": version}
    url = PackageURL(type="oci", name="remediator", version=image.digest, qualifiers=where)
    whole = Component(type=ComponentType.CONTAINER, name=repository, version=version, bom_ref="image", purl=url)
    system = Component(
        type=ComponentType.OPERATING_SYSTEM, name=image.system, version=image.system_version, bom_ref="system"
    )
    packages = [_debian(image, package) for package in image.packages]
    bom = Bom(components=[system, *packages])
    inside = [_add_program(bom, tree, version), system]
    bom.components.add(inside[0])
    if image.python:
        url = PackageURL(type="generic", name="python", version=image.python)
        inside.append(Component(name="python", version=image.python, bom_ref="python", purl=url))
        bom.components.add(inside[-1])
    bom.metadata.component = whole
    bom.register_dependency(whole, inside)
    bom.register_dependency(system, packages)
    return _json(bom, whole.purl, time)


def _debian(image: Image, package: DebianPackage) -> Component:
    """A package as scanners look for it: fixes are published by the source that it was built from."""
    built = {"upstream": package.source} if package.source else {}
    where = {"arch": package.architecture, "distro": f"{image.system}-{image.system_version}", **built}
    return Component(
        type=ComponentType.LIBRARY,
        name=package.name,
        version=package.version,
        bom_ref=f"{package.name}:{package.architecture}={package.version}",
        purl=PackageURL(
            type="deb", namespace=image.system, name=package.name, version=package.version, qualifiers=where
        ),
    )


def _add_program(bom: Bom, tree: Path, version: str) -> Component:
    """Remediator, with its dependencies in the bill."""
    program = Component(
        type=ComponentType.APPLICATION,
        name="remediator",
        version=version,
        bom_ref="remediator",
        purl=_url("remediator", version),
    )
    program.licenses.update(_license("remediator"))
    parts = {part.name: part for part in _locked((tree / "requirements.txt").read_text())}
    bom.components.update(parts.values())
    needs = {name: sorted(_needs(name) & parts.keys()) for name in parts}
    # What no other asks for is asked for by the program, if only by an extra.
    direct = parts.keys() - {name for names in needs.values() for name in names}
    needs["remediator"] = sorted(_needs("remediator") & parts.keys() | direct)
    for component in (program, *parts.values()):
        bom.register_dependency(component, [parts[name] for name in needs[component.name]])
    return program


def _json(bom: Bom, url: PackageURL | None, time: int) -> bytes:
    """The bill of what has this address."""
    bom.serial_number = uuid.uuid5(uuid.NAMESPACE_URL, str(url))
    bom.metadata.timestamp = datetime.fromtimestamp(time, UTC)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return (JsonV1Dot6(bom).output_as_string(indent=2) + "\n").encode()


def _url(name: str, version: str) -> PackageURL:
    return PackageURL(type="pypi", name=name, version=version)


def _locked(text: str) -> Iterator[Component]:
    for name, version, rest in _LOCKED.findall(text):
        hashes = [
            HashType(alg=HashAlgorithm.SHA_256, content=found) for found in re.findall(r"sha256:([0-9a-f]{64})", rest)
        ]
        reference = ExternalReference(
            type=ExternalReferenceType.DISTRIBUTION,
            url=XsUri(f"https://pypi.org/project/{name}/{version}/"),
            comment="the files that the lock file accepts",
            hashes=hashes,
        )
        part = Component(
            type=ComponentType.LIBRARY,
            name=name,
            version=version,
            bom_ref=f"{name}=={version}",
            purl=_url(name, version),
        )
        part.licenses.update(_license(name))
        part.external_references.add(reference)
        yield part


def _metadata(name: str) -> Mapping[str, list[str]]:
    """What the installed package says of itself; nothing where it is for other systems."""
    try:
        found = metadata(name)
    except PackageNotFoundError:
        return {}
    return {
        key: [str(value) for value in found.get_all(key, [])]
        for key in ("Requires-Dist", "License-Expression", "License")
    }


def _needs(name: str) -> set[str]:
    """The packages that it needs, without those of its extras."""
    lines = (line for line in _metadata(name).get("Requires-Dist", []) if "extra ==" not in line)
    return {re.sub(r"[._-]+", "-", found[0]).lower() for line in lines if (found := _NAME.match(line))}


def _license(name: str) -> list[License]:
    said = _metadata(name)
    texts = [*said.get("License-Expression", []), *said.get("License", [])]
    short = (text for text in texts if text and "\n" not in text and len(text) < 60)
    return [LicenseFactory().make_from_string(text) for text in short][:1]

"""What `make release` makes: complete, the same each time, and accepted by the programs that take it."""

import hashlib
import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import fastjsonschema
import pytest
import yaml
from packageurl import PackageURL

from release.__main__ import make, sums
from release.archives import tar, untar, zipped
from release.bill import bill_of_materials, image_bill
from release.image import read_image
from remediator import __version__
from tests.chart.helm import CHART
from tests.support.control_plane.programs import find_program
from tests.support.loopback import Handler, LoopbackServer
from tests.support.service import SHIPPED

TREE = SHIPPED.parents[1]
TIME = 1_800_000_000
FOLDERS = ("remediator", "rules", "docs", "scripts", "helm", "krew")
FILES = ("LICENSE", "README.md", "CHANGELOG.md", "pyproject.toml", "requirements.txt", ".gitignore")


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything but the image."""
    return _made(TREE, tmp_path_factory.mktemp("release"))


def _made(tree: Path, directory: Path) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HELM", str(find_program("helm")))
        make(tree, directory, TIME)
    return directory


def _copied(tree: Path) -> Path:
    """Another checkout, with times of its own."""
    ignored = shutil.ignore_patterns("__pycache__")
    for name in FOLDERS:
        shutil.copytree(TREE / name, tree / name, ignore=ignored, copy_function=shutil.copy)
    for name in FILES:
        shutil.copy(TREE / name, tree / name)
    return tree


def test_everything_is_there(release: Path) -> None:
    """Wheel, sdist, the chart in both forms, the bill of materials, and what krew takes."""
    version = __version__
    assert set(sums(release)) == {
        f"remediator-{version}-py3-none-any.whl",
        f"remediator-{version}.tar.gz",
        f"remediator-{version}.tgz",
        f"remediator-chart-{version}.oci.tar",
        f"remediator-{version}.cdx.json",
        "kubectl-remediator.zip",
        "remediator.yaml",
    }


def test_the_chart_is_of_this_version() -> None:
    """Chart, program and image go by one version."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (__version__, __version__)
    assert f":{__version__}\n" in chart["annotations"]["artifacthub.io/images"]


def test_another_checkout_makes_the_same(release: Path, tmp_path: Path) -> None:
    """Neither the folder nor the times of its files are in what is published."""
    tree = _copied(tmp_path / "elsewhere")
    (tmp_path / "made").mkdir()
    assert sums(_made(tree, tmp_path / "made")) == sums(release)


def test_a_changed_line_is_another_release(release: Path, tmp_path: Path) -> None:
    """The comparison can fail: what goes into several artifacts changes each of them."""
    tree = _copied(tmp_path / "changed")
    (tree / "LICENSE").write_text("no\n")
    values = tree / "helm" / "remediator" / "values.yaml"
    values.write_text(f"{values.read_text()}# changed\n")
    (tmp_path / "made").mkdir()
    made, before = sums(_made(tree, tmp_path / "made")), sums(release)
    same = {name for name in made if made[name] == before[name]}
    assert same == {f"remediator-{__version__}.cdx.json", "remediator.yaml"}


def test_the_package_is_the_chart(release: Path) -> None:
    """The chart's package has the files that are in the tree, without those for its tests."""
    files = untar(release / f"remediator-{__version__}.tgz")
    assert files["remediator/values.yaml"] == (CHART / "values.yaml").read_bytes()
    assert {name.split("/")[1] for name in files} >= {
        "Chart.yaml",
        "templates",
        "files",
        "values.schema.json",
        "README.md",
    }
    assert not any(name.startswith("remediator/ci/") for name in files)


def test_helm_pulls_the_layout_from_a_registry(release: Path, tmp_path: Path) -> None:
    """Put into a registry as it is, the OCI layout is the chart that Helm pulls, byte for byte."""
    files = untar(release / f"remediator-chart-{__version__}.oci.tar")
    with _registry(files) as registry:
        pull: list[str | Path] = [
            find_program("helm"),
            "pull",
            f"oci://{registry.address}/charts/remediator",
            f"--version={__version__}",
        ]
        subprocess.run([*pull, "--plain-http", f"--destination={tmp_path}"], check=True, timeout=60)
    name = f"remediator-{__version__}.tgz"
    assert (tmp_path / name).read_bytes() == (release / name).read_bytes()


def _registry(files: Mapping[str, bytes]) -> LoopbackServer:
    """A registry that has nothing but the image of a layout."""
    (tagged,) = json.loads(files["index.json"])["manifests"]
    tag, digest = tagged["annotations"]["org.opencontainers.image.ref.name"], tagged["digest"]

    class Registry(Handler):
        def do_GET(self) -> None:
            name = self.path.rpartition("/")[2]
            algorithm, _, hexadecimal = (digest if name == tag else name).partition(":")
            content = files.get(f"blobs/{algorithm}/{hexadecimal}", b"")
            self.send_response(200 if content or self.path == "/v2/" else 404)
            is_manifest = "/manifests/" in self.path
            self.send_header("Content-Type", tagged["mediaType"] if is_manifest else "application/octet-stream")
            self.send_header("Docker-Content-Digest", f"{algorithm}:{hexadecimal}")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

        do_HEAD = do_GET

    return LoopbackServer(Registry)


def test_each_blob_of_the_layout_is_what_its_name_says(release: Path) -> None:
    """Digests and sizes are those of the contents, and nothing is there that is not named."""
    files = untar(release / f"remediator-chart-{__version__}.oci.tar")
    (tagged,) = json.loads(files["index.json"])["manifests"]
    manifest = json.loads(files[_blob(tagged["digest"])])
    described = [tagged, manifest["config"], *manifest["layers"]]
    assert {_blob(one["digest"]): one["size"] for one in described} == {
        name: len(content) for name, content in files.items() if name.startswith("blobs/")
    }
    assert all(hashlib.sha256(files[_blob(one["digest"])]).hexdigest() in one["digest"] for one in described)
    assert json.loads(files[_blob(manifest["config"]["digest"])]) == yaml.safe_load((CHART / "Chart.yaml").read_text())


def _blob(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def test_the_bill_of_materials_is_the_lock_file(release: Path) -> None:
    """Every locked package is there with its version and hashes, and is asked for by the program or another package."""
    bill = json.loads((release / f"remediator-{__version__}.cdx.json").read_text())
    locked = (TREE / "requirements.txt").read_text()
    parts = bill["components"]
    assert len(parts) == sum("==" in line and not line.startswith((" ", "#")) for line in locked.splitlines())
    for part in parts:
        url = PackageURL.from_string(part["purl"])
        assert f"{url.name}=={url.version}" in locked.replace("urllib3[socks]", "urllib3")
        assert all(found["content"] in locked for found in part["externalReferences"][0]["hashes"])
    assert sum(len(part["externalReferences"][0]["hashes"]) for part in parts) == locked.count("--hash=sha256:")

    program = bill["metadata"]["component"]
    assert (program["name"], program["version"]) == ("remediator", __version__)
    assert reached(bill) == {program["bom-ref"], *(part["bom-ref"] for part in parts)}


def reached(bill: Any) -> set[str]:
    """What a bill is about, and all that it depends on."""
    graph = {one["ref"]: one.get("dependsOn", []) for one in bill["dependencies"]}
    names, found = set(), [bill["metadata"]["component"]["bom-ref"]]
    while found:
        names.add(found[-1])
        found += [name for name in graph[found.pop()] if name not in names]
    return names


PACKAGES = """Package: zlib1g
Status: install ok installed
Architecture: amd64
Multi-Arch: same
Source: zlib
Version: 1:1.3.dfsg+really1.3.1-1+b1
Description: compression library
 Package: no field

Package: libc6
Status: hold ok installed
Architecture: amd64
Source: glibc (2.41-12)
Version: 2.41-12+deb13u1

Package: nano
Status: deinstall ok config-files
Architecture: amd64
Version: 8.4-1

Package: adduser
Status: install ok installed
Architecture: all
Version: 3.152
"""


def write_image(path: Path, *layers: Mapping[str, str], environment: Sequence[str] = ()) -> Path:
    """An OCI archive of an image with these files in its layers, the lowest first."""
    files: dict[str, bytes] = {}

    def add(content: bytes) -> dict[str, Any]:
        digest = hashlib.sha256(content).hexdigest()
        files[f"blobs/sha256/{digest}"] = content
        return {"digest": f"sha256:{digest}", "size": len(content)}

    packed = [tar({name: text.encode() for name, text in layer.items()}, TIME) for layer in layers]
    described = [add(zipped(layer)) for layer in packed]
    config = add(json.dumps({"config": {"Env": list(environment)}}).encode())
    manifest = add(json.dumps({"config": config, "layers": described}).encode())
    files["index.json"] = json.dumps({"manifests": [manifest]}).encode()
    path.write_bytes(tar(files, TIME))
    return path


BASE = {"var/lib/dpkg/status": PACKAGES, "usr/lib/os-release": 'PRETTY_NAME="Debian 13"\nID=debian\nVERSION_ID="13"\n'}


def test_the_bill_of_the_image_has_its_packages(tmp_path: Path) -> None:
    """The installed Debian packages with their sources, the interpreter and the program: what scanners look for."""
    python = ["PATH=/usr/bin", "PYTHON_VERSION=3.13.9"]
    image = read_image(write_image(tmp_path / "image.tar", BASE, {"opt/x": ""}, environment=python))
    text = image_bill(image, TREE, __version__, TIME)
    bill, program = json.loads(text), json.loads(bill_of_materials(TREE, __version__, TIME))
    urls = {part["bom-ref"]: part.get("purl") for part in bill["components"]}
    assert set(urls) > {part["bom-ref"] for part in program["components"]}
    distribution = "distro=debian-13"
    assert {url for url in urls.values() if url and not url.startswith("pkg:pypi/")} == {
        f"pkg:deb/debian/adduser@3.152?arch=all&{distribution}",
        f"pkg:deb/debian/libc6@2.41-12%2Bdeb13u1?arch=amd64&{distribution}&upstream=glibc%402.41-12",
        f"pkg:deb/debian/zlib1g@1:1.3.dfsg%2Breally1.3.1-1%2Bb1?arch=amd64&{distribution}&upstream=zlib",
        "pkg:generic/python@3.13.9",
    }
    assert image.digest.removeprefix("sha256:") in bill["metadata"]["component"]["purl"]
    assert reached(bill) == {"image", *urls}
    assert image_bill(image, TREE, __version__, TIME) == text


def test_a_later_layer_replaces_what_is_installed(tmp_path: Path) -> None:
    """What was installed or upgraded on top of the base is what is there."""
    upgraded = PACKAGES.replace("3.152", "3.153")
    image = read_image(write_image(tmp_path / "image.tar", BASE, {"var/lib/dpkg/status": upgraded}))
    assert (image.packages[0].name, image.packages[0].version) == ("adduser", "3.153")
    assert image.python == ""


def test_an_image_without_a_list_of_packages_has_no_bill(tmp_path: Path) -> None:
    """An empty bill would say that nothing is in it."""
    with pytest.raises(ValueError, match="no /var/lib/dpkg/status"):
        read_image(write_image(tmp_path / "image.tar", {"usr/lib/os-release": BASE["usr/lib/os-release"]}))


def test_both_bills_are_valid(tmp_path: Path) -> None:
    """Every key and value is one that CycloneDX 1.6 knows."""
    schemas = files("cyclonedx.schema._res")

    def schema(address: str) -> Any:
        name = address.rpartition("/")[2].replace(".SNAPSHOT", "").replace(".schema", ".SNAPSHOT.schema")
        return json.loads((schemas / name).read_text())

    valid = fastjsonschema.compile(schema("bom-1.6.schema.json"), handlers={"http": schema})
    image = read_image(write_image(tmp_path / "image.tar", BASE))
    bills = [bill_of_materials(TREE, __version__, TIME), image_bill(image, TREE, __version__, TIME)]
    for text in bills:
        valid(json.loads(text))
    with pytest.raises(fastjsonschema.JsonSchemaValueException):
        valid({**json.loads(bills[0]), "components": [{"type": "x", "name": "y"}]})

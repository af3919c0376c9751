"""The Dockerfile: what is in the image it makes, and how that runs where it may do next to nothing."""

import errno
import json
import os
import re
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.loopback import get_text, send_json
from demo.waiting import until
from remediator import __version__
from remediator.sandbox import EmbeddedCluster
from remediator.sandbox.kubeconfig import kubeconfig
from tests.support.components import component
from tests.support.image import MOUNTED, TREE, Container, Image, built_image
from tests.support.service import alert, body

LISTENING = ("--web.listen-address=127.0.0.1:0", "--web.internal-listen-address=127.0.0.1:0")
VENV = "opt/remediator"
LIMIT_MB = 125
"""What we may add to the base."""

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    """The image, built once for all tests."""
    with built_image(tmp_path_factory.mktemp("image")) as built:
        yield built


@pytest.fixture
def mounted(tmp_path: Path) -> Path:
    """What the container finds at MOUNTED: nothing so far."""
    directory = tmp_path / "mounted"
    directory.mkdir()
    return directory


def test_the_dockerfile_is_clean() -> None:
    """hadolint finds nothing, not even something to be informed of."""
    found = subprocess.run(
        [component("hadolint", "hadolint"), "--no-color", "--failure-threshold=style", TREE / "Dockerfile"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (found.returncode, found.stdout) == (0, "")


def test_it_says_what_it_is(image: Image) -> None:
    """User, command, ports, signal and labels are those that the chart and a registry rely on."""
    config = image.config
    assert (config["User"], config["WorkingDir"], config["StopSignal"]) == ("65532:65532", "/etc/remediator", "SIGTERM")
    assert (config["Entrypoint"], config["Cmd"]) == (["remediator"], ["serve"])
    assert config["ExposedPorts"].keys() == {"8080/tcp", "9090/tcp"}
    assert {"PYTHONDONTWRITEBYTECODE=1", "PYTHONUNBUFFERED=1"} <= set(config["Env"])
    name = "org.opencontainers.image."
    labels = {key.removeprefix(name): value for key, value in config["Labels"].items() if key.startswith(name)}
    project = (TREE / "pyproject.toml").read_text()
    assert f'description = "{labels.pop("description")}"' in project
    assert f'license = "{labels["licenses"]}"' in project
    assert labels == {
        "title": "Remediator",
        "source": "https://github.com/denis-run/remediator",
        "licenses": "Apache-2.0",
        "version": __version__,
    }


def test_it_holds_what_is_locked_and_nothing_else(image: Image) -> None:
    """Every distribution is one of requirements.txt in that version, and the only other one is Remediator."""
    listed = [path.name for path in image.root.glob(f"{VENV}/lib/python3*/site-packages/*.dist-info")]
    installed = {
        re.sub(r"[-_.]+", "-", name.lower()): version
        for name, version in (entry.removesuffix(".dist-info").rsplit("-", 1) for entry in listed)
    }
    locked = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", (TREE / "requirements.txt").read_text(), re.MULTILINE))
    assert installed.pop("remediator") == __version__
    assert {"flask", "gunicorn", "kubernetes"} <= installed.keys()
    assert installed.items() <= locked.items()


def test_it_holds_no_tools(image: Image) -> None:
    """Nothing that builds or installs, of ours or of the base's Python, and nothing of the tree but what runs."""
    programs = [path.name for place in ("bin", "sbin") for path in image.root.glob(f"**/{place}/*")]
    tools = re.compile(r"(pip|easy_install|wheel|flit)[\d.]*|.*gcc.*|cc|c\+\+|g\+\+|ld|make|cmake|git|curl|wget")
    assert [name for name in programs if tools.fullmatch(name)] == []
    for name in ("pip", "ensurepip", "setuptools", "flit_core", "wheel", "_distutils_hack", "kubernetes/aio"):
        places = [image.root / VENV, *image.root.glob("usr/lib/python3*"), *image.root.glob("usr/local/lib/python3*")]
        assert [path for place in places for path in place.glob(f"**/{name}")] == []
    rules = {path.name for path in (TREE / "rules").iterdir()} - {"tests"}
    assert {path.name for path in (image.root / "etc/remediator/rules").iterdir()} == rules
    assert not (image.root / "src").exists()


def test_every_module_is_compiled(image: Image) -> None:
    """Each module of ours and of what we need has bytecode that counts whatever became of the source's time."""
    sources = list(image.root.glob(f"{VENV}/lib/**/*.py"))
    assert len(sources) > 1000
    unchecked_hash = (1).to_bytes(4, "little")
    for source in sources:
        compiled = source.parent / "__pycache__" / f"{source.stem}.cpython-313.pyc"
        assert compiled.read_bytes()[4:8] == unchecked_hash, source


def test_a_start_compiles_nothing(image: Image, mounted: Path) -> None:
    """All that the service imports, the standard library's modules included, is there as bytecode."""
    code = """
import json, os, sys
import remediator.cli, remediator.cli.serve, remediator.service, remediator.sandbox.__main__
files = [getattr(module, "__cached__", None) for module in list(sys.modules.values())]
print(json.dumps([len(sys.modules), [name for name in files if name and not os.path.exists(name)]]))
"""
    ended = image.python(mounted, code)
    assert ended.returncode == 0, ended.stderr
    modules, missing = json.loads(ended.stdout)
    assert (modules > 500, missing) == (True, [])


def test_its_size_is_what_we_expect(image: Image, record_property: Callable[[str, object], None]) -> None:
    """What we add to the base stays within its limit; the figures are printed (`make image-size` shows them)."""
    packages = next(image.root.glob(f"{VENV}/lib/python3*/site-packages"))
    sizes = {path.name: _megabytes(path) for path in packages.iterdir() if path.is_dir()}
    ours = _megabytes(image.root / VENV)
    whole = sum(_megabytes(path) for path in image.root.iterdir() if path.is_dir() and not path.is_symlink())
    record_property("image_megabytes", whole)
    print(f"image {whole:.0f} MB, of this /{VENV} {ours:.0f} MB:")  # noqa: T201 - this is the report
    for name, size in sorted(sizes.items(), key=lambda item: -item[1])[:8]:
        print(f"  {name} {size:.1f} MB")  # noqa: T201
    assert ours < LIMIT_MB


def _megabytes(path: Path) -> float:
    files = (os.path.join(place, name) for place, _, names in os.walk(path) for name in names)  # noqa: PTH118
    return sum(os.lstat(file).st_size for file in files) / 1e6


def _endpoints(container: Container) -> tuple[str, str]:
    started = container.says(r"webhook\W+([\d.:]+)\W.*internal\W+([\d.:]+)")
    until("healthy", lambda: get_text(f"http://{started[2]}/-/healthy") is not None, 60)
    return f"http://{started[1]}/webhook", f"http://{started[2]}"


def test_it_runs_as_process_1_with_nothing_allowed(
    image: Image, mounted: Path, embedded: EmbeddedCluster, tmp_path: Path
) -> None:
    """With nothing to write to, /tmp included, and no capabilities, it acts on an alert; SIGTERM ends it with 0."""
    (mounted / "token").write_text("s3cr3t\n")
    (mounted / "kubeconfig").write_text(kubeconfig(embedded.url))
    for path in (mounted, *mounted.iterdir()):
        os.chown(path, 65532, 65532)
        path.chmod(0o500 if path.is_dir() else 0o400)
    flags = (f"--web.token-file={MOUNTED}/token", f"--kubeconfig={MOUNTED}/kubeconfig", "--log.format=json")
    with Container(image, tmp_path, mounted, "serve", *LISTENING, *flags) as container:
        webhook, internal = _endpoints(container)
        status = container.status()
        assert status["NSpid"].split() == [str(container.pid), "1"]
        assert (status["Uid"].split(), status["Gid"].split()) == (["65532"] * 4, ["65532"] * 4)
        assert {status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
        assert (status["NoNewPrivs"], status["Groups"]) == ("1", "")
        until("ready", lambda: get_text(f"{internal}/-/ready") is not None, 60)

        firing = json.loads(body(alert()))
        with pytest.raises(urllib.error.HTTPError, match="401") as refused:
            send_json(webhook, firing)
        refused.value.close()
        answer = send_json(webhook, firing, headers={"Authorization": "Bearer s3cr3t"})
        assert answer["outcomes"][0]["reason"] == "Applied"
        assert _flags(embedded)["DENIS_MATERIALIZERS_PCT"] == "0"

        began = time.monotonic()
        assert container.stop() == 0
        assert time.monotonic() - began < 8
    assert json.loads(container.output.read_text())["reason"] == "Applied"
    assert "Traceback" not in container.log.read_text()


def _flags(cluster: EmbeddedCluster) -> dict[str, Any]:
    with urllib.request.urlopen(f"{cluster.url}/apis/apps/v1/namespaces/denis/deployments/denis") as response:
        (container,) = json.load(response)["spec"]["template"]["spec"]["containers"]
    return {entry["name"]: entry["value"] for entry in container["env"]}


def test_it_brings_a_cluster_along_to_try_it_out(image: Image, mounted: Path, tmp_path: Path) -> None:
    """--embedded works in the image as well, with /tmp as the only place to write to."""
    flags = ("--embedded", "--insecure-no-auth")
    with Container(image, tmp_path, mounted, "serve", *LISTENING, *flags, scratch=True) as container:
        webhook, _ = _endpoints(container)
        answer = send_json(webhook, json.loads(body(alert("scale"))))
        assert answer["outcomes"][0]["reason"] == "Applied"
        assert container.stop() == 0


@pytest.mark.parametrize("scratch", [False, True], ids=["without-tmp", "with-tmp"])
def test_nothing_but_tmp_can_be_written_in_these_tests(image: Image, mounted: Path, scratch: bool) -> None:
    """The root that these tests give is read-only, also where the user could write; /tmp is the one exception."""
    code = """
def refusal(place):
    try:
        open(f"{place}/x", "w").close()
    except OSError as error:
        return error.errno
    return 0
print([refusal(place) for place in ("/opt/remediator", "/etc/remediator/rules", "/", "/tmp")])
"""
    ended = image.python(mounted, code, scratch=scratch)
    assert ended.returncode == 0, ended.stderr
    *elsewhere, tmp = json.loads(ended.stdout)
    assert (set(elsewhere), tmp) == ({errno.EROFS}, 0 if scratch else errno.EROFS)


def test_the_rules_inside_are_where_the_service_looks(image: Image, mounted: Path) -> None:
    """`check` finds the shipped rules without an argument, and they are in order."""
    ended = _run(image.command(mounted, "check", "--lint-fatal"))
    assert (ended.returncode, "SUCCESS: 2 remediations" in ended.stdout) == (0, True), ended.stderr


def test_without_arguments_it_refuses_to_start_unprotected(image: Image, mounted: Path) -> None:
    """The image's own command is `serve`, which wants to know who may post: exit code 2, and the flags are named."""
    ended = _run(image.command(mounted))
    assert (ended.returncode, "--web.token-file" in ended.stderr) == (2, True), ended.stderr


def _run(command: list[str | Path]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=60)

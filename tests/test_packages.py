"""The wheel and the sdist: what they hold, and that they work without a checkout."""

import json
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hatchling.build import build_sdist, build_wheel

from remediator import __version__
from remediator.sandbox import EmbeddedCluster
from tests.canary.test_emergency import release
from tests.contract.client import Client
from tests.support.components import component
from tests.support.replica import Replica
from tests.support.service import SHIPPED

TREE = SHIPPED.parents[1]

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    return _built(build_wheel, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment of its own that has the wheel, as pipx and `uv tool` make one.

    The dependencies are those of this environment, so that no registry is asked.
    """
    place = tmp_path_factory.mktemp("installed")
    venv.create(place, symlinks=True)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", f"--python={place}/bin/python"]
    subprocess.run([*pip, "install", "--no-index", "--no-deps", wheel], check=True, timeout=120)
    packages = next(place.glob("lib/python3*/site-packages"))
    (packages / "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return place / "bin"


@pytest.fixture
def elsewhere(installed: Path, tmp_path: Path) -> Iterator[Replica]:
    """The first command that `serve --help` shows, in an empty folder."""
    flags = ("--embedded", "--insecure-no-auth")
    with Replica(tmp_path / "empty", *flags, program=installed / "remediator") as replica:
        yield replica


@pytest.fixture
def run(installed: Path, embedded: EmbeddedCluster, tmp_path: Path) -> Run:
    """Runs a program in an empty folder, with the environment's programs and kubectl on PATH, on a sandbox cluster."""
    environment = {
        "PATH": f"{installed}:{component('kubectl', 'kubectl').parent}:/usr/bin:/bin",
        "KUBECONFIG": str(embedded.kubeconfig),
        "HOME": str(tmp_path),
        "COLUMNS": "100",
    }

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)

    return run


def _built(build: Callable[[str], str], directory: Path) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(TREE)
        return directory / build(str(directory))


def test_the_wheel_holds_the_page_and_the_shipped_rules(wheel: Path) -> None:
    """Template, stylesheet, script, icon and rules are installed with the code, and no tests."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        packaged = archive.read("remediator/rules/remediations.yaml")
    page = {"templates/status.html", "static/status.css", "static/status.js", "static/icon.svg"}
    rules = {f"rules/{path.name}" for path in SHIPPED.parent.glob("*.yaml")}
    assert {f"remediator/web/{name}" for name in page} | {f"remediator/{name}" for name in rules} <= names
    assert packaged == SHIPPED.read_bytes()
    assert {name.split("/")[0].partition("-")[0] for name in names} == {"remediator"}


def test_the_sdist_holds_what_an_operator_needs(tmp_path: Path) -> None:
    """Rules with their tests, scripts, documents and the license are there beside the code."""
    with tarfile.open(_built(build_sdist, tmp_path)) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    files = {"rules/denis.rules.yaml", "rules/tests/denis.test.yaml", "scripts/canary_set.sh", "docs/install.md"}
    assert files | {"LICENSE", "README.md", "CHANGELOG.md", "remediator/cli/serve.py"} <= names


def test_the_first_command_of_the_help_works_from_a_wheel(elsewhere: Replica, installed: Path) -> None:
    """Without a checkout and without a file, the embedded cluster is guarded by the packaged remediations."""
    elsewhere.wait_until_ready()
    config = json.loads(elsewhere.get("/api/v1/status")[1])["data"]["config"]
    assert config["file"].endswith("/site-packages/remediator/rules/remediations.yaml")
    assert config["file"].startswith(str(installed.parent))
    assert [remediation["name"] for remediation in config["remediations"]] == ["rollback", "scale-workers"]
    assert elsewhere.get("/")[0] == 200


def test_a_real_cluster_needs_a_file_of_its_own(installed: Path, tmp_path: Path) -> None:
    """Without --embedded, nothing is assumed about the targets: the missing file is an error."""
    ended = subprocess.run(
        [installed / "remediator", "serve", "--insecure-no-auth"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (ended.returncode, "rules/remediations.yaml" in ended.stderr) == (2, True)
    assert "--config.file" in ended.stderr


def test_it_says_what_it_can_do(run: Run) -> None:
    """Help and version need no checkout, no file and no cluster."""
    assert run("remediator", "--help").stdout.startswith("Usage: remediator [OPTIONS] COMMAND")
    assert run("remediator", "--version").stdout == f"remediator, version {__version__}\n"


def test_files_are_checked_and_tested(run: Run) -> None:
    """The commands for files work on any folder's files, and without one they say which file they miss."""
    assert run("remediator", "check", "--lint-fatal", str(SHIPPED)).returncode == 0
    assert run("remediator", "test", str(SHIPPED.parent / "tests" / "remediations-test.yaml")).returncode == 0
    assert "rules/remediations.yaml: cannot be read" in run("remediator", "check").stdout


def test_a_laptop_needs_no_file(run: Run, embedded: EmbeddedCluster) -> None:
    """With a kubeconfig alone, the release on the cluster says where the canary is."""
    refused = run("remediator", "canary", "status")
    assert (refused.returncode, "no release of the chart is found" in refused.stderr) == (2, True)
    release(Client(url=embedded.url), "denis", SHIPPED.read_text())
    shown = run("remediator", "canary", "status")
    assert (shown.returncode, shown.stdout.split()[:3]) == (0, ["canary", "10", "%"])


@pytest.mark.parametrize(
    ("command", "usage"),
    [
        (("canary",), "kubectl canary [OPTIONS] COMMAND [ARGS]..."),
        (("canary", "history"), "kubectl canary history [OPTIONS]"),
        (("remediator",), "kubectl remediator [OPTIONS] COMMAND [ARGS]..."),
        (("remediator", "canary", "verify"), "kubectl remediator canary verify [OPTIONS] [PERCENTAGE]"),
        (("remediator", "kill-switch", "on"), "kubectl remediator kill-switch on [OPTIONS]"),
    ],
)
def test_kubectl_shows_the_commands_as_its_own(run: Run, command: tuple[str, ...], usage: str) -> None:
    """Usage, errors and examples name what was typed, so that they can be copied."""
    shown = run("kubectl", *command, "--help").stdout
    assert shown.splitlines()[0] == f"Usage: {usage}"
    examples = [line.strip() for line in shown.partition("Examples:")[2].partition("\n\n")[0].splitlines() if line]
    assert all(line.startswith(("kubectl canary ", "kubectl remediator ")) for line in examples if "remed" in line)
    wrong = run("kubectl", *command, "--nonsense")
    assert (wrong.returncode, f"Try 'kubectl {' '.join(command)} --help'" in wrong.stderr) == (2, True)


def test_kubectl_passes_flags_answers_and_exit_codes_on(run: Run, embedded: EmbeddedCluster) -> None:
    """A plugin works on kubectl's own kubeconfig, writes what it writes, and ends as it ends."""
    assert {"kubectl-canary", "kubectl-remediator"} <= set(
        run("kubectl", "plugin", "list", "--name-only").stdout.split()
    )
    flags = ("--namespace=denis", "--deployment=denis")
    assert run("kubectl", "canary", "rollback", "--no-wait", *flags).returncode == 0
    (container,) = embedded.deployment()["spec"]["template"]["spec"]["containers"]
    assert {"name": "DENIS_MATERIALIZERS_PCT", "value": "0"} in container["env"]
    stopped = run("kubectl", "remediator", "explain", "--label=remediation=rollback", f"--config.file={SHIPPED}")
    assert stopped.returncode == 3


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (("canary", "st"), ["status\tShow where the canary is, and whether it may go on."]),
        (("canary", "set", ""), ["0", "1", "10", "50", "100"]),
        (("canary", "status", "--outp"), ["--output\tOutput format."]),
        (
            ("remediator", "kill-switch", "of"),
            ["off\tTurn the switch off, and return to the replicas from before."],
        ),
    ],
    ids=str,
)
def test_kubectl_completes_the_commands(run: Run, typed: tuple[str, ...], offered: list[str]) -> None:
    """kubectl's completion offers what remediator's own does."""
    assert run("kubectl", "__complete", *typed).stdout.splitlines() == [*offered, ":4"]


def test_kubectl_completes_file_names(run: Run) -> None:
    """Where a file is asked for, the shell is left to offer its files."""
    assert run("kubectl", "__complete", "remediator", "check", "").stdout.splitlines() == [":0"]

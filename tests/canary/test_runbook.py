"""docs/canary.md and what the README shows of it, word for word: each command, in the order of the page."""

import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from demo.denis import Denis
from remediator.sandbox import EmbeddedCluster
from tests.canary.conftest import await_settled, embedded_place
from tests.canary.place import Place, seed_denis
from tests.support.components import component
from tests.support.control_plane import ControlPlane

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "canary.md").read_text()
README = (ROOT / "README.md").read_text()


def commands(page: str = PAGE) -> Iterator[tuple[str, int]]:
    """The commands of a page, with the exit codes that it names."""
    for block in re.findall(r"^```sh\n(.*?)^```", page, re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            command, _, said = line.partition("  # exits with ")
            yield command, int(said[:1] or 0)


@pytest.fixture
def denis_on_kubernetes(control_plane: ControlPlane, tmp_path: Path) -> Iterator[Place]:
    """DENIS on the real control plane, in the namespace that the page names."""
    control_plane.namespace_named("denis")
    seed_denis(control_plane.api, "denis")
    place = Place(api=control_plane.api, kubeconfig=control_plane.kubeconfig, namespace="denis", directory=tmp_path)
    await_settled(place)
    yield place
    control_plane.delete_namespace("denis")


@pytest.fixture
def denis_embedded(tmp_path: Path) -> Iterator[Place]:
    """DENIS on the embedded cluster."""
    with EmbeddedCluster(step=0.05) as cluster:
        yield embedded_place(cluster, cluster.kubeconfig, tmp_path)


def test_the_runbook_works_word_for_word(denis_on_kubernetes: Place, tmp_path: Path) -> None:
    """Every command of the page ends as the page says, on a real control plane."""
    run(commands(), denis_on_kubernetes, tmp_path)


def test_the_readmes_tour_works_word_for_word(denis_embedded: Place, tmp_path: Path) -> None:
    """Who pastes the README's commands one after the other, beginning at 10 %, sees them all work."""
    _, beginning, tour = README.partition("with a canary at 10 %.")
    assert beginning
    assert denis_embedded.percentage() == "10"
    shown = list(commands(tour.partition("\n## ")[0]))
    assert len(shown) == 6
    run(shown, denis_embedded, tmp_path)


def run(shown: Iterable[tuple[str, int]], place: Place, home: Path) -> None:
    """Type the commands, one after the other."""
    with EmbeddedCluster() as healthy, Denis(healthy.url) as denis:
        environment = {
            "PATH": f"{Path(sys.executable).parent}:{component('kubectl', 'kubectl').parent}:{os.environ['PATH']}",
            "HOME": str(home),
            "KUBECONFIG": str(place.kubeconfig),
            "REMEDIATOR_CONFIG_FILE": str(place.config_file),
            "REMEDIATOR_DENIS_URL": f"http://{denis.address}",
        }
        for command, code in shown:
            ended = subprocess.run(
                ["bash", "-c", command],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                timeout=90,
            )
            assert ended.returncode == code, f"{command}\n{ended.stdout}{ended.stderr}"
            assert "Traceback" not in ended.stderr


def test_the_page_names_every_command() -> None:
    """Each of the canary's commands stands on the page, by the name that the program has."""
    from remediator.cli import main
    from remediator.cli.canary import canary

    named = {command for command, _ in commands()}
    for name in canary.commands:
        assert any(f"remediator canary {name}" in command for command in named), name
    for name in ("pause", "resume", "kill-switch on", "kill-switch off", "explain"):
        assert name.partition(" ")[0] in main.commands
        assert any(f"remediator {name}" in command for command in named), name

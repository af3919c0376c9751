"""How much of the package one walks through: rooms, floors, arrows, and the modules that one piece of work visits.

python -m benchmarks.rooms [--modules]

A call from one module into another is a switch. What is in no module of Remediator's, what is imported meanwhile, and
other threads do not count. The sandbox is the API server.
"""

import ast
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

from click.testing import CliRunner

import remediator
from remediator.cli import main as program
from remediator.sandbox import EmbeddedCluster
from remediator.web.webhook import create_app
from tests.support.service import SHIPPED, Service, alert, body

PACKAGE = Path(remediator.__file__).parent
SANDBOX = "sandbox"


@dataclass(kw_only=True)
class Walk:
    """The modules that one piece of work visits."""

    modules: set[str] = field(default_factory=set)
    ways: set[tuple[str | None, str]] = field(default_factory=set)
    """From which module into which."""
    switches: int = 0

    @contextmanager
    def followed(self) -> Iterator[None]:
        """Count what this thread calls."""
        visited: list[str | None] = [None]
        importing = 0

        def note(frame: FrameType, event: str, argument: Any) -> None:
            nonlocal importing
            if frame.f_code.co_name == "<module>":
                importing += (event == "call") - (event == "return")
            elif event == "call":
                module = None if importing else _module(frame.f_code.co_filename)
                if module and module != visited[-1]:
                    self.modules.add(module)
                    self.ways.add((visited[-1], module))
                    self.switches += 1
                visited.append(module or visited[-1])
            elif event == "return" and len(visited) > 1:
                visited.pop()

        sys.setprofile(note)
        try:
            yield
        finally:
            sys.setprofile(None)


def _module(file: str) -> str | None:
    """The module of a file of the package, as `core.ladder`, or None."""
    path = Path(file)
    if not path.is_relative_to(PACKAGE) or path.relative_to(PACKAGE).parts[0] == SANDBOX:
        return None
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


def follow_notification(cluster: EmbeddedCluster, kubeconfig: Path) -> Walk:
    """From the webhook's request to the answer: an alert that leads to a rollback."""
    service = Service(kubeconfig, clock=lambda: datetime.now(UTC))
    client = create_app(service.remediator.handle, None, service.metrics, service.notifications).test_client()

    def post(status: str) -> str:
        content = body(alert(status=status))
        answer = client.post("/webhook", data=content, content_type="application/json")
        return str(answer.get_json()["outcomes"][0]["reason"])

    # What is imported when it is first needed is no part of the way.
    assert post("resolved") == "NotFiring"
    service.cluster.read(service.policy.targets[0])
    cluster.await_settled()
    walk = Walk()
    with walk.followed():
        reason = post("firing")
    service.recorder.close(5)
    assert reason == "Applied", reason
    return walk


def follow_set(cluster: EmbeddedCluster, kubeconfig: Path) -> Walk:
    """`remediator canary set`, from the command line to what it prints."""

    def run(percentage: int) -> None:
        flags = [f"--kubeconfig={kubeconfig}", f"--config.file={SHIPPED}", "--no-wait", "--yes", "--reason=a count"]
        result = CliRunner().invoke(program, ["canary", "set", f"{percentage}", "--override", *flags])
        assert result.exit_code == 0, result.output

    run(50)
    cluster.await_settled()
    walk = Walk()
    with walk.followed():
        run(100)
    return walk


def arrows() -> set[tuple[str, str]]:
    """Which room imports which, wherever the import stands."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        room = _room(path.relative_to(PACKAGE).with_suffix("").parts)
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                first, _, rest = name.partition(".")
                if first == PACKAGE.name and rest and _room(tuple(rest.split("."))) != room:
                    found.add((room, _room(tuple(rest.split(".")))))
    return {arrow for arrow in found if "" not in arrow}


def _room(parts: tuple[str, ...]) -> str:
    return "" if parts[0].startswith("__") else parts[0]


def main(*, with_modules: bool) -> int:
    """Print the figures."""
    contract = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]
    floors = len(contract["layers"])
    rooms = sum(layer.count("|") + 1 for layer in contract["layers"])
    found = arrows()
    print(f"{rooms} rooms beside the sandbox, on {floors} floors, with {len(found)} arrows between them")
    for name, follow in (("one notification that leads to an act", follow_notification), ("canary set", follow_set)):
        with EmbeddedCluster() as cluster, tempfile.TemporaryDirectory() as directory:
            kubeconfig = Path(directory) / "kubeconfig"
            cluster.write_kubeconfig(kubeconfig)
            walk = follow(cluster, kubeconfig)
        print(f"{name}: {len(walk.modules)} modules, {len(walk.ways)} ways, {walk.switches} switches")
        if with_modules:
            print("".join(f"  {module}\n" for module in sorted(walk.modules)), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main(with_modules="--modules" in sys.argv))

"""What `remediator serve` loads before and while it works: nothing heavy that it does not use."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.faults import FaultyApi
from tests.support.service import SHIPPED

WORK = """
import json, sys
from datetime import UTC, datetime
from pathlib import Path
import remediator.cli.serve, remediator.service
from remediator.kube.targets import Cluster, Event
from remediator.kube.connection import Connection
from remediator.config.loader import parse_policy

policy = parse_policy(Path(sys.argv[1]).read_text(), "")
cluster = Cluster(Connection(Path(sys.argv[2])))
for target in policy.targets:
    assert cluster.read(target, autoscalers=True).uid
    cluster.apply(target, {"metadata": {"annotations": {"a": "b"}}}, dry_run=False)
    cluster.emit_event(Event(
        name=target.name, target=target, uid="1", type="Normal", reason="x", action="x", note="", time=datetime.now(UTC)
    ))
print(json.dumps(list(sys.modules)))
"""

PACKAGES = {
    # What is declared in pyproject.toml, with what each of them needs.
    *("click", "flask", "gunicorn", "prometheus_client", "pydantic", "remediator", "urllib3", "yaml"),
    *("blinker", "itsdangerous", "jinja2", "markupsafe", "werkzeug"),
    *("annotated_types", "pydantic_core", "typing_extensions", "typing_inspection"),
    # For the matchers of the route beside remediations.yaml.
    "re2",
    # For SOCKS proxies.
    "socks",
}
"""All that `serve` may import, beside Python's own library."""

HEAVY = {"asyncio", "sqlite3", "tkinter", "unittest", "xml.dom"}
"""What a thread that waits for JSON has no use for."""


def modules(program: str, *arguments: object) -> set[str]:
    """What a program of its own has imported in the end."""
    command = [sys.executable, "-I", "-c", program, *map(str, arguments)]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(json.loads(ended.stdout))


@pytest.fixture
def loaded(api: FaultyApi, tmp_path: Path) -> set[str]:
    """The modules of a service that has read, acted and written Events."""
    return modules(WORK, SHIPPED, api.write_kubeconfig(tmp_path / "kubeconfig"))


def test_serve_loads_nothing_that_it_does_not_use(loaded: set[str]) -> None:
    """A package that sneaks in is named: aiohttp, selenium, a cloud's library, or the tests'; so is a heavy module."""
    own = sys.stdlib_module_names | {"__main__"}
    packages = {name.partition(".")[0] for name in loaded if "." in name}
    assert sorted(packages - own - PACKAGES) == []
    assert sorted(HEAVY & loaded) == []

"""What `remediator serve` loads before and while it works: nothing heavy that it does not use."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults import FaultyApi
from tests.service import SHIPPED

WORK = """
import json, sys
from datetime import UTC, datetime
from pathlib import Path
import remediator.cli.serve, remediator.server
from remediator.cluster import Cluster, Event
from remediator.connection import Connection
from remediator.policy_file import parse_policy

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

CLIENT = "import json, sys, kubernetes; print(json.dumps(list(sys.modules)))"

PACKAGES = {
    # What is declared in pyproject.toml, with what each of them needs.
    *("click", "flask", "gunicorn", "kubernetes", "prometheus_client", "pydantic", "remediator", "urllib3", "yaml"),
    *("blinker", "itsdangerous", "jinja2", "markupsafe", "werkzeug"),
    *("annotated_types", "pydantic_core", "typing_extensions", "typing_inspection"),
    # Of the Kubernetes client, whatever is used of it: OAuth for kubeconfigs, and watches and shells over websockets.
    *("certifi", "charset_normalizer", "dateutil", "durationpy", "idna", "oauthlib", "requests", "requests_oauthlib"),
    *("six", "socks", "websocket"),
}
"""All that `serve` may import, beside Python's own library."""


def modules(program: str, *arguments: object) -> set[str]:
    """What a program of its own has imported in the end."""
    command = [sys.executable, "-I", "-c", program, *map(str, arguments)]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(json.loads(ended.stdout))


@pytest.fixture
def loaded(api: FaultyApi, tmp_path: Path) -> set[str]:
    """The modules of a service that has read, acted and written Events."""
    return modules(WORK, SHIPPED, api.write_kubeconfig(tmp_path / "kubeconfig"))


def test_serve_loads_nothing_of_the_client_beyond_its_package(loaded: set[str]) -> None:
    """No generated class for an API or a model: each costs megabytes and a part of a second for what is JSON anyway."""
    unasked = modules(CLIENT)
    assert sorted(name for name in loaded - unasked if name.startswith("kubernetes.")) == []


def test_serve_loads_no_package_that_it_does_not_use(loaded: set[str]) -> None:
    """A package that sneaks in is named: aiohttp, selenium, a cloud's library, or the tests'."""
    own = sys.stdlib_module_names | {"__main__"}
    packages = {name.partition(".")[0] for name in loaded if "." in name}
    assert sorted(packages - own - PACKAGES) == []


@pytest.mark.parametrize("name", ["asyncio", "sqlite3", "tkinter", "unittest", "xml.dom"])
def test_serve_loads_no_heavy_part_of_pythons_library(loaded: set[str], name: str) -> None:
    """What a thread that waits for JSON has no use for."""
    assert name not in loaded

"""docs/webhook.openapi.yaml, held against the running service by schemathesis."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from remediator.sandbox import EmbeddedCluster
from remediator.sandbox.kubeconfig import kubeconfig
from tests.support.components import component
from tests.support.replica import Replica
from tests.support.service import SHIPPED

SPECIFICATION = SHIPPED.parents[1] / "docs" / "webhook.openapi.yaml"


@pytest.fixture
def guarded(embedded: EmbeddedCluster, tmp_path: Path) -> Iterator[Replica]:
    """A service that wants a token."""
    (tmp_path / "token").write_text("s3cr3t\n")
    (tmp_path / "kubeconfig").write_text(kubeconfig(embedded.url))
    flags = (f"--web.token-file={tmp_path}/token", f"--kubeconfig={tmp_path}/kubeconfig", f"--config.file={SHIPPED}")
    with Replica(tmp_path / "replica", *flags) as replica:
        replica.wait_until_ready()
        yield replica


def test_the_webhook_is_as_specified(guarded: Replica, tmp_path: Path) -> None:
    """Hundreds of generated requests, good and bad, are answered as the specification says, and none with a fault."""
    host, port = guarded.address
    judged = subprocess.run(
        [
            component("schemathesis", "schemathesis", made_by="linters"),
            *("run", SPECIFICATION, f"--url=http://{host}:{port}", "--header=Authorization: Bearer s3cr3t"),
            *("--max-examples=50", "--seed=1", "--no-color", "--generation-database=none"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert judged.returncode == 0, judged.stdout[-4000:] + judged.stderr[-2000:]
    assert "Traceback" not in guarded.log.read_text()
    assert guarded.value('remediator_notifications_total{code="200"}') > 10

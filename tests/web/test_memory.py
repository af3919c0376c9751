"""What the service holds of the memory."""

from pathlib import Path

from benchmarks.clients.flood import flood
from benchmarks.footprint import alone, family
from remediator.sandbox import EmbeddedCluster
from tests.support.replica import Replica
from tests.support.service import SHIPPED, alert, body


def test_what_master_and_worker_share_stays_shared(embedded: EmbeddedCluster, tmp_path: Path) -> None:
    """After some thousand notifications they hold hardly more together than when they were ready."""
    embedded.write_kubeconfig(tmp_path / "kubeconfig")
    flags = (f"--config.file={SHIPPED}", f"--kubeconfig={tmp_path / 'kubeconfig'}", "--insecure-no-auth")
    with Replica(tmp_path, *flags) as replica:
        replica.wait_until_ready()
        ready = alone(family(replica.pid))
        flood(replica.address, body(alert("unmatched")), 3_000, 4)
        assert alone(family(replica.pid)) < 1.15 * ready

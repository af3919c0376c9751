"""A service that several tests of a file share."""

from collections.abc import Iterator

import pytest

from remediator.sandbox import EmbeddedCluster
from tests.support.replica import Replica
from tests.support.service import SHIPPED


@pytest.fixture(scope="module")
def shared_replica(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replica]:
    """A ready service without credentials, for tests that leave it as it was and read no counter of it."""
    directory = tmp_path_factory.mktemp("shared")
    with EmbeddedCluster() as cluster:
        cluster.write_kubeconfig(directory / "kubeconfig")
        flags = (f"--config.file={SHIPPED}", f"--kubeconfig={directory / 'kubeconfig'}", "--insecure-no-auth")
        with Replica(directory, *flags) as running:
            running.wait_until_ready()
            yield running

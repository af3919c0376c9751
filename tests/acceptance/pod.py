"""A replica as in a Pod: it finds its API server and its service account where the kubelet puts them."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.control_plane.service_account import FOLDER, MountedAccount
from tests.support.replica import Replica

# In a mount namespace of its own, so that nothing of this machine is touched: the folder, what is mounted on it, and
# a command with its environment.
MOUNT = """
mount -t tmpfs tmpfs /var/run
mkdir -p "$1"
mount --bind "$2" "$1"
shift 2
exec env "$@"
"""


def in_pod(account: MountedAccount, address: str) -> Sequence[str | Path]:
    """The command that starts another one in the surroundings of a Pod.

    Raises pytest's Skipped (or Failed in CI) where mount namespaces are not permitted.
    """
    tried = subprocess.run(["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/var/run"], capture_output=True)
    if tried.returncode:
        missing = f"a mount namespace needs root here: {tried.stderr.decode().strip()}"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    host, _, port = address.partition(":")
    environment = [f"KUBERNETES_SERVICE_HOST={host}", f"KUBERNETES_SERVICE_PORT={port}"]
    return ["unshare", "--mount", "sh", "-euc", MOUNT, "pod", FOLDER, account.directory, *environment]


class Pod(Replica):
    """A running replica with this service account and no kubeconfig."""

    def __init__(self, directory: Path, account: MountedAccount, address: str, config: Path) -> None:
        flags = (f"--config.file={config}", "--insecure-no-auth")
        super().__init__(directory, *flags, within=in_pod(account, address))

    def requests(self) -> set[tuple[str, str]]:
        """The verbs of the requests to the API server so far, each with the status that answered it."""
        families = text_string_to_metric_families(self.get("/metrics")[1])
        samples = (sample for family in families for sample in family.samples)
        wanted = (one for one in samples if one.name == "remediator_kubernetes_requests_total" and one.value)
        return {(sample.labels["verb"], sample.labels["code"]) for sample in wanted}

"""The parts that the reflex is made of, each a real process on a free port of loopback, and what they can be asked."""

import json
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from prometheus_client.parser import text_string_to_metric_families

from demo.denis import percentage
from demo.loopback import get_json, get_text, send_json
from demo.process import Process
from demo.shipped import RULES

ANY_PORT = "127.0.0.1:0"


class Remediator(Process):
    """`remediator serve`."""

    def __init__(
        self,
        directory: Path,
        *,
        token_files: Sequence[Path],
        cluster: Sequence[str],
        config: Path = RULES / "remediations.yaml",
        address: str = ANY_PORT,
        internal_address: str = ANY_PORT,
    ) -> None:
        command: list[str | Path] = [Path(sys.executable).with_name("remediator"), "serve", *cluster]
        command += [f"--config.file={config}", *(f"--web.token-file={path}" for path in token_files)]
        command += [f"--web.listen-address={address}", f"--web.internal-listen-address={internal_address}"]
        self.address = self.internal_address = ""
        super().__init__("remediator", command, directory)

    def ready(self) -> Self:
        """Wait until it listens."""
        started = self.says(r"msg=starting .*webhook=(\S+) internal=(\S+)")
        self.address, self.internal_address = started[1], started[2]
        return self

    def ask_to_stop(self) -> None:
        """Send SIGTERM; before it listens, that would end it without its embedded cluster, and SIGINT does not."""
        self.signal(signal.SIGTERM if self.address else signal.SIGINT)

    def decisions(self) -> list[dict[str, Any]]:
        """The audit lines of decisions so far, of earlier runs in the same directory too."""
        return self._audit("decision")

    def verifications(self) -> list[dict[str, Any]]:
        """The audit lines of what became of acts so far."""
        return self._audit("verification")

    def _audit(self, kind: str) -> list[dict[str, Any]]:
        lines = self.output.read_text(errors="replace").splitlines(keepends=True)
        audit = (json.loads(line) for line in lines if line.endswith("\n"))
        return [line for line in audit if line["audit"] == kind]

    def status(self) -> Any:
        """What /api/v1/status says."""
        return get_json(f"http://{self.internal_address}/api/v1/status")["data"]

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's series that have these labels."""
        return metric(self.internal_address, name, **labels)


class Alertmanager(Process):
    """Alertmanager; with peers, one of a cluster."""

    def __init__(
        self,
        program: Path,
        directory: Path,
        *,
        config: str,
        address: str = ANY_PORT,
        name: str = "alertmanager",
        peering: Sequence[str] = ("--cluster.listen-address=",),
    ) -> None:
        file, data = directory / f"{name}.yaml", directory / f"{name}.data"
        file.write_text(config)
        command: list[str | Path] = [
            program,
            f"--config.file={file}",
            f"--storage.path={data}",
            f"--web.listen-address={address}",
        ]
        super().__init__(name, [*command, *peering], directory)

    def ready(self) -> Self:
        """Wait until it listens."""
        self.address = self.says(r"msg=\"?Listening on\"? .*address=(\S+)")[1]
        return self

    def alerts(self) -> list[dict[str, Any]]:
        """The alerts that fire."""
        found: list[dict[str, Any]] = get_json(f"http://{self.address}/api/v2/alerts")
        return found

    def silence(self, silence: Mapping[str, Any]) -> None:
        """Add a silence."""
        send_json(f"http://{self.address}/api/v2/silences", silence)

    def peer_address(self) -> str:
        """Where other members of its cluster reach it."""
        status = self._cluster()
        return next(str(peer["address"]) for peer in status["peers"] if peer["name"] == status["name"])

    def peers(self) -> int:
        """How many members its cluster has, itself among them."""
        return len(self._cluster()["peers"])

    def _cluster(self) -> dict[str, Any]:
        status: dict[str, Any] = get_json(f"http://{self.address}/api/v2/status")["cluster"]
        return status

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's series that have these labels."""
        return metric(self.address, name, **labels)


class Prometheus(Process):
    """Prometheus with its files: prometheus.json, and the rules that it names."""

    def __init__(self, program: Path, directory: Path, files: Mapping[str, str], *, flags: Sequence[str] = ()) -> None:
        for name, text in files.items():
            (directory / name).write_text(text)
        command: list[str | Path] = [program, f"--config.file={directory / 'prometheus.json'}"]
        command += [f"--storage.tsdb.path={directory / 'prometheus.data'}", f"--web.listen-address={ANY_PORT}"]
        super().__init__("prometheus", [*command, "--rules.alert.resend-delay=2s", *flags], directory)

    def ready(self) -> Self:
        """Wait until it listens and answers; until its storage is open, it answers queries with 503."""
        self.address = self.says(r"msg=\"?Listening on\"? .*address=(\S+)")[1]
        self.says(r"Server is ready to receive web requests")
        return self

    def alerts(self) -> list[dict[str, Any]]:
        """The alerts that are pending or firing."""
        found: list[dict[str, Any]] = get_json(f"http://{self.address}/api/v1/alerts")["data"]["alerts"]
        return found

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series that an expression yields now."""
        url = f"http://{self.address}/api/v1/query?query={quote(expression)}"
        found: list[dict[str, Any]] = get_json(url)["data"]["result"]
        return found


class Deployments:
    """The two Deployments of DENIS, by the Kubernetes API."""

    def __init__(self, api_url: str, *, namespace: str = "denis") -> None:
        self._url = f"{api_url}/apis/apps/v1/namespaces/{namespace}/deployments"

    def get(self, name: str) -> dict[str, Any]:
        """A Deployment as it is now."""
        found: dict[str, Any] = get_json(f"{self._url}/{name}")
        return found

    def patch(self, name: str, patch: Mapping[str, Any]) -> None:
        """Change a Deployment as an operator would."""
        headers = {"Content-Type": "application/strategic-merge-patch+json"}
        send_json(f"{self._url}/{name}", patch, method="PATCH", headers=headers)

    def percentage(self) -> int:
        """The canary's share of the traffic."""
        return percentage(self.get("denis"))

    def workers(self) -> int:
        """How many workers there are to be."""
        return int(self.get("denis-workers")["spec"]["replicas"])

    def generation(self, name: str) -> int:
        """How often the specification was changed, from 1."""
        return int(self.get(name)["metadata"]["generation"])

    def acts(self, name: str) -> list[dict[str, Any]]:
        """What the ledger on a Deployment holds, oldest first."""
        annotations = self.get(name)["metadata"].get("annotations", {})
        acts: list[dict[str, Any]] = json.loads(annotations.get("remediator.denis.run/ledger", '{"acts": []}'))["acts"]
        return acts


def metric(address: str, name: str, **labels: str) -> float:
    """The sum of the series of a metric that have these labels, at an address that exports metrics."""
    families = text_string_to_metric_families(get_text(f"http://{address}/metrics"))
    samples = (sample for family in families for sample in family.samples if sample.name == name)
    return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())

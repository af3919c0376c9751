"""Where the canary's commands are tried: DENIS in a namespace, on the embedded cluster or on a real control plane."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from remediator.cli import main
from remediator.config.loader import parse_policy
from remediator.core.ledger import LEDGER
from remediator.core.policy import Policy
from remediator.sandbox import seed
from tests.contract.client import STRATEGIC, Client
from tests.support.service import SHIPPED


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a command ended."""

    code: int
    output: str
    """Standard output and standard error, as a terminal shows them."""
    stdout: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """DENIS in a namespace of its own: `denis` at 10 % with three pods, `denis-workers` with four."""

    api: Client
    kubeconfig: Path
    namespace: str
    directory: Path

    @property
    def config_file(self) -> Path:
        """The shipped remediations, for this namespace."""
        path = self.directory / "remediations.yaml"
        if not path.exists():
            path.write_text(SHIPPED.read_text().replace("namespace: denis", f"namespace: {self.namespace}"))
        return path

    def policy(self) -> Policy:
        """What the file says."""
        return parse_policy(self.config_file.read_text(), str(self.config_file))

    def run(self, *arguments: str, stdin: str | None = None, kubeconfig: Path | None = None) -> Ended:
        """Run `remediator` with these arguments, on this place. A traceback fails the test."""
        command = [*arguments, f"--kubeconfig={kubeconfig or self.kubeconfig}", f"--config.file={self.config_file}"]
        result = CliRunner().invoke(main, command, input=stdin, catch_exceptions=False)
        return Ended(code=result.exit_code, output=result.output, stdout=result.stdout)

    def deployment(self, name: str = "denis") -> Any:
        """A Deployment as it is now."""
        answer = self.api.get(self.path(name))
        assert answer.code == 200, answer
        return answer.body

    def path(self, name: str = "denis") -> str:
        """Where a Deployment is."""
        return f"/apis/apps/v1/namespaces/{self.namespace}/deployments/{name}"

    def flags(self) -> dict[str, str]:
        """The canary's environment."""
        (container,) = self.deployment()["spec"]["template"]["spec"]["containers"]
        return {variable["name"]: variable["value"] for variable in container["env"]}

    def percentage(self) -> str:
        """The canary's share, as its flag says."""
        return self.flags()["DENIS_MATERIALIZERS_PCT"]

    def workers(self) -> int:
        """How many workers there are to be."""
        return int(self.deployment("denis-workers")["spec"]["replicas"])

    def annotations(self, name: str = "denis") -> dict[str, Any]:
        """What Remediator's annotations on a Deployment say, by the last part of their names."""
        found = self.deployment(name)["metadata"].get("annotations", {})
        prefix = LEDGER.removesuffix("ledger")
        return {key.removeprefix(prefix): json.loads(text) for key, text in found.items() if key.startswith(prefix)}

    def acts(self, name: str = "denis") -> list[dict[str, Any]]:
        """The ledger of a Deployment, the oldest act first."""
        acts: list[dict[str, Any]] = self.annotations(name).get("ledger", {"acts": []})["acts"]
        return acts

    def set_flags(self, *, manager: str = "kubectl-set", **flags: str) -> None:
        """Set flags by hand, as `kubectl set env` does."""
        env = [{"name": name, "value": value} for name, value in flags.items()]
        spec = {"template": {"spec": {"containers": [{"name": "denis", "env": env}]}}}
        self.patch("denis", {"spec": spec}, manager=manager)

    def patch(self, name: str, patch: dict[str, Any], *, manager: str = "kubectl-edit") -> None:
        """Change a Deployment by hand."""
        answer = self.api.patch(self.path(name), patch, STRATEGIC, fieldManager=manager)
        assert answer.code == 200, answer


def seed_denis(api: Client, namespace: str) -> None:
    """Make DENIS's Deployments in a namespace."""
    for manifest in seed.objects():
        if manifest["kind"] == "Deployment":
            here = {**manifest, "metadata": {**manifest["metadata"], "namespace": namespace}}
            made = api.post(f"/apis/apps/v1/namespaces/{namespace}/deployments", here)
            assert made.code == 201, made
